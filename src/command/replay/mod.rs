//! `tailwater replay`: rules over recorded telemetry.

mod run;
mod settings;

use std::sync::Arc;

use crate::args::{General, Replay};
use crate::exit::Exit;
use crate::output::{Output, WriteFailed};
use crate::plot::Plot;
use crate::render::rows::{RowWriter, Said};
use crate::render::why::Why;
use crate::rule_files::{self, compile};

pub(crate) use run::{Ended, Interrupt, run_through};
pub(crate) use settings::ReadSettings;
use settings::Settings;

/// Replays.
pub(crate) fn run(args: &Replay, general: General) -> anyhow::Result<Exit> {
    let settings = Settings::resolve(args, general)?;
    let mut files = rule_files::read_to_run(&args.rules.rules)?;
    files.extend(rule_files::expressions(&args.rules.expressions));
    let compiled = compile(&files, rule_files::params(&args.rules.params)?);
    compiled.tell(general);
    let Some(plan) = compiled.plan else { return Ok(Exit::Rules) };
    let writer = match &args.why {
        Some(alert) => Writer::Why(Why::new(Arc::clone(&plan), alert)?),
        None => {
            let style = settings.table_style();
            Writer::Rows(RowWriter::new(Arc::clone(&plan), settings.format, style))
        }
    };
    let mut results = Results {
        writer,
        output: Output::open(args.output.as_deref())?,
        plot: args.plot.as_ref().map(|_| Plot::new(Arc::clone(&plan))),
        settings: &settings,
    };
    let interrupt = Interrupt::new();
    let ended = run_through(&settings.read, &plan, &interrupt, &mut |said| results.take(said))?;
    results.finish()?;
    if !general.is_quiet {
        ended.summary.tell(&ended.why, general);
    }
    if args.fail_on_alert && ended.summary.has_fired() && matches!(ended.why, Ended::Complete) {
        return Ok(Exit::Findings);
    }
    ended.exit()
}

/// What is written.
enum Writer {
    /// All rows and transitions.
    Rows(RowWriter),
    /// What one alert did.
    Why(Why),
}

/// Where rows go.
struct Results<'a> {
    writer: Writer,
    output: Output,
    plot: Option<Plot>,
    settings: &'a Settings,
}

impl Results<'_> {
    fn take(&mut self, said: Said<'_>) -> Result<(), WriteFailed> {
        if let Writer::Why(why) = &mut self.writer {
            why.take(said);
        }
        if !self.settings.shows(said) {
            return Ok(());
        }
        if let Some(plot) = &mut self.plot {
            plot.add(said);
        }
        match &mut self.writer {
            Writer::Rows(rows) => rows.write(said, &mut self.output),
            Writer::Why(_) => Ok(()),
        }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let settings = self.settings;
        match &self.writer {
            Writer::Rows(rows) => rows.finish(&mut self.output)?,
            Writer::Why(why) => {
                let shows = |start_ns, end_ns| settings.shows_window(start_ns, end_ns);
                why.write(settings.format, settings.table_style(), &shows, &mut self.output)?;
            }
        }
        self.output.close()?;
        if let (Some(plot), Some(path)) = (&self.plot, &self.settings.plot) {
            let mut file = Output::open(Some(path))?;
            file.text(&plot.svg())?;
            file.close()?;
        }
        Ok(())
    }
}
