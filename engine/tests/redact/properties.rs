//! The search over a frame's bytes misses nothing that the walk over its values finds.

use proptest::prelude::*;
use tailwater_engine::model::PayloadFormat;
use tailwater_engine::plan::RedactAction;

use crate::support::{all, frame, redactor};

const FOUND: [&str; 34] = [
    "bob@example.com",
    "a@b.io",
    "4111111111111111",
    "4111 1111 1111 1111",
    "378282246310005",
    "123-45-6789",
    "DE89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "203.0.113.77",
    "1.2.3.4",
    "2001:db8::17",
    "::1",
    "1:2:3:4:5:6:7:8",
    "aa:bb:cc:dd:ee:ff",
    "001b.4411.3ab7",
    "+14155552671",
    "(212) 555-0123",
    "212-555-0123",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.x",
    "Bearer abc",
    "-----BEGIN PRIVATE KEY-----\nMIIE",
    "x://a:b@c",
    "token=abc",
    "SELECT a FROM b WHERE c = 1",
    "update a set b=7",
    "x%40canary.example",
    "Basic dXNlcjpwYXNz",
    "AKIAABCDEFGHIJKLMNOP",
    "sk-0123456789abcdef0123456789abcdef",
    "hf_0123456789abcdef0123456789abcdef",
    "abc8Q~0123456789abcdef0123456789abcdef",
    "{\"secret_access_key\":\"ABCDEFGHIJKLMNOP\"}",
    "AccountKey=ABCDEFGHIJKLMNOP",
    "PAN5555555555554444",
];

/// Text around a value, of bytes that tags and lengths have, too.
fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,3}",
        "[0-9:.@ -]{0,4}",
        "[a-zA-Z0-9]{0,70}",
        "[a-z]?(%20|%22|%2520|%0A|\\\\x20|[+])[a-z0-9]?",
        "[a-z]?[é\u{a0}，版…😀][a-z0-9]?",
    ]
}

fn value() -> impl Strategy<Value = String> {
    (around(), prop::sample::select(&FOUND[..]), around())
        .prop_map(|(head, found, tail)| format!("{head}{found}{tail}"))
}

/// Text that JSON and CSV write otherwise than it is, and what ids are made of.
fn around_escapes() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\\\\\"\n\r\t\u{8}\u{c}a-f0-9 ,.{}/-]{0,4}",
        "[0-9a-f]{16}|[0-9a-f]{32}",
        "[0-9]{12,20}",
    ]
}

/// Values of a few rows; most have nothing in them.
fn rows() -> impl Strategy<Value = Vec<[String; 2]>> {
    let found = (around_escapes(), prop::sample::select(&FOUND[..]), around_escapes())
        .prop_map(|(head, found, tail)| format!("{head}{found}{tail}"));
    let text = || prop_oneof![6 => "[0-9a-f]{32}|[ -~]{0,9}", 3 => around_escapes(), 1 => value()];
    prop::collection::vec([text().boxed(), prop_oneof![text(), found].boxed()], 1..6)
}

/// Rows as a text of a format.
fn written(format: PayloadFormat, rows: &[[String; 2]]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |[a, b]: &[String; 2]| match format {
        PayloadFormat::Csv => format!("{},{}\n", quoted(a), quoted(b)),
        PayloadFormat::Lines => {
            let data = serde_json::json!({ "msg": a, "k": { "n": [b], "i": 4_111_111_111_i64 } });
            let line =
                serde_json::json!({ "v": 1, "src": "s", "ts": 1, "type": "log", "data": data });
            format!("{line}\n")
        }
        PayloadFormat::Zipkin => {
            format!("[{}]", serde_json::json!({ "name": a, "tags": { "k": b } }))
        }
        _ => format!("{}\n", serde_json::json!({ "message": a, "k": [{ "n": b }], "i": 7 })),
    };
    rows.iter().map(line).collect()
}

