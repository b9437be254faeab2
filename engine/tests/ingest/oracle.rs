//! What the decoder should make of a request: worked out slowly from prost's structures.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as LogsRequest;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics_service;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as TraceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tailwater_engine::model::{
    AttributePlace, ColumnSpec, Demand, ExponentialBuckets, Field, FieldKind, HistogramPoint,
    Signal, Value,
};

use xxhash_rust::xxh3::xxh3_64;

use crate::support::Rows;

type MetricsRequest = metrics_service::ExportMetricsServiceRequest;

/// What stands around an item.
struct Around<'a> {
    demand: &'a Demand,
    signal: Signal,
    resource: &'a [KeyValue],
    scope: &'a InstrumentationScope,
}

impl Around<'_> {
    fn row(&self, attributes: &[KeyValue], field: impl Fn(Field) -> Value) -> Vec<Value> {
        let columns = self.demand.columns(self.signal).iter();
        columns
            .map(|spec| match spec {
                ColumnSpec::Field(Field::ScopeName) => Value::str(&self.scope.name),
                ColumnSpec::Field(Field::ScopeVersion) => Value::str(&self.scope.version),
                ColumnSpec::Field(Field::Source) => Value::str("input"),
                ColumnSpec::Field(Field::Series) => {
                    let levels = [self.resource, &self.scope.attributes, attributes];
                    let sums: Vec<u8> = levels.iter().flat_map(|level| sum(level)).collect();
                    Value::Int(xxh3_64(&sums) as i64)
                }
                ColumnSpec::Field(other) => field(*other),
                ColumnSpec::Attribute { place, key } => {
                    let lists: &[&[KeyValue]] = match place {
                        AttributePlace::Any => &[attributes, &self.scope.attributes, self.resource],
                        AttributePlace::Item => &[attributes],
                        AttributePlace::Scope => &[&self.scope.attributes],
                        AttributePlace::Resource => &[self.resource],
                    };
                    let found = lists.iter().find_map(|list| {
                        let values = list.iter().rev().filter(|entry| entry.key == **key);
                        values.map(value_of).find(|value| !value.is_null())
                    });
                    found.unwrap_or_default()
                }
                ColumnSpec::FirstAttribute(keys) => {
                    let found = keys.iter().find_map(|key| {
                        let values = attributes.iter().rev().filter(|entry| entry.key == **key);
                        let is_one = |value: &Value| !value.is_null() && *value != Value::str("");
                        values.map(value_of).find(is_one)
                    });
                    found.unwrap_or_default()
                }
            })
            .collect()
    }
}

