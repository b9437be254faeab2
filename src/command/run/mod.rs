//! `tailwater run`: rules over a live feed.
//!
//! Listeners and sinks live on a tokio runtime; this thread writes the input log and feeds the
//! engine. What the engine says is handed to sinks that never make it wait.

mod certificates;
mod listeners;
mod observe;
mod own;
mod pages;
mod pump;
mod recorder;
mod shapes;
mod sinks;
mod tables;
mod tokens;
mod told;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tailwater_engine::clock::{Clock, steady_clock, system_clock, wall_clock};
use tailwater_engine::ingest::listen::{Intake, IntakeReceiver, Listener};
use tailwater_engine::journal::{Opening, RuleText};
use tailwater_engine::model::{SourceId, SourceSpec};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{Engine, EpochCut};
use tokio::runtime::Runtime;

use crate::args::{Format, General, Run};
use crate::command::replay::in_order;
use crate::command::screen::Screen;
use crate::command::secret::redactor;
use crate::config::{self, Config, Wrong};
use crate::exit::{Exit, Usage};
use crate::output::Output;
use crate::render::TableStyle;
use crate::render::rows::RowWriter;
use crate::render::summary::Summary;
use crate::rule_files::{self, Compiled, RuleFile, compile_for};
use crate::terminal::tell;
use listeners::InputAt;
use observe::{Ending, Notify, Observed, SELF, Traces, feed_self};
use pages::Pages;
use pump::{Pump, Stopped};
use recorder::Recorder;
use sinks::{SinkSpec, Sinks};
use tables::{Changed, Tables};

/// Threads for sockets, beside the engine's workers.
const IO_THREADS: usize = 2;

/// Frames of an epoch at most; mostly it ends before, by its age.
const EPOCH_FRAMES_MAX: usize = 1_024;

/// How often it is looked whether the run shall end.
const STOP_EVERY: Duration = Duration::from_millis(50);

/// How long the last spans about the run may take to be sent.
const TRACES_STOP: Duration = Duration::from_secs(1);

/// Runs until it is told to end.
pub(crate) fn run(args: &Run, general: General) -> anyhow::Result<Exit> {
    let loaded = match config::load(args) {
        Ok(loaded) => loaded,
        Err(error) => {
            let Wrong(mistakes) = error.downcast()?;
            tell(&mistakes.human(general.colors.on_stderr));
            return Ok(Exit::Rules);
        }
    };
    let config = &loaded.config;
    let observe = config.observe();
    let general = observe::begin_log(&observe, general);
    let files = rules(args, config)?;
    let params = config.rules.params();
    let compiled = compile_for(&files, params.clone(), Some(config.sink_names()));
    compiled.tell(general);
    sinks::tell_of_options(&compiled.diagnostics, &config.sink_names());
    let Some(plan) = compiled.plan.clone() else { return Ok(Exit::Rules) };
    tell_of_no_rule(&plan);
    let specs = SinkSpec::all(config)?;
    let (ending, clock) = (Ending::new()?, system_clock());
    let runtime = io_runtime()?;
    let (inputs, token_files) = listeners::inputs(config)?;
    runtime.spawn(tokens::follow(token_files, ending.looks()));
    let mut opening = opening(&files, &compiled, params.clone(), &inputs);
    if observe.self_metrics {
        opening.sources.push(source(SELF)); // after all others, as names of sources are sorted
    }
    let redactor = match &plan.redaction {
        Some(redaction) => Some(redactor(redaction, Some(config), &opening.sources)?),
        None => None,
    };
    let screen = Screen::new(config.limits.of_items(), redactor, &opening.sources)?;
    let rules = (files, rule_paths(config));
    let (tables, changed) = Tables::new(rules, params, config.sink_names(), &compiled, &plan);
    runtime.spawn(tables::follow(tables, config.rules.tables_every.value, ending.looks()));
    let shapes = shapes::shapes(&plan);
    let sinks = runtime.block_on(async { Sinks::start(&specs, &plan, &shapes, &clock) })?;
    let (intake, receiver) = Intake::new(listeners::intake(config))?;
    let listeners = runtime.block_on(listeners::listen(&inputs, &intake))?;
    own::refuse(&specs, &listeners)?;
    let names = opening.sources.iter().map(|source| Arc::clone(&source.name)).collect();
    let open = inputs.iter().zip(&listeners);
    let open = open.map(|(input, (_, listener))| (Arc::from(input.name), listener.watch()));
    let open: Vec<_> = open.collect();
    runtime.spawn(certificates::follow(open.clone(), wall_clock(), ending.looks()));
    let say = told::of_sinks();
    let traces = runtime.block_on(async { Traces::start(&observe, &listeners, &clock, say) })?;
    let observed = Observed::new((&plan, &screen), &intake, names, open, &sinks, traces);
    look_after(&observed, config, &runtime, &ending);
    let admin = config.admin.address.value;
    let pages = runtime.block_on(Pages::start(admin, &observed, &sinks.pages()))?;
    let notify = Arc::new(Notify::from_environment());
    let live = Live {
        config,
        feeds_itself: observe.self_metrics,
        general,
        plan,
        screen,
        opening,
        runtime,
        clock,
        ending,
        observed,
        notify,
    };
    let greeting = live.greeting(loaded.file(), &listeners, &pages);
    live.work((intake, &receiver), changed, listeners, sinks, (pages, &greeting))
}

