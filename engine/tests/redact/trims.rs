//! Items beyond bounds: what stays, what is counted in them, and that all else is as it came.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;
use tailwater_engine::model::PayloadFormat;
use tailwater_engine::plan::RedactAction;
use tailwater_engine::redact::{Bound, ItemBounds, TrimCounters, Trimmer};

use crate::support::{frame, sources};

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

/// So many attributes with texts.
fn attributes(count: usize, length: usize) -> Vec<KeyValue> {
    (0..count).map(|at| attribute(&format!("k{at}"), text(&"é".repeat(length)))).collect()
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource { attributes: attributes(9, 9), ..Resource::default() };
    let scoped = ScopeSpans { spans, ..ScopeSpans::default() };
    let group = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scoped],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![group] }
}

fn large_span() -> Span {
    let event = Event { attributes: attributes(5, 3), ..Event::default() };
    let link = Link { attributes: attributes(4, 3), ..Link::default() };
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        attributes: attributes(7, 3),
        dropped_attributes_count: 10,
        events: vec![event; 6],
        links: vec![link; 5],
        flags: 1,
        ..Span::default()
    }
}

fn bounds() -> ItemBounds {
    ItemBounds::default()
        .with(Bound::Attributes, Some(3))
        .with(Bound::Events, Some(2))
        .with(Bound::EventAttributes, Some(1))
        .with(Bound::Links, Some(4))
        .with(Bound::LinkAttributes, Some(2))
}

fn trimmer(bounds: ItemBounds) -> (Trimmer, Arc<TrimCounters>) {
    let counters = Arc::new(TrimCounters::default());
    (
        Trimmer::new(bounds, Arc::clone(&counters), &sources()).expect("nothing is taken out"),
        counters,
    )
}

/// The same by definition.
fn by_hand(mut span: Span) -> Span {
    let cut = |list: &mut Vec<KeyValue>, most: usize, count: &mut u32| {
        *count += list.len().saturating_sub(most) as u32;
        list.truncate(most);
    };
    cut(&mut span.attributes, 3, &mut span.dropped_attributes_count);
    span.dropped_events_count += span.events.len().saturating_sub(2) as u32;
    span.events.truncate(2);
    for event in &mut span.events {
        cut(&mut event.attributes, 1, &mut event.dropped_attributes_count);
    }
    span.dropped_links_count += span.links.len().saturating_sub(4) as u32;
    span.links.truncate(4);
    for link in &mut span.links {
        cut(&mut link.attributes, 2, &mut link.dropped_attributes_count);
    }
    span
}

fn trimmed(bounds: ItemBounds, request: &ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    let (trimmer, _) = trimmer(bounds);
    let out = trimmer.frame(frame(PayloadFormat::OtlpTraces, request.encode_to_vec()));
    ExportTraceServiceRequest::decode(out.payload).expect("it stays a request")
}

#[test]
fn the_first_stay_and_the_rest_is_counted_in_the_item() {
    let small = Span { name: "small".into(), attributes: attributes(3, 3), ..Span::default() };
    let all = request(vec![small.clone(), large_span(), small.clone()]);
    let (trimmer, counters) = trimmer(bounds());
    let out = trimmer.frame(frame(PayloadFormat::OtlpTraces, all.encode_to_vec()));
    let found = ExportTraceServiceRequest::decode(out.payload.clone()).unwrap();
    assert_eq!(found, request(vec![small.clone(), by_hand(large_span()), small]));
    let span = &found.resource_spans[0].scope_spans[0].spans[1];
    assert_eq!((span.attributes[0].key.as_str(), span.dropped_attributes_count), ("k0", 14));
    let counts = Bound::ALL.map(|bound| counters.count(bound));
    assert_eq!((counts, counters.frames()), ([4, 2 * 4, 4 * 2, 4, 1, 0], 1));
    // What keeps to the bounds is the same frame, and not counted again.
    assert_eq!(trimmer.frame(out.clone()), out);
    assert_eq!(counters.frames(), 1);
}

