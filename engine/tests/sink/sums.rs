//! Windows added up, or each on its own; both encodings; bounds of a batch.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use proptest::prelude::*;
use prost::Message;
use tailwater_engine::model::{
    AlertState, ExemplarVerdict, ExponentialBuckets, HistogramPoint, Row, RuleId, Transition, Value,
};
use tailwater_engine::sink::otlp::{Encoding, Logs, Metrics, MetricsConfig, Temporality};
use tailwater_engine::sink::push::{Encode, Said};
use tailwater_engine::sink::{AlertShape, ExemplarVerdicts, Shape};

use crate::support::{names, row, said, shapes};

const DELTA: MetricsConfig =
    MetricsConfig { encoding: Encoding::Protobuf, temporality: Temporality::Delta, series: 10 };

fn cumulative(series: usize) -> MetricsConfig {
    MetricsConfig { series, ..MetricsConfig::default() }
}

fn exponential(offset: i32, counts: &[u64]) -> Value {
    let count = counts.iter().sum();
    Value::Histogram(Arc::new(HistogramPoint {
        count,
        sum: Some(count as f64 * 2.0),
        min: Some(1.0),
        max: Some(8.0),
        exponential: Some(ExponentialBuckets {
            scale: 0,
            positive_offset: offset,
            positive: counts.to_vec(),
            ..ExponentialBuckets::default()
        }),
        ..HistogramPoint::default()
    }))
}

fn exemplar() -> Value {
    let map = vec![
        (Arc::from("trace_id"), Value::Bytes(Arc::from([7; 16]))),
        (Arc::from("span_id"), Value::Bytes(Arc::from([9; 8]))),
        (Arc::from("value"), Value::Duration(2_500_000_000)),
        (Arc::from("time"), Value::Time(5)),
    ];
    Value::List(Arc::from([Value::map(map)]))
}

/// Count, sum of durations, distribution, gauge, exemplars.
fn full(service: &str, end_ns: i64, n: i64) -> Row {
    let values = vec![
        Value::Int(n),
        Value::Duration(n * 500_000_000),
        exponential(n as i32, &[1, 2]),
        Value::Duration(3_000_000_000),
        exemplar(),
    ];
    row(service, end_ns, values)
}

fn encoded(metrics: &mut Metrics, rows: impl IntoIterator<Item = Row>) -> Vec<Metric> {
    let batch: Vec<Said> = rows.into_iter().map(said).collect();
    let (_, body) = metrics.encode(&batch).unwrap();
    let mut request = ExportMetricsServiceRequest::decode(body).unwrap();
    request.resource_metrics.remove(0).scope_metrics.remove(0).metrics
}

/// (start, time, value) of each point of a sum, with its attributes' first value.
fn sum(metric: &Metric) -> (i32, bool, Vec<(u64, u64, f64)>) {
    let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    let points = sum.data_points.iter().map(|point| {
        let value = match point.value {
            Some(number_data_point::Value::AsInt(value)) => value as f64,
            Some(number_data_point::Value::AsDouble(value)) => value,
            None => panic!("{point:?}"),
        };
        (point.start_time_unix_nano, point.time_unix_nano, value)
    });
    (sum.aggregation_temporality, sum.is_monotonic, points.collect())
}

#[test]
fn windows_are_added_up_from_the_start_of_their_series() {
    let mut metrics = Metrics::with(cumulative(100), shapes());
    let first = encoded(&mut metrics, [full("a", 20, 3), full("b", 20, 1)]);
    let names: Vec<_> = first.iter().map(|m| (m.name.as_str(), m.unit.as_str())).collect();
    let wanted = [("http.n", "1"), ("http.spent", "s"), ("http.times", ""), ("http.p99", "s")];
    assert_eq!(names, wanted);
    assert_eq!(sum(&first[0]), (2, true, vec![(10, 20, 3.0), (10, 20, 1.0)]));
    assert_eq!(sum(&first[1]), (2, false, vec![(10, 20, 1.5), (10, 20, 0.5)]));
    assert!(matches!(first[3].data, Some(metric::Data::Gauge(_))));
    let later = encoded(&mut metrics, [full("a", 50, 4), full("c", 50, 9)]);
    assert_eq!(sum(&later[0]), (2, true, vec![(10, 50, 7.0), (40, 50, 9.0)]));
    // A window that ends before one that was said moves no time back.
    let before = encoded(&mut metrics, [full("a", 30, 1)]);
    assert_eq!(sum(&before[0]), (2, true, vec![(10, 50, 8.0)]));
    let Some(metric::Data::ExponentialHistogram(held)) = &before[2].data else {
        panic!("{:?}", before[2])
    };
    let point = &held.data_points[0];
    assert_eq!((held.aggregation_temporality, point.count, point.sum), (2, 9, Some(18.0)));
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (10, 50));
    let positive = point.positive.as_ref().unwrap();
    // Offsets 3, 4 and 1, two buckets of 1 and 2 each.
    assert_eq!((positive.offset, &*positive.bucket_counts), (1, &[1, 2, 1, 3, 2][..]));
    let exemplar = &point.exemplars[0];
    assert_eq!((&*exemplar.trace_id, &*exemplar.span_id), (&[7; 16][..], &[9; 8][..]));
}

