//! The families of a run's sinks: queues, outcomes, retries, failures, latency, breakers.

use tailwater_engine::sink::{BreakerState, DropReason, Failure, LATENCY_BOUNDS_S, SinkCounts};

use super::Observed;
use super::exposition::{Distribution, Families, Sample};
use crate::command::run::sinks::SinkWatch;

/// Nanoseconds of a second.
const SECOND_NS: f64 = 1e9;

/// The labels of a sink and of what it sends.
type Labels<'a> = [(&'static str, &'a str); 2];

impl Observed {
    /// What is waiting in sinks, in sentences for people.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = String> + '_ {
        self.sinks.iter().filter_map(|watched| {
            let items = match &watched.watch {
                SinkWatch::Push(watch) => watch.counts().waiting(),
                SinkWatch::File(watch) => watch.counts().waiting(),
                // It knows alerts, not items: what fires is known to its receiver until it ends.
                SinkWatch::Alertmanager(_) => 0,
            };
            let what = match watched.sends {
                "alerts" => String::new(),
                sends => format!(" {sends}"),
            };
            let sink = &watched.sink;
            (items > 0).then(|| format!("{sink}{what}: {items} items were not delivered"))
        })
    }

    pub(super) fn sink_families(&self, all: &mut Families) {
        for watched in &self.sinks {
            let labels = [("sink", &*watched.sink), ("sends", watched.sends)];
            match &watched.watch {
                SinkWatch::Push(watch) => {
                    let counts = watch.counts();
                    queue(&labels, &counts, watch.queue() as u64, all);
                    held(&labels, watch.held_bytes(), all);
                    outcomes(&labels, &counts, all);
                    deliveries(&labels, &counts, all);
                    breaker(&labels, &counts, all);
                    if watched.sends == "metrics" {
                        left(&labels, &counts, all);
                    }
                    all.histogram("tailwater_sink_batch_items", "Items of a batch of a sink")
                        .add(&labels, Sample::histogram(watch.batches(), 1.0));
                }
                // A file has no breaker.
                SinkWatch::File(watch) => {
                    let counts = watch.counts();
                    queue(&labels, &counts, watch.queue() as u64, all);
                    held(&labels, watch.held_bytes(), all);
                    outcomes(&labels, &counts, all);
                    deliveries(&labels, &counts, all);
                    if watched.sends == "otlp" {
                        left(&labels, &counts, all);
                    }
                }
                SinkWatch::Alertmanager(watch) => {
                    let counts = watch.counts();
                    queue(&labels, &counts.sends, watch.queue() as u64, all);
                    outcomes(&labels, &counts.sends, all);
                    deliveries(&labels, &counts.sends, all);
                    breaker(&labels, &counts.sends, all);
                    all.gauge(
                        "tailwater_sink_followed_alerts",
                        "Alerts that a sink tells again: firing, or resolved and not yet told",
                    )
                    .whole(&labels, counts.followed);
                }
            }
        }
    }
}

const REQUESTS: (&str, &str) = ("tailwater_sink_requests_total", "Attempts to deliver");
const FAILURES: (&str, &str) = ("tailwater_sink_failures_total", "Attempts that failed, by how");

fn items(all: &mut Families) -> &mut super::exposition::Family {
    all.counter("tailwater_sink_items_total", "Items of a sink by what became of them")
}

fn queue(labels: &Labels<'_>, counts: &SinkCounts, capacity: u64, all: &mut Families) {
    for (name, help, value) in [
        ("tailwater_sink_queued_items", "Items that wait for a sink", counts.queued),
        (
            "tailwater_sink_in_flight_items",
            "Items that are being sent, or wait for being sent again",
            counts.in_flight,
        ),
        ("tailwater_sink_capacity_items", "Items that may wait for a sink", capacity),
    ] {
        all.gauge(name, help).whole(labels, value);
    }
}

fn held(labels: &Labels<'_>, (bytes, capacity): (usize, usize), all: &mut Families) {
    let help = "Bytes that wait for a sink or are being sent, about";
    all.gauge("tailwater_sink_held_bytes", help).whole(labels, bytes as u64);
    let help = "Bytes that may wait for a sink";
    all.gauge("tailwater_sink_capacity_bytes", help).whole(labels, capacity as u64);
}

fn outcomes(labels: &Labels<'_>, counts: &SinkCounts, all: &mut Families) {
    let [sink, sends] = *labels;
    let family = items(all);
    family.whole(&[sink, sends, ("outcome", "delivered"), ("reason", "")], counts.delivered);
    for reason in DropReason::ALL {
        let labels = [sink, sends, ("outcome", "dropped"), ("reason", reason.word())];
        family.whole(&labels, counts.dropped_for(reason));
    }
}

/// What of rows a sink of OTLP had no place for.
fn left(labels: &Labels<'_>, counts: &SinkCounts, all: &mut Families) {
    all.counter(
        "tailwater_sink_overflowed_points_total",
        "Points that went to the series of those beyond the limit of series of a sink",
    )
    .whole(labels, counts.left.overflowed);
    all.counter(
        "tailwater_sink_unsent_values_total",
        "Values of rows that OTLP metrics have no place for: text, lists, overlapping distributions",
    )
    .whole(labels, counts.left.not_sent);
}

fn deliveries(labels: &Labels<'_>, counts: &SinkCounts, all: &mut Families) {
    let [sink, sends] = *labels;
    all.counter(REQUESTS.0, REQUESTS.1).whole(labels, counts.requests);
    all.counter("tailwater_sink_retries_total", "Attempts to deliver that repeat another one")
        .whole(labels, counts.retries);
    all.counter("tailwater_sink_sent_bytes_total", "Bytes of all attempts, as sent")
        .whole(labels, counts.bytes);
    let family = all.counter(FAILURES.0, FAILURES.1);
    for failure in Failure::ALL {
        family.whole(&[sink, sends, ("reason", failure.word())], counts.failed_by(failure));
    }
    let held = Distribution {
        bounds: LATENCY_BOUNDS_S.to_vec(),
        counts: counts.latency.counts.to_vec(),
        sum: counts.latency.sum_ns as f64 / SECOND_NS,
    };
    all.histogram(
        "tailwater_sink_request_duration_seconds",
        "Time from the start of an attempt to deliver until it ended",
    )
    .add(labels, Sample::Histogram(held));
}

fn breaker(labels: &Labels<'_>, counts: &SinkCounts, all: &mut Families) {
    let [sink, sends] = *labels;
    let family = all.gauge(
        "tailwater_sink_breaker_state",
        "State of a sink's circuit breaker: 1 for the one it is in",
    );
    for (state, name) in [
        (BreakerState::Closed, "closed"),
        (BreakerState::Open, "open"),
        (BreakerState::HalfOpen, "half_open"),
    ] {
        family.whole(&[sink, sends, ("state", name)], u64::from(counts.breaker == state));
    }
    all.counter("tailwater_sink_breaker_openings_total", "How often a breaker has opened")
        .whole(labels, counts.breaker_opened);
}