#[test]
fn texts_are_cut_by_characters_at_every_depth() {
    let bounds = ItemBounds::default().with(Bound::AttributeLength, Some(4));
    let list = ArrayValue { values: vec![any(text("äöüßé")), any(Value::IntValue(123_456))] };
    let map = KeyValueList { values: vec![attribute("inner", text("12345"))] };
    let span = Span {
        name: "a long name stays".into(),
        attributes: vec![
            attribute("a long key stays", text("1234")),
            attribute("bytes", Value::BytesValue(vec![7; 9])),
            attribute("list", Value::ArrayValue(list)),
            attribute("map", Value::KvlistValue(map)),
        ],
        ..Span::default()
    };
    let found = trimmed(bounds, &request(vec![span.clone()]));
    let list = ArrayValue { values: vec![any(text("äöüß")), any(Value::IntValue(123_456))] };
    let map = KeyValueList { values: vec![attribute("inner", text("1234"))] };
    let mut expected = span;
    expected.attributes[1] = attribute("bytes", Value::BytesValue(vec![7; 4]));
    expected.attributes[2] = attribute("list", Value::ArrayValue(list));
    expected.attributes[3] = attribute("map", Value::KvlistValue(map));
    // Attributes of the resource stay whole.
    assert_eq!(found, request(vec![expected]));
}

#[test]
fn what_stands_for_a_secret_is_not_cut() {
    let hash = "hash:0123456789abcdef0123456789abcdef";
    let bounds = ItemBounds::default().with(Bound::AttributeLength, Some(12));
    for (value, expected) in [
        (hash, hash),
        ("[email:0123456789abcdef0123456789abcdef]", "[email:0123456789abcdef0123456789abcdef]"),
        ("token=[url_query]&x", "token="),
        ("a [email] to [email]", "a [email] to"),
        ("ab [private] key", "ab [private]"),
        ("hash:0123456789abcdef and more", "hash:0123456"),
    ] {
        let span =
            |value: &str| Span { attributes: vec![attribute("k", text(value))], ..Span::default() };
        let found = trimmed(bounds, &request(vec![span(value)]));
        assert_eq!(found, request(vec![span(expected)]), "{value}");
        let redactor = crate::support::redactor(&crate::support::all(RedactAction::Mask));
        assert_eq!(redactor.text(expected.as_bytes()).as_deref(), Some(expected.as_bytes()));
    }
}

#[test]
fn log_records_are_items_and_points_are_not() {
    let record = LogRecord { attributes: attributes(5, 1), ..LogRecord::default() };
    let logs = |record| {
        let scoped = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
        let group = ResourceLogs { scope_logs: vec![scoped], ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec()
    };
    let (trimmer, _) = trimmer(bounds());
    let out = trimmer.frame(frame(PayloadFormat::OtlpLogs, logs(record)));
    let expected = LogRecord {
        attributes: attributes(3, 1),
        dropped_attributes_count: 2,
        ..LogRecord::default()
    };
    assert_eq!(out.payload, logs(expected));
    let points = frame(PayloadFormat::OtlpMetrics, logs(LogRecord::default()));
    assert_eq!(trimmer.frame(points.clone()), points);
}

#[test]
fn json_is_cut_as_protobuf_is() {
    let attribute =
        |at: usize| format!("{{\"key\":\"k{at}\",\"value\":{{\"stringValue\":\"{at}\"}}}}");
    let list = |count: usize| (0..count).map(attribute).collect::<Vec<_>>().join(" , ");
    let span = |attributes: usize, counts: &str, events: usize| {
        let event = format!("{{\"name\":\"e\",\"attributes\":[{}]}}", list(1));
        let events = vec![event; events].join(",");
        let attributes = list(attributes);
        format!("{{\"name\":\"s\",{counts}\"attributes\":[{attributes}],\"events\":[{events}]}}")
    };
    let document = |span: String| {
        format!(
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{}]}},\"scopeSpans\":\
             [{{\"spans\":[{span}]}}]}}]}}\n",
            list(8)
        )
    };
    let (trimmer, counters) = trimmer(bounds());
    let out = |text: String| {
        let out = trimmer.frame(frame(PayloadFormat::OtlpJson, text)).payload;
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()
    };
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let counted = "\"droppedAttributesCount\":9,\"droppedEventsCount\":3,";
    let stated = "\"droppedAttributesCount\":\"5\",";
    assert_eq!(out(document(span(7, stated, 5))), json(document(span(3, counted, 2))));
    assert_eq!((counters.count(Bound::Attributes), counters.count(Bound::Events)), (4, 3));
    let good = frame(PayloadFormat::OtlpJson, document(span(3, stated, 2)));
    assert_eq!(trimmer.frame(good.clone()), good);
    for damaged in ["{\"resourceSpans\":[", "nothing", "{\"resourceSpans\":[{\"scopeSpans\":7}]}"] {
        let damaged = frame(PayloadFormat::OtlpJson, damaged.repeat(9));
        assert_eq!(trimmer.frame(damaged.clone()), damaged);
    }
}