/// Sockets, sinks and looks at files have threads of their own.
fn io_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("tailwater-io")
        .enable_all()
        .build()
}

/// Keeps the run within its memory, and lets its end know what is left.
fn look_after(observed: &Arc<Observed>, config: &Config, runtime: &Runtime, ending: &Ending) {
    if let Some(memory) = &config.limits.memory.value {
        runtime.spawn(observe::guard_memory(Arc::clone(observed), memory.0));
    }
    let left = Arc::clone(observed);
    ending.leaves(move || left.left());
}

fn tell_of_no_rule(plan: &Plan) {
    if plan.rules.is_empty() && plan.redaction.is_none() {
        tell("warning: the files hold no rule: what comes is taken, and nothing is said of it\n");
    }
}

/// The rules that run: of the options, or else of the configuration.
fn rules(args: &Run, config: &Config) -> anyhow::Result<Vec<RuleFile>> {
    let paths = rule_paths(config);
    if paths.is_empty() && args.rules.expressions.is_empty() {
        let text = "no rules are given: name a file or folder by `--rules PATH`, a pack by \
                    `--rules std/red`, write them in place by `-e 'aggregate …'`, or name them in \
                    `rules.paths` of a configuration";
        return Err(Usage(text.to_owned()).into());
    }
    let mut files = rule_files::read_to_run(&paths)?;
    files.extend(rule_files::expressions(&args.rules.expressions));
    Ok(files)
}

fn rule_paths(config: &Config) -> Vec<PathBuf> {
    config.rules.paths.items.iter().map(|path| path.value.0.clone()).collect()
}

fn opening(
    files: &[RuleFile],
    compiled: &Compiled,
    params: Vec<(String, String)>,
    inputs: &[InputAt],
) -> Opening {
    let text = |file: &RuleFile| RuleText { name: file.name.clone(), text: file.text.clone() };
    Opening {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        rules: files.iter().map(text).collect(),
        imports: compiled.imports.clone(),
        params,
        sources: inputs.iter().map(|input| source(input.name)).collect(),
    }
}

fn source(name: &str) -> SourceSpec {
    SourceSpec { name: Arc::from(name), has_arrival: true, mapping: None }
}

/// A run that has started.
struct Live<'a> {
    config: &'a Config,
    /// Whether its own metrics are a source.
    feeds_itself: bool,
    general: General,
    plan: Arc<Plan>,
    screen: Screen,
    opening: Opening,
    runtime: Runtime,
    clock: Clock,
    ending: Ending,
    observed: Arc<Observed>,
    notify: Arc<Notify>,
}

