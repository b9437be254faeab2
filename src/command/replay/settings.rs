//! What the options of a replay mean.

use std::path::PathBuf;
use std::sync::Arc;

use tailwater_engine::ingest::reader::{Order as ReadOrder, ReaderOptions};
use tailwater_engine::model::{ColumnMapping, PayloadFormat, Signal};
use tailwater_engine::redact::{Bound, ItemBounds};

use crate::args::{Format, General, InputFormat, Inputs, Order, Replay, SignalName};
use crate::exit::Usage;
use crate::render::TableStyle;
use crate::render::instant::parse_time;
use crate::render::rows::Said;
use crate::rule_files::Recorded;
use crate::terminal;

/// How telemetry is read.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, set by name")]
pub(crate) struct ReadSettings {
    /// The files; `-` is standard input.
    pub(crate) files: Vec<PathBuf>,
    /// Whether they are one input log of a live run.
    pub(crate) is_log: bool,
    /// Whether that log is already without what the rules take out.
    pub(crate) is_redacted: bool,
    /// The rules of that log, where they are the ones that run: they follow its tables.
    pub(crate) recorded: Option<Recorded>,
    /// How they are read.
    pub(crate) options: ReaderOptions,
    /// What is bounded of an item.
    pub(crate) bounds: ItemBounds,
    /// Worker threads.
    pub(crate) workers: usize,
    /// Whether windows stay open at the end.
    pub(crate) stays_open: bool,
    /// Whether a progress bar is welcome.
    pub(crate) with_progress: bool,
}

impl ReadSettings {
    /// Resolves the options of reading.
    pub(crate) fn resolve(inputs: &Inputs, general: General) -> Result<Self, Usage> {
        let options = ReaderOptions {
            format: inputs.content.input_format.map(payload_format),
            mapping: mapping(inputs)?,
            order: match inputs.order {
                Order::File => ReadOrder::AsGiven,
                Order::Time => ReadOrder::Time,
            },
            merge: inputs.merge,
        };
        Ok(Self {
            files: inputs.files.clone(),
            is_log: false,
            is_redacted: false,
            recorded: None,
            options,
            bounds: bounds(&inputs.limits)?,
            workers: inputs.workers,
            stays_open: inputs.open,
            with_progress: !general.is_quiet,
        })
    }
}

/// What the options of a replay mean.
pub(crate) struct Settings {
    /// How telemetry is read.
    pub(crate) read: ReadSettings,
    /// How rows are written.
    pub(crate) format: Format,
    /// Rows of windows that end after this time.
    from_ns: Option<i64>,
    /// Rows of windows that start before this time.
    to_ns: Option<i64>,
    general: General,
    to_stdout: bool,
}

impl Settings {
    /// Resolves the options.
    pub(crate) fn resolve(args: &Replay, general: General) -> Result<Self, Usage> {
        if args.why.is_some() && args.format == Format::Csv {
            return Err(Usage("`--why` is written as `text` or `jsonl`".to_owned()));
        }
        Ok(Self {
            read: ReadSettings::resolve(&args.inputs, general)?,
            format: args.format,
            from_ns: instant("--from", args.from.as_deref())?,
            to_ns: instant("--to", args.to.as_deref())?,
            general,
            to_stdout: args.output.is_none(),
        })
    }

    /// Whether `--from` and `--to` let a row through.
    pub(crate) fn shows(&self, said: Said<'_>) -> bool {
        let (start_ns, end_ns) = match said {
            Said::Row(row) => (row.start_ns, row.end_ns),
            Said::Transition(transition) => (transition.decision_ns, transition.decision_ns),
        };
        self.shows_window(start_ns, end_ns)
    }

    /// Whether `--from` and `--to` let a window through.
    pub(crate) fn shows_window(&self, start_ns: i64, end_ns: i64) -> bool {
        self.from_ns.is_none_or(|from_ns| end_ns > from_ns)
            && self.to_ns.is_none_or(|to_ns| start_ns < to_ns)
    }

    /// How tables look.
    pub(crate) fn table_style(&self) -> TableStyle {
        TableStyle {
            is_colored: self.to_stdout && self.general.colors.on_stdout,
            width: if self.to_stdout { terminal::width() } else { None },
            shows_all: self.general.is_verbose,
        }
    }
}

fn instant(option: &str, text: Option<&str>) -> Result<Option<i64>, Usage> {
    let Some(text) = text else { return Ok(None) };
    match parse_time(text) {
        Some(time_ns) => Ok(Some(time_ns)),
        None => Err(Usage(format!(
            "expected a time such as `2026-03-01T12:00:00Z` after `{option}`, found `{text}`"
        ))),
    }
}

fn mapping(inputs: &Inputs) -> Result<Option<ColumnMapping>, Usage> {
    if inputs.content.mapping.is_empty() {
        return Ok(None);
    }
    let mut columns = Vec::new();
    for text in &inputs.content.mapping {
        match text.split_once('=') {
            Some((field, column)) if !field.is_empty() && !column.is_empty() => {
                columns.push((Arc::from(field.trim()), Arc::from(column.trim())));
            }
            _ => {
                let text = format!("expected `--map FIELD=COLUMN`, found `--map {text}`");
                return Err(Usage(text));
            }
        }
    }
    let signal = match inputs.content.map_signal {
        SignalName::Spans => Signal::Spans,
        SignalName::Logs => Signal::Logs,
        SignalName::Metrics => Signal::Metrics,
    };
    Ok(Some(ColumnMapping { signal, columns }))
}

/// What `--limit` says.
fn bounds(limits: &[String]) -> Result<ItemBounds, Usage> {
    limits.iter().try_fold(ItemBounds::default(), |bounds, text| {
        let (name, number) = text.split_once('=').unwrap_or((text, ""));
        let Some(bound) = Bound::ALL.into_iter().find(|bound| bound.name() == name.trim()) else {
            let names = Bound::ALL.map(|bound| format!("`{}`", bound.name())).join(", ");
            return Err(Usage(format!(
                "expected one of {names} in `--limit {text}`, found `{name}`"
            )));
        };
        match number.trim().replace('_', "").parse() {
            Ok(most @ 1..) => Ok(bounds.with(bound, Some(most))),
            _ => Err(Usage(format!(
                "expected a whole number from 1 on, as in `--limit {name}=128`, found `{number}`"
            ))),
        }
    })
}

fn payload_format(format: InputFormat) -> PayloadFormat {
    match format {
        InputFormat::OtlpTraces => PayloadFormat::OtlpTraces,
        InputFormat::OtlpLogs => PayloadFormat::OtlpLogs,
        InputFormat::OtlpMetrics => PayloadFormat::OtlpMetrics,
        InputFormat::OtlpDelimited => PayloadFormat::OtlpDelimited,
        InputFormat::OtlpJson => PayloadFormat::OtlpJson,
        InputFormat::Lines => PayloadFormat::Lines,
        InputFormat::Ndjson => PayloadFormat::Ndjson,
        InputFormat::Csv => PayloadFormat::Csv,
        InputFormat::Jaeger => PayloadFormat::Jaeger,
        InputFormat::Zipkin => PayloadFormat::Zipkin,
    }
}
