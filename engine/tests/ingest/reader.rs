//! The reader: formats and compression by content, and cuts that depend on the content alone.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;
use tailwater_engine::ErrorKind;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::limits::{FRAME_BYTES_MAX, FRAME_EVENTS_MAX};
use tailwater_engine::model::{DataFrame, PayloadFormat, Signal};

use crate::generate;
use crate::support::{demand_all, replay};

/// Gives at most so many bytes a call.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

fn open(read: impl Read + Send + 'static, format: Option<PayloadFormat>) -> FileReader {
    let options = ReaderOptions { format, ..ReaderOptions::default() };
    FileReader::open(vec![Input::new("input", read)], &options).expect("a known format")
}

fn frames(mut reader: FileReader) -> Vec<DataFrame> {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().expect("readable") {
        frames.push(frame);
    }
    frames
}

fn of_bytes(bytes: &[u8], format: Option<PayloadFormat>) -> Vec<DataFrame> {
    frames(open(Cursor::new(bytes.to_vec()), format))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// Lines of very different lengths, some longer than a frame.
fn lines() -> Vec<u8> {
    let mut text = Vec::new();
    for i in 0..20_000_usize {
        let length = match i {
            777 => FRAME_BYTES_MAX + 5,
            _ if i % 1_000 == 0 => 40_000,
            _ => i % 90,
        };
        let line = format!("{{\"message\":\"{}\"}}\n", "x".repeat(length));
        text.extend_from_slice(line.as_bytes());
    }
    text
}

#[test]
fn cuts_do_not_depend_on_read_sizes_or_compression() {
    let text = lines();
    let whole = of_bytes(&text, None);
    assert!(whole.len() > 3);
    assert_eq!(whole.iter().map(|frame| frame.payload.len()).sum::<usize>(), text.len());
    for frame in &whole {
        let items = frame.payload.split(|&byte| byte == b'\n').count() - 1;
        assert!(items <= FRAME_EVENTS_MAX);
        assert!(frame.payload.len() <= FRAME_BYTES_MAX || items == 1);
    }
    let drip = frames(open(Drip(Cursor::new(text.clone()), 977), None));
    assert_eq!(drip, whole);
    let middle = text.len() / 2;
    let members = [gzip(&text[..middle]), gzip(&text[middle..])].concat();
    assert_eq!(of_bytes(&members, None), whole, "gzip of two members");
    let zstd = zstd::encode_all(&text[..], 1).expect("memory takes all");
    assert_eq!(of_bytes(&zstd, None), whole, "zstd");
}

#[test]
fn places_are_line_numbers_of_the_file() {
    let mut text = lines();
    text.extend_from_slice(b"not json\n{\"message\":\"last\"}");
    let decoded = replay(&demand_all(&[]), text, &ReaderOptions::default());
    assert_eq!(decoded.received(Signal::Logs), 20_001);
    assert_eq!(decoded.report.ledger.set_aside[0].place, 20_001);
}

#[test]
fn csv_frames_carry_the_header_and_keep_quoted_line_ends() {
    let mut text = b"span_id,name,start_ns,end_ns\n".to_vec();
    for i in 0..20_000 {
        text.extend_from_slice(format!("{i:x},\"a\nb{i}\",1,2\n").as_bytes());
    }
    text.extend_from_slice(b"bad\n");
    let frames = of_bytes(&text, None);
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|frame| frame.payload.starts_with(b"span_id,name")));
    let decoded = replay(&demand_all(&[]), text, &ReaderOptions::default());
    assert_eq!(decoded.received(Signal::Spans), 20_000);
    assert_eq!(decoded.report.ledger.set_aside[0].place, 40_002);
}

#[test]
fn a_truncated_gzip_file_keeps_what_came_before() {
    let text = b"{\"message\":\"a\"}\n".repeat(50_000);
    let mut whole = gzip(&text);
    whole.truncate(whole.len() - 12);
    let decoded = replay(&demand_all(&[]), whole, &ReaderOptions::default());
    assert!(decoded.received(Signal::Logs) > 10_000);
    let reasons = &decoded.report.ledger.set_aside;
    let expected = "expected compressed data, found damaged or truncated data";
    assert!(reasons.iter().any(|item| &*item.reason == expected), "{reasons:?}");
}

