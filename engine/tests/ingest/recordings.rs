//! Real telemetry decodes with the counts that its description gives.

use tailwater_engine::ingest::reader::ReaderOptions;
use tailwater_engine::model::{Demand, Field, Signal, Value};

use crate::support::{Decoded, column, demand_all, recording, replay};

fn decode(path: &str) -> Option<(Demand, Decoded)> {
    let demand = demand_all(&["service.name"]);
    let decoded = replay(&demand, recording(path)?, &ReaderOptions::default());
    assert_eq!(
        decoded.report.ledger.damaged, 0,
        "{:?}",
        decoded.report.ledger
    );
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
