//! One running sink of any kind.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tailwater_engine::clock::{Clock, steady_clock};
use tailwater_engine::model::{EmittedItem, ExemplarVerdict, Row, Transition};
use tailwater_engine::sink::alertmanager::{AlertmanagerSink, AlertmanagerWatch};
use tailwater_engine::sink::file::{FileSink, FileWatch};
use tailwater_engine::sink::otlp::{OtlpConfig, OtlpSink};
use tailwater_engine::sink::prometheus::PrometheusStore;
use tailwater_engine::sink::push::{Push, PushWatch, Said as Pushed};
use tailwater_engine::sink::webhook::Webhook;
use tailwater_engine::sink::{ExemplarVerdicts, Shape, SinkCounts, Tell};

use super::{SharedStore, SinkKind, SinkSpec, locked};
use crate::render::rows::Said;

/// A view of a sink.
pub(in crate::command::run) enum SinkWatch {
    /// Of one that posts batches.
    Push(PushWatch),
    /// Of an Alertmanager.
    Alertmanager(AlertmanagerWatch),
    /// Of a file.
    File(FileWatch),
}

/// A sink that has started.
pub(super) enum Running {
    /// A page that is asked for; nothing waits in it.
    Page { at: SocketAddr, store: SharedStore },
    /// Transitions, sent again while they last.
    Alertmanager(AlertmanagerSink),
    /// Transitions in batches.
    Alerts(Push),
    /// Rows as metrics, transitions as log records, items as they came.
    Otlp(OtlpSink),
    /// Lines of the output.
    Lines(FileSink),
    /// Lines of OTLP.
    OtlpLines(FileSink),
}

impl Running {
    /// Starts it; call it within a tokio runtime.
    pub(super) fn start(
        spec: &SinkSpec,
        shapes: &Arc<[Shape]>,
        (clock, exemplars): (&Clock, &ExemplarVerdicts),
        say: &Tell,
    ) -> anyhow::Result<Self> {
        let (shapes, clock, say) = (Arc::clone(shapes), Arc::clone(clock), Arc::clone(say));
        Ok(match &spec.kind {
            SinkKind::Prometheus { at, config } => {
                let store = PrometheusStore::new(*config, shapes);
                Self::Page { at: *at, store: Arc::new(Mutex::new(store)) }
            }
            SinkKind::Alertmanager(config) => Self::Alertmanager(AlertmanagerSink::start(
                config,
                shapes,
                (steady_clock(), clock),
                say,
            )?),
            SinkKind::Webhook(config) => {
                let webhook = Webhook::new(&spec.name, shapes);
                Self::Alerts(Push::start(config.clone(), webhook, say)?)
            }
            SinkKind::Lines(config) => Self::Lines(FileSink::start(config, shapes, say)?),
            SinkKind::OtlpLines(config) => Self::OtlpLines(FileSink::start(config, shapes, say)?),
            SinkKind::Otlp(config) => {
                let config =
                    OtlpConfig { exemplars: exemplars.clone(), ..OtlpConfig::clone(config) };
                Self::Otlp(OtlpSink::start(config, shapes, say)?)
            }
        })
    }

    /// Takes what is offered, or drops and counts it. Never waits.
    pub(super) fn take(&self, offer: &mut Offer<'_>) {
        match self {
            Self::Page { store, .. } => match offer.said {
                Said::Row(row) => locked(store).row(row, offer.now_ns()),
                Said::Transition(transition) => {
                    locked(store).transition(transition, offer.now_ns());
                }
            },
            Self::Alertmanager(sink) => {
                if let Said::Transition(_) = offer.said
                    && let Pushed::Transition(transition) = offer.shared()
                {
                    sink.offer(transition);
                }
            }
            Self::Alerts(push) => {
                if let Said::Transition(_) = offer.said {
                    push.offer(offer.shared());
                }
            }
            Self::Otlp(sink) => sink.offer(offer.shared()),
            Self::Lines(sink) => sink.offer_line(offer.line()),
            Self::OtlpLines(sink) => sink.offer(offer.shared()),
        }
    }

    /// Takes verdicts on the traces of exemplars.
    pub(super) fn take_verdicts(&self, verdicts: &[ExemplarVerdict]) {
        if let Self::Page { store, .. } = self {
            locked(store).verdicts(verdicts);
        }
    }

