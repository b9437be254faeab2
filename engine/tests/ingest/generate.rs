//! Random OTLP requests.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as LogsRequest;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics_service;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as TraceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

type MetricsRequest = metrics_service::ExportMetricsServiceRequest;

/// Keys that occur; the tests demand some of them.
pub(crate) const KEYS: &[&str] = &["service.name", "http.route", "k", "a.b.c.d", "", "schlüssel"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,12}", "\\PC{0,20}", "[\"\\\\\n\t\u{1}é😀]{1,6}"]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        1_700_000_000_000_000_000_u64..1_700_000_100_000_000_000,
        any::<u64>(),
    ]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(f64::INFINITY), -1e9..1e9, proptest::num::f64::NORMAL]
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        1 => Just(vec![0; length]),
        6 => vec(any::<u8>(), length),
    ]
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        1 => Just(None),
        4 => text().prop_map(|text| Some(Any::StringValue(text))),
        1 => any::<bool>().prop_map(|truth| Some(Any::BoolValue(truth))),
        2 => any::<i64>().prop_map(|number| Some(Any::IntValue(number))),
        1 => float().prop_map(|number| Some(Any::DoubleValue(number))),
        1 => vec(any::<u8>(), 0..9).prop_map(|bytes| Some(Any::BytesValue(bytes))),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| AnyValue {
                value: Some(Any::ArrayValue(ArrayValue { values })),
            }),
            vec((text(), option::of(inner)), 0..4).prop_map(|entries| AnyValue {
                value: Some(Any::KvlistValue(KeyValueList {
                    values: entries.into_iter().map(key_value).collect(),
                })),
            }),
        ]
    })
}

fn key_value((key, value): (String, Option<AnyValue>)) -> KeyValue {
    KeyValue { key, value, ..KeyValue::default() }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![
        8 => proptest::sample::select(KEYS).prop_map(str::to_owned),
        1 => text(),
    ];
    vec((key, option::weighted(0.9, any_value())).prop_map(key_value), 0..5)
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    option::of(attributes().prop_map(|attributes| Resource { attributes, ..Resource::default() }))
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    option::of((text(), text(), attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    ))
}

fn event() -> impl Strategy<Value = Event> {
    (time(), text(), attributes()).prop_map(|(time_unix_nano, name, attributes)| Event {
        time_unix_nano,
        name,
        attributes,
        dropped_attributes_count: 3,
    })
}

fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
        flags: 0x1_0000,
        ..Link::default()
    })
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8), text(), any::<u32>());
    let main = (text(), -1..9_i32, time(), time(), attributes());
    let rest =
        (vec(event(), 0..3), vec(link(), 0..3), option::of((text(), -1..5_i32)), any::<u32>());
    (ids, main, rest).prop_map(|(ids, main, rest)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        trace_state: ids.3,
        flags: ids.4,
        name: main.0,
        kind: main.1,
        start_time_unix_nano: main.2,
        end_time_unix_nano: main.3,
        attributes: main.4,
        events: rest.0,
        links: rest.1,
        status: rest.2.map(|(message, code)| Status { message, code }),
        dropped_attributes_count: rest.3,
        dropped_events_count: 1,
        dropped_links_count: 200,
    })
}

/// Trace requests.
pub(crate) fn traces() -> impl Strategy<Value = TraceRequest> {
    let scoped = (scope(), vec(span(), 0..4), text())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let group =
        (resource(), vec(scoped, 0..3), text()).prop_map(|(resource, scope_spans, schema_url)| {
            ResourceSpans { resource, scope_spans, schema_url }
        });
    vec(group, 0..3).prop_map(|resource_spans| TraceRequest { resource_spans })
}

fn record() -> impl Strategy<Value = LogRecord> {
    let main = (time(), time(), -2..30_i32, text(), option::of(any_value()));
    (main, attributes(), id(16), id(8), text()).prop_map(
        |(main, attributes, trace_id, span_id, event_name)| LogRecord {
            time_unix_nano: main.0,
            observed_time_unix_nano: main.1,
            severity_number: main.2,
            severity_text: main.3,
            body: main.4,
            attributes,
            trace_id,
            span_id,
            event_name,
            flags: 1,
            dropped_attributes_count: 9,
        },
    )
}