#[test]
fn values_in_json_are_cut_at_every_depth() {
    let (trimmer, counters) = trimmer(ItemBounds::default().with(Bound::AttributeLength, Some(2)));
    let record = |one: &str, bytes: &str| {
        format!(
            "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{{\"stringValue\":\
             \"stays\"}},\"attributes\":[{{\"key\":\"long\",\"value\":{{\"kvlistValue\":{{\"values\":\
             [{{\"key\":\"b\",\"value\":{{\"arrayValue\":{{\"values\":[{{\"stringValue\":\"{one}\"}},\
             {{\"bytesValue\":\"{bytes}\"}}]}}}}}}]}}}}}}]}}]}}]}}]}}"
        )
    };
    let out = trimmer.frame(frame(PayloadFormat::OtlpJson, record("\\u00e9\\\"x", "AAECAw==")));
    assert_eq!(out.payload, record("é\\\"", "AAE="));
    assert_eq!(counters.count(Bound::AttributeLength), 2);
}

#[test]
fn lines_lose_attributes_and_keep_fields() {
    let bounds = ItemBounds::default()
        .with(Bound::Attributes, Some(2))
        .with(Bound::AttributeLength, Some(3));
    let (trimmer, counters) = trimmer(bounds);
    let lines = "{\"v\":1,\"src\":\"a\",\"ts\":5,\"type\":\"event\",\"data\":{\"level\":\"warning\",\
                 \"x\":\"12345\",\"ctx\":{\"y\":[\"1234\"],\"z\":1},\"msg\":\"a message\",\"w\":2}}\n\
                 {\"v\":1,\"src\":\"a\",\"ts\":5,\"type\":\"metric\",\"data\":{\"name\":\"m\",\
                 \"value\":1,\"tags\":{\"a\":\"12345\",\"b\":1,\"c\":2}}}\n\
                 nonsense that is long enough\n";
    let out = trimmer.frame(frame(PayloadFormat::Lines, lines)).payload;
    let expected = lines
        .replacen("12345", "123", 1)
        .replacen("1234\"]", "123\"]", 1)
        .replacen(",\"z\":1", "", 1)
        .replacen(",\"w\":2}}", ",\"otel.dropped_attributes_count\":2}}", 1);
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    assert_eq!(counters.count(Bound::Attributes), 2);
    assert_eq!(counters.count(Bound::AttributeLength), 2);
    // What keeps to the bounds stays; what is cut again counts what left before, too.
    let again = frame(PayloadFormat::Lines, expected.clone());
    assert_eq!(trimmer.frame(again.clone()), again);
    let more = expected.replacen(",\"otel.", ",\"u\":3,\"otel.", 1);
    let out = trimmer.frame(frame(PayloadFormat::Lines, more)).payload;
    let counted = expected.replacen("count\":2", "count\":3", 1);
    assert_eq!(std::str::from_utf8(&out).unwrap(), counted);
}

/// Plain rows: columns that are fields stay, whatever their place.
#[test]
fn rows_lose_attributes_and_keep_fields() {
    let bounds = ItemBounds::default()
        .with(Bound::Attributes, Some(2))
        .with(Bound::AttributeLength, Some(3));
    let (trimmer, counters) = trimmer(bounds);
    let rows = "{\"a\":\"12345\",\"message\":\"a message\",\"b\":{\"c\":[\"1234\"]},\"d\":1,\
                \"level\":\"warning\",\"e\":null}\n{ \"a\" : 1 , \"b\" : 2 , \"level\" : \"debug\" }\n{\"a\":";
    let out = trimmer.frame(frame(PayloadFormat::Ndjson, rows)).payload;
    let expected = rows
        .replacen("12345", "123", 1)
        .replacen("1234\"]", "123\"]", 1)
        .replacen("\"d\":1,", "", 1)
        .replacen(",\"e\":null}", ",\"otel.dropped_attributes_count\":2}", 1);
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    let table = "a,message,b,\"c\",level\n12345,a message,,\"12\"\"45\",warning\nabcd,m,1,2,info\n1,m,,2,info\n\
                 x,y\"\n";
    let out = trimmer.frame(frame(PayloadFormat::Csv, table)).payload;
    let expected =
        table.replacen("\"12\"\"45\"", "\"12\"\"\"", 1).replacen("abcd,m,1,2", "\"abc\",m,1,", 1);
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    assert_eq!(counters.count(Bound::Attributes), 2 + 1);
    assert_eq!(counters.count(Bound::AttributeLength), 2 + 2);
    let good = frame(PayloadFormat::Csv, expected);
    assert_eq!(trimmer.frame(good.clone()), good);
}

