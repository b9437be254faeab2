//! What is served over HTTP beside telemetry: results for Prometheus, and how the run is.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tailwater_engine::Error;
use tailwater_engine::clock::system_clock;
use tailwater_engine::ingest::listen::Intake;
use tailwater_engine::model::{Ledger, Signal};
use tailwater_engine::plan::{Plan, RuleKind};
use tailwater_engine::runtime::{EpochOutput, RuleCounts};
use tailwater_engine::sink::pages::{MakePage, Page, PageServer};
use tailwater_engine::sink::prometheus::PageFormat;

use super::sinks::{ResultsPage, SharedStore, locked};
use crate::args::At;

/// What the pages say, as of the last epoch.
#[derive(Default)]
struct Health {
    is_ready: AtomicBool,
    /// Epochs that are finished.
    epochs: AtomicU64,
    counts: Mutex<(Ledger, Vec<RuleCounts>)>,
}

/// The page servers of a run.
pub(super) struct Pages {
    health: Arc<Health>,
    servers: Vec<(String, PageServer)>,
}

impl Pages {
    /// Starts the servers that are wanted; names are those of the sources.
    pub(super) async fn start(
        admin_at: At,
        plan: &Arc<Plan>,
        (intake, names): (&Intake, Vec<Arc<str>>),
        results: &[ResultsPage],
    ) -> Result<Self, Error> {
        let health = Arc::new(Health::default());
        let mut servers = Vec::new();
        for page in results {
            let what = match &*page.name {
                "prometheus" => "Prometheus".to_owned(),
                name => format!("Prometheus `{name}`"),
            };
            servers.push((what, PageServer::start(page.at, results_page(&page.store)).await?));
        }
        if let At::Address(address) = admin_at {
            let make = admin(&health, plan, (intake, names), results.to_vec());
            servers.push(("admin".to_owned(), PageServer::start(address, make).await?));
        }
        Ok(Self { health, servers })
    }