/// The sum of the attributes' hashes: their order does not count.
fn sum(attributes: &[KeyValue]) -> [u8; 8] {
    let mut sum = 0u64;
    for entry in attributes {
        let value = value_of(entry);
        if value.is_null() {
            continue;
        }
        let mut bytes = (entry.key.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(entry.key.as_bytes());
        value.encode_key(&mut bytes);
        sum = sum.wrapping_add(xxh3_64(&bytes));
    }
    sum.to_be_bytes()
}

fn value_of(entry: &KeyValue) -> Value {
    entry.value.as_ref().map(any).unwrap_or_default()
}

fn any(value: &AnyValue) -> Value {
    match &value.value {
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => Value::str(text),
        Some(Any::BoolValue(truth)) => Value::Bool(*truth),
        Some(Any::IntValue(number)) => Value::Int(*number),
        Some(Any::DoubleValue(number)) => Value::Float(*number),
        Some(Any::BytesValue(bytes)) => Value::Bytes(Arc::from(&bytes[..])),
        Some(Any::ArrayValue(list)) => Value::List(list.values.iter().map(any).collect()),
        Some(Any::KvlistValue(map)) => {
            let entries = map.values.iter();
            Value::map(
                entries.map(|entry| (Arc::from(entry.key.as_str()), value_of(entry))).collect(),
            )
        }
    }
}

fn time(ns: u64) -> Value {
    match i64::try_from(ns).unwrap_or(i64::MAX) {
        0 => Value::Null,
        ns => Value::Time(ns),
    }
}

fn id(bytes: &[u8]) -> Value {
    if bytes.iter().all(|&byte| byte == 0) { Value::Null } else { Value::Bytes(Arc::from(bytes)) }
}

fn member(field: Field, number: i32) -> Value {
    let FieldKind::Enum(names) = field.kind() else {
        panic!("{field:?} is an enumeration");
    };
    let index = usize::try_from(number).unwrap_or(0);
    Value::str(names.get(index).unwrap_or(&names[0]))
}

fn attributes_of(resource: Option<&Resource>) -> &[KeyValue] {
    resource.map_or(&[], |resource| &resource.attributes)
}

/// A list of texts; null where there is none.
fn texts(texts: impl Iterator<Item = String>) -> Value {
    let texts: Vec<Value> = texts.map(|text| Value::str(&text)).collect();
    if texts.is_empty() { Value::Null } else { Value::List(texts.into()) }
}

/// Rows of spans and of span events.
pub(crate) fn spans(request: &TraceRequest, demand: &Demand) -> (Rows, Rows) {
    let (mut spans, mut events) = (Rows::new(), Rows::new());
    for group in &request.resource_spans {
        for scoped in &group.scope_spans {
            let scope = scoped.scope.clone().unwrap_or_default();
            let around = |signal| Around {
                demand,
                signal,
                resource: attributes_of(group.resource.as_ref()),
                scope: &scope,
            };
            for span in &scoped.spans {
                let clamp = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
                let start = clamp(span.start_time_unix_nano);
                let end = clamp(span.end_time_unix_nano).max(start);
                let status = span.status.clone().unwrap_or_default();
                spans.push(around(Signal::Spans).row(&span.attributes, |field| match field {
                    Field::TraceId => id(&span.trace_id),
                    Field::SpanId => id(&span.span_id),
                    Field::ParentId => id(&span.parent_span_id),
                    Field::Name => Value::str(&span.name),
                    Field::Kind | Field::LinkedKind => member(Field::Kind, span.kind),
                    Field::Status => member(field, status.code),
                    Field::StatusMessage => Value::str(&status.message),
                    Field::Start => time(start as u64),
                    Field::End => time(end as u64),
                    Field::Duration => Value::Duration(end - start),
                    Field::TraceState => Value::str(&span.trace_state),
                    Field::EventCount => Value::Int(span.events.len() as i64),
                    Field::Sampled => Value::Bool(span.flags & 1 == 1),
                    Field::LinkCount => Value::Int(span.links.len() as i64),
                    Field::EventNames => texts(span.events.iter().map(|event| event.name.clone())),
                    Field::LinkTraceIds => texts(span.links.iter().map(|link| {
                        let id: Option<[u8; 16]> = link.trace_id.as_slice().try_into().ok();
                        id.map_or_else(String::new, |id| {
                            format!("{:032x}", u128::from_be_bytes(id))
                        })
                    })),
                    other => panic!("spans have no {other:?}"),
                }));
                for event in &span.events {
                    let row = around(Signal::SpanEvents);
                    events.push(row.row(&event.attributes, |field| match field {
                        Field::TraceId => id(&span.trace_id),
                        Field::SpanId => id(&span.span_id),
                        Field::Name => Value::str(&event.name),
                        Field::SpanName => Value::str(&span.name),
                        Field::Time => time(event.time_unix_nano),
                        other => panic!("span events have no {other:?}"),
                    }));
                }
            }
        }
    }
    (spans, events)
}

/// Rows of log records.
pub(crate) fn logs(request: &LogsRequest, demand: &Demand) -> Rows {
    let mut rows = Rows::new();
    for group in &request.resource_logs {
        for scoped in &group.scope_logs {
            let scope = scoped.scope.clone().unwrap_or_default();
            let around = Around {
                demand,
                signal: Signal::Logs,
                resource: attributes_of(group.resource.as_ref()),
                scope: &scope,
            };
            for record in &scoped.log_records {
                let number = record.severity_number;
                let level = if (1..=24).contains(&number) { (number + 3) / 4 } else { 0 };
                rows.push(around.row(&record.attributes, |field| match field {
                    Field::TraceId => id(&record.trace_id),
                    Field::SpanId => id(&record.span_id),
                    Field::Time if record.time_unix_nano == 0 => {
                        time(record.observed_time_unix_nano)
                    }
                    Field::Time => time(record.time_unix_nano),
                    Field::ObservedTime => time(record.observed_time_unix_nano),
                    Field::Severity => member(field, level),
                    Field::SeverityNumber => Value::Int(i64::from(number)),
                    Field::SeverityText => Value::str(&record.severity_text),
                    Field::Body => record.body.as_ref().map(any).unwrap_or_default(),
                    Field::EventName => Value::str(&record.event_name),
                    other => panic!("logs have no {other:?}"),
                }));
            }
        }
    }
    rows
}

/// What a data point says of itself.
struct Point<'a> {
    attributes: &'a [KeyValue],
    start: u64,
    time: u64,
    flags: u32,
    value: Value,
}

