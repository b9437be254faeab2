//! `tailwater run`: rules over a live feed.
//!
//! Listeners and sinks live on a tokio runtime; this thread writes the input log and feeds the
//! engine. What the engine says is handed to sinks that never make it wait.

mod observe;
mod pages;
mod pump;
mod recorder;
mod shapes;
mod sinks;
mod told;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tailwater_engine::clock::{Clock, system_clock};
use tailwater_engine::ingest::listen::{
    Address, Intake, IntakeConfig, IntakeReceiver, LinesConfig, Listener, OtlpConfig, Security,
    TlsFiles, Tokens, listen_grpc, listen_http, listen_lines,
};
use tailwater_engine::journal::{Opening, RuleText};
use tailwater_engine::model::{SourceId, SourceSpec};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{Engine, EpochCut};
use tokio::runtime::Runtime;

use crate::args::{At, Format, General, Run};
use crate::command::replay::in_order;
use crate::exit::{Exit, Usage};
use crate::near_path::cannot_read;
use crate::output::Output;
use crate::render::TableStyle;
use crate::render::rows::RowWriter;
use crate::render::summary::Summary;
use crate::rule_files::{self, Compiled, RuleFile, compile};
use crate::terminal::tell;
use observe::{Ending, Notify, Observed, SELF, feed_self};
use pages::Pages;
use pump::{Pump, Stopped};
use recorder::Recorder;
use sinks::{SinkKind, SinkSpec, Sinks};

/// Threads for sockets, beside the engine's workers.
const IO_THREADS: usize = 2;

/// Frames of an epoch at most; mostly it ends before, by its age.
const EPOCH_FRAMES_MAX: usize = 1_024;

/// How often it is looked whether the run shall end.
const STOP_EVERY: Duration = Duration::from_millis(50);

/// Runs until it is told to end.
pub(crate) fn run(args: &Run, general: General) -> anyhow::Result<Exit> {
    if args.rules.rules.is_empty() && args.rules.expressions.is_empty() {
        let text = "no rules are given: name a file or folder by `--rules PATH`, a pack by \
                    `--rules std/red`, or write them in place by `-e 'aggregate …'`";
        return Err(Usage(text.to_owned()).into());
    }
    let general = observe::begin_log(&args.observe, general);
    let files = rule_files::read_all(&args.rules)?;
    let params = rule_files::params(&args.rules.params)?;
    let compiled = compile(&files, params.clone());
    compiled.tell(general);
    let Some(plan) = compiled.plan.clone() else { return Ok(Exit::Rules) };
    let specs = SinkSpec::of_options(args);
    only_here(args, &specs)?;
    let ending = Ending::new()?;
    let clock = system_clock();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("tailwater-io")
        .enable_all()
        .build()?;
    let inputs = inputs(args);
    let mut opening = opening(&files, &compiled, params, &inputs);
    if args.observe.self_metrics {
        opening.sources.push(source(SELF)); // after all others, as names of sources are sorted
    }
    let shapes = shapes::shapes(&plan);
    let sinks = runtime.block_on(async { Sinks::start(&specs, &plan, &shapes, &clock) })?;
    let (intake, receiver) = Intake::new(IntakeConfig::default())?;
    let listeners = runtime.block_on(listen(&inputs, &security(args)?, &intake))?;
    let names = opening.sources.iter().map(|source| Arc::clone(&source.name)).collect();
    let open = inputs.iter().zip(&listeners);
    let open = open.map(|(input, (_, listener))| (Arc::from(input.name), listener.watch()));
    let observed = Observed::new(&plan, &intake, names, open.collect(), &sinks);
    let left = Arc::clone(&observed);
    ending.leaves(move || left.left());
    let pages = runtime.block_on(Pages::start(args.admin, &observed, &sinks.pages()))?;
    let notify = Arc::new(Notify::from_environment());
    let live = Live { args, general, plan, opening, runtime, clock, ending, observed, notify };
    live.greet(&listeners, &pages);
    live.work(intake, &receiver, listeners, sinks, pages)
}

/// An input: its source's name and where it listens.
struct InputAt {
    name: &'static str,
    what: &'static str,
    at: Address,
}

/// The inputs that are wanted, sorted by the names of their sources.
fn inputs(args: &Run) -> Vec<InputAt> {
    let tcp = |at: At| match at {
        At::Nowhere => None,
        At::Address(address) => Some(Address::Tcp(address)),
    };
    let all = [
        ("lines", "lines", tcp(args.lines)),
        ("lines_socket", "lines", args.lines_socket.clone().map(Address::Unix)),
        ("otlp_grpc", "OTLP/gRPC", tcp(args.otlp_grpc)),
        ("otlp_http", "OTLP/HTTP", tcp(args.otlp_http)),
    ];
    all.into_iter().filter_map(|(name, what, at)| Some(InputAt { name, what, at: at? })).collect()
}

/// Pages have no TLS: they stay on this machine unless somebody says that they may leave it.
fn only_here(args: &Run, sinks: &[SinkSpec]) -> Result<(), Usage> {
    let admin = match args.admin {
        At::Nowhere => None,
        At::Address(at) => Some(("--admin", at)),
    };
    let results = sinks.iter().filter_map(|sink| match sink.kind {
        SinkKind::Prometheus { at, .. } => Some(("--prometheus", at)),
        _ => None,
    });
    for (option, address) in results.chain(admin) {
        if !address.ip().to_canonical().is_loopback() && !args.allow_insecure {
            let port = address.port();
            let text = format!(
                "`{option} {address}` may be reached by other machines, and pages are neither \
                 encrypted nor protected: use an address of this machine such as \
                 `127.0.0.1:{port}`, or say `--allow-insecure` where the network is trusted"
            );
            return Err(Usage(text));
        }
    }
    Ok(())
}

