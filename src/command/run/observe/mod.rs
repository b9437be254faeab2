//! What a live run says of itself: metrics, log lines, words to the service manager, its end.
//!
//! Invariant: nothing here decides a result, and the thread that writes the input log pays a few
//! atomic steps a frame. Pages and the run's own telemetry are made of the same `Families`.

mod ending;
mod exposition;
mod families;
mod latencies;
mod memory;
mod notify;
mod process;
mod samplings;
mod self_feed;
mod sinks;
mod timings;
mod traces;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::json;
use tailwater_engine::ingest::listen::{ConnectionWatch, Intake};
use tailwater_engine::model::{Ledger, RuleId, Signal, SourceId};
use tailwater_engine::plan::Plan;
use tailwater_engine::redact::{RedactCounters, Redactor, TrimCounters};
use tailwater_engine::runtime::{EpochOutput, LineCounts, RuleCounts};
use tailwater_engine::self_metrics::EngineGauges;
use tailwater_engine::sink::Hear;

use super::sinks::{ResultsPage, SinkWatch, Sinks, Watched};
use crate::args::{General, LogFormat, LogLevel, Observe};
use crate::command::screen::Screen;

pub(super) use ending::{Ending, Looks};
pub(super) use memory::guard as guard_memory;
pub(super) use notify::Notify;
pub(super) use self_feed::{SOURCE as SELF, feed as feed_self};
pub(super) use timings::{Timings, UnderWay};
pub(super) use traces::Traces;

/// Decides how the run logs; what it says otherwise follows.
pub(super) fn begin_log(options: &Observe, general: General) -> General {
    crate::log::set(options.log_format, options.log_level);
    let mut general = general;
    general.colors.on_stderr &= options.log_format == LogFormat::Text;
    general.is_quiet |= options.log_level < LogLevel::Info;
    general
}

/// What is watched of a run.
pub(super) struct Observed {
    plan: Arc<Plan>,
    redacted: Option<Arc<RedactCounters>>,
    trimmed: Arc<TrimCounters>,
    /// Names of the sources, by id.
    sources: Vec<Arc<str>>,
    intake: Intake,
    /// By name of their source.
    listeners: Vec<(Arc<str>, ConnectionWatch)>,
    results: Vec<ResultsPage>,
    sinks: Vec<Watched>,
    pub(super) traces: Option<Arc<Traces>>,
    gauges: OnceLock<Arc<EngineGauges>>,
    is_ready: AtomicBool,
    record_failed: AtomicBool,
    /// Bytes of the intake's room that are left free for `limits.memory`.
    reserved: AtomicU64,
    /// Epochs that are finished.
    epochs: AtomicU64,
    counts: Mutex<Counts>,
    pub(super) timings: Timings,
}

/// Views of the sinks, with the one that takes spans; that one's own deliveries are not traced.
fn watched(sinks: &Sinks, traces: Option<&Arc<Traces>>) -> Vec<Watched> {
    let mut all = sinks.watch();
    let Some(traces) = traces else { return all };
    for watched in &all {
        let (traces, sink, sends) = (Arc::clone(traces), Arc::clone(&watched.sink), watched.sends);
        let hear: Hear = Arc::new(move |attempt| traces.delivery(&sink, sends, attempt));
        match &watched.watch {
            SinkWatch::Push(watch) => watch.hear(hear),
            SinkWatch::Alertmanager(watch) => watch.hear(hear),
            SinkWatch::File(_) => {}
        }
    }
    let watch = SinkWatch::Push(traces.watch());
    all.push(Watched { sink: Arc::from(traces::NAME), sends: "spans", watch });
    all
}

/// The totals of the last epoch.
#[derive(Debug, Clone, Default)]
struct Counts {
    ledger: Ledger,
    rules: Vec<RuleCounts>,
    /// By rule and line of a sampling.
    samples: BTreeMap<(RuleId, u16), LineCounts>,
    /// Rows (of an alert, transitions) by rule.
    said: Vec<u64>,
}

