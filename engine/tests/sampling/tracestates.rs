//! The W3C tracestate and what is appended to kept items.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message;
use tailwater_engine::model::Signal;
use tailwater_engine::sampling::{
    Randomness, Reading, THRESHOLD_KEY, Threshold, read_log, read_tracestate, rewrite_tracestate,
    stamp_log, stamp_span, without_attributes,
};

fn half() -> Option<Threshold> {
    Threshold::from_hex("8")
}

#[test]
fn the_entry_of_opentelemetry_is_read() {
    let arrived = read_tracestate("vendor=a b, ot=rv:6e6d1a75832a2f;th:c ,x=1");
    assert_eq!(arrived.reading, Reading::Read);
    assert_eq!(arrived.threshold, Threshold::from_hex("c"));
    assert_eq!(arrived.randomness, Randomness::from_hex("6e6d1a75832a2f"));
    assert_eq!(read_tracestate("").reading, Reading::Absent);
    assert_eq!(read_tracestate(" , ").reading, Reading::Absent);
    // Of equal keys the first counts.
    assert_eq!(read_tracestate("ot=th:8,ot=th:c").threshold, half());
    // A damaged entry says nothing and leaves the others alone.
    let damaged = read_tracestate("a=1,ot=th");
    assert_eq!((damaged.reading, damaged.threshold), (Reading::Read, None));
    assert_eq!(read_tracestate("ot=th:XYZ").threshold, None);
}

#[test]
fn what_breaks_the_rules_is_refused_whole() {
    let many = vec!["a=1"; 33].join(",");
    let long = format!("a={}", "x".repeat(257));
    let bomb = "a=1,".repeat(200_000);
    for bad in [
        "foo=", "=1", "foo", "Foo=1", "@a=1", "a=1=2", "a=\u{e9}", "a=1\n", "a =1", &many, &long,
        &bomb,
    ] {
        let shown: String = bad.chars().take(20).collect();
        assert_eq!(read_tracestate(bad).reading, Reading::Refused, "`{shown}`");
        assert_eq!(rewrite_tracestate(bad, half(), None), "ot=th:8", "`{shown}`");
        assert_eq!(rewrite_tracestate(bad, None, None), "", "`{shown}`");
    }
    for good in ["foo@=1", "foo@@bar=1", "0=1", "a/b*c-d_e=1", &vec!["a=1"; 32].join(",")] {
        assert_eq!(read_tracestate(good).reading, Reading::Read, "`{good}`");
    }
}

#[test]
fn rewriting_moves_the_entry_first_and_keeps_the_rest() {
    let rewritten = |text| rewrite_tracestate(text, half(), None);
    assert_eq!(rewritten(""), "ot=th:8");
    assert_eq!(rewritten("b=2,a= x"), "ot=th:8,b=2,a= x");
    assert_eq!(
        rewritten("b=2,ot=rv:6e6d1a75832a2f;th:4;zz:9,a=1"),
        "ot=th:8;rv:6e6d1a75832a2f;zz:9,b=2,a=1"
    );
    // Nothing to say: nothing is touched, not even blanks.
    assert_eq!(rewritten("b=2 ,, ot=th:8"), "b=2 ,, ot=th:8");
    assert_eq!(rewrite_tracestate("b=2 ,, c=1", None, None), "b=2 ,, c=1");
    assert_eq!(rewrite_tracestate("b=2,ot=th:8", None, None), "b=2");
    assert_eq!(rewrite_tracestate("ot=th:8;rv:6e6d1a75832a2f", None, None), "ot=rv:6e6d1a75832a2f");
}

#[test]
fn stated_randomness_stands_beside_the_threshold() {
    let stated = Randomness::from_hex("c0000000000000");
    let said = |text| rewrite_tracestate(text, half(), stated);
    assert_eq!(said(""), "ot=th:8;rv:c0000000000000");
    assert_eq!(said("a=1,ot=zz:9;rv:20000000000000"), "ot=th:8;rv:c0000000000000;zz:9,a=1");
    assert_eq!(rewrite_tracestate("a=1", None, stated), "ot=rv:c0000000000000,a=1");
    // Of an entry that is too long other fields give way.
    let long = format!("ot=zz:{};rv:20000000000000", "9".repeat(232));
    assert_eq!(rewrite_tracestate(&long, half(), None), "ot=th:8;rv:20000000000000");
}

#[test]
fn what_has_no_trace_id_states_what_its_threshold_admits() {
    let id = |low: u8| Some([low; 16]);
    let arrived = read_tracestate("ot=th:8");
    for hash in [0, 1 << 63, u64::MAX] {
        let settled = arrived.settled_by(id(0), || hash);
        assert_eq!((settled.own, settled.threshold), (None, half()));
        assert!(half().unwrap().admits(settled.randomness));
        let below = Threshold::from_hex("c").unwrap().admits(settled.randomness);
        assert_eq!(below, hash >= 1 << 63, "spread over what is left");
    }
    let own = Randomness::of_trace_id([0xff; 16]);
    assert_eq!(arrived.settled_by(id(0xff), || 0).own, Some(own));
    assert_eq!(arrived.settled_by(id(0x11), || 0).threshold, None, "contradicted");
    let stated = read_tracestate("ot=rv:c0000000000000").settled_by(id(0x11), || 0);
    assert_eq!(stated.own, Randomness::from_hex("c0000000000000"));
}