impl Live<'_> {
    /// What is told once it is ready: what runs, and where it listens.
    fn greeting(
        &self,
        file: Option<String>,
        listeners: &[(String, Listener)],
        pages: &Pages,
    ) -> String {
        if self.general.is_quiet {
            return String::new();
        }
        let file = file.map(|file| format!("configuration: {file}\n")).unwrap_or_default();
        let mut places: Vec<String> = listeners.iter().map(|(place, _)| place.clone()).collect();
        places.extend(pages.places());
        let rules = self.plan.rules.iter().filter(|rule| !rule.place.is_hidden).count();
        let rules = if rules == 1 { "1 rule".to_owned() } else { format!("{rules} rules") };
        let places = if places.is_empty() { "no listener".to_owned() } else { places.join(", ") };
        format!("{file}running {rules}: {places}; Ctrl-C ends it\n")
    }

    /// Its own metrics come as the last of its sources.
    fn feed_itself(&self, intake: Intake) {
        let source = SourceId(self.opening.sources.len() as u32 - 1);
        let (observed, clock) = (Arc::clone(&self.observed), Arc::clone(&self.clock));
        self.runtime.spawn(feed_self(observed, source, intake, clock));
    }

    fn engine(&self) -> anyhow::Result<Engine> {
        let engine = Engine::builder(Arc::clone(&self.plan))
            .sources(self.opening.sources.clone())
            .workers(self.config.workers.value.0 as usize)
            .cut(EpochCut { frames_max: EPOCH_FRAMES_MAX, ..EpochCut::default() });
        Ok(engine.build()?)
    }

    fn work(
        self,
        (intake, receiver): (Intake, &IntakeReceiver),
        changed: Receiver<Changed>,
        listeners: Vec<(String, Listener)>,
        sinks: Sinks,
        (pages, greeting): (Pages, &str),
    ) -> anyhow::Result<Exit> {
        let grace = self.config.grace.value;
        let engine = self.engine()?;
        let recorder = Recorder::open(self.config.record.value.as_deref(), &self.opening)?;
        let mut output = Output::append(self.config.output.value.as_deref())?;
        let style = TableStyle { is_colored: false, width: None, shows_all: true };
        let mut rows = RowWriter::new(Arc::clone(&self.plan), Format::Jsonl, style);
        let mut summary = Summary::new(Arc::clone(&self.plan));
        let gauges = engine.gauges();
        self.observed.ready(gauges.clone());
        if self.feeds_itself {
            self.feed_itself(intake.clone());
        }
        self.end_when_told(intake, listeners, grace);
        tell(greeting);
        self.notify.ready(&format!("{} rules", self.plan.rules.len()));
        let (ticks, watchers) = (steady_clock(), (&*self.observed, &*self.notify));
        let from = (receiver, &self.screen, changed);
        let pump = Pump::new(from, engine, recorder, (&*ticks, &*self.clock), watchers);
        let pumped = pump.run(&mut |said| {
            summary.take(said);
            self.observed.follow(said);
            if said.is_silent() {
                return Ok(());
            }
            in_order(said, &mut |said| {
                rows.write(said, &mut output)?;
                sinks.take(said, rows.line());
                Ok(())
            })?;
            sinks.take_verdicts(&said.exemplars);
            for item in &said.items {
                if let Some(line) = sinks.take_item(item.clone()) {
                    output.text(&line)?;
                }
            }
            output.pass_on()
        });
        let lost = self.runtime.block_on(sinks.stop(grace));
        if let Some(traces) = &self.observed.traces {
            self.runtime.block_on(traces.stop(TRACES_STOP));
        }
        self.observed.stopping();
        self.runtime.block_on(pages.stop());
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        let recorder = match pumped {
            Ok(recorder) => recorder,
            Err(Stopped::Write(error)) => return Err(error.into()),
            Err(Stopped::Engine(error)) => return Err(error.into()),
        };
        output.close()?;
        self.screen.sum_up(&mut summary);
        summary.close(&tailwater_engine::model::Ledger::default(), &self.opening.sources);
        if !self.general.is_quiet {
            summary.tell_live(&gauges, self.general);
        }
        lost.iter().for_each(|text| tell(&format!("warning: {text}\n")));
        let is_whole = lost.is_empty() && !recorder.has_failed();
        Ok(if is_whole { Exit::Good } else { Exit::Output })
    }

    /// Stops the listeners once the run is told to end, and then the intake behind them.
    fn end_when_told(&self, intake: Intake, listeners: Vec<(String, Listener)>, grace: Duration) {
        let told = self.ending.watch();
        let notify = Arc::clone(&self.notify);
        self.runtime.spawn(async move {
            while !told() {
                tokio::time::sleep(STOP_EVERY).await;
            }
            notify.stopping(grace);
            let stopping =
                listeners.into_iter().map(|(_, listener)| tokio::spawn(listener.stop(grace)));
            for stopping in stopping.collect::<Vec<_>>() {
                // One that panicked listens no more either.
                drop(stopping.await);
            }
            intake.close();
        });
    }
}