    /// Takes an item of telemetry that is routed here, or drops and counts it. Never waits.
    pub(super) fn take_item(&self, item: &Arc<EmittedItem>) {
        let said = Pushed::Item(Arc::clone(item));
        match self {
            Self::Otlp(sink) => sink.offer(said),
            Self::Lines(sink) | Self::OtlpLines(sink) => sink.offer(said),
            // No route leads here: it was refused before anything started.
            Self::Page { .. } | Self::Alertmanager(_) | Self::Alerts(_) => {}
        }
    }

    /// Views of it that outlive it, each with what it sends.
    pub(super) fn watch(&self) -> Vec<(&'static str, SinkWatch)> {
        match self {
            Self::Page { .. } => Vec::new(),
            Self::Alertmanager(sink) => vec![("alerts", SinkWatch::Alertmanager(sink.watch()))],
            Self::Alerts(push) => vec![("alerts", SinkWatch::Push(push.watch()))],
            Self::Lines(sink) => vec![("lines", SinkWatch::File(sink.watch()))],
            Self::OtlpLines(sink) => vec![("otlp", SinkWatch::File(sink.watch()))],
            Self::Otlp(sink) => {
                let watches = sink.watch().map(SinkWatch::Push);
                ["metrics", "logs", "traces"].into_iter().zip(watches).collect()
            }
        }
    }

    /// Sends what waits, for so long at most; says what could not be delivered, if there is any.
    pub(super) async fn stop(self, name: &str, within: Duration) -> Vec<String> {
        match self {
            Self::Page { .. } => Vec::new(),
            Self::Alertmanager(sink) => {
                let dropped = sink.stop(within).await.dropped();
                let text = format!("{name}: {dropped} transitions found no room");
                if dropped > 0 { vec![text] } else { Vec::new() }
            }
            Self::Alerts(push) => undelivered(name, &push.stop(within).await).into_iter().collect(),
            Self::Lines(sink) | Self::OtlpLines(sink) => {
                // Its thread is waited for, and that blocks.
                let stopped = tokio::task::spawn_blocking(move || sink.stop(within)).await;
                // One that panicked has nothing more to say.
                stopped.ok().and_then(|counts| undelivered(name, &counts)).into_iter().collect()
            }
            Self::Otlp(sink) => {
                let counts = sink.stop(within).await;
                let metrics = undelivered(&format!("{name} metrics"), &counts.metrics);
                let logs = undelivered(&format!("{name} logs"), &counts.logs);
                let traces = undelivered(&format!("{name} traces"), &counts.traces);
                metrics.into_iter().chain(logs).chain(traces).collect()
            }
        }
    }
}

fn undelivered(what: &str, counts: &SinkCounts) -> Option<String> {
    let lost = counts.offered - counts.delivered;
    (lost > 0).then(|| format!("{what}: {lost} items were not delivered"))
}

/// Something that is offered to several sinks: copied once, and only if one of them keeps it.
pub(super) struct Offer<'a> {
    said: Said<'a>,
    /// It as a line of the output.
    text: &'a str,
    clock: &'a Clock,
    now_ns: Option<i64>,
    shared: Option<Pushed>,
    line: Option<Bytes>,
}

impl<'a> Offer<'a> {
    pub(super) fn new(said: Said<'a>, text: &'a str, clock: &'a Clock) -> Self {
        Self { said, text, clock, now_ns: None, shared: None, line: None }
    }

    fn line(&mut self) -> Bytes {
        self.line.get_or_insert_with(|| Bytes::copy_from_slice(self.text.as_bytes())).clone()
    }

    fn now_ns(&mut self) -> i64 {
        *self.now_ns.get_or_insert_with(|| (self.clock)())
    }

    fn shared(&mut self) -> Pushed {
        let said = self.said;
        let shared = self.shared.get_or_insert_with(|| match said {
            Said::Row(row) => Pushed::Row(Arc::new(Row::clone(row))),
            Said::Transition(transition) => {
                Pushed::Transition(Arc::new(Transition::clone(transition)))
            }
        });
        shared.clone()
    }
}
