//! Real telemetry decodes with the counts that its description gives.

use tailwater_engine::ingest::reader::ReaderOptions;
use tailwater_engine::model::{Demand, Field, Signal, Value};

use crate::support::{Decoded, column, demand_all, recording, replay};

fn decode(path: &str) -> Option<(Demand, Decoded)> {
    let demand = demand_all(&["service.name"]);
    let decoded = replay(&demand, recording(path)?, &ReaderOptions::default());
    assert_eq!(decoded.report.ledger.damaged, 0, "{:?}", decoded.report.ledger);
    Some((demand, decoded))
}

fn count(demand: &Demand, decoded: &Decoded, signal: Signal, field: Field, text: &str) -> usize {
    let column = column(demand, signal, field.path());
    let rows = decoded.of(signal).iter();
    rows.filter(|row| row[column] == Value::str(text)).count()
}

#[test]
fn the_otel_demo_capture() {
    let Some((demand, decoded)) = decode("otel-demo-2024-10-30/otel-demo.otlp.jsonl") else {
        return;
    };
    let count = |signal, field, text| count(&demand, &decoded, signal, field, text);
    assert_eq!(decoded.received(Signal::Spans), 547);
    assert_eq!(decoded.received(Signal::SpanEvents), 139);
    assert_eq!(decoded.received(Signal::Logs), 23);
    assert_eq!(decoded.received(Signal::Metrics), 4_551);
    assert_eq!(decoded.of(Signal::Metrics).len(), 4_551);
    assert_eq!(count(Signal::Spans, Field::Status, "error"), 107);
    assert_eq!(count(Signal::Metrics, Field::MetricType, "gauge"), 262);
    assert_eq!(count(Signal::Metrics, Field::MetricType, "sum"), 4_180);
    assert_eq!(count(Signal::Metrics, Field::MetricType, "histogram"), 109);
}

#[test]
fn nezha_as_otlp_lines() {
    let folder = "nezha-onlineboutique-2022-08-22";
    let Some((_, traces)) = decode(&format!("{folder}/05_19-05_20.traces.otlp.jsonl.gz")) else {
        return;
    };
    assert_eq!(traces.received(Signal::Spans), 6_712 + 5_321);
    let Some((_, logs)) = decode(&format!("{folder}/05_19-05_20.logs.otlp.jsonl.gz")) else {
        return;
    };
    assert_eq!(logs.received(Signal::Logs), 7_260 + 5_874);
}

#[test]
fn the_examples_of_the_otlp_specification() {
    for (file, signal, items) in [
        ("trace", Signal::Spans, 1),
        ("logs", Signal::Logs, 1),
        ("metrics", Signal::Metrics, 4),
        ("events", Signal::Logs, 1),
    ] {
        let Some((_, decoded)) = decode(&format!("otlp-examples/{file}.json")) else {
            return;
        };
        assert_eq!(decoded.received(signal), items, "{file}");
    }
}

#[test]
fn nezha_as_csv() {
    for (file, signal, items) in [
        ("onlineboutique-2022-08-22/05_19_trace", Signal::Spans, 6_712),
        ("onlineboutique-2022-08-22/05_20_trace", Signal::Spans, 5_321),
        ("onlineboutique-2022-08-22/05_27_trace", Signal::Spans, 21_589),
        ("onlineboutique-2022-08-22/05_19_log", Signal::Logs, 7_260),
        ("onlineboutique-2022-08-22/05_20_log", Signal::Logs, 5_874),
        ("trainticket-2023-01-29/08_50_faultfree_trace", Signal::Spans, 4_890),
        ("trainticket-2023-01-29/08_52_trace", Signal::Spans, 10_243),
        ("trainticket-2023-01-29/09_25_trace", Signal::Spans, 3_804),
        ("trainticket-2023-01-29/08_50_faultfree_log", Signal::Logs, 2_489),
        ("trainticket-2023-01-29/08_52_log", Signal::Logs, 5_381),
        ("trainticket-2023-01-29/09_25_log", Signal::Logs, 1_895),
    ] {
        let Some((_, decoded)) = decode(&format!("nezha-{file}.csv.gz")) else {
            return;
        };
        assert_eq!(decoded.received(signal), items, "{file}");
        assert_eq!(decoded.of(signal).len() as u64, items, "{file}");
    }
}

#[test]
fn zipkin_and_jaeger() {
    for (file, spans, events) in [
        ("zipkin/yelp.json", 16, 1),
        ("zipkin/ascend.json", 8, 0),
        ("zipkin/envoy.json", 1, 0),
        ("zipkin/messaging-kafka.json", 28, 0),
        ("jaeger/genaiTestTrace.json", 57, 0),
        ("jaeger/ui_01.json", 5, 2),
        ("jaeger/otlp2jaeger-out.json", 2, 0),
    ] {
        let Some((_, decoded)) = decode(file) else {
            return;
        };
        assert_eq!(decoded.received(Signal::Spans), spans, "{file}");
        assert_eq!(decoded.received(Signal::SpanEvents), events, "{file}");
    }
}
