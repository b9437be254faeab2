//! The cuts of real recordings that ship with the tests; their counts were taken by a script.

use std::sync::Arc;

use tailwater_engine::ingest::reader::ReaderOptions;
use tailwater_engine::model::{Demand, Signal, Value};

use crate::support::{Decoded, column, demand_all, replay};

fn decode(bytes: &[u8]) -> (Demand, Decoded) {
    let demand = demand_all(&["service.name", "PodName", "http.status_code", "peer.ipv4"]);
    let decoded = replay(&demand, bytes.to_vec(), &ReaderOptions::default());
    assert_eq!(decoded.report.ledger.set_aside, []);
    (demand, decoded)
}

fn first(found: &(Demand, Decoded), signal: Signal, path: &str) -> Value {
    found.1.of(signal)[0][column(&found.0, signal, path)].clone()
}

#[test]
fn otlp_json_of_all_signals() {
    let (_, decoded) = decode(include_bytes!("../data/otel-demo.otlp.jsonl"));
    assert_eq!(decoded.received(Signal::Spans), 21);
    assert_eq!(decoded.received(Signal::SpanEvents), 7);
    assert_eq!(decoded.received(Signal::Logs), 7);
    assert_eq!(decoded.received(Signal::Metrics), 32);
}

#[test]
fn nezha_csv() {
    let spans = decode(include_bytes!("../data/nezha_trace.csv"));
    assert_eq!(spans.1.received(Signal::Spans), 30);
    let id = Value::Bytes(Arc::from([0x98, 0x90, 0x36, 0x32, 0x6b, 0x15, 0x64, 0x80]));
    assert_eq!(first(&spans, Signal::Spans, "span.id"), id);
    assert_eq!(first(&spans, Signal::Spans, "parent.id"), Value::Null, "`root`");
    assert_eq!(first(&spans, Signal::Spans, "start"), Value::Time(1_661_145_517_588_444_295));
    assert_eq!(
        first(&spans, Signal::Spans, "duration"),
        Value::Duration(1_661_145_522_996_884_739 - 1_661_145_517_588_444_295)
    );
    let pod = Value::str("frontend-579b9bff58-t2dbm");
    assert_eq!(first(&spans, Signal::Spans, "PodName"), pod);

    let logs = decode(include_bytes!("../data/nezha_log.csv"));
    assert_eq!(logs.1.received(Signal::Logs), 30);
    assert_eq!(first(&logs, Signal::Logs, "time"), Value::Time(1_661_145_522_908_318_000));
    let Value::Str(body) = first(&logs, Signal::Logs, "body") else {
        panic!("a body of text");
    };
    assert!(body.starts_with(r#"{"log":"{\"timestamp\": "#), "{body}");
}

#[test]
fn zipkin_and_jaeger() {
    let zipkin = decode(include_bytes!("../data/zipkin_ascend.json"));
    assert_eq!(zipkin.1.received(Signal::Spans), 8);
    let ids = column(&zipkin.0, Signal::Spans, "span.id");
    let mut ids: Vec<Value> = zipkin.1.of(Signal::Spans).iter().map(|r| r[ids].clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8, "shared spans have ids of their own");

    let jaeger = decode(include_bytes!("../data/jaeger_ui.json"));
    assert_eq!(jaeger.1.received(Signal::Spans), 5);
    assert_eq!(jaeger.1.received(Signal::SpanEvents), 2);
    assert_eq!(first(&jaeger, Signal::Spans, "service.name"), Value::str("service-x"));
    let peers = column(&jaeger.0, Signal::Spans, "peer.ipv4");
    assert_eq!(jaeger.1.of(Signal::Spans)[1][peers], Value::Int(23_456));
}
