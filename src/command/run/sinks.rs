//! Where results go: the output, and the sinks that rules name.
//!
//! A rule with `to` goes to the sinks that it names, one without goes to all of them; the output
//! has everything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tailwater_engine::Error;
use tailwater_engine::clock::Clock;
use tailwater_engine::plan::Plan;
use tailwater_engine::sink::Shape;
use tailwater_engine::sink::alertmanager::{AlertmanagerConfig, AlertmanagerSink};
use tailwater_engine::sink::otlp::{Logs, Metrics};
use tailwater_engine::sink::prometheus::{PrometheusConfig, PrometheusStore};
use tailwater_engine::sink::push::{Push, PushConfig, Said as Pushed, Tell};
use tailwater_engine::sink::webhook::Webhook;

use super::told::Repeats;
use crate::args::Run;
use crate::exit::Usage;
use crate::render::rows::Said;
use crate::terminal::tell;

/// Names of sinks, as rules write them.
pub(super) const NAMES: [&str; 4] = ["prometheus", "alertmanager", "webhook", "otlp"];

/// The page for Prometheus, shared with its server.
pub(super) type SharedStore = Arc<Mutex<PrometheusStore>>;

/// Locks the page; a panic while it was held ends the program anyway.
pub(super) fn locked(store: &SharedStore) -> MutexGuard<'_, PrometheusStore> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sinks of a run.
pub(super) struct Sinks {
    clock: Clock,
    /// By rule, then by name in [`NAMES`].
    goes: Vec<[bool; NAMES.len()]>,
    pub(super) prometheus: Option<SharedStore>,
    alertmanager: Option<AlertmanagerSink>,
    webhook: Option<Push>,
    /// Metrics, then logs.
    otlp: Option<(Push, Push)>,
}

impl Sinks {
    /// Starts what is configured; call it within a tokio runtime.
    pub(super) fn start(
        args: &Run,
        plan: &Plan,
        shapes: &Arc<[Shape]>,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let goes = goes(plan)?;
        let has = |at: usize| match at {
            0 => args.prometheus != crate::args::At::Nowhere,
            1 => args.alertmanager.is_some(),
            2 => args.webhook.is_some(),
            _ => args.otlp.is_some(),
        };
        missing(plan, &has)?;
        let repeats = Repeats::new(Arc::clone(clock));
        let say: Tell = Arc::new(move |name: &str, text: &str| {
            if let Some(more) = repeats.admits(name) {
                tell(&format!("warning: sink `{name}`: {text}{more}\n"));
            }
        });
        let store = || PrometheusStore::new(PrometheusConfig::default(), Arc::clone(shapes));
        let alertmanager = args.alertmanager.as_deref().map(|url| {
            let config = AlertmanagerConfig::new("alertmanager", url);
            AlertmanagerSink::start(
                &config,
                Arc::clone(shapes),
                Arc::clone(clock),
                Arc::clone(&say),
            )
        });
        let webhook = args.webhook.as_deref().map(|url| {
            let config = PushConfig::new("webhook", url);
            Push::start(config, Webhook::new("webhook", Arc::clone(shapes)), Arc::clone(&say))
        });
        let otlp = args.otlp.as_deref().map(|url| {
            let base = url.trim_end_matches('/');
            let to = |signal: &str| PushConfig::new("otlp", &format!("{base}/v1/{signal}"));
            let metrics = Metrics::new(Arc::clone(shapes));
            let metrics = Push::start(to("metrics"), metrics, Arc::clone(&say))?;
            let logs = Push::start(to("logs"), Logs::new(Arc::clone(shapes)), Arc::clone(&say))?;
            Ok::<_, Error>((metrics, logs))
        });
        Ok(Self {
            clock: Arc::clone(clock),
            goes,
            prometheus: has(0).then(|| Arc::new(Mutex::new(store()))),
            alertmanager: alertmanager.transpose()?,
            webhook: webhook.transpose()?,
            otlp: otlp.transpose()?,
        })
    }

