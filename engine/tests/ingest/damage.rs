//! Bad input: set aside with place and reason, everything else goes on, nothing panics.

use proptest::prelude::*;
use prost::Message;
use tailwater_engine::limits::{FRAME_ITEMS_MAX, LINE_BYTES_MAX, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX};
use tailwater_engine::model::{
    ColumnSpec, Compression, Demand, Field, PayloadFormat, Signal, Value,
};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as TraceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::generate;
use crate::support::{Decoded, column, decode, decode_frames, demand_all, frame, source};

const FORMATS: [PayloadFormat; 10] = [
    PayloadFormat::OtlpTraces,
    PayloadFormat::OtlpLogs,
    PayloadFormat::OtlpMetrics,
    PayloadFormat::OtlpDelimited,
    PayloadFormat::OtlpJson,
    PayloadFormat::Lines,
    PayloadFormat::Ndjson,
    PayloadFormat::Csv,
    PayloadFormat::Jaeger,
    PayloadFormat::Zipkin,
];

/// Rows are exactly the items received, and everything set aside is counted.
fn adds_up(decoded: &Decoded) -> bool {
    let ledger = &decoded.report.ledger;
    let rows_are_items = Signal::ALL
        .iter()
        .all(|&signal| decoded.of(signal).len() as u64 == ledger.signals[signal.index()].received);
    rows_are_items && ledger.set_aside.len() as u64 == ledger.damaged.min(100)
}