/// Documents of Jaeger: what says a field stays; what is dropped is counted in tags, as
/// OpenTelemetry maps such counts.
#[test]
fn spans_of_jaeger_are_cut_as_those_of_otlp() {
    let (trimmer, counters) = trimmer(bounds().with(Bound::Links, Some(1)));
    let tag = |key: &str| format!("{{\"key\":\"{key}\",\"type\":\"string\",\"value\":\"v\"}}");
    let tags = |keys: &[&str]| keys.iter().map(|key| tag(key)).collect::<Vec<_>>().join(",");
    let log = |keys: &[&str]| format!("{{\"timestamp\":1,\"fields\":[{}]}}", tags(keys));
    let reference = |trace: &str, span: &str| {
        format!("{{\"refType\":\"CHILD_OF\",\"traceID\":\"{trace}\",\"spanID\":\"{span}\"}}")
    };
    let span = |tags: &str, logs: &[String], references: &[String]| {
        let (logs, references) = (logs.join(","), references.join(","));
        format!(
            "{{\"data\":[{{\"traceID\":\"0a\",\"spans\":[{{\"traceID\":\"0a\",\"spanID\":\"1\",\"references\":\
             [{references}],\"tags\":[{tags}],\"logs\":[{logs}],\"startTime\":1}}],\"processes\":{{}}}}]}}"
        )
    };
    let count = |of: &str, n: u8| {
        format!(",{{\"key\":\"otel.dropped_{of}_count\",\"type\":\"int64\",\"value\":{n}}}")
    };
    let before = tags(&["a", "span.kind", "b", "error", "c", "d", "e"]);
    let logs = [log(&["x", "event", "y"]), log(&["x"]), log(&["z"])];
    let links = [reference("b", "7"), reference("A", "8"), reference("c", "9")];
    let out = trimmer.frame(frame(PayloadFormat::Jaeger, span(&before, &logs, &links))).payload;
    let after = tags(&["a", "span.kind", "b", "error", "c"])
        + &count("attributes", 2)
        + &count("events", 1)
        + &count("links", 1);
    let kept_logs = [log(&["x", "event"]), log(&["x"])];
    let expected = span(&after, &kept_logs, &links[..2]);
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    let counts = Bound::ALL.map(|bound| counters.count(bound));
    assert_eq!(counts, [2, 1, 0, 1, 1, 0]);
    let again = frame(PayloadFormat::Jaeger, expected);
    assert_eq!(trimmer.frame(again.clone()), again);
    // Without a list of tags there is one for the counts.
    let bare = "[{\"spans\":[{\"spanID\":\"1\",\"tags\":null,\"logs\":[{},{},{}]}]}]";
    let out = trimmer.frame(frame(PayloadFormat::Jaeger, bare)).payload;
    let counted = format!("\"tags\":[{}]", &count("events", 1)[1..]);
    let expected = format!("[{{\"spans\":[{{\"spanID\":\"1\",\"logs\":[{{}},{{}}],{counted}}}]}}]");
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
}

/// Spans of Zipkin: tags are attributes, annotations events.
#[test]
fn spans_of_zipkin_are_cut_as_those_of_otlp() {
    let (trimmer, counters) = trimmer(bounds().with(Bound::AttributeLength, Some(4)));
    let spans = "[{\"id\":\"1\",\"tags\":{\"a\":\"12345\",\"error\":\"a long one\",\"b\":\"2\",\"c\":\"3\",\
                 \"d\":\"4\"},\"annotations\":[{\"value\":\"x\"},{\"value\":\"y\"},{\"value\":\"z\"}]},\
                 {\"id\":\"2\",\"annotations\":[{},{},{},{}]},{\"id\":\"3\",\"tags\":{\"a\":\"1\"}}]";
    let out = trimmer.frame(frame(PayloadFormat::Zipkin, spans)).payload;
    let expected = "[{\"id\":\"1\",\"tags\":{\"a\":\"1234\",\"error\":\"a long one\",\"b\":\"2\",\"c\":\"3\",\
                    \"otel.dropped_attributes_count\":\"1\",\"otel.dropped_events_count\":\"1\"},\
                    \"annotations\":[{\"value\":\"x\"},{\"value\":\"y\"}]},{\"id\":\"2\",\"annotations\":[{},{}],\
                    \"tags\":{\"otel.dropped_events_count\":\"2\"}},{\"id\":\"3\",\"tags\":{\"a\":\"1\"}}]";
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    assert_eq!((counters.count(Bound::Attributes), counters.count(Bound::Events)), (1, 3));
    let again = frame(PayloadFormat::Zipkin, expected);
    assert_eq!(trimmer.frame(again.clone()), again);
}