    /// Hands on what the engine said. Never waits.
    pub(super) fn take(&self, said: Said<'_>) {
        let rule = match said {
            Said::Row(row) => row.rule,
            Said::Transition(transition) => transition.rule,
        };
        let Some([to_page, to_alertmanager, to_webhook, to_otlp]) = self.goes.get(rule.0 as usize)
        else {
            return;
        };
        if let (true, Some(store)) = (*to_page, &self.prometheus) {
            let now_ns = (self.clock)();
            match said {
                Said::Row(row) => locked(store).row(row, now_ns),
                Said::Transition(transition) => locked(store).transition(transition, now_ns),
            }
        }
        if let (true, Some((metrics, logs))) = (*to_otlp, &self.otlp) {
            match said {
                Said::Row(row) => metrics.offer(Pushed::Row(Arc::new(row.clone()))),
                Said::Transition(transition) => {
                    logs.offer(Pushed::Transition(Arc::new(transition.clone())));
                }
            }
        }
        let Said::Transition(transition) = said else { return };
        if let (true, Some(sink)) = (*to_alertmanager, &self.alertmanager) {
            sink.offer(Arc::new(transition.clone()));
        }
        if let (true, Some(sink)) = (*to_webhook, &self.webhook) {
            sink.offer(Pushed::Transition(Arc::new(transition.clone())));
        }
    }

    /// Sends what waits, for so long at most; says what could not be delivered.
    pub(super) async fn stop(self, within: Duration) -> Vec<String> {
        let Self { alertmanager, webhook, otlp, .. } = self;
        let (metrics, logs) = otlp.unzip();
        let pushes = [("webhook", webhook), ("otlp metrics", metrics), ("otlp logs", logs)];
        let of_alertmanager = async {
            match alertmanager {
                Some(sink) => Some(sink.stop(within).await),
                None => None,
            }
        };
        // Each has the whole time: they stop side by side.
        let pushes: Vec<_> = pushes
            .into_iter()
            .filter_map(|(name, push)| Some((name, tokio::spawn(push?.stop(within)))))
            .collect();
        let of_alertmanager = of_alertmanager.await;
        let mut lost = Vec::new();
        if let Some(counts) = of_alertmanager.filter(|counts| counts.dropped > 0) {
            lost.push(format!("alertmanager: {} transitions found no room", counts.dropped));
        }
        for (name, stopping) in pushes {
            // One that panicked has told so itself.
            let Ok(counts) = stopping.await else { continue };
            let all = counts.offered - counts.delivered;
            if all > 0 {
                lost.push(format!("{name}: {all} items were not delivered"));
            }
        }
        lost
    }
}

/// Where each rule goes.
fn goes(plan: &Plan) -> Result<Vec<[bool; NAMES.len()]>, Usage> {
    let mut goes = vec![[true; NAMES.len()]; plan.rules.len()];
    for route in &plan.routes {
        let Some(index) = plan.rules.iter().position(|rule| rule.name == route.name) else {
            let text = format!(
                "`{}` sends what it reads to {}: this version sends rows and alerts by the `to` of \
                 their rules alone",
                route.name,
                route.to.join(", ")
            );
            return Err(Usage(text));
        };
        goes[index] = NAMES.map(|name| route.to.iter().any(|to| **to == *name));
    }
    Ok(goes)
}

/// A rule that names a sink which is not there would be silent.
fn missing(plan: &Plan, has: &impl Fn(usize) -> bool) -> Result<(), Usage> {
    let mut texts = Vec::new();
    for route in &plan.routes {
        for to in &route.to {
            match NAMES.iter().position(|name| **name == **to) {
                Some(at) if has(at) => {}
                Some(_) => texts.push(format!(
                    "`{}` goes to `{to}`, which is not configured: give `--{to}`",
                    route.name
                )),
                None => texts.push(format!(
                    "`{}` goes to `{to}`, which is no sink (there are: {})",
                    route.name,
                    NAMES.join(", ")
                )),
            }
        }
    }
    if texts.is_empty() { Ok(()) } else { Err(Usage(texts.join("\n"))) }
}