#[test]
fn a_zstd_file_with_too_wide_a_window_says_so() {
    let text = b"{\"message\":\"a\"}\n".repeat(10);
    for (window_log, logs) in [(27, 10), (28, 0)] {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("a level that exists");
        encoder.window_log(window_log).expect("a window that exists");
        encoder.write_all(&text).expect("memory takes all");
        let whole = encoder.finish().expect("memory takes all");
        // A frame that is good stands before it, so that its format is known.
        let before = zstd::encode_all(&b"{\"message\":\"b\"}\n"[..], 1).expect("memory takes all");
        let decoded = replay(&demand_all(&[]), [before, whole].concat(), &ReaderOptions::default());
        assert_eq!(decoded.received(Signal::Logs), 1 + logs);
        let reasons = decoded.report.ledger.set_aside.iter().map(|item| &*item.reason);
        let reasons = reasons.collect::<Vec<_>>();
        assert_eq!(reasons.len(), usize::from(logs == 0), "{reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains("`--long=27` or less")), "{reasons:?}");
    }
}

#[test]
fn length_delimited_requests_of_all_signals() {
    let mut runner = TestRunner::deterministic();
    let (mut file, mut counts) = (Vec::new(), [0; 3]);
    for _ in 0..200 {
        let traces = generate::traces().new_tree(&mut runner).expect("a tree").current();
        let logs = generate::logs().new_tree(&mut runner).expect("a tree").current();
        let metrics = generate::metrics().new_tree(&mut runner).expect("a tree").current();
        let spans = traces.resource_spans.iter().flat_map(|group| &group.scope_spans);
        counts[0] += spans.map(|scope| scope.spans.len()).sum::<usize>();
        let records = logs.resource_logs.iter().flat_map(|group| &group.scope_logs);
        counts[1] += records.map(|scope| scope.log_records.len()).sum::<usize>();
        counts[2] += 1;
        for message in [traces.encode_to_vec(), logs.encode_to_vec(), metrics.encode_to_vec()] {
            file.extend_from_slice(&(message.len() as u32).to_be_bytes());
            file.extend_from_slice(&message);
        }
    }
    let options =
        ReaderOptions { format: Some(PayloadFormat::OtlpDelimited), ..ReaderOptions::default() };
    let decoded = replay(&demand_all(&[]), file.clone(), &options);
    assert_eq!(decoded.report.ledger.set_aside, []);
    assert_eq!(decoded.received(Signal::Spans), counts[0] as u64);
    assert_eq!(decoded.received(Signal::Logs), counts[1] as u64);
    assert!(decoded.received(Signal::Metrics) > counts[2] as u64);
    file.truncate(file.len() - 1);
    let decoded = replay(&demand_all(&[]), file, &options);
    assert_eq!(decoded.report.ledger.damaged, 1);
}

fn detected(bytes: &[u8]) -> Result<PayloadFormat, ErrorKind> {
    let input = Input::new("input", Cursor::new(bytes.to_vec()));
    let mut reader =
        FileReader::open(vec![input], &ReaderOptions::default()).map_err(|error| error.kind())?;
    let frame = reader.next_frame().expect("readable").expect("a frame");
    Ok(frame.format)
}

#[test]
fn formats_are_recognised_by_content() {
    let mut runner = TestRunner::deterministic();
    let request = loop {
        let request = generate::traces().new_tree(&mut runner).expect("a tree").current();
        let mut groups = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
        if groups.any(|scope| scope.spans.iter().any(|span| span.start_time_unix_nano > 0)) {
            break request.encode_to_vec();
        }
    };
    let length = (request.len() as u32).to_be_bytes();
    let delimited = [&length[..], &request].concat();
    for (bytes, expected) in [
        (&request[..], PayloadFormat::OtlpTraces),
        (&delimited, PayloadFormat::OtlpDelimited),
        (b"{\"resourceLogs\":[]}\n{\"resourceSpans\":[]}\n", PayloadFormat::OtlpJson),
        (b"{\n  \"resourceLogs\": []\n}\n", PayloadFormat::OtlpJson),
        (b"\xef\xbb\xbf{\"a\":1}\n", PayloadFormat::Ndjson),
        (b"{\"v\":1,\"src\":\"a\",\"ts\":1,\"type\":\"event\"}", PayloadFormat::Lines),
        (b"[{\"traceId\":\"1\",\"id\":\"2\"}]", PayloadFormat::Zipkin),
        (b"{\n \"traceID\": \"1\", \"spans\": [], \"processes\": {}\n}", PayloadFormat::Jaeger),
        (b"{\"data\":[{\"traceID\":\"1\"}],\"errors\":null}", PayloadFormat::Jaeger),
        (b"a,b\n1,2\n", PayloadFormat::Csv),
        (b"{\"a\":1,\n{\"a\":2}\n", PayloadFormat::Ndjson),
        (b"### log, rotated\n{\"resourceLogs\":[]}\n", PayloadFormat::OtlpJson),
    ] {
        assert_eq!(detected(bytes), Ok(expected), "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(detected(b"\x00\xffnonsense"), Err(ErrorKind::Format));
    assert_eq!(detected(b"just words"), Err(ErrorKind::Format));
}

#[test]
fn a_line_of_jaeger_needs_no_more_than_its_traces() {
    let line = "{\"data\": [{\"traceID\": \"1\", \"spans\": [], \"processes\": {}}]}\n";
    assert_eq!(detected(line.as_bytes()).unwrap(), PayloadFormat::Jaeger);
    let line = "{\"data\": [{\"traceID\": \"1\", \"message\": \"x\"}], \"message\": \"y\"}\n";
    assert_eq!(detected(line.as_bytes()).unwrap(), PayloadFormat::Ndjson);
    assert_eq!(detected(b"{\"data\": [], \"message\": \"y\"}\n").unwrap(), PayloadFormat::Ndjson);
}

#[test]
fn sources_are_sorted_by_name_and_end_one_after_another() {
    let input = |name| Input::new(name, &b"{\"message\":\"m\"}\n"[..]);
    let inputs = vec![input("b"), input("a"), input("b")];
    let mut reader = FileReader::open(inputs, &ReaderOptions::default()).expect("readable");
    let sources = reader.sources();
    let names: Vec<&str> = sources.iter().map(|source| &*source.name).collect();
    assert_eq!(names, ["a", "b", "b#2"]);
    let mut order = Vec::new();
    while let Some(frame) = reader.next_frame().expect("readable") {
        order.push(frame.source.0);
    }
    assert_eq!(order, [1, 0, 2]);
    let ended: Vec<u32> = reader.take_ended().iter().map(|source| source.0).collect();
    assert_eq!(ended, [1, 0, 2]);
}

#[test]
fn an_empty_file_has_no_frames() {
    assert_eq!(of_bytes(b"", None), []);
    assert_eq!(of_bytes(b"\n\n", None).len(), 1);
}

#[test]
fn unreadable_files_are_errors_that_name_the_file() {
    let missing = std::path::Path::new("/no/such/file.jsonl");
    let error = Input::file(missing).err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::Read);
    assert!(error.to_string().contains("`/no/such/file.jsonl`"), "{error}");
}

#[test]
fn a_reader_can_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&open(&b"{\"message\":\"m\"}"[..], None));
}