#[test]
fn each_window_is_said_on_its_own_where_that_is_asked_for() {
    let mut metrics = Metrics::with(DELTA, shapes());
    encoded(&mut metrics, [full("a", 20, 3)]);
    let found = encoded(&mut metrics, [full("a", 30, 4), full("a", 40, 5)]);
    assert_eq!(sum(&found[0]), (1, true, vec![(20, 30, 4.0), (30, 40, 5.0)]));
    let Some(metric::Data::ExponentialHistogram(held)) = &found[2].data else { panic!() };
    assert_eq!((held.aggregation_temporality, held.data_points[0].count), (1, 3));
}

#[test]
fn what_finds_no_room_among_the_series_is_counted_in_one_of_its_own() {
    // Three values of a row add up: there is room for two groups.
    let mut metrics = Metrics::with(cumulative(6), shapes());
    encoded(&mut metrics, [full("a", 20, 1), full("b", 20, 1)]);
    assert_eq!(metrics.overflowed(), 0);
    let found = encoded(&mut metrics, [full("c", 30, 10), full("d", 30, 20), full("a", 30, 5)]);
    assert_eq!(metrics.overflowed(), 6);
    let Some(metric::Data::Sum(counts)) = &found[0].data else { panic!() };
    let keys: Vec<_> = counts.data_points.iter().map(|p| p.attributes[0].key.as_str()).collect();
    assert_eq!(keys, ["otel.metric.overflow", "otel.metric.overflow", "service.name"]);
    let totals: Vec<f64> = sum(&found[0]).2.into_iter().map(|point| point.2).collect();
    assert_eq!(totals, [10.0, 30.0, 6.0]);
    // Gauges need no state: each keeps its own key.
    let Some(metric::Data::Gauge(gauge)) = &found[3].data else { panic!() };
    assert!(gauge.data_points.iter().all(|point| point.attributes[0].key == "service.name"));
}

#[test]
fn a_distribution_that_cannot_be_added_begins_its_series_anew() {
    let explicit = |bounds: &[f64]| {
        let counts = vec![1; bounds.len() + 1];
        let point = HistogramPoint {
            count: counts.len() as u64,
            bounds: bounds.to_vec(),
            counts,
            ..HistogramPoint::default()
        };
        vec![Value::Null, Value::Null, Value::Histogram(Arc::new(point))]
    };
    let mut metrics = Metrics::with(cumulative(100), shapes());
    let mut next = |end_ns, bounds: &[f64]| {
        let found = encoded(&mut metrics, [row("a", end_ns, explicit(bounds))]);
        let Some(metric::Data::Histogram(held)) = &found[0].data else { panic!("{found:?}") };
        let point = &held.data_points[0];
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        (point.start_time_unix_nano, point.time_unix_nano, point.count)
    };
    assert_eq!(next(20, &[1.0]), (10, 20, 2));
    assert_eq!(next(30, &[1.0]), (10, 30, 4));
    assert_eq!(next(40, &[1.0, 2.0]), (30, 40, 3));
    assert_eq!(next(50, &[1.0, 2.0]), (30, 50, 6));
}

#[test]
fn json_says_what_protobuf_says() {
    let mut metrics = Metrics::with(MetricsConfig { encoding: Encoding::Json, ..DELTA }, shapes());
    let batch = [said(full("a \"b\"", 20, 3)), said(full("c", 20, 1))];
    let (content_type, body) = metrics.encode(&batch).unwrap();
    assert_eq!(content_type, "application/json");
    assert!(!body.contains(&b'\n'));
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let of_resource = &json["resourceMetrics"][0];
    let service =
        serde_json::json!({ "key": "service.name", "value": { "stringValue": "tailwater" } });
    assert_eq!(of_resource["resource"]["attributes"][0], service);
    let metrics = &of_resource["scopeMetrics"][0]["metrics"];
    assert_eq!(metrics.as_array().unwrap().len(), 4);
    let sum = &metrics[0]["sum"];
    assert_eq!((&sum["aggregationTemporality"], &sum["isMonotonic"]), (&1.into(), &true.into()));
    let point = &sum["dataPoints"][0];
    assert_eq!((&point["asInt"], &point["timeUnixNano"]), (&"3".into(), &"20".into()));
    assert_eq!(point["attributes"][0]["value"]["stringValue"], "a \"b\"");
    assert_eq!(point["exemplars"][0]["traceId"], "07".repeat(16));
    let point = &metrics[2]["exponentialHistogram"]["dataPoints"][0];
    let positive = serde_json::json!({ "offset": 3, "bucketCounts": ["1", "2"] });
    assert_eq!((&point["positive"], &point["count"]), (&positive, &"3".into()));
    assert_eq!(metrics[3]["gauge"]["dataPoints"][1]["asDouble"], 3.0);
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Duration),
        any::<f64>().prop_map(Value::Float),
        ".{0,40}".prop_map(|text| Value::str(&text)),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| Value::Bytes(Arc::from(b))),
        (-100..100, proptest::collection::vec(any::<u64>(), 0..400))
            .prop_map(|(offset, counts)| exponential(offset, &counts_that_add_up(counts))),
        Just(exemplar()),
    ]
}