fn reasons(decoded: &Decoded) -> Vec<(u64, &str)> {
    let set_aside = &decoded.report.ledger.set_aside;
    set_aside.iter().map(|item| (item.place, &*item.reason)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn truncated_and_flipped_protobuf(
        request in generate::traces(),
        cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..4),
    ) {
        let demand = demand_all(generate::KEYS);
        let mut payload = request.encode_to_vec();
        for (place, bit) in flips {
            if !payload.is_empty() {
                let place = place.index(payload.len());
                payload[place] ^= 1 << bit;
            }
        }
        payload.truncate(cut.index(payload.len() + 1));
        for format in FORMATS {
            prop_assert!(adds_up(&decode(&demand, payload.clone(), format)));
        }
    }

    #[test]
    fn damaged_metrics(
        request in generate::metrics(),
        cut in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let demand = demand_all(generate::KEYS);
        let mut payload = request.encode_to_vec();
        payload.truncate(cut.index(payload.len() + 1));
        if !payload.is_empty() {
            let place = place.index(payload.len());
            payload[place] = byte;
        }
        prop_assert!(adds_up(&decode(&demand, payload, PayloadFormat::OtlpMetrics)));
    }

    #[test]
    fn damaged_text(
        lines in proptest::collection::vec(damaged_line(), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let demand = demand_all(&["service.name", "x"]);
        let mut payload = lines.concat();
        payload.truncate(cut.index(payload.len() + 1));
        for format in FORMATS {
            prop_assert!(adds_up(&decode(&demand, payload.clone(), format)));
        }
    }

    #[test]
    fn any_bytes(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let demand = demand_all(&["service.name"]);
        for format in FORMATS {
            prop_assert!(adds_up(&decode(&demand, payload.clone(), format)));
        }
    }
}

/// A line of some format with some bytes replaced.
fn damaged_line() -> impl Strategy<Value = Vec<u8>> {
    const LINES: &[&str] = &[
        concat!(
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"x","#,
            r#""value":{"arrayValue":{}}}]},"scopeSpans":[{"spans":[{"name":"a\u00e9","#,
            r#""traceId":"","events":[{"name":"e"}]}],"scope":{}}]}]}"#,
        ),
        concat!(
            r#"{"v":1,"src":"s","ts":1700000000000,"type":"event","data":{"level":"info","#,
            r#""msg":"m","ctx":{"x":[1,2]}}}"#,
        ),
        concat!(
            r#"{"trace_id":"0102","span_id":"03","name":"n","start_ns":1,"end_ns":2,"#,
            r#""x":{"a":[null,true,1.5e3]}}"#,
        ),
        concat!(
            r#"[{"traceId":"1","id":"2","timestamp":3,"duration":4,"tags":{"x":"y"},"#,
            r#""annotations":[{"timestamp":1,"value":"v"}]}]"#,
        ),
        concat!(
            r#"{"data":[{"traceID":"1","spans":[{"traceID":"1","spanID":"2","processID":"p","#,
            r#""tags":[{"key":"x","type":"int64","value":"7"}],"logs":[]}],"#,
            r#""processes":{"p":{"serviceName":"s"}}}]}"#,
        ),
        "a,\"b\"\"c\",3",
    ];
    let flips = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (proptest::sample::select(LINES), flips).prop_map(|(line, flips)| {
        let mut line = line.as_bytes().to_vec();
        for (place, byte) in flips {
            let place = place.index(line.len());
            line[place] = byte;
        }
        line.push(b'\n');
        line
    })
}

fn request(spans: Vec<Span>) -> TraceRequest {
    TraceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

fn named(name: &str) -> Span {
    Span { name: name.to_owned(), ..Span::default() }
}

#[test]
fn an_id_of_a_wrong_length_sets_its_span_aside_alone() {
    let bad = Span { trace_id: vec![1; 15], ..named("bad") };
    let payload = request(vec![named("a"), bad, named("b")]).encode_to_vec();
    let decoded = decode(&demand_all(&[]), payload, PayloadFormat::OtlpTraces);
    assert_eq!(decoded.received(Signal::Spans), 2);
    assert_eq!(decoded.report.ledger.damaged, 1);
    let expected = "expected a trace id of 16 bytes, found another length";
    assert_eq!(reasons(&decoded)[0].1, expected);
}

#[test]
fn text_that_is_not_utf8_is_never_replaced() {
    let mut payload = request(vec![named("aaaa"), named("bbbb")]).encode_to_vec();
    let place = payload.windows(4).position(|bytes| bytes == b"aaaa");
    payload[place.expect("the name")] = 0xff;
    let demand = demand_all(&[]);
    let decoded = decode(&demand, payload, PayloadFormat::OtlpTraces);
    let name = column(&demand, Signal::Spans, "name");
    assert_eq!(decoded.of(Signal::Spans)[0][name], Value::str("bbbb"));
    assert_eq!(reasons(&decoded)[0].1, "expected UTF-8 text, found other bytes");

    let lines = b"{\"message\":\"a\xff\"}\n{\"message\":\"b\"}\n".to_vec();
    let decoded = decode(&demand, lines, PayloadFormat::Ndjson);
    assert_eq!(decoded.received(Signal::Logs), 1);
    assert_eq!(reasons(&decoded), [(1, "expected UTF-8 text, found other bytes")]);
}

#[test]
fn a_damaged_request_keeps_the_items_before_the_damage() {
    let whole = request(vec![named("a"), named("b"), named("c")]).encode_to_vec();
    let mut payload = whole.clone();
    let place = payload.windows(3).rposition(|bytes| bytes == b"\x12\x03\x2a");
    let place = place.expect("the last span");
    payload[place + 1] = 0x7f;
    let decoded = decode(&demand_all(&[]), payload, PayloadFormat::OtlpTraces);
    assert_eq!(decoded.received(Signal::Spans), 2);
    let expected = "expected more bytes, found the end of the message";
    assert_eq!(reasons(&decoded), [(place as u64 + 2, expected)]);
}

#[test]
fn groups_and_wrong_wire_types_are_refused() {
    let demand = demand_all(&[]);
    for (payload, expected) in [
        (&b"\x0b\x0c"[..], "expected a field of known wire type, found a protobuf group"),
        (b"\x08\x01", "expected a known field's own wire type, found another"),
        (b"\x7b", "expected a field of known wire type, found a protobuf group"),
        (b"\x07", "expected a protobuf field, found a tag that none can have"),
        (
            b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            "expected a varint of at most 10 bytes, found a longer one",
        ),
    ] {
        let decoded = decode(&demand, payload.to_vec(), PayloadFormat::OtlpTraces);
        assert_eq!(reasons(&decoded)[0].1, expected, "{payload:?}");
    }
    let unknown = decode(&demand, b"\x78\x01".to_vec(), PayloadFormat::OtlpTraces);
    assert_eq!(unknown.report.ledger.damaged, 0, "unknown fields are ignored");
}

/// An attribute `x` of nested lists.
fn nested_request(depth: usize) -> Vec<u8> {
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        prost::encoding::encode_varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    }
    let mut value = field(0x0a, b"leaf");
    for _ in 0..depth {
        value = field(0x2a, &field(0x0a, &value));
    }
    let attribute = [field(0x0a, b"x"), field(0x12, &value)].concat();
    let span = field(0x4a, &attribute);
    field(0x0a, &field(0x12, &field(0x12, &span)))
}

#[test]
fn deep_nesting_is_set_aside_where_it_is_read_and_passed_over_where_not() {
    let depth = 5_000;
    let demanded = decode(&demand_all(&["x"]), nested_request(depth), PayloadFormat::OtlpTraces);
    assert_eq!(
        reasons(&demanded)[0].1,
        "expected values nested at most 32 deep, found deeper ones"
    );
    let other = decode(&demand_all(&[]), nested_request(depth), PayloadFormat::OtlpTraces);
    assert_eq!(other.received(Signal::Spans), 1);
    let fits = nested_request(VALUE_DEPTH_MAX - 1);
    let fits = decode(&demand_all(&["x"]), fits, PayloadFormat::OtlpTraces);
    assert_eq!(fits.received(Signal::Spans), 1);
    let one_more = nested_request(VALUE_DEPTH_MAX);
    let one_more = decode(&demand_all(&["x"]), one_more, PayloadFormat::OtlpTraces);
    assert_eq!(one_more.received(Signal::Spans), 0);
}

#[test]
fn json_nested_100_000_deep_does_not_overflow_the_stack() {
    let deep = "[".repeat(100_000);
    let value = format!("{deep}{}", "]".repeat(100_000));
    let lines = format!("{{\"x\":{value}}}\n{{\"x\":{deep}\n{{\"message\":\"after\"}}\n");
    for keys in [&["x"][..], &[]] {
        let decoded = decode(&demand_all(keys), lines.clone(), PayloadFormat::Ndjson);
        assert_eq!(decoded.received(Signal::Logs), 1);
        assert_eq!(decoded.report.ledger.damaged, 2);
        assert_eq!(decoded.report.ledger.set_aside[1].place, 2);
    }
    for format in FORMATS {
        let decoded = decode(&demand_all(&["x"]), deep.clone(), format);
        assert!(adds_up(&decoded), "{format:?}");
    }
}

#[test]
fn decompression_bombs_are_bounded() {
    let zeros = vec![0; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..65 {
        std::io::Write::write_all(&mut gzip, &zeros).expect("memory takes all");
    }
    let bombs = [
        (Compression::Gzip, gzip.finish().expect("memory takes all")),
        (
            Compression::Zstd,
            zstd::encode_all(std::io::Read::take(std::io::repeat(0), 65 << 20), 1)
                .expect("memory takes all"),
        ),
    ];
    for (compression, bomb) in bombs {
        let mut frame = frame(bomb, PayloadFormat::OtlpTraces);
        frame.compression = compression;
        let decoded = decode_frames(&demand_all(&[]), source(None), &[frame]);
        let expected = "expected at most 67108864 bytes in one message, found more";
        assert_eq!(reasons(&decoded), [(0, expected)]);
    }
}

#[test]
fn damaged_compression_is_set_aside() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut frame = frame(vec![0x1f, 0x8b, 8, 0, 1, 2, 3], PayloadFormat::OtlpTraces);
        frame.compression = compression;
        let decoded = decode_frames(&demand_all(&[]), source(None), &[frame]);
        let expected = "expected compressed data, found damaged or truncated data";
        assert_eq!(reasons(&decoded), [(0, expected)]);
    }
}

