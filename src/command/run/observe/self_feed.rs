//! A run's own metrics as telemetry: the families as one OTLP request, put into the intake.
//!
//! Source: opentelemetry-proto 1.11, `metrics/v1`, in its JSON form. The request is recorded like
//! any other, so that a replay reads the same numbers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tailwater_engine::clock::Clock;
use tailwater_engine::ingest::listen::Intake;
use tailwater_engine::model::{PayloadFormat, SourceId};

use super::Observed;
use super::exposition::{Families, Family, Kind, Labels, Sample};

/// How often a run reads its own metrics.
const EVERY: Duration = Duration::from_secs(10);

/// The name of the source.
pub(in crate::command::run) const SOURCE: &str = "self";

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u64 = 2;

/// Feeds a run its own metrics until its intake is closed; spawn it on a tokio runtime.
pub(in crate::command::run) async fn feed(
    observed: Arc<Observed>,
    source: SourceId,
    intake: Intake,
    clock: Clock,
) {
    let start_ns = clock();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if !observed.is_ready() {
            continue; // not yet: the counters of an engine that is not there say nothing
        }
        let (payload, items) = request(&observed.families(), (start_ns, clock()));
        if !intake.offer(source, payload.into(), PayloadFormat::OtlpJson, items).await {
            // Full or closed; the counters are cumulative, so the next request says it all.
            crate::log::debug("the run's own metrics found no room");
        }
    }
}

/// An `ExportMetricsServiceRequest`, and how many points it has.
fn request(families: &Families, times: (i64, i64)) -> (Vec<u8>, u64) {
    let mut points = 0;
    let metrics: Vec<Json> = families
        .0
        .iter()
        .filter(|family| !family.series.is_empty())
        .map(|family| {
            points += family.series.len() as u64;
            metric(family, times)
        })
        .collect();
    let resource = json!({ "attributes": [attribute("service.name", "tailwater"),
        attribute("service.version", env!("CARGO_PKG_VERSION"))] });
    let scope = json!({ "name": "tailwater", "version": env!("CARGO_PKG_VERSION") });
    let request = json!({ "resourceMetrics": [{
        "resource": resource,
        "scopeMetrics": [{ "scope": scope, "metrics": metrics }],
    }] });
    (request.to_string().into_bytes(), points)
}

fn metric(family: &Family, times: (i64, i64)) -> Json {
    let series = family.series.iter();
    let points: Vec<Json> = series.map(|(labels, sample)| point(labels, sample, times)).collect();
    let (kind, data) = match family.kind {
        Kind::Gauge => ("gauge", json!({ "dataPoints": points })),
        Kind::Counter => (
            "sum",
            json!({ "dataPoints": points, "aggregationTemporality": CUMULATIVE,
                    "isMonotonic": true }),
        ),
        Kind::Histogram => {
            ("histogram", json!({ "dataPoints": points, "aggregationTemporality": CUMULATIVE }))
        }
    };
    let mut metric = json!({
        "name": family.name, "description": family.help, "unit": unit(family.name),
    });
    metric[kind] = data;
    metric
}

/// The unit that a name ends with, in UCUM.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "1",
    }
}

fn attribute(key: &str, text: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": text } })
}

fn point(labels: &Labels, sample: &Sample, (start_ns, now_ns): (i64, i64)) -> Json {
    let attributes: Vec<Json> = labels.iter().map(|(key, text)| attribute(key, text)).collect();
    let mut point = json!({
        "attributes": attributes,
        "startTimeUnixNano": start_ns.to_string(),
        "timeUnixNano": now_ns.to_string(),
    });
    match sample {
        Sample::Whole(value) => point["asInt"] = json!(value.to_string()),
        Sample::Number(value) => point["asDouble"] = json!(value),
        Sample::Histogram(held) => {
            let count: u64 = held.counts.iter().sum();
            point["count"] = json!(count.to_string());
            point["sum"] = json!(held.sum);
            point["explicitBounds"] = json!(held.bounds);
            point["bucketCounts"] = held.counts.iter().map(ToString::to_string).collect();
        }
    }
    point
}

#[cfg(test)]
mod tests {
    use tailwater_engine::self_metrics::Histogram;

    use super::*;

    #[test]
    fn families_become_metrics_of_their_kinds() {
        let histogram = Histogram::new(&[1_000_000_000]);
        histogram.record(500_000_000);
        let mut families = Families::default();
        families.counter("a_seconds_total", "A").whole(&[("sink", "x")], 7);
        families.gauge("b_bytes", "B").number(&[], 0.5);
        families.gauge("nothing", "Nothing");
        let sample = Sample::histogram(histogram.counts(), 1e9);
        families.histogram("c_seconds", "C").add(&[], sample);
        let (text, points) = request(&families, (1, 2));
        assert_eq!(points, 3);
        let read: Json = serde_json::from_slice(&text).unwrap();
        let metrics = &read["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        assert_eq!(metrics.as_array().map(Vec::len), Some(3));
        assert_eq!((&metrics[0]["unit"], &metrics[1]["unit"]), (&json!("s"), &json!("By")));
        let sum = &metrics[0]["sum"]["dataPoints"][0];
        assert_eq!((&sum["asInt"], &sum["timeUnixNano"]), (&json!("7"), &json!("2")));
        let held = &metrics[2]["histogram"]["dataPoints"][0];
        assert_eq!(
            (&held["bucketCounts"], &held["explicitBounds"], &held["sum"]),
            (&json!(["1", "0"]), &json!([1.0]), &json!(0.5))
        );
    }
}
