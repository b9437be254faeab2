//! OTLP in JSON.
//!
//! Source: OTLP 1.11, "JSON Protobuf Encoding": lowerCamelCase, ids in hex, enumerations as
//! numbers, 64-bit numbers as text; what is no finite number is text as protobuf's JSON has it.

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::wire::{Head, Items, Kind, Number, Place, Record};
use crate::model::{HistogramPoint, Value};
use crate::sink::exemplar::{Exemplar, hex};
use crate::sink::prometheus::label_text;

/// `KeyValue`s with commas between them.
pub(super) fn attributes<'a>(pairs: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<u8> {
    let mut all = Vec::new();
    for (key, value) in pairs {
        append(&key_value(key, value), &mut all);
    }
    all
}

fn key_value(key: &str, value: &Value) -> Json {
    let any = match value {
        Value::Bool(is_so) => json!({ "boolValue": is_so }),
        Value::Int(number) | Value::Size(number) => json!({ "intValue": number.to_string() }),
        Value::Float(number) | Value::Ratio(number) => json!({ "doubleValue": double(*number) }),
        Value::Str(text) => json!({ "stringValue": &**text }),
        other => json!({ "stringValue": label_text(other) }),
    };
    json!({ "key": key, "value": any })
}

fn double(number: f64) -> Json {
    if number.is_nan() {
        json!("NaN")
    } else if number.is_infinite() {
        json!(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(number)
    }
}

fn append(item: &Json, items: &mut Vec<u8>) {
    if !items.is_empty() {
        items.push(b',');
    }
    items.extend_from_slice(item.to_string().as_bytes());
}

fn exemplar(exemplar: &Exemplar) -> Json {
    let mut out = json!({
        "timeUnixNano": exemplar.time_ns.to_string(),
        "asDouble": double(exemplar.value),
        "traceId": hex(&exemplar.trace_id),
    });
    if let Some(span_id) = &exemplar.span_id {
        out["spanId"] = json!(hex(span_id));
    }
    out
}

/// Appends a point whose attributes are already encoded.
fn append_point(mut point: Map<String, Json>, place: &Place<'_>, points: &mut Vec<u8>) {
    point.insert("startTimeUnixNano".to_owned(), json!(place.start_ns.to_string()));
    point.insert("timeUnixNano".to_owned(), json!(place.time_ns.to_string()));
    if !place.exemplars.is_empty() {
        let all: Vec<Json> = place.exemplars.iter().map(exemplar).collect();
        point.insert("exemplars".to_owned(), Json::Array(all));
    }
    append(&Json::Object(point), points);
    if !place.attributes.is_empty() {
        // The point's own members are never none: the brace is opened again.
        points.pop();
        points.extend_from_slice(b",\"attributes\":[");
        points.extend_from_slice(place.attributes);
        points.extend_from_slice(b"]}");
    }
}

/// `NumberDataPoint`.
pub(super) fn number(place: &Place<'_>, number: &Number, points: &mut Vec<u8>) {
    let mut point = Map::new();
    match number {
        Number::Int(number) => point.insert("asInt".to_owned(), json!(number.to_string())),
        Number::Double(number) => point.insert("asDouble".to_owned(), double(*number)),
    };
    append_point(point, place, points);
}

/// `HistogramDataPoint` or `ExponentialHistogramDataPoint`.
pub(super) fn histogram(place: &Place<'_>, held: &HistogramPoint, points: &mut Vec<u8>) {
    let texts = |counts: &[u64]| counts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut point = Map::new();
    point.insert("count".to_owned(), json!(held.count.to_string()));
    for (name, number) in [("sum", held.sum), ("min", held.min), ("max", held.max)] {
        if let Some(number) = number {
            point.insert(name.to_owned(), double(number));
        }
    }
    if let Some(buckets) = &held.exponential {
        let side = |offset: i32, counts: &[u64]| json!({ "offset": offset, "bucketCounts": texts(counts) });
        point.insert("scale".to_owned(), json!(buckets.scale));
        point.insert("zeroCount".to_owned(), json!(buckets.zero_count.to_string()));
        point.insert("zeroThreshold".to_owned(), double(buckets.zero_threshold));
        let positive = side(buckets.positive_offset, &buckets.positive);
        point.insert("positive".to_owned(), positive);
        let negative = side(buckets.negative_offset, &buckets.negative);
        point.insert("negative".to_owned(), negative);
    } else {
        let bounds: Vec<Json> = held.bounds.iter().map(|bound| double(*bound)).collect();
        point.insert("bucketCounts".to_owned(), json!(texts(&held.counts)));
        point.insert("explicitBounds".to_owned(), Json::Array(bounds));
    }
    append_point(point, place, points);
}

/// `Metric`.
pub(super) fn metric(head: &Head<'_>, points: &[u8], metrics: &mut Vec<u8>) {
    let (member, more) = match head.kind {
        Kind::Gauge => ("gauge", String::new()),
        Kind::Sum(temporality, is_monotonic) => {
            let number = temporality.number();
            let more =
                format!(",\"aggregationTemporality\":{number},\"isMonotonic\":{is_monotonic}");
            ("sum", more)
        }
        Kind::Histogram(temporality) => {
            ("histogram", format!(",\"aggregationTemporality\":{}", temporality.number()))
        }
        Kind::Exponential(temporality) => (
            "exponentialHistogram",
            format!(",\"aggregationTemporality\":{}", temporality.number()),
        ),
    };
    let texts = json!({
        "name": head.name,
        "description": head.description,
        "unit": head.unit,
    });
    append(&texts, metrics);
    metrics.pop();
    metrics.extend_from_slice(format!(",\"{member}\":{{\"dataPoints\":[").as_bytes());
    metrics.extend_from_slice(points);
    metrics.extend_from_slice(format!("]{more}}}}}").as_bytes());
}

/// `LogRecord`.
pub(super) fn record(record: &Record<'_>, records: &mut Vec<u8>) {
    let pairs = record.attributes.iter().map(|(key, value)| key_value(key, value));
    let out = json!({
        "timeUnixNano": record.time_ns.to_string(),
        "observedTimeUnixNano": record.time_ns.to_string(),
        "severityNumber": record.severity.0,
        "severityText": record.severity.1,
        "body": { "stringValue": record.body },
        "attributes": pairs.collect::<Vec<_>>(),
        "eventName": record.event,
    });
    append(&out, records);
}

/// A whole request.
pub(super) fn request(items: Items, encoded: &[u8]) -> Bytes {
    let (of_resource, of_scope, member) = match items {
        Items::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        Items::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
    };
    let version = env!("CARGO_PKG_VERSION");
    let service = key_value("service.name", &Value::str("tailwater"));
    let mut out = format!(
        "{{\"{of_resource}\":[{{\"resource\":{{\"attributes\":[{service}]}},\"{of_scope}\":[{{\
         \"scope\":{{\"name\":\"tailwater\",\"version\":\"{version}\"}},\"{member}\":["
    )
    .into_bytes();
    out.extend_from_slice(encoded);
    out.extend_from_slice(b"]}]}]}");
    Bytes::from(out)
}

/// `partialSuccess` of an answer; numbers may be text.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let partial = answer.get("partialSuccess")?;
    let names = ["rejectedDataPoints", "rejectedLogRecords", "rejectedSpans"];
    let rejected = names.iter().find_map(|name| partial.get(name)).map_or(0, |number| {
        let text = number.as_str().and_then(|text| text.parse().ok());
        text.or_else(|| number.as_u64()).unwrap_or(0)
    });
    let text = partial.get("errorMessage").and_then(Json::as_str).unwrap_or_default();
    Some((rejected, text.to_owned()))
}