#[test]
fn a_message_of_empty_items_does_not_fill_memory() {
    let count = FRAME_ITEMS_MAX as usize + 1_000;
    let payload = request(vec![Span::default(); count]).encode_to_vec();
    let mut demand = Demand::default();
    demand.column(Signal::Spans, ColumnSpec::Field(Field::Kind));
    let decoded = decode(&demand, payload, PayloadFormat::OtlpTraces);
    assert_eq!(decoded.received(Signal::Spans), FRAME_ITEMS_MAX);
    let expected = "expected at most 1048576 items in one message, found more";
    assert_eq!(reasons(&decoded), [(0, expected)]);
}

#[test]
fn a_list_of_very_many_values_is_set_aside() {
    let list = |length: usize| format!("{{\"x\":[{}0]}}\n", "0,".repeat(length - 1));
    let lines = [list(VALUE_ITEMS_MAX), list(VALUE_ITEMS_MAX + 1)].concat();
    let demanded = decode(&demand_all(&["x"]), lines.clone(), PayloadFormat::Ndjson);
    let expected = "expected at most 65536 values in one list, found more";
    assert_eq!(reasons(&demanded), [(2, expected)]);
    let other = decode(&demand_all(&[]), lines, PayloadFormat::Ndjson);
    assert_eq!(other.received(Signal::Logs), 2);
}

