//! Rows and transitions as OTLP, read again by OpenTelemetry's own types.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message;
use tailwater_engine::model::{AlertState, Row, RowKind, RuleId, Transition, Value};
use tailwater_engine::sink::otlp::{Logs, Metrics};
use tailwater_engine::sink::push::{Encode, Said};
use tailwater_engine::sink::{AlertShape, RuleShape, Shape};

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn shapes() -> Arc<[Shape]> {
    let rule = RuleShape {
        name: Arc::from("http"),
        keys: names(&["service.name", "code"]),
        values: names(&["n", "p99", "share", "size", "text"]),
        ..RuleShape::default()
    };
    let alert = AlertShape {
        name: Arc::from("Slow"),
        severity: Some(Arc::from("page")),
        keys: names(&["service.name"]),
        labels: names(&["team"]),
        annotations: names(&["summary"]),
    };
    Arc::from([Shape::Rule(rule), Shape::Alert(alert)])
}

fn row(service: &str, n: i64, kind: RowKind) -> Said {
    Said::Row(Arc::new(Row {
        rule: RuleId(0),
        decision_ns: 0,
        start_ns: 1_000,
        end_ns: 2_000,
        kind,
        is_other: false,
        key: Arc::from([Value::str(service), Value::Int(-5)]),
        values: vec![
            Value::Int(n),
            Value::Duration(1_500_000_000),
            Value::Ratio(0.25),
            Value::Size(1 << 40),
            Value::str("no number"),
        ],
    }))
}

fn said(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |pair: &KeyValue| match pair.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(is_so)) => is_so.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_final_row_is_one_gauge_a_value() {
    let batch = [
        row("a", 3, RowKind::Final),
        row("b", -4, RowKind::Final),
        row("c", 9, RowKind::Revision(1)),
    ];
    let (content_type, body) = Metrics::new(shapes()).encode(&batch).unwrap();
    assert_eq!(content_type, "application/x-protobuf");
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    let of_resource = &request.resource_metrics[0];
    let resource = of_resource.resource.as_ref().unwrap();
    assert_eq!(said(&resource.attributes), pairs(&[("service.name", "tailwater")]));
    let metrics = &of_resource.scope_metrics[0].metrics;
    let found: Vec<_> = metrics.iter().map(|m| (m.name.as_str(), m.unit.as_str())).collect();
    assert_eq!(
        found,
        [("http.n", "1"), ("http.p99", "s"), ("http.share", "1"), ("http.size", "By")]
    );
    let points = |index: usize| match metrics[index].data.clone().unwrap() {
        metric::Data::Gauge(gauge) => gauge.data_points,
        other => panic!("{other:?}"),
    };
    let counts = points(0);
    assert_eq!(counts.len(), 2);
    assert_eq!(counts[1].value, Some(number_data_point::Value::AsInt(-4)));
    assert_eq!((counts[0].start_time_unix_nano, counts[0].time_unix_nano), (1_000, 2_000));
    assert_eq!(said(&counts[0].attributes), pairs(&[("service.name", "a"), ("code", "-5")]));
    assert_eq!(points(1)[0].value, Some(number_data_point::Value::AsDouble(1.5)));
    assert_eq!(points(2)[0].value, Some(number_data_point::Value::AsDouble(0.25)));
    assert_eq!(points(3)[0].value, Some(number_data_point::Value::AsInt(1 << 40)));
    assert!(Metrics::new(shapes()).encode(&batch[2..]).is_none(), "revisions are not sent");
}

#[test]
fn a_transition_is_a_log_record() {
    let transition = Transition {
        rule: RuleId(1),
        decision_ns: 7_000,
        state: AlertState::Firing,
        since_ns: 0,
        key: vec![Value::str("shop")],
        is_other: false,
        labels: vec![Value::str("pay")],
        annotations: vec![Value::str("it is slow")],
        evidence: None,
    };
    let batch = [row("a", 1, RowKind::Final), Said::Transition(Arc::new(transition))];
    let (_, body) = Logs::new(shapes()).encode(&batch).unwrap();
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let records = &request.resource_logs[0].scope_logs[0].log_records;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].event_name, "tailwater.row");
    let record = &records[1];
    assert_eq!((record.time_unix_nano, record.observed_time_unix_nano), (7_000, 7_000));
    assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
    assert_eq!(record.event_name, "tailwater.alert");
    let wanted = [
        ("service.name", "shop"),
        ("alert.name", "Slow"),
        ("alert.state", "firing"),
        ("alert.severity", "page"),
        ("alert.labels.team", "pay"),
        ("alert.annotations.summary", "it is slow"),
    ];
    assert_eq!(said(&record.attributes), pairs(&wanted));
}

#[test]
fn what_an_answer_says_was_not_taken_is_read() {
    let answer = |rejected: i64, text: &str| {
        ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: text.to_owned(),
            }),
        }
        .encode_to_vec()
    };
    let logs = Logs::new(shapes());
    assert_eq!(logs.rejected(&answer(3, "too old")), Some((3, "too old".to_owned())));
    assert_eq!(logs.rejected(&answer(0, "careful")), Some((0, "careful".to_owned())));
    assert_eq!((logs.rejected(&[]), logs.rejected(&answer(0, ""))), (None, None));
    for junk in [&[0xff; 20][..], &[0x0a, 0x50, 1], b"{}"] {
        assert_eq!(logs.rejected(junk), None, "{junk:?}");
    }
    let (rejected, page) = logs.rejected(b"<html>").unwrap();
    assert!(rejected == 0 && page.contains("web page"), "{rejected} {page}");
}
