//! OTLP/JSON as its specification maps it, written independently of any decoder.

use std::fmt::Write;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as LogsRequest;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics_service;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as TraceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Metric, NumberDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

type MetricsRequest = metrics_service::ExportMetricsServiceRequest;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("a string takes all");
        text
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i > group.len() { '=' } else { digit.into() });
        }
    }
    text
}

fn float(number: f64) -> Value {
    match number {
        _ if number.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(number),
    }
}

fn floats(numbers: &[f64]) -> Value {
    numbers.iter().map(|&number| float(number)).collect()
}

fn texts(numbers: &[u64]) -> Value {
    numbers.iter().map(u64::to_string).collect()
}

fn any(value: &AnyValue) -> Value {
    match &value.value {
        None | Some(Any::StringValueStrindex(_)) => json!({}),
        Some(Any::StringValue(text)) => json!({ "stringValue": text }),
        Some(Any::BoolValue(truth)) => json!({ "boolValue": truth }),
        Some(Any::IntValue(number)) if number % 2 == 0 => json!({ "intValue": number }),
        Some(Any::IntValue(number)) => json!({ "intValue": number.to_string() }),
        Some(Any::DoubleValue(number)) => json!({ "doubleValue": float(*number) }),
        Some(Any::BytesValue(bytes)) => json!({ "bytesValue": base64(bytes) }),
        Some(Any::ArrayValue(list)) => {
            let values: Vec<Value> = list.values.iter().map(any).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Some(Any::KvlistValue(map)) => {
            json!({ "kvlistValue": { "values": key_values(&map.values) } })
        }
    }
}

fn key_values(list: &[KeyValue]) -> Value {
    list.iter()
        .map(|entry| match &entry.value {
            Some(value) => json!({ "value": any(value), "key": entry.key }),
            None => json!({ "key": entry.key, "value": null }),
        })
        .collect()
}

fn resource(resource: Option<&Resource>) -> Value {
    match resource {
        Some(resource) => json!({ "attributes": key_values(&resource.attributes) }),
        None => Value::Null,
    }
}

fn scope(scope: Option<&InstrumentationScope>) -> Value {
    match scope {
        Some(scope) => json!({
            "name": scope.name,
            "version": scope.version,
            "attributes": key_values(&scope.attributes),
            "droppedAttributesCount": scope.dropped_attributes_count,
        }),
        None => Value::Null,
    }
}

/// A trace request.
pub(crate) fn traces(request: &TraceRequest) -> Value {
    let groups = request.resource_spans.iter().map(|group| {
        let scopes = group.scope_spans.iter().map(|scoped| {
            let spans: Vec<Value> = scoped.spans.iter().map(span).collect();
            json!({ "scope": scope(scoped.scope.as_ref()), "spans": spans, "unknown": [1, {}] })
        });
        let scopes: Vec<Value> = scopes.collect();
        json!({ "resource": resource(group.resource.as_ref()), "scopeSpans": scopes })
    });
    json!({ "resourceSpans": groups.collect::<Vec<_>>() })
}

fn span(span: &Span) -> Value {
    let events = span.events.iter().map(|event| {
        json!({
            "timeUnixNano": event.time_unix_nano.to_string(),
            "name": event.name,
            "attributes": key_values(&event.attributes),
        })
    });
    let links = span.links.iter().map(|link| {
        json!({
            "traceId": hex(&link.trace_id),
            "spanId": hex(&link.span_id),
            "attributes": key_values(&link.attributes),
        })
    });
    json!({
        "traceId": hex(&span.trace_id).to_lowercase(),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "traceState": span.trace_state,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": key_values(&span.attributes),
        "events": events.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "status": span.status.as_ref().map(|status| {
            json!({ "message": status.message, "code": status.code })
        }),
    })
}

/// A log request.
pub(crate) fn logs(request: &LogsRequest) -> Value {
    let groups = request.resource_logs.iter().map(|group| {
        let scopes = group.scope_logs.iter().map(|scoped| {
            let records = scoped.log_records.iter().map(|record| {
                json!({
                    "timeUnixNano": record.time_unix_nano.to_string(),
                    "observedTimeUnixNano": record.observed_time_unix_nano.to_string(),
                    "severityNumber": record.severity_number,
                    "severityText": record.severity_text,
                    "body": record.body.as_ref().map(any),
                    "attributes": key_values(&record.attributes),
                    "traceId": hex(&record.trace_id),
                    "spanId": hex(&record.span_id),
                    "eventName": record.event_name,
                })
            });
            let records: Vec<Value> = records.collect();
            json!({ "scope": scope(scoped.scope.as_ref()), "logRecords": records })
        });
        let scopes: Vec<Value> = scopes.collect();
        json!({ "resource": resource(group.resource.as_ref()), "scopeLogs": scopes })
    });
    json!({ "resourceLogs": groups.collect::<Vec<_>>() })
}

/// A metric request.
pub(crate) fn metrics(request: &MetricsRequest) -> Value {
    let groups = request.resource_metrics.iter().map(|group| {
        let scopes = group.scope_metrics.iter().map(|scoped| {
            let metrics: Vec<Value> = scoped.metrics.iter().map(metric).collect();
            json!({ "scope": scope(scoped.scope.as_ref()), "metrics": metrics })
        });
        let scopes: Vec<Value> = scopes.collect();
        json!({ "resource": resource(group.resource.as_ref()), "scopeMetrics": scopes })
    });
    json!({ "resourceMetrics": groups.collect::<Vec<_>>() })
}

fn metric(metric: &Metric) -> Value {
    let mut object = json!({ "name": metric.name, "unit": metric.unit });
    let (name, data) = match &metric.data {
        None => return object,
        Some(Data::Gauge(gauge)) => ("gauge", json!({ "dataPoints": numbers(&gauge.data_points) })),
        Some(Data::Sum(sum)) => (
            "sum",
            json!({
                "dataPoints": numbers(&sum.data_points),
                "aggregationTemporality": sum.aggregation_temporality,
                "isMonotonic": sum.is_monotonic,
            }),
        ),
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter().map(|point| {
                json!({
                    "attributes": key_values(&point.attributes),
                    "startTimeUnixNano": point.start_time_unix_nano.to_string(),
                    "timeUnixNano": point.time_unix_nano.to_string(),
                    "count": point.count.to_string(),
                    "sum": point.sum.map(float),
                    "min": point.min.map(float),
                    "max": point.max.map(float),
                    "bucketCounts": texts(&point.bucket_counts),
                    "explicitBounds": floats(&point.explicit_bounds),
                })
            });
            let temporality = histogram.aggregation_temporality;
            let points: Vec<Value> = points.collect();
            ("histogram", json!({ "aggregationTemporality": temporality, "dataPoints": points }))
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            ("exponentialHistogram", exponential(histogram))
        }
        Some(Data::Summary(summary)) => {
            let points = summary.data_points.iter().map(|point| {
                let pairs = point.quantile_values.iter().map(
                    |pair| json!({ "quantile": float(pair.quantile), "value": float(pair.value) }),
                );
                json!({
                    "attributes": key_values(&point.attributes),
                    "timeUnixNano": point.time_unix_nano.to_string(),
                    "count": point.count.to_string(),
                    "sum": float(point.sum),
                    "quantileValues": pairs.collect::<Vec<_>>(),
                    "flags": point.flags,
                })
            });
            let points: Vec<Value> = points.collect();
            ("summary", json!({ "dataPoints": points }))
        }
    };
    object[name] = data;
    object
}