#[test]
fn extreme_times_saturate_and_inverted_ones_are_counted() {
    let span = |start, end| Span {
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..Span::default()
    };
    let spans = vec![span(0, 0), span(0, u64::MAX), span(u64::MAX, 5), span(5, 3), span(3, 5)];
    let demand = demand_all(&[]);
    let payload = request(spans).encode_to_vec();
    let decoded = decode(&demand, payload, PayloadFormat::OtlpTraces);
    let end = column(&demand, Signal::Spans, "end");
    let duration = column(&demand, Signal::Spans, "duration");
    let seen: Vec<_> = decoded
        .of(Signal::Spans)
        .iter()
        .map(|row| (row[end].clone(), row[duration].clone()))
        .collect();
    let expected = [
        (Value::Null, Value::Duration(0)),
        (Value::Time(i64::MAX), Value::Duration(i64::MAX)),
        (Value::Time(i64::MAX), Value::Duration(0)),
        (Value::Time(5), Value::Duration(0)),
        (Value::Time(5), Value::Duration(2)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(decoded.report.ledger.end_before_start, 2);
}

#[test]
fn a_damaged_json_line_does_not_take_the_next_one_along() {
    let good = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]}]}]}"#;
    let bad = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"#;
    let lines = format!("{good}\n{bad}\n\n{good}\n{{\"other\":1}}\n{good}\n{{\"a\":1\n{good}");
    let decoded = decode(&demand_all(&[]), lines, PayloadFormat::OtlpJson);
    assert_eq!(decoded.received(Signal::Spans), 2 + 1 + 2 + 2 + 2);
    let places: Vec<u64> = reasons(&decoded).iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [2, 5, 7]);
}

#[test]
fn a_line_of_the_protocol_has_at_most_64_kib() {
    let line = |length: usize| {
        let head = r#"{"v":1,"src":"s","ts":1,"type":"event","data":{"msg":""#;
        let tail = r#""}}"#;
        format!("{head}{}{tail}\n", "m".repeat(length - head.len() - tail.len()))
    };
    let lines = [line(LINE_BYTES_MAX), line(LINE_BYTES_MAX + 1)].concat();
    let decoded = decode(&demand_all(&[]), lines, PayloadFormat::Lines);
    assert_eq!(decoded.received(Signal::Events), 1);
    let expected = "expected a line of at most 65536 bytes, found a longer one";
    assert_eq!(reasons(&decoded), [(2, expected)]);
}
