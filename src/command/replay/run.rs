//! One pass of a plan over recordings: from the files to the rows and the summary.
//!
//! Knows neither how rows are written nor what is done with them: `replay`, `backtest` and whoever
//! else takes them say so.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use tailwater_engine::Error;
use tailwater_engine::model::{EmittedItem, FrameBody};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{Engine, EpochOutput, TraceExplained};

use super::feed::{Feed, Step};
use super::settings::ReadSettings;
use crate::command::screen::Screen;
use crate::command::secret::redactor;
use crate::exit::Exit;
use crate::output::WriteFailed;
use crate::render::rows::Said;
use crate::render::summary::Summary;
use crate::rule_files::Recorded;
use crate::trace::Gather;

/// Whether Ctrl-C was pressed, or the program was told to end.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. The first signal is noted; the second one ends the program at once.
    pub(crate) fn new() -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        // Where handlers cannot be set, Ctrl-C just ends the program: nothing is lost that was
        // not said before.
        for signal in [SIGINT, SIGTERM] {
            let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&flag));
            let _ = signal_hook::flag::register(signal, Arc::clone(&flag));
        }
        Self(flag)
    }

    /// Whether it was.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a pass ended.
pub(crate) enum Ended {
    /// Everything was read.
    Complete,
    /// Ctrl-C.
    Interrupted,
    /// An input could no longer be read.
    Failed(Error),
}

/// What a pass leaves behind beside its rows.
pub(crate) struct Recording {
    /// Why it ended.
    pub(crate) why: Ended,
    /// What became of every item.
    pub(crate) summary: Summary,
    /// What samplings made of the trace that the plan asks about.
    pub(crate) explained: Vec<TraceExplained>,
}

impl Recording {
    /// How the program ends after it.
    pub(crate) fn exit(self) -> anyhow::Result<Exit> {
        match self.why {
            Ended::Failed(error) => Err(error.into()),
            Ended::Interrupted => Ok(Exit::Interrupted),
            Ended::Complete if self.summary.has_damage() => Ok(Exit::Damage),
            Ended::Complete => Ok(Exit::Good),
        }
    }
}

/// Reads everything, until the end, Ctrl-C, or an input that fails; what was read until then is
/// worked on to its end. What is to be gathered beside the rules is offered every frame.
pub(crate) fn run_through(
    settings: &ReadSettings,
    plan: &Arc<Plan>,
    interrupt: &Interrupt,
    mut gather: Option<&mut Gather>,
    take: &mut dyn FnMut(Said<'_>) -> Result<(), WriteFailed>,
    take_items: &mut dyn FnMut(&[EmittedItem]) -> Result<(), WriteFailed>,
) -> anyhow::Result<Recording> {
    let mut feed = Feed::open(settings)?;
    let redactor = match &plan.redaction {
        Some(redaction) if !settings.is_redacted => {
            Some(redactor(redaction, None, &feed.sources())?)
        }
        _ => None,
    };
    let screen = Arc::new(Screen::new(settings.bounds, redactor, &feed.sources())?);
    if let Some(gather) = &mut gather {
        gather.set_sources(feed.sources());
    }
    let mut engine = Engine::builder(Arc::clone(plan))
        .sources(feed.sources())
        .workers(settings.workers)
        .cut(feed.cut())
        .build()?;
    let mut summary = Summary::new(Arc::clone(plan));
    let progress = progress(settings);
    let mut explained = Vec::new();
    let mut sink = |output: &EpochOutput| {
        summary.take(output);
        explained.extend_from_slice(&output.explained);
        in_order(output, take)?;
        if output.items.is_empty() { Ok(()) } else { take_items(&output.items) }
    };
    let is_done = screen.has_steps() && feed.screens_itself(&screen);
    let of_frames = Some(&*screen).filter(|_| !is_done);
    let recorded = settings.recorded.clone();
    let mut frames = Frames { feed: &mut feed, screen: of_frames, gather, recorded };
    let fed = push_all(&mut frames, &mut engine, interrupt, &progress, &mut sink);
    let why = match fed {
        Ok(why) => why,
        Err(Stop::Write(error)) => {
            progress.finish_and_clear();
            // The workers still end in order; what they say has no place to go.
            engine.finish()?;
            return Err(error.into());
        }
        Err(Stop::Engine(error)) => return Err(error.into()),
    };
    if matches!(why, Ended::Complete) && !settings.stays_open {
        engine.push_body(FrameBody::End)?;
    }
    let gauges = engine.gauges();
    for output in engine.finish()?.0 {
        sink(&output)?;
    }
    progress.finish_and_clear();
    screen.sum_up(&mut summary);
    if settings.stays_open || !matches!(why, Ended::Complete) {
        summary.leave_open(&gauges);
    }
    summary.close(feed.ledger(), &feed.sources());
    Ok(Recording { why, summary, explained })
}

/// Says rows and transitions in order of their decision times; of one time rows come first, as
/// they are what alerts act on.
pub(crate) fn in_order(
    output: &EpochOutput,
    take: &mut dyn FnMut(Said<'_>) -> Result<(), WriteFailed>,
) -> Result<(), WriteFailed> {
    let mut rows = output.rows.iter().peekable();
    for transition in &output.transitions {
        while let Some(row) = rows.next_if(|row| row.decision_ns <= transition.decision_ns) {
            take(Said::Row(row))?;
        }
        take(Said::Transition(transition))?;
    }
    rows.try_for_each(|row| take(Said::Row(row)))
}

enum Stop {
    Write(WriteFailed),
    Engine(Error),
}

/// Where frames come from, and who else sees them, screened like what the rules see.
struct Frames<'a> {
    feed: &'a mut Feed,
    screen: Option<&'a Screen>,
    gather: Option<&'a mut Gather>,
    /// The rules that follow the log's tables.
    recorded: Option<Recorded>,
}

fn push_all(
    frames: &mut Frames,
    engine: &mut Engine,
    interrupt: &Interrupt,
    progress: &ProgressBar,
    sink: &mut impl FnMut(&EpochOutput) -> Result<(), WriteFailed>,
) -> Result<Ended, Stop> {
    while !interrupt.is_set() {
        let pushed = match frames.feed.next() {
            Ok(Step::Frame(body)) => {
                let body = match frames.screen {
                    Some(screen) => screen.pass(body),
                    None => body,
                };
                if let (Some(gather), FrameBody::Data(frame)) = (&mut frames.gather, &body) {
                    gather.take(frame);
                }
                engine.push_body(body)
            }
            Ok(Step::Cut) => engine.flush(),
            Ok(Step::Table(file)) => match &mut frames.recorded {
                Some(recorded) => recorded.follow(file, engine),
                None => Ok(()), // other rules read files of their own
            },
            Ok(Step::Done) => return Ok(Ended::Complete),
            Err(error) => return Ok(Ended::Failed(error)),
        };
        pushed.map_err(Stop::Engine)?;
        progress.set_position(frames.feed.bytes_read());
        while let Some(output) = engine.poll() {
            sink(&output).map_err(Stop::Write)?;
        }
    }
    Ok(Ended::Interrupted)
}

/// A bar of bytes read, on a terminal only; of standard input the end is not known.
pub(crate) fn progress(settings: &ReadSettings) -> ProgressBar {
    if !settings.with_progress || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = |file: &PathBuf| file.metadata().ok().filter(fs::Metadata::is_file);
    let lengths: Option<Vec<_>> = settings.files.iter().map(length).collect();
    let (bar, template) = match lengths {
        Some(lengths) => {
            let total = lengths.iter().map(fs::Metadata::len).sum();
            let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            (ProgressBar::new(total), template)
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