fn counts_that_add_up(counts: Vec<u64>) -> Vec<u64> {
    counts.into_iter().map(|count| count >> 16).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_is_no_longer_than_what_its_items_weigh(
        rows in proptest::collection::vec((value(), proptest::collection::vec(value(), 5)), 1..6),
        texts in proptest::collection::vec(".{0,60}", 2),
    ) {
        // What stands around all items: resource, scope, and headers of metrics.
        let around = 1_024;
        let rows = rows.into_iter().enumerate().map(|(index, (key, values))| {
            let mut row = row("", 10 + index as i64, values);
            row.key = Arc::from([key]);
            said(row)
        });
        let batch: Vec<Said> = rows.collect();
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let config = MetricsConfig { encoding, ..MetricsConfig::default() };
            let mut metrics = Metrics::with(config, shapes());
            let weight: usize = batch.iter().map(|said| metrics.weight(said)).sum();
            if let Some((_, body)) = metrics.encode(&batch) {
                prop_assert!(body.len() <= weight + around, "{} > {weight}", body.len());
            }
            let shape = AlertShape {
                name: Arc::from("Slow"),
                severity: Some(Arc::from("page")),
                keys: names(&["service.name"]),
                labels: names(&["a"]),
                annotations: names(&["b"]),
            };
            let transition = Said::Transition(Arc::new(Transition {
                rule: RuleId(0),
                decision_ns: 0,
                state: AlertState::Firing,
                since_ns: 0,
                key: vec![Value::str(&texts[0])],
                is_other: false,
                labels: vec![Value::str(&texts[1])],
                annotations: vec![Value::str(&texts[0])],
                evidence: None,
            }));
            let mut logs = Logs::with(encoding, Arc::from([Shape::Alert(shape)]));
            let weight = logs.weight(&transition);
            let (_, body) = logs.encode(&[transition]).unwrap();
            prop_assert!(body.len() <= weight + around, "{} > {weight}", body.len());
        }
    }
}

/// A row whose exemplars say what became of their traces.
fn marked(service: &str, end_ns: i64, marks: &[(u8, &str)]) -> Row {
    let one = |(trace, mark): &(u8, &str)| {
        Value::map(vec![
            (Arc::from("trace_id"), Value::Bytes(Arc::from([*trace; 16]))),
            (Arc::from("value"), Value::Duration(3)),
            (Arc::from("time"), Value::Time(5)),
            (Arc::from("sampled"), Value::str(mark)),
        ])
    };
    let mut row = full(service, end_ns, 3);
    row.values[4] = Value::List(marks.iter().map(one).collect());
    row
}

/// The traces of the exemplars of the first count.
fn traces(metrics: &[Metric]) -> Vec<u8> {
    let Some(metric::Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
    sum.data_points[0].exemplars.iter().map(|one| one.trace_id[0]).collect()
}

#[test]
fn an_exemplar_is_attached_once_its_trace_is_kept() {
    let verdicts = ExemplarVerdicts::default();
    let mut metrics = Metrics::with(cumulative(100), shapes()).following(verdicts.clone());
    let verdict = |trace: u8, is_kept| ExemplarVerdict { trace_id: [trace; 16], is_kept };
    let first = marked("a", 20, &[(1, "open"), (2, "kept"), (3, "dropped"), (4, "open")]);
    assert_eq!(traces(&encoded(&mut metrics, [first])), [2]);
    // Of another group.
    verdicts.note(&[verdict(1, true), verdict(4, false)]);
    assert_eq!(traces(&encoded(&mut metrics, [marked("b", 20, &[])])), [0; 0]);
    assert_eq!(traces(&encoded(&mut metrics, [marked("a", 30, &[(5, "open")])])), [1]);
    assert_eq!(traces(&encoded(&mut metrics, [marked("a", 40, &[])])), [0; 0]);
    verdicts.note(&[verdict(5, true), verdict(6, true)]);
    assert_eq!(traces(&encoded(&mut metrics, [marked("a", 50, &[(6, "open")])])), [6, 5]);
}
