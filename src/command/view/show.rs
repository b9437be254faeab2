//! How traces are written: as waterfalls, as a list, or as JSON lines.

use crate::args::{General, View, ViewFormat};
use crate::output::{Output, WriteFailed};
use crate::terminal;
use crate::trace::{Gathered, Trace};
use crate::view::{
    Hues, LIST_WIDTH_DEFAULT, ViewStyle, WIDTH_DEFAULT, WIDTH_MIN, json_line, list, waterfall,
};

/// Waterfalls that are written unless more are asked for.
const WATERFALLS_DEFAULT: usize = 10;

/// Lines of a list that are written unless more are asked for.
const LINES_DEFAULT: usize = 50;

/// Writes traces in one form.
pub(super) struct Show {
    form: Form,
    limit: usize,
    style: ViewStyle,
    hues: Hues,
    /// Whether something was written before.
    has_begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Waterfalls,
    List,
    Json { with_spans: bool },
}

impl Show {
    pub(super) fn new(args: &View, general: General) -> Self {
        let form = match args.format {
            ViewFormat::Jsonl => Form::Json { with_spans: !args.list },
            ViewFormat::Text if args.list => Form::List,
            ViewFormat::Text => Form::Waterfalls,
        };
        let limit = match form {
            Form::Waterfalls => WATERFALLS_DEFAULT,
            Form::List => LINES_DEFAULT,
            Form::Json { .. } => 0,
        };
        let width = args.width.or_else(terminal::width).map(|width| width.max(WIDTH_MIN));
        // Without a terminal a list is read by programs as often as not: it has whole ids.
        let without = if form == Form::List { LIST_WIDTH_DEFAULT } else { WIDTH_DEFAULT };
        let width = width.unwrap_or(without);
        Self {
            form,
            limit: args.limit.unwrap_or(limit),
            style: ViewStyle {
                is_colored: general.colors.on_stdout,
                width,
                shows_all: general.is_verbose,
                shown: args.show.iter().map(|key| std::sync::Arc::from(key.as_str())).collect(),
            },
            hues: Hues::default(),
            has_begun: false,
        }
    }

    /// Traces that are shown at most; 0 for all.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Writes traces, one after the other: they are read as wholes one at a time.
    pub(super) fn write(
        &mut self,
        traces: Vec<Gathered>,
        output: &mut Output,
    ) -> Result<(), WriteFailed> {
        if self.form == Form::List {
            let traces: Vec<Trace> = traces.into_iter().map(Trace::new).collect();
            let traces: Vec<&Trace> = traces.iter().collect();
            if !traces.is_empty() {
                let head = !self.has_begun;
                output.text(&list(&traces, &self.style, &mut self.hues, head))?;
                self.has_begun = true;
            }
            return Ok(());
        }
        for trace in traces {
            let trace = Trace::new(trace);
            let text = match self.form {
                Form::Json { with_spans } => json_line(&trace, &self.style.shown, with_spans),
                _ => waterfall(&trace, &self.style, &mut self.hues),
            };
            if self.has_begun && self.form == Form::Waterfalls {
                output.text("\n")?;
            }
            self.has_begun = true;
            output.text(&text)?;
        }
        Ok(())
    }
}