#[test]
fn an_attribute_is_taken_out_whole_and_only_where_it_stands() {
    let pair = |key: &str, value: &str| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.into())) }),
        ..KeyValue::default()
    };
    let attributes = vec![pair("k", THRESHOLD_KEY), pair(THRESHOLD_KEY, "c"), pair("l", "1")];
    let log = LogRecord { severity_number: 9, attributes, ..LogRecord::default() };
    let bytes = log.encode_to_vec();
    assert_eq!(read_log(&bytes).threshold, Threshold::from_hex("c"));
    let left = without_attributes(&bytes, Signal::Logs, &[THRESHOLD_KEY]).unwrap();
    let read = LogRecord::decode(left.clone()).unwrap();
    let keys: Vec<&str> = read.attributes.iter().map(|pair| &*pair.key).collect();
    assert_eq!((keys, read.severity_number), (vec!["k", "l"], 9));
    assert_eq!(without_attributes(&left, Signal::Logs, &[THRESHOLD_KEY]), None);
    assert_eq!(without_attributes(&bytes[..bytes.len() - 1], Signal::Logs, &["l"]), None);
}

#[test]
fn what_has_no_room_leaves_long_members_first_then_from_the_right() {
    let long = format!("l={}", "x".repeat(200));
    let short = |key: char| format!("{key}={}", "y".repeat(98));
    let text = [short('a'), long, short('b'), short('c')].join(",");
    assert_eq!(text.len(), 505);
    let expected = ["ot=th:8".to_owned(), short('a'), short('b'), short('c')].join(",");
    assert_eq!(rewrite_tracestate(&text, half(), None), expected);
    let full = (0..32).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
    let cut = rewrite_tracestate(&full, half(), None);
    assert!(cut.starts_with("ot=th:8,k0=1") && cut.ends_with(",k30=1"), "{cut}");
}

#[test]
fn a_long_one_by_the_rules_is_read_and_does_not_get_longer() {
    let long = |key: char, bytes: usize| format!("{key}={}", key.to_string().repeat(bytes));
    let text = ["ot=th:4".to_owned(), long('a', 256), long('b', 120), long('c', 250)].join(",");
    let arrived = read_tracestate(&text);
    assert_eq!((arrived.reading, arrived.threshold), (Reading::Read, Threshold::from_hex("4")));
    assert_eq!(rewrite_tracestate(&text, Threshold::from_hex("4"), None), text);
    let tightened = text.replace("th:4", "th:8");
    assert_eq!(rewrite_tracestate(&text, half(), None), tightened, "there is room for all");
    let others = text.strip_prefix("ot=th:4,").unwrap();
    assert_eq!(rewrite_tracestate(&text, None, None), others);
    let with_first = ["ot=th:8".to_owned(), long('a', 256), long('b', 120)].join(",");
    assert_eq!(rewrite_tracestate(others, half(), None), with_first, "the last long one gives way");
    // As long as one can be.
    let full = (0..32).map(|n| format!("{n:0256}={}", "v".repeat(256))).collect::<Vec<_>>();
    assert_eq!(read_tracestate(&full.join(",")).reading, Reading::Read);
    let cut = rewrite_tracestate(&full.join(","), half(), None);
    assert_eq!(cut, format!("ot=th:8,{}", full[..31].join(",")));
}

#[test]
fn a_stamped_span_says_its_threshold_and_line_in_any_decoder() {
    let span = Span {
        name: "GET /".into(),
        trace_state: "a=1,ot=th:4".into(),
        flags: 0x303, // sampled, random, and what is remote: neither is lost nor set
        attributes: vec![],
        ..Span::default()
    };
    let mut bytes = span.encode_to_vec();
    bytes.extend(stamp_span(&span.trace_state, (half(), None), Some(("sampling.line", "errors"))));
    let read = Span::decode(bytes.as_slice()).unwrap();
    assert_eq!(read.trace_state, "ot=th:8,a=1");
    assert_eq!((&*read.name, read.flags), ("GET /", 0x303));
    let value = read.attributes[0].value.clone().and_then(|value| value.value);
    assert_eq!(value, Some(Value::StringValue("errors".into())));
    assert!(stamp_span("ot=th:8", (half(), None), None).is_empty(), "nothing changes");

    let mut log = LogRecord { severity_number: 9, ..LogRecord::default() }.encode_to_vec();
    log.extend(stamp_log(&[("a", "1"), ("b", &"z".repeat(300))]));
    let read = LogRecord::decode(log.as_slice()).unwrap();
    assert_eq!((read.severity_number, read.attributes.len()), (9, 2));
    assert_eq!(read.attributes[1].key, "b");
}

#[test]
fn a_threshold_that_the_randomness_contradicts_does_not_count() {
    let low = Randomness::from_hex("10000000000000").unwrap();
    assert_eq!(read_tracestate("ot=th:8").settled(low), (low, None));
    let explicit = Randomness::from_hex("90000000000000").unwrap();
    let arrived = read_tracestate("ot=th:8;rv:90000000000000");
    assert_eq!(arrived.settled(low), (explicit, half()));
}

proptest! {
    /// Whatever arrives, what leaves is by the rules, says the threshold and keeps `rv`.
    #[test]
    fn what_leaves_can_be_read(text in "[a-c0t@=,:; th\\PC]{0,80}", share in 0.0001_f64..1.0) {
        let threshold = Threshold::of_share(share);
        let written = rewrite_tracestate(&text, Some(threshold), None);
        let (before, after) = (read_tracestate(&text), read_tracestate(&written));
        prop_assert_eq!(after.reading, Reading::Read);
        prop_assert_eq!(after.threshold, Some(threshold));
        prop_assert_eq!(after.randomness, before.randomness);
        prop_assert_eq!(rewrite_tracestate(&written, Some(threshold), None), written);
    }
}