    /// Where they are, for people.
    pub(super) fn places(&self) -> impl Iterator<Item = String> + '_ {
        self.servers.iter().map(|(name, server)| format!("{name} on {}", server.address()))
    }

    /// From now on telemetry is worked on.
    pub(super) fn ready(&self) {
        self.health.is_ready.store(true, Ordering::Release);
    }

    /// Follows an epoch's totals.
    pub(super) fn follow(&self, said: &EpochOutput) {
        self.health.epochs.store(said.epoch + 1, Ordering::Relaxed);
        let mut counts = self.health.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts = (said.ledger.clone(), said.rules.clone());
    }

    /// Stops the servers.
    pub(super) async fn stop(self) {
        self.health.is_ready.store(false, Ordering::Release);
        for (_, server) in self.servers {
            server.stop().await;
        }
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn results_page(store: &SharedStore) -> MakePage {
    let (store, clock) = (Arc::clone(store), system_clock());
    Arc::new(move |path, accept| {
        if path != "/metrics" {
            return None;
        }
        let format = PageFormat::accepted(accept);
        let mut store = locked(&store);
        store.expire(clock());
        let text = store.page(format);
        Some(Page { status: 200, content_type: format.content_type(), text })
    })
}

fn admin(
    health: &Arc<Health>,
    plan: &Arc<Plan>,
    (intake, names): (&Intake, Vec<Arc<str>>),
    results: Vec<ResultsPage>,
) -> MakePage {
    let (health, plan, intake) = (Arc::clone(health), Arc::clone(plan), intake.clone());
    Arc::new(move |path, _| {
        let is_ready = health.is_ready.load(Ordering::Acquire);
        let (status, content_type, text) = match path {
            "/livez" => (200, PLAIN, "ok\n".to_owned()),
            "/readyz" if is_ready => (200, PLAIN, "ok\n".to_owned()),
            "/readyz" => (503, PLAIN, "not ready: starting or stopping\n".to_owned()),
            "/healthz" => {
                let status = if is_ready { 200 } else { 503 };
                (status, "application/json", healthz(&health, is_ready))
            }
            "/metrics" => {
                let format = PageFormat::Text;
                (200, format.content_type(), metrics(&health, &plan, (&intake, &names), &results))
            }
            _ => return None,
        };
        Some(Page { status, content_type, text })
    })
}

fn healthz(health: &Health, is_ready: bool) -> String {
    let counts = health.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let unaccounted = unaccounted(&counts);
    let body = json!({
        "status": if is_ready { "ready" } else { "not ready" },
        "version": env!("CARGO_PKG_VERSION"),
        "epochs": health.epochs.load(Ordering::Relaxed),
        "unaccounted": unaccounted,
    });
    format!("{body}\n")
}

fn unaccounted((ledger, rules): &(Ledger, Vec<RuleCounts>)) -> i64 {
    ledger.unaccounted() + rules.iter().map(RuleCounts::unaccounted).sum::<i64>()
}

/// The run's own metrics, by Prometheus's conventions.
fn metrics(
    health: &Health,
    plan: &Plan,
    (intake, names): (&Intake, &[Arc<str>]),
    results: &[ResultsPage],
) -> String {
    let mut page = SelfPage::default();
    let of_intake = intake.counts();
    page.metric("tailwater_intake_held_bytes", "gauge", "Payload bytes between listeners and log");
    page.sample("tailwater_intake_held_bytes", "", of_intake.held_bytes);
    page.metric("tailwater_intake_held_items", "gauge", "Items between listeners and log");
    page.sample("tailwater_intake_held_items", "", of_intake.held_items);
    page.metric("tailwater_intake_waiting_requests", "gauge", "Requests that wait for room");
    page.sample("tailwater_intake_waiting_requests", "", of_intake.waiting);
    page.metric("tailwater_intake_items_total", "counter", "Items by what became of them");
    for (source, counts) in &of_intake.sources {
        let name = names.get(source.0 as usize).map_or("?", |name| name);
        let label = |outcome: &str, reason: &str| {
            format!("{{source=\"{name}\",outcome=\"{outcome}\",reason=\"{reason}\"}}")
        };
        let name = "tailwater_intake_items_total";
        page.sample(name, &label("accepted", ""), counts.accepted.items);
        for (reason, count) in &counts.refused {
            page.sample(name, &label("refused", reason.name()), count.items);
        }
        for (reason, count) in &counts.discarded {
            page.sample(name, &label("discarded", reason.name()), count.items);
        }
    }
    page.metric("tailwater_epochs_total", "counter", "Epochs of the input log that are finished");
    page.sample("tailwater_epochs_total", "", health.epochs.load(Ordering::Relaxed));
    let counts = health.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    page.metric("tailwater_items_total", "counter", "Items that reached the engine, by signal");
    for signal in Signal::ALL {
        let of_signal = counts.0.signals[signal.index()];
        let label =
            |outcome: &str| format!("{{signal=\"{}\",outcome=\"{outcome}\"}}", signal.name());
        page.sample("tailwater_items_total", &label("used"), of_signal.used);
        page.sample("tailwater_items_total", &label("dropped"), of_signal.dropped);
    }
    page.metric("tailwater_rule_items_total", "counter", "Items by rule and what became of them");
    for (rule, of_rule) in plan.rules.iter().zip(&counts.1) {
        if matches!(rule.kind, RuleKind::Alert(_)) || rule.place.is_hidden {
            continue;
        }
        let name = rule.name.replace('\\', "\\\\").replace('"', "\\\"");
        for (outcome, count) in [
            ("used", of_rule.used),
            ("late", of_rule.late),
            ("duplicate", of_rule.duplicates),
            ("other", of_rule.to_other),
        ] {
            let label = format!("{{rule=\"{name}\",outcome=\"{outcome}\"}}");
            page.sample("tailwater_rule_items_total", &label, count);
        }
    }
    page.metric("tailwater_unaccounted_items", "gauge", "Items that are in no account: always 0");
    page.sample("tailwater_unaccounted_items", "", unaccounted(&counts).unsigned_abs());
    page.results(results);
    page.0
}

#[derive(Default)]
struct SelfPage(String);

impl SelfPage {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn results(&mut self, results: &[ResultsPage]) {
        let stores: Vec<_> = results.iter().map(|page| (&page.name, locked(&page.store))).collect();
        let of_sink = |name: &str| format!("{{sink=\"{name}\"}}");
        self.metric("tailwater_prometheus_series", "gauge", "Series on a page of results");
        for (name, store) in &stores {
            self.sample("tailwater_prometheus_series", &of_sink(name), store.len() as u64);
        }
        let overflowed = "tailwater_prometheus_overflowed_samples_total";
        self.metric(overflowed, "counter", "Samples that found no place among the series");
        for (name, store) in &stores {
            self.sample(overflowed, &of_sink(name), store.counts().overflowed);
        }
    }
}
