//! `tailwater replay`: rules over recorded telemetry.

mod feed;
mod graph;
mod run;
mod settings;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_engine::journal::Opening;
use tailwater_engine::model::EmittedItem;
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::TraceExplained;

use crate::args::{General, Replay, RuleInputs, TablesFrom};
use crate::exit::{Exit, Usage};
use crate::output::{Output, WriteFailed};
use crate::plot::Plot;
use crate::render::items::write_items;
use crate::render::rows::{RowWriter, Said};
use crate::render::why::Why;
use crate::render::why_trace::{WhyTrace, trace_id};
use crate::rule_files::{self, Compiled, Recorded, compile};
use crate::terminal::tell;

pub(crate) use feed::{Feed, Step, log_opening};
pub(crate) use run::{Ended, Interrupt, in_order, progress, run_through};
pub(crate) use settings::ReadSettings;
use settings::Settings;

/// Replays.
pub(crate) fn run(args: &Replay, general: General) -> anyhow::Result<Exit> {
    let opening = log_opening(&args.inputs.files)?;
    check_paths(args, opening.is_some())?;
    let mut settings = Settings::resolve(args, general)?;
    settings.read.is_log = opening.is_some();
    let compiled = rules(args, opening.as_ref(), &mut settings.read, general)?;
    compiled.tell(general);
    let Some(mut plan) = compiled.plan.clone() else { return Ok(Exit::Rules) };
    Arc::make_mut(&mut plan).items_unread = args.items.is_none();
    let writer = Writer::open(args.why.as_deref(), &mut plan, (&compiled, &settings))?;
    let mut results = Results {
        writer,
        output: Output::open(args.output.as_deref())?,
        plot: match &args.plot {
            // Opened before anything is read: a path that cannot be written is told at once.
            Some(path) => Some((Plot::new(Arc::clone(&plan)), Output::open(Some(path))?)),
            None => None,
        },
        settings: &settings,
    };
    let interrupt = Interrupt::new();
    let mut items = args.items.as_deref().map(Items::open).transpose()?;
    let mut graph = args.graph.as_deref().map(graph::Drawing::begin).transpose()?;
    let ended = run_through(
        &settings.read,
        &plan,
        &interrupt,
        graph.as_mut().map(|graph| &mut graph.gather),
        &mut |said| results.take(said),
        &mut |said| items.as_mut().map_or(Ok(()), |items| items.take(said)),
    )?;
    results.finish(&ended.explained)?;
    let unwritten = items.map(Items::close).transpose()?;
    if let Some(graph) = graph {
        graph.finish(general)?;
    }
    if let Some(count @ 1..) = unwritten {
        tell(&format!(
            "warning: {count} items are damaged inside, and JSON has no form for them\n"
        ));
    }
    if !general.is_quiet {
        ended.summary.tell(&ended.why, general);
    }
    if args.fail_on_alert && ended.summary.has_fired() && matches!(ended.why, Ended::Complete) {
        return Ok(Exit::Findings);
    }
    ended.exit()
}

/// The rules that run: those that are named, else those of a log.
fn rules(
    args: &Replay,
    opening: Option<&Opening>,
    read: &mut ReadSettings,
    general: General,
) -> anyhow::Result<Compiled> {
    let params = rule_files::params(&args.rules.params)?;
    let Some(opening) = opening else {
        return Ok(compile(&rule_files::read_all(&args.rules)?, params));
    };
    if !has_rules(&args.rules) {
        // As the run left them: windows that were open when it was stopped gave no rows.
        read.stays_open = true;
        read.is_redacted = true;
        let recorded = Recorded { opening: opening.clone(), params };
        let compiled = recorded.compile();
        read.recorded = Some(recorded);
        return Ok(compiled);
    }
    let files = rule_files::read_all(&args.rules)?;
    if args.tables == TablesFrom::Files {
        return Ok(compile(&files, params));
    }
    let (recorded, compiled, tables) = Recorded::other(opening, &files, &params);
    if !tables.is_empty() && !general.is_quiet {
        let tables = tables.join("`, `");
        tell(&format!("`{tables}` as in the log; `--tables files` reads what is there now\n"));
    }
    read.recorded = Some(recorded);
    Ok(compiled)
}

/// Whether rules are named.
fn has_rules(rules: &RuleInputs) -> bool {
    !rules.rules.is_empty() || !rules.expressions.is_empty()
}