fn exponential(histogram: &ExponentialHistogram) -> Value {
    let points = histogram.data_points.iter().map(|point| {
        json!({
            "attributes": key_values(&point.attributes),
            "startTimeUnixNano": point.start_time_unix_nano.to_string(),
            "timeUnixNano": point.time_unix_nano.to_string(),
            "count": point.count.to_string(),
            "sum": point.sum.map(float),
            "min": point.min.map(float),
            "max": point.max.map(float),
            "scale": point.scale,
            "zeroCount": point.zero_count.to_string(),
            "zeroThreshold": float(point.zero_threshold),
            "positive": point.positive.as_ref().map(buckets),
            "negative": point.negative.as_ref().map(buckets),
        })
    });
    let temporality = histogram.aggregation_temporality;
    let points: Vec<Value> = points.collect();
    json!({ "dataPoints": points, "aggregationTemporality": temporality })
}

fn numbers(points: &[NumberDataPoint]) -> Vec<Value> {
    let points = points.iter().map(|point| {
        let mut object = json!({
            "attributes": key_values(&point.attributes),
            "startTimeUnixNano": point.start_time_unix_nano.to_string(),
            "timeUnixNano": point.time_unix_nano.to_string(),
            "flags": point.flags,
        });
        match point.value {
            Some(number_data_point::Value::AsInt(value)) => {
                object["asInt"] = json!(value.to_string());
            }
            Some(number_data_point::Value::AsDouble(value)) => object["asDouble"] = float(value),
            None => {}
        }
        object
    });
    points.collect()
}

fn buckets(side: &Buckets) -> Value {
    json!({ "offset": side.offset, "bucketCounts": texts(&side.bucket_counts) })
}