impl Counts {
    fn unaccounted(&self) -> i64 {
        self.ledger.unaccounted() + self.rules.iter().map(RuleCounts::unaccounted).sum::<i64>()
    }
}

impl Observed {
    /// Watches a run that has not begun; names are those of the sources.
    pub(super) fn new(
        (plan, screen): (&Arc<Plan>, &Screen),
        intake: &Intake,
        names: Vec<Arc<str>>,
        listeners: Vec<(Arc<str>, ConnectionWatch)>,
        sinks: &Sinks,
        traces: Option<Arc<Traces>>,
    ) -> Arc<Self> {
        let watched = watched(sinks, traces.as_ref());
        let counts = Counts { said: vec![0; plan.rules.len()], ..Counts::default() };
        Arc::new(Self {
            plan: Arc::clone(plan),
            redacted: screen.redactor.as_ref().map(Redactor::counters),
            trimmed: Arc::clone(&screen.trimmed),
            timings: Timings::new(names.len()),
            sources: names,
            intake: intake.clone(),
            listeners,
            results: sinks.pages(),
            sinks: watched,
            traces,
            gauges: OnceLock::new(),
            is_ready: AtomicBool::new(false),
            record_failed: AtomicBool::new(false),
            reserved: AtomicU64::new(0),
            epochs: AtomicU64::new(0),
            counts: Mutex::new(counts),
        })
    }

    /// The source of the run's own metrics, where it has them.
    pub(super) fn own_source(&self) -> Option<SourceId> {
        let at = self.sources.iter().position(|name| **name == *SELF)?;
        Some(SourceId(at as u32))
    }

    /// From now on telemetry is worked on, by an engine with these gauges.
    pub(super) fn ready(&self, gauges: Arc<EngineGauges>) {
        // A run has one engine.
        let _ = self.gauges.set(gauges);
        self.is_ready.store(true, Ordering::Release);
    }

    /// From now on it is not.
    pub(super) fn stopping(&self) {
        self.is_ready.store(false, Ordering::Release);
    }

    /// Whether telemetry is worked on.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Notes whether the record ended before the run did.
    pub(super) fn record_failed(&self, has_failed: bool) {
        self.record_failed.store(has_failed, Ordering::Relaxed);
    }

    /// Follows an epoch's totals.
    pub(super) fn follow(&self, said: &EpochOutput) {
        self.epochs.store(said.epoch + 1, Ordering::Relaxed);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for signal in Signal::ALL {
            let received = |ledger: &Ledger| ledger.signals[signal.index()].received;
            let items = received(&said.ledger) - received(&counts.ledger);
            self.timings.epoch_items(signal, items);
        }
        counts.ledger.clone_from(&said.ledger);
        counts.rules.clone_from(&said.rules);
        counts.samples.clone_from(&said.samples);
        let rules = said.rows.iter().map(|row| row.rule);
        for rule in rules.chain(said.transitions.iter().map(|transition| transition.rule)) {
            counts.said[rule.0 as usize] += 1;
        }
    }

    fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was accepted and has not been worked on, in a sentence for people.
    pub(super) fn left(&self) -> Vec<String> {
        let counts = self.intake.counts();
        let queued: u64 = counts.sources.values().map(|of| of.queued.items).sum();
        let items = queued + self.timings.under_way_items();
        let unworked = (items > 0).then(|| format!("{items} accepted items were not worked on"));
        unworked.into_iter().chain(self.undelivered()).collect()
    }

    /// How the run is, as JSON.
    pub(super) fn health(&self) -> String {
        let body = json!({
            "status": if self.is_ready() { "ready" } else { "not ready" },
            "version": env!("CARGO_PKG_VERSION"),
            "epochs": self.epochs.load(Ordering::Relaxed),
            "unaccounted": self.counts().unaccounted(),
            "record_failed": self.record_failed.load(Ordering::Relaxed),
            "latency_ms": self.latencies(),
        });
        format!("{body}\n")
    }

    /// The run's own metrics, for Prometheus.
    pub(super) fn page(&self) -> String {
        self.families().text()
    }
}