/// Paths that are surely not meant: no rules, rules as telemetry, results over what is read.
fn check_paths(args: &Replay, is_log: bool) -> Result<(), Usage> {
    let files = &args.inputs.files;
    let is_rules = |path: &&PathBuf| path.extension().is_some_and(|end| end == "tw");
    if let Some(path) = files.iter().find(is_rules) {
        let path = path.display();
        return Err(Usage(format!("`{path}` holds rules: give it as `--rules {path}`")));
    }
    if !is_log && !has_rules(&args.rules) && args.graph.is_none() {
        let text = "no rules are given: name a file or folder by `--rules PATH`, a pack by \
                    `--rules std/red`, or write them in place by `-e 'aggregate …'`";
        return Err(Usage(text.to_owned()));
    }
    let is_image = |end: &OsStr| ["png", "jpg", "jpeg", "gif", "pdf"].iter().any(|e| end == *e);
    if let Some(path) = &args.plot
        && path.extension().is_some_and(is_image)
    {
        let (path, svg) = (path.display(), path.with_extension("svg"));
        let text = format!("`--plot` draws SVG: name `{}` instead of `{path}`", svg.display());
        return Err(Usage(text));
    }
    let read: Vec<PathBuf> =
        files.iter().chain(&args.rules.rules).filter_map(|path| path.canonicalize().ok()).collect();
    let written = args.output.iter().chain(&args.plot).chain(&args.items).chain(&args.graph);
    for path in written {
        let is_read = path.canonicalize().is_ok_and(|path| path.is_file() && read.contains(&path));
        if is_read {
            return Err(Usage(format!("`{}` is read: results would destroy it", path.display())));
        }
    }
    Ok(())
}

/// What is written.
enum Writer {
    /// All rows and transitions.
    Rows(RowWriter),
    /// What one alert did.
    Why(Why),
    /// What samplings made of one trace.
    WhyTrace(WhyTrace),
}

impl Writer {
    /// What is asked for; a trace is asked for in the plan.
    fn open(
        why: Option<&str>,
        plan: &mut Arc<Plan>,
        (compiled, settings): (&Compiled, &Settings),
    ) -> Result<Self, Usage> {
        let is_rule = |name: &str| plan.rules.iter().any(|rule| *rule.name == *name);
        let trace = why.filter(|name| !is_rule(name)).and_then(trace_id);
        Ok(match (why, trace) {
            (_, Some(id)) => {
                Arc::make_mut(plan).explained = Some(id);
                let texts = (compiled.program.as_ref(), &compiled.files[..]);
                Self::WhyTrace(WhyTrace::new(Arc::clone(plan), id, texts)?)
            }
            (Some(alert), None) => Self::Why(Why::new(Arc::clone(plan), alert)?),
            (None, None) => {
                let style = settings.table_style();
                Self::Rows(RowWriter::new(Arc::clone(plan), settings.format, style))
            }
        })
    }
}

/// Where rows go.
struct Results<'a> {
    writer: Writer,
    output: Output,
    plot: Option<(Plot, Output)>,
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
        if let Some((plot, _)) = &mut self.plot {
            plot.add(said);
        }
        match &mut self.writer {
            Writer::Rows(rows) => rows.write(said, &mut self.output),
            Writer::Why(_) | Writer::WhyTrace(_) => Ok(()),
        }
    }

    fn finish(mut self, explained: &[TraceExplained]) -> anyhow::Result<()> {
        let settings = self.settings;
        match &self.writer {
            Writer::Rows(rows) => rows.finish(&mut self.output)?,
            Writer::WhyTrace(why) => why.write(explained, settings.format, &mut self.output)?,
            Writer::Why(why) => {
                let shows = |start_ns, end_ns| settings.shows_window(start_ns, end_ns);
                why.write(settings.format, settings.table_style(), &shows, &mut self.output)?;
            }
        }
        self.output.close()?;
        if let Some((plot, mut file)) = self.plot {
            file.text(&plot.svg())?;
            file.close()?;
        }
        Ok(())
    }
}

/// Where telemetry goes that routes let through.
struct Items {
    output: Output,
    left_out: u64,
}

impl Items {
    fn open(path: &Path) -> Result<Self, WriteFailed> {
        let path = (path != Path::new("-")).then_some(path);
        Ok(Self { output: Output::open(path)?, left_out: 0 })
    }

    fn take(&mut self, items: &[EmittedItem]) -> Result<(), WriteFailed> {
        let written = write_items(items, &mut self.output);
        self.left_out += written.map_err(|cause| self.output.failed(cause))?;
        Ok(())
    }

    /// How many items JSON had no form for.
    fn close(self) -> Result<u64, WriteFailed> {
        self.output.close()?;
        Ok(self.left_out)
    }
}
