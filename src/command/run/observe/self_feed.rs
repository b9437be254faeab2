//! A run's own metrics as telemetry: the families as one OTLP request, put into the intake.
//!
//! Source: opentelemetry-proto 1.11, `metrics/v1`, in its JSON form. The request is recorded like
//! any other, so that a replay reads the same numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tailwater_engine::clock::Clock;
use tailwater_engine::ingest::listen::Intake;
use tailwater_engine::model::{PayloadFormat, SourceId};

use super::Observed;
use super::exposition::{Distribution, Families, Family, Kind, Labels, Sample};

/// How often a run reads its own metrics.
const EVERY: Duration = Duration::from_secs(10);

/// The name of the source.
pub(in crate::command::run) const SOURCE: &str = "self";

/// `AGGREGATION_TEMPORALITY_DELTA`, `AGGREGATION_TEMPORALITY_CUMULATIVE`
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// Feeds a run its own metrics until its intake is closed; spawn it on a tokio runtime.
pub(in crate::command::run) async fn feed(
    observed: Arc<Observed>,
    source: SourceId,
    intake: Intake,
    clock: Clock,
) {
    let mut told = Told::new(clock());
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if !observed.is_ready() {
            continue; // not yet: the counters of an engine that is not there say nothing
        }
        let (payload, items) = told.request(&observed.families(), clock());
        if !intake.offer(source, payload.into(), PayloadFormat::OtlpJson, items).await {
            // Full or closed; counters are cumulative, so the next request says it all.
            crate::log::debug("the run's own metrics found no room");
        }
    }
}

/// What the last request said of histograms: the next one says what came since, so that a rule's
/// percentile is that of its window.
struct Told {
    start_ns: i64,
    last_ns: i64,
    histograms: BTreeMap<(&'static str, Labels), Distribution>,
}

impl Told {
    fn new(start_ns: i64) -> Self {
        Self { start_ns, last_ns: start_ns, histograms: BTreeMap::new() }
    }

    /// An `ExportMetricsServiceRequest`, and how many points it has.
    fn request(&mut self, families: &Families, now_ns: i64) -> (Vec<u8>, u64) {
        let mut count = 0;
        let mut metrics = Vec::new();
        for family in &families.0 {
            let series = family.series.iter();
            let points: Vec<Json> = series
                .filter_map(|(labels, sample)| self.point(family.name, labels, sample, now_ns))
                .collect();
            if !points.is_empty() {
                count += points.len() as u64;
                metrics.push(metric(family, &points));
            }
        }
        self.last_ns = now_ns;
        let resource = json!({ "attributes": [attribute("service.name", "tailwater"),
            attribute("service.version", env!("CARGO_PKG_VERSION"))] });
        let scope = json!({ "name": "tailwater", "version": env!("CARGO_PKG_VERSION") });
        let request = json!({ "resourceMetrics": [{
            "resource": resource,
            "scopeMetrics": [{ "scope": scope, "metrics": metrics }],
        }] });
        (request.to_string().into_bytes(), count)
    }

    /// A point; none of a histogram that has nothing new.
    fn point(
        &mut self,
        name: &'static str,
        labels: &Labels,
        sample: &Sample,
        now_ns: i64,
    ) -> Option<Json> {
        let attributes: Vec<Json> = labels.iter().map(|(key, text)| attribute(key, text)).collect();
        let mut point = json!({
            "attributes": attributes,
            "startTimeUnixNano": self.start_ns.to_string(),
            "timeUnixNano": now_ns.to_string(),
        });
        match sample {
            Sample::Whole(value) => point["asInt"] = json!(value.to_string()),
            Sample::Number(value) => point["asDouble"] = json!(value),
            Sample::Histogram(held) => {
                let before = self.histograms.insert((name, labels.clone()), held.clone());
                let new = held.since(before.as_ref());
                let count: u64 = new.counts.iter().sum();
                if count == 0 {
                    return None;
                }
                point["startTimeUnixNano"] = json!(self.last_ns.to_string());
                point["count"] = json!(count.to_string());
                point["sum"] = json!(new.sum);
                point["explicitBounds"] = json!(new.bounds);
                point["bucketCounts"] = new.counts.iter().map(ToString::to_string).collect();
            }
        }
        Some(point)
    }
}

fn metric(family: &Family, points: &[Json]) -> Json {
    let (kind, data) = match family.kind {
        Kind::Gauge => ("gauge", json!({ "dataPoints": points })),
        Kind::Counter => (
            "sum",
            json!({ "dataPoints": points, "aggregationTemporality": CUMULATIVE,
                    "isMonotonic": true }),
        ),
        Kind::Histogram => {
            ("histogram", json!({ "dataPoints": points, "aggregationTemporality": DELTA }))
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
        let mut told = Told::new(1);
        let (text, points) = told.request(&families, 2);
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
        // Nothing new: the histogram is left out, counters are not.
        let (text, points) = told.request(&families, 3);
        assert_eq!((points, String::from_utf8_lossy(&text).contains("c_seconds")), (2, false));
        histogram.record(3_000_000_000);
        let later = Sample::histogram(histogram.counts(), 1e9);
        families.0[3].series[0].1 = later;
        let read: Json = serde_json::from_slice(&told.request(&families, 4).0).unwrap();
        let held = &read["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][2]["histogram"];
        let point = &held["dataPoints"][0];
        assert_eq!(
            (&point["bucketCounts"], &point["sum"], &point["startTimeUnixNano"]),
            (&json!(["0", "1"]), &json!(3.0), &json!("3"))
        );
    }
}