/// Log requests.
pub(crate) fn logs() -> impl Strategy<Value = LogsRequest> {
    let scoped = (scope(), vec(record(), 0..4)).prop_map(|(scope, log_records)| ScopeLogs {
        scope,
        log_records,
        schema_url: String::new(),
    });
    let group = (resource(), vec(scoped, 0..3)).prop_map(|(resource, scope_logs)| ResourceLogs {
        resource,
        scope_logs,
        schema_url: "s".to_owned(),
    });
    vec(group, 0..3).prop_map(|resource_logs| LogsRequest { resource_logs })
}

fn number() -> impl Strategy<Value = NumberDataPoint> {
    let value = option::of(prop_oneof![
        any::<i64>().prop_map(number_data_point::Value::AsInt),
        float().prop_map(number_data_point::Value::AsDouble),
    ]);
    (attributes(), time(), time(), 0..3_u32, value).prop_map(
        |(attributes, start, time, flags, value)| NumberDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: time,
            flags,
            value,
            exemplars: Vec::new(),
        },
    )
}

type Bounds = (Option<f64>, Option<f64>, Option<f64>);

fn bounds() -> impl Strategy<Value = Bounds> {
    (option::of(float()), option::of(float()), option::of(float()))
}

fn explicit() -> impl Strategy<Value = HistogramDataPoint> {
    let buckets = (vec(any::<u64>(), 0..5), vec(float(), 0..5));
    (attributes(), time(), time(), any::<u64>(), bounds(), buckets).prop_map(
        |(attributes, start, time, count, bounds, buckets)| HistogramDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: time,
            count,
            sum: bounds.0,
            min: bounds.1,
            max: bounds.2,
            bucket_counts: buckets.0,
            explicit_bounds: buckets.1,
            flags: 0,
            exemplars: Vec::new(),
        },
    )
}

fn side() -> impl Strategy<Value = Option<Buckets>> {
    option::of(
        (any::<i32>(), vec(any::<u64>(), 0..5))
            .prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }),
    )
}

fn exponential() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let zero = (-20..20_i32, any::<u64>(), float());
    (attributes(), time(), time(), bounds(), zero, (side(), side())).prop_map(
        |(attributes, start, time, bounds, zero, sides)| ExponentialHistogramDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: time,
            count: 17,
            sum: bounds.0,
            min: bounds.1,
            max: bounds.2,
            scale: zero.0,
            zero_count: zero.1,
            zero_threshold: zero.2,
            positive: sides.0,
            negative: sides.1,
            flags: 0,
            exemplars: Vec::new(),
        },
    )
}

fn quantiles() -> impl Strategy<Value = SummaryDataPoint> {
    let pairs = vec((0.0..1.0, float()), 0..4);
    (attributes(), time(), any::<u64>(), float(), pairs, 0..2_u32).prop_map(
        |(attributes, time, count, sum, pairs, flags)| SummaryDataPoint {
            attributes,
            start_time_unix_nano: 0,
            time_unix_nano: time,
            count,
            sum,
            quantile_values: pairs
                .into_iter()
                .map(|(quantile, value)| ValueAtQuantile { quantile, value })
                .collect(),
            flags,
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let temporality = -1..4_i32;
    let data = prop_oneof![
        vec(number(), 0..4).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (vec(number(), 0..4), temporality.clone(), any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic,
            })
        ),
        (vec(explicit(), 0..3), temporality.clone()).prop_map(
            |(data_points, aggregation_temporality)| Data::Histogram(Histogram {
                data_points,
                aggregation_temporality,
            })
        ),
        (vec(exponential(), 0..3), temporality).prop_map(
            |(data_points, aggregation_temporality)| {
                Data::ExponentialHistogram(ExponentialHistogram {
                    data_points,
                    aggregation_temporality,
                })
            }
        ),
        vec(quantiles(), 0..3).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    (text(), text(), option::weighted(0.9, data)).prop_map(|(name, unit, data)| Metric {
        name,
        unit,
        description: "d".to_owned(),
        metadata: Vec::new(),
        data,
    })
}

/// Metric requests.
pub(crate) fn metrics() -> impl Strategy<Value = MetricsRequest> {
    let scoped = (scope(), vec(metric(), 0..4)).prop_map(|(scope, metrics)| ScopeMetrics {
        scope,
        metrics,
        schema_url: String::new(),
    });
    let group = (resource(), vec(scoped, 0..3)).prop_map(|(resource, scope_metrics)| {
        ResourceMetrics { resource, scope_metrics, schema_url: String::new() }
    });
    vec(group, 0..3).prop_map(|resource_metrics| MetricsRequest { resource_metrics })
}
