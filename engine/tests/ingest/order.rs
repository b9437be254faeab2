//! Several inputs: merged by frame, or sorted by time.

use std::io::Cursor;

use tailwater_engine::ErrorKind;
use tailwater_engine::ingest::reader::{FileReader, Input, Order, ReaderOptions};
use tailwater_engine::limits::FRAME_EVENTS_MAX;
use tailwater_engine::model::{PayloadFormat, Signal, Value};

use crate::support::{Decoded, column, decode_frames, demand_all, recording};

fn read(inputs: &[(&str, &[u8])], options: &ReaderOptions) -> (Decoded, Vec<u32>) {
    let inputs = inputs.iter().map(|(name, text)| Input::new(name, Cursor::new(text.to_vec())));
    let mut reader = FileReader::open(inputs.collect(), options).expect("known formats");
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().expect("readable") {
        frames.push(frame);
    }
    assert_eq!(reader.take_ended().len(), reader.sources().len(), "every source ends");
    let order = frames.iter().map(|frame| frame.source.0).collect();
    let mut decoded = decode_frames(&demand_all(&["n"]), reader.sources().into(), &frames);
    decoded.report.ledger.merge(reader.ledger());
    (decoded, order)
}

fn by_time() -> ReaderOptions {
    ReaderOptions { order: Order::Time, ..ReaderOptions::default() }
}

fn cells(decoded: &Decoded, signal: Signal, path: &str) -> Vec<Value> {
    let column = column(&demand_all(&["n"]), signal, path);
    decoded.of(signal).iter().map(|row| row[column].clone()).collect()
}

#[test]
fn lines_are_sorted_across_files_and_ties_keep_their_order() {
    let a = b"{\"ts_ns\":30,\"n\":1}\nbroken\n{\"ts_ns\":10,\"n\":2}\n{\"ts_ns\":30,\"n\":3}";
    let b = b"{\"ts_ns\":20,\"n\":4}\n{\"ts_ns\":30,\"n\":5}\n{\"ts_ns\":5,\"n\":6}\n";
    let (decoded, _) = read(&[("a", a), ("b", b)], &by_time());
    assert_eq!(cells(&decoded, Signal::Logs, "n"), [6, 2, 4, 1, 3, 5].map(Value::Int));
    assert_eq!(decoded.report.ledger.damaged, 1);
    assert_eq!(decoded.report.ledger.set_aside[0].place, 2, "the line's own place");
}

#[test]
fn csv_records_keep_their_header_and_line_ends() {
    let text = b"ts_ns,n,body\n3,1,\"x\ny\"\n1,2,z\n2,3,\"\"\"q\"\"\"\n";
    let (decoded, _) = read(&[("a", text)], &by_time());
    assert_eq!(cells(&decoded, Signal::Logs, "n"), [2, 3, 1].map(Value::Int));
    assert_eq!(cells(&decoded, Signal::Logs, "body"), ["z", "\"q\"", "x\ny"].map(Value::str));
}

#[test]
fn otlp_requests_are_taken_apart_for_sorting() {
    let request = |times: [u64; 2], n: u8| {
        let record = |time: u64| format!("{{\"timeUnixNano\":\"{time}\"}}");
        let records = format!("[{},{}]", record(times[0]), record(times[1]));
        format!(
            "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":{records},\"scope\":\
             {{\"name\":\"s\"}}}}],\"resource\":{{\"attributes\":[{{\"key\":\"n\",\"value\":\
             {{\"intValue\":{n}}}}}]}}}}]}}\n"
        )
    };
    let text = request([7, 1], 1) + &request([3, 9], 2);
    let (decoded, _) = read(&[("a", text.as_bytes())], &by_time());
    assert_eq!(cells(&decoded, Signal::Logs, "time"), [1, 3, 7, 9].map(Value::Time));
    assert_eq!(cells(&decoded, Signal::Logs, "n"), [1, 2, 1, 2].map(Value::Int));
    assert_eq!(cells(&decoded, Signal::Logs, "scope.name"), ["s"; 4].map(Value::str));
}

#[test]
fn a_goodbye_stays_behind_what_it_follows() {
    let line = |ts: u32, kind: &str| {
        format!("{{\"v\":1,\"src\":\"s\",\"ts\":{ts},\"type\":\"{kind}\",\"data\":{{}}}}\n")
    };
    let text = line(5, "event") + &line(2, "event") + &line(6, "goodbye") + &line(1, "heartbeat");
    let (decoded, _) = read(&[("a", text.as_bytes())], &by_time());
    assert_eq!(decoded.received(Signal::Events), 2);
    assert_eq!(decoded.report.senders.iter().filter(|sender| sender.leaves).count(), 1);
    assert_eq!(decoded.report.heartbeats.len(), 1);
}

#[test]
fn a_document_cannot_be_sorted() {
    let input =
        Input::new("trace.json", Cursor::new(b"[{\"traceId\":\"1\",\"id\":\"2\"}]".to_vec()));
    let error = FileReader::open(vec![input], &by_time()).err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(error.to_string().contains("`trace.json`"), "{error}");
}

#[test]
fn merged_inputs_take_turns_by_the_time_of_their_frames() {
    let file = |start: usize| -> Vec<u8> {
        (0..2 * FRAME_EVENTS_MAX)
            .flat_map(|i| format!("{{\"ts_ns\":{}}}\n", start + i).into_bytes())
            .collect()
    };
    let (early, late) = (file(1), file(1 + FRAME_EVENTS_MAX / 2));
    let options = ReaderOptions { merge: true, ..ReaderOptions::default() };
    let (decoded, order) = read(&[("late", &late), ("early", &early)], &options);
    assert_eq!(order, [0, 1, 0, 1], "sources by name: early, late");
    assert_eq!(decoded.received(Signal::Logs), 4 * FRAME_EVENTS_MAX as u64);
    let (_, order) = read(&[("late", &late), ("early", &early)], &ReaderOptions::default());
    assert_eq!(order, [1, 1, 0, 0]);
}

#[test]
fn a_sorted_recording_holds_the_same_items() {
    let Some(bytes) = recording("otel-demo-2024-10-30/otel-demo.otlp.jsonl") else {
        return;
    };
    let given = ReaderOptions { format: Some(PayloadFormat::OtlpJson), ..Default::default() };
    let (given, _) = read(&[("demo", &bytes)], &given);
    let (sorted, _) = read(&[("demo", &bytes)], &by_time());
    for signal in [Signal::Spans, Signal::SpanEvents, Signal::Logs, Signal::Metrics] {
        let mut rows = [given.of(signal).clone(), sorted.of(signal).clone()];
        rows[0].sort();
        rows[1].sort();
        assert_eq!(rows[0], rows[1], "{}", signal.name());
    }
    let ends = cells(&sorted, Signal::Spans, "end");
    assert!(ends.is_sorted());
}