/// A log request with one attribute, or a body, before some field.
fn request(text: &str, next: u8) -> Vec<u8> {
    let wrap = |tag: u8, inner: &[u8]| {
        let mut out = vec![tag];
        let mut length = inner.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(inner);
        out
    };
    let value = wrap(0x12, &wrap(0x0a, text.as_bytes()));
    let attribute = wrap(0x32, &[wrap(0x0a, b"k"), value].concat());
    let severity = wrap(0x1a, text.as_bytes());
    let mut record = [attribute, severity].concat();
    record.extend(if next == 0x10 {
        vec![0x10, 9]
    } else {
        vec![0x39, b'1', b'2', b'3', 0, 0, 0, 0, 0]
    });
    wrap(0x0a, &wrap(0x12, &wrap(0x12, &record)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_search_over_a_frame_misses_nothing(
        text in value(),
        next in prop::sample::select(&[0x10_u8, 0x39][..]),
    ) {
        let redactor = redactor(&all(RedactAction::Mask));
        let out = redactor.text(text.as_bytes()).expect("a mask leaves something");
        let has_hit = *out != *text.as_bytes();
        let payload = request(&text, next);
        if has_hit {
            prop_assert!(redactor.may_concern(PayloadFormat::OtlpLogs, &payload), "{text}");
        }
        let once = redactor.frame(frame(PayloadFormat::OtlpLogs, payload.clone()));
        prop_assert_eq!(once.payload == payload, !has_hit);
        let twice = redactor.frame(once.clone());
        prop_assert_eq!(twice, once);
        // A second time changes nothing in a text, either.
        let again = redactor.text(&out).map(std::borrow::Cow::into_owned);
        prop_assert_eq!(again.as_deref(), Some(&*out), "{}", text);
    }

    #[test]
    fn json_and_protobuf_agree(text in value()) {
        let redactor = redactor(&all(RedactAction::Mask));
        let expected = redactor.text(text.as_bytes()).expect("a mask leaves something").into_owned();
        let row = serde_json::json!({ "message": text, "k": [text] }).to_string();
        let out = redactor.frame(frame(PayloadFormat::Ndjson, row));
        let found: serde_json::Value = serde_json::from_slice(&out.payload).expect("JSON");
        let expected = String::from_utf8_lossy(&expected);
        prop_assert_eq!(found["message"].as_str(), Some(&*expected));
        prop_assert_eq!(found["k"][0].as_str(), Some(&*expected));
    }

    #[test]
    fn frames_of_text_are_searched_as_they_are_walked(rows in rows()) {
        let mut always = all(RedactAction::Mask);
        // No key is as long: nothing is denied, and nothing is passed over unseen.
        always.deny = vec![std::sync::Arc::from("?".repeat(200))];
        let (searching, walking) = (redactor(&all(RedactAction::Mask)), redactor(&always));
        for format in [
            PayloadFormat::Ndjson, PayloadFormat::Lines, PayloadFormat::Csv, PayloadFormat::Zipkin,
        ] {
            let text = written(format, &rows);
            let found = searching.frame(frame(format, text.clone()));
            let expected = walking.frame(frame(format, text));
            prop_assert_eq!(
                String::from_utf8_lossy(&found.payload), String::from_utf8_lossy(&expected.payload)
            );
        }
    }

    #[test]
    fn random_bytes_end_and_stay_ended(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let redactor = redactor(&all(RedactAction::Mask));
        for format in [
            PayloadFormat::OtlpTraces, PayloadFormat::OtlpMetrics, PayloadFormat::OtlpDelimited,
            PayloadFormat::OtlpJson, PayloadFormat::Lines, PayloadFormat::Ndjson,
            PayloadFormat::Csv, PayloadFormat::Jaeger, PayloadFormat::Zipkin,
        ] {
            let once = redactor.frame(frame(format, bytes.clone()));
            let twice = redactor.frame(once.clone());
            prop_assert_eq!(twice, once);
        }
    }
}
