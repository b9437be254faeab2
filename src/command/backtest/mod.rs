//! `tailwater backtest`: what another version of rules would have said about a recording.

mod difference;
mod json;
mod text;
mod version;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::ensure;
use tailwater_engine::journal::Opening;
use tailwater_engine::model::EmittedItem;
use tailwater_engine::plan::Plan;

use super::replay::{Ended, Interrupt, ReadSettings, log_opening, run_through};
use crate::args::{Backtest, BacktestFormat, General};
use crate::exit::{Exit, Usage};
use crate::output::{Output, WriteFailed};
use crate::render::rows::Said;
use crate::rule_files::{self, Recorded, compile};
use crate::terminal::tell;
use difference::{Comparison, compare};
use version::{ITEMS_MAX, ROWS_MAX, Version};

/// Runs both versions and prints what differs; exit code 1 if anything does.
pub(crate) fn run(args: &Backtest, general: General) -> anyhow::Result<Exit> {
    ensure!(
        !args.inputs.files.iter().any(|file| file == Path::new("-")),
        Usage("standard input can be read once only: give `backtest` files".to_owned())
    );
    let opening = log_opening(&args.inputs.files)?;
    let mut settings = ReadSettings::resolve(&args.inputs, general)?;
    settings.is_log = opening.is_some();
    let Some(plans) = plans(args, opening.as_ref(), general)? else { return Ok(Exit::Rules) };
    let interrupt = Interrupt::new();
    let mut passes = Vec::new();
    for (plan, recorded) in plans {
        settings.recorded = recorded;
        match pass(&settings, &plan, &interrupt)? {
            Ok(version) => passes.push(version),
            Err(exit) => {
                if exit == Exit::Interrupted {
                    tell("interrupted: nothing was compared\n");
                }
                return Ok(exit);
            }
        }
    }
    let (old, has_damage) = passes.swap_remove(0);
    let (new, _) = passes.swap_remove(0);
    let (rows_before, rows_after) = (old.count, new.count);
    let comparison = compare(old, new);
    let mut output = Output::open(None)?;
    output.text(&match args.format {
        BacktestFormat::Text => text::report(&comparison, general),
        BacktestFormat::Jsonl => json::report(&comparison, (rows_before, rows_after)),
    })?;
    output.close()?;
    if !general.is_quiet {
        tell(&summary(&comparison, (rows_before, rows_after), has_damage));
    }
    Ok(match (comparison.count(), has_damage) {
        (0, false) => Exit::Good,
        (0, true) => Exit::Damage,
        _ => Exit::Findings,
    })
}

/// What runs, and what follows the tables of a log.
type Runs = (Arc<Plan>, Option<Recorded>);

/// The plans of the old and the new rules; `None` if one does not compile.
fn plans(
    args: &Backtest,
    opening: Option<&Opening>,
    general: General,
) -> anyhow::Result<Option<[Runs; 2]>> {
    let params = rule_files::params(&args.params)?;
    let plan = |path: &PathBuf, lints: bool| -> anyhow::Result<Option<Runs>> {
        let files = rule_files::read_to_run(std::slice::from_ref(path))?;
        let (recorded, compiled) = match opening {
            None => (None, compile(&files, params.clone())),
            Some(opening) => {
                let (recorded, compiled, _) = Recorded::other(opening, &files, &params);
                (Some(recorded), compiled)
            }
        };
        if lints || compiled.has_error() {
            compiled.tell(general);
        }
        Ok(compiled.plan.map(|plan| (plan, recorded)))
    };
    // Lints of rules that are on their way out help nobody.
    let (old, new) = (plan(&args.old, false)?, plan(&args.new, true)?);
    Ok(old.zip(new).map(|(old, new)| [old, new]))
}

/// One version's answer and whether input was damaged, or how the program ends without it.
fn pass(
    settings: &ReadSettings,
    plan: &Arc<Plan>,
    interrupt: &Interrupt,
) -> anyhow::Result<Result<(Version, bool), Exit>> {
    let version = RefCell::new(Version::new(plan));
    let mut take = |said: Said<'_>| {
        version.borrow_mut().take(plan, said);
        Ok::<(), WriteFailed>(())
    };
    let mut take_items = |items: &[EmittedItem]| {
        version.borrow_mut().take_items(plan, items);
        Ok(())
    };
    let ended = run_through(settings, plan, interrupt, None, &mut take, &mut take_items)?;
    let version = version.into_inner();
    ensure!(
        version.count <= ROWS_MAX,
        "the rules make more than {ROWS_MAX} rows: compare a part of the recording"
    );
    ensure!(
        version.item_count <= ITEMS_MAX,
        "the rules send on more than {ITEMS_MAX} items: compare a part of the recording"
    );
    match ended.why {
        Ended::Complete => Ok(Ok((version, ended.summary.has_damage()))),
        _ => ended.exit().map(Err),
    }
}

fn summary(comparison: &Comparison, rows: (usize, usize), has_damage: bool) -> String {
    let differences = match comparison.count() {
        0 => "no differences".to_owned(),
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    let mut line = format!("{differences}; {} rows before, {} after\n", rows.0, rows.1);
    if has_damage {
        line.push_str("some input is damaged: `tailwater replay` tells where\n");
    }
    line
}