#[test]
fn requests_behind_their_lengths_are_cut_each() {
    let small = Span { name: "small".into(), ..Span::default() };
    let behind = |requests: &[ExportTraceServiceRequest]| {
        let one = |request: &ExportTraceServiceRequest| {
            let bytes = request.encode_to_vec();
            [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
        };
        requests.iter().map(one).collect::<Vec<_>>().concat()
    };
    let (trimmer, _) = trimmer(bounds());
    let all = [request(vec![small.clone()]), request(vec![large_span(), small.clone()])];
    let out = trimmer.frame(frame(PayloadFormat::OtlpDelimited, behind(&all))).payload;
    let (mut rest, mut found) = (&out[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (one, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        found.push(ExportTraceServiceRequest::decode(one).expect("it stays a request"));
        rest = after;
    }
    let expected = [request(vec![small.clone()]), request(vec![by_hand(large_span()), small])];
    assert_eq!(found, expected);
}

/// W3C Trace Context, "tracestate": what is against the rules leaves whole, all else stays.
#[test]
fn tracestates_against_the_rules_are_left_out() {
    let bounds = ItemBounds::default().checking_trace_state(true);
    let (many, full) = (vec!["a=1"; 33].join(","), vec!["a=1"; 32].join(","));
    let span = |state: &str| Span {
        trace_state: state.to_owned(),
        links: vec![Link { trace_state: state.to_owned(), ..Link::default() }],
        ..Span::default()
    };
    let json = |state: &str| {
        format!(
            "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"name\":\"s\"{state}}}]}}]}}]}}"
        )
    };
    let stated = |state: &str| json(&format!(",\"traceState\":\"{state}\""));
    for bad in ["foo=", "@foo=1", "Foo=1", "foo=1,bar", "a=x=y", "a=\u{e9}", "a =1", &many] {
        let (trimmer, counters) = trimmer(bounds);
        let all = request(vec![span(bad), span("good=1")]);
        let out = trimmer.frame(frame(PayloadFormat::OtlpTraces, all.encode_to_vec()));
        let found = ExportTraceServiceRequest::decode(out.payload).expect("it stays a request");
        assert_eq!(found, request(vec![span(""), span("good=1")]), "`{bad}`");
        let out = trimmer.frame(frame(PayloadFormat::OtlpJson, stated(bad)));
        assert_eq!(out.payload, json(""), "`{bad}`");
        assert_eq!(counters.trace_states(), 3, "`{bad}`");
    }
    let long = format!("a={}", "x".repeat(256));
    let longer = [&*long, &long, &long].join(",");
    let good = [
        "",
        "foo@=1",
        "foo@@bar=1",
        "t@v=1",
        "a=1,,b=2",
        "a=1,a=2",
        " a=1\t",
        &full,
        &long,
        &longer,
    ];
    for good in good {
        let (trimmer, counters) = trimmer(bounds);
        let all = frame(PayloadFormat::OtlpTraces, request(vec![span(good)]).encode_to_vec());
        assert_eq!(trimmer.frame(all.clone()), all, "`{good}`");
        assert_eq!(counters.trace_states(), 0);
    }
}

/// Attributes, events, attributes of each, links, attributes of each.
fn counts() -> impl Strategy<Value = [usize; 5]> {
    [0..6_usize, 0..5, 0..4, 0..7, 0..5]
}

fn span_of([own, events, of_event, links, of_link]: [usize; 5]) -> Span {
    let event = Event { attributes: attributes(of_event, 1), ..Event::default() };
    let link = Link { attributes: attributes(of_link, 1), ..Link::default() };
    Span {
        attributes: attributes(own, 1),
        events: vec![event; events],
        links: vec![link; links],
        ..Span::default()
    }
}

proptest! {
    /// Whatever the numbers, it is what the definition says.
    #[test]
    fn spans_are_cut_as_by_hand(spans in prop::collection::vec(counts(), 0..4)) {
        let all: Vec<Span> = spans.into_iter().map(span_of).collect();
        let expected = request(all.iter().cloned().map(by_hand).collect());
        prop_assert_eq!(trimmed(bounds(), &request(all)), expected);
    }

    /// Damage is nobody's end, and bytes that keep to the bounds stay.
    #[test]
    fn damaged_messages_are_left_alone(cut in 0..400_usize, flip in 0..400_usize) {
        let mut bytes = request(vec![large_span()]).encode_to_vec();
        let at = flip % bytes.len();
        bytes[at] ^= 0x55;
        bytes.truncate(bytes.len().saturating_sub(cut).max(1));
        let (trimmer, _) = trimmer(bounds());
        let once = trimmer.frame(frame(PayloadFormat::OtlpTraces, bytes));
        prop_assert_eq!(trimmer.frame(once.clone()), once);
    }
}
