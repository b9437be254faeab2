//! `tailwater view`: traces of recordings as waterfalls, lists and JSON lines.

mod choose;
mod condition;
mod follow;
mod show;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use tailwater_engine::model::FrameBody;
use tailwater_engine::plan::Plan;

use super::replay::{Ended, Feed, Interrupt, ReadSettings, Step, log_opening, progress};
use crate::args::{General, Inputs, Order, View};
use crate::exit::{Exit, Usage};
use crate::output::Output;
use crate::terminal::tell;
use crate::trace::{Gather, TraceId, Wanted};
use choose::{choose, id_start};
use condition::{Condition, span_filter, trace_plan};
use show::Show;
use told::{Shown, Told};

/// Shows traces.
pub(crate) fn run(args: &View, general: General) -> anyhow::Result<Exit> {
    let wanted = Wanted {
        id_start: args.trace.as_deref().map(id_start).transpose()?.unwrap_or_default(),
        filter: match &args.has {
            Some(expression) => match span_filter(expression, general) {
                Some(filter) => Some(filter),
                None => return Ok(Exit::Rules),
            },
            None => None,
        },
        shown: args.show.iter().map(|key| Arc::from(key.as_str())).collect(),
        with_events: args.events,
    };
    check_width(args.width)?;
    let mut settings = ReadSettings::resolve(&inputs(args), general)?;
    let show = Show::new(args, general);
    if args.follow {
        return follow::run(args, &settings, wanted, show);
    }
    settings.is_log = log_opening(&args.files)?.is_some();
    let plan = match &args.condition {
        Some(condition) => match trace_plan(condition, general) {
            Some(plan) => Some(plan),
            None => return Ok(Exit::Rules),
        },
        None => None,
    };
    let mut gather = Gather::new(wanted);
    let Read { why, damaged, among } = read(&settings, plan, &mut gather)?;
    let told = Told::of(&gather, damaged);
    let shown = write(args, gather, among.as_ref(), show)?;
    if !general.is_quiet {
        tell(&told.text(args, shown));
    }
    match why {
        Ended::Failed(error) => Err(error.into()),
        Ended::Interrupted => Ok(Exit::Interrupted),
        Ended::Complete if damaged > 0 => Ok(Exit::Damage),
        Ended::Complete if shown.traces == 0 => Ok(Exit::Findings),
        Ended::Complete => Ok(Exit::Good),
    }
}

/// The options of reading that `view` has, as `replay` has them.
fn inputs(args: &View) -> Inputs {
    Inputs {
        files: args.files.clone(),
        workers: 1,
        content: args.content.clone(),
        order: Order::File,
        merge: false,
        open: false,
        limits: Vec::new(),
    }
}

/// What reading came to.
struct Read {
    /// Why it ended.
    why: Ended,
    /// Damaged items.
    damaged: u64,
    /// The traces that the condition lets through, if there is one.
    among: Option<BTreeSet<TraceId>>,
}

/// Reads everything.
fn read(
    settings: &ReadSettings,
    plan: Option<Arc<Plan>>,
    gather: &mut Gather,
) -> anyhow::Result<Read> {
    let mut feed = Feed::open(settings)?;
    gather.set_sources(feed.sources());
    let condition = plan.map(|plan| Condition::new(plan, feed.sources()));
    let mut condition = condition.transpose()?;
    let interrupt = Interrupt::new();
    let progress = progress(settings);
    let why = loop {
        if interrupt.is_set() {
            break Ended::Interrupted;
        }
        match feed.next() {
            Ok(Step::Frame(FrameBody::Data(frame))) => {
                gather.take(&frame);
                if let Some(condition) = &mut condition {
                    condition.take(frame)?;
                }
            }
            Ok(Step::Frame(_) | Step::Cut | Step::Table(_)) => {}
            Ok(Step::Done) => break Ended::Complete,
            Err(error) => break Ended::Failed(error),
        }
        progress.set_position(feed.bytes_read());
    };
    progress.finish_and_clear();
    let damaged = feed.ledger().damaged + gather.ledger().damaged;
    Ok(Read { why, damaged, among: condition.map(Condition::finish).transpose()? })
}

/// Writes the chosen traces.
fn write(
    args: &View,
    gather: Gather,
    among: Option<&BTreeSet<TraceId>>,
    mut show: Show,
) -> anyhow::Result<Shown> {
    let (chosen, matching) = choose(gather.into_traces(), args, show.limit(), among);
    let traces = chosen.len();
    let mut output = Output::open(None)?;
    show.write(chosen, &mut output)?;
    output.close()?;
    Ok(Shown { matching, traces })
}

/// A width that nothing can be shown in.
fn check_width(width: Option<usize>) -> Result<(), Usage> {
    match width {
        Some(width @ ..crate::view::WIDTH_MIN) => {
            let least = crate::view::WIDTH_MIN;
            Err(Usage(format!("expected `--width` of {least} or more, found `{width}`")))
        }
        _ => Ok(()),
    }
}