/// Rows of data points.
pub(crate) fn metrics(request: &MetricsRequest, demand: &Demand) -> Rows {
    let mut rows = Rows::new();
    for group in &request.resource_metrics {
        for scoped in &group.scope_metrics {
            let scope = scoped.scope.clone().unwrap_or_default();
            let around = Around {
                demand,
                signal: Signal::Metrics,
                resource: attributes_of(group.resource.as_ref()),
                scope: &scope,
            };
            for metric in &scoped.metrics {
                let Some(data) = &metric.data else { continue };
                let (kind, temporality, monotonic, points) = points(data);
                for point in points {
                    rows.push(around.row(point.attributes, |field| match field {
                        Field::Name => Value::str(&metric.name),
                        Field::Unit => Value::str(&metric.unit),
                        Field::MetricType => Value::str(kind),
                        Field::Temporality => member(field, temporality),
                        Field::Monotonic => Value::Bool(monotonic),
                        Field::Start => time(point.start),
                        Field::Time => time(point.time),
                        Field::MetricValue if point.flags & 1 == 1 => Value::Null,
                        Field::MetricValue => point.value.clone(),
                        other => panic!("metrics have no {other:?}"),
                    }));
                }
            }
        }
    }
    rows
}

fn points(data: &Data) -> (&'static str, i32, bool, Vec<Point<'_>>) {
    match data {
        Data::Gauge(gauge) => {
            let points = gauge.data_points.iter().map(number).collect();
            ("gauge", 0, false, points)
        }
        Data::Sum(sum) => {
            let points = sum.data_points.iter().map(number).collect();
            ("sum", sum.aggregation_temporality, sum.is_monotonic, points)
        }
        Data::Histogram(histogram) => {
            let points = histogram.data_points.iter().map(explicit).collect();
            ("histogram", histogram.aggregation_temporality, false, points)
        }
        Data::ExponentialHistogram(histogram) => {
            let points = histogram.data_points.iter().map(exponential).collect();
            let temporality = histogram.aggregation_temporality;
            ("exponential_histogram", temporality, false, points)
        }
        Data::Summary(summary) => {
            let points = summary.data_points.iter().map(quantiles).collect();
            ("summary", 0, false, points)
        }
    }
}

fn number(point: &NumberDataPoint) -> Point<'_> {
    Point {
        attributes: &point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        value: match point.value {
            Some(number_data_point::Value::AsInt(value)) => Value::Int(value),
            Some(number_data_point::Value::AsDouble(value)) => Value::Float(value),
            None => Value::Null,
        },
    }
}

fn explicit(point: &HistogramDataPoint) -> Point<'_> {
    Point {
        attributes: &point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        value: Value::Histogram(Arc::new(HistogramPoint {
            count: point.count,
            sum: point.sum,
            min: point.min,
            max: point.max,
            bounds: point.explicit_bounds.clone(),
            counts: point.bucket_counts.clone(),
            ..HistogramPoint::default()
        })),
    }
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Point<'_> {
    let positive = point.positive.clone().unwrap_or_default();
    let negative = point.negative.clone().unwrap_or_default();
    Point {
        attributes: &point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        value: Value::Histogram(Arc::new(HistogramPoint {
            count: point.count,
            sum: point.sum,
            min: point.min,
            max: point.max,
            exponential: Some(ExponentialBuckets {
                scale: point.scale,
                zero_count: point.zero_count,
                zero_threshold: point.zero_threshold,
                positive_offset: positive.offset,
                positive: positive.bucket_counts,
                negative_offset: negative.offset,
                negative: negative.bucket_counts,
            }),
            ..HistogramPoint::default()
        })),
    }
}

fn quantiles(point: &SummaryDataPoint) -> Point<'_> {
    let pairs = point.quantile_values.iter();
    Point {
        attributes: &point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        value: Value::Histogram(Arc::new(HistogramPoint {
            count: point.count,
            sum: Some(point.sum),
            quantiles: pairs.map(|pair| (pair.quantile, pair.value)).collect(),
            ..HistogramPoint::default()
        })),
    }
}