/// What listeners demand of their senders.
fn security(args: &Run) -> anyhow::Result<Security> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let mut files = TlsFiles::new(certificate, key);
            files.client_authorities.clone_from(&args.client_ca);
            Some(files)
        }
        _ => None,
    };
    let tokens = match &args.token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|cause| cannot_read(path, &cause))?;
            let tokens: Vec<&str> =
                text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            if tokens.is_empty() {
                let path = path.display();
                return Err(Usage(format!("there is no token in `{path}`: one a line")).into());
            }
            Some(Tokens::new(tokens))
        }
        None => None,
    };
    Ok(Security { tls, tokens, allow_insecure: args.allow_insecure })
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

async fn listen(
    inputs: &[InputAt],
    security: &Security,
    intake: &Intake,
) -> anyhow::Result<Vec<(String, Listener)>> {
    let mut listeners = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let source = SourceId(index as u32);
        let otlp = |address: &SocketAddr| OtlpConfig {
            security: security.clone(),
            ..OtlpConfig::new(*address, source)
        };
        let listener = match (input.name, &input.at) {
            ("otlp_grpc", Address::Tcp(address)) => listen_grpc(otlp(address), intake).await?,
            ("otlp_http", Address::Tcp(address)) => listen_http(otlp(address), intake).await?,
            (_, at) => {
                let security = security.clone();
                let config = LinesConfig { security, ..LinesConfig::new(at.clone(), source) };
                listen_lines(config, intake).await?
            }
        };
        let at = match listener.address() {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        };
        listeners.push((format!("{} on {at}", input.what), listener));
    }
    Ok(listeners)
}

/// A run that has started.
struct Live<'a> {
    args: &'a Run,
    general: General,
    plan: Arc<Plan>,
    opening: Opening,
    runtime: Runtime,
    clock: Clock,
    ending: Ending,
    observed: Arc<Observed>,
    notify: Arc<Notify>,
}

impl Live<'_> {
    fn greet(&self, listeners: &[(String, Listener)], pages: &Pages) {
        if self.general.is_quiet {
            return;
        }
        let mut places: Vec<String> = listeners.iter().map(|(place, _)| place.clone()).collect();
        places.extend(pages.places());
        let rules = self.plan.rules.iter().filter(|rule| !rule.place.is_hidden).count();
        let rules = if rules == 1 { "1 rule".to_owned() } else { format!("{rules} rules") };
        tell(&format!("running {rules}: {}; Ctrl-C ends it\n", places.join(", ")));
    }

    fn work(
        self,
        intake: Intake,
        receiver: &IntakeReceiver,
        listeners: Vec<(String, Listener)>,
        sinks: Sinks,
        pages: Pages,
    ) -> anyhow::Result<Exit> {
        let grace = Duration::from_secs(self.args.grace);
        let engine = Engine::builder(Arc::clone(&self.plan))
            .sources(self.opening.sources.clone())
            .workers(self.args.workers)
            .cut(EpochCut { frames_max: EPOCH_FRAMES_MAX, ..EpochCut::default() })
            .build()?;
        let recorder = Recorder::open(self.args.record.as_deref(), &self.opening)?;
        let mut output = Output::open(self.args.output.as_deref())?;
        let style = TableStyle { is_colored: false, width: None, shows_all: true };
        let mut rows = RowWriter::new(Arc::clone(&self.plan), Format::Jsonl, style);
        let mut summary = Summary::new(Arc::clone(&self.plan));
        self.observed.ready(engine.gauges());
        if self.args.observe.self_metrics {
            let source = SourceId(self.opening.sources.len() as u32 - 1);
            let (observed, clock) = (Arc::clone(&self.observed), Arc::clone(&self.clock));
            self.runtime.spawn(feed_self(observed, source, intake.clone(), clock));
        }
        self.end_when_told(intake, listeners, grace);
        self.notify.ready(&format!("{} rules", self.plan.rules.len()));
        let watchers = (&*self.observed, &*self.notify);
        let pump = Pump::new(receiver, engine, recorder, &*self.clock, watchers);
        let pumped = pump.run(&mut |said| {
            summary.take(said);
            self.observed.follow(said);
            if said.rows.is_empty() && said.transitions.is_empty() {
                return Ok(());
            }
            in_order(said, &mut |said| {
                sinks.take(said);
                rows.write(said, &mut output)
            })?;
            output.pass_on()
        });
        let lost = self.runtime.block_on(sinks.stop(grace));
        self.observed.stopping();
        self.runtime.block_on(pages.stop());
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        let recorder = match pumped {
            Ok(recorder) => recorder,
            Err(Stopped::Write(error)) => return Err(error.into()),
            Err(Stopped::Engine(error)) => return Err(error.into()),
        };
        output.close()?;
        summary.close(&tailwater_engine::model::Ledger::default(), &self.opening.sources);
        if !self.general.is_quiet {
            summary.tell_live(self.general);
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
