//! What cannot be read is not let through, and stays damage.

use tailwater_engine::model::{Compression, PayloadFormat};
use tailwater_engine::plan::RedactAction;

use crate::support::{all, frame, holds, redacted, redactor};

const SECRET: &str = "x@canary.example";

#[test]
fn damaged_protobuf_is_replaced_where_it_is_damaged() {
    let redactor = redactor(&all(RedactAction::Mask));
    // A request whose length says more than there is.
    let payload = [&b"\x0a\x7f\x12"[..], SECRET.as_bytes()].concat();
    let out = redactor.frame(frame(PayloadFormat::OtlpTraces, payload.clone()));
    assert_eq!(out.payload, &b"\0"[..]);
    let delimited = [&[0, 0, 0, 99][..], SECRET.as_bytes()].concat();
    let out = redactor.frame(frame(PayloadFormat::OtlpDelimited, delimited));
    assert!(!holds(&out.payload, "canary"));
    assert_eq!(redactor.counters().unreadable(), 2);
}

#[test]
fn unknown_fields_leave_if_they_hold_something() {
    let redactor = redactor(&all(RedactAction::Mask));
    let mut payload = vec![0x0a, 0, 0xfa, 0x01, SECRET.len() as u8];
    payload.extend_from_slice(SECRET.as_bytes());
    let out = redactor.frame(frame(PayloadFormat::OtlpTraces, payload));
    assert_eq!(out.payload, &b"\x0a\0"[..]);
    let harmless = b"\x0a\0\xfa\x01\x02ok".to_vec();
    let out = redactor.frame(frame(PayloadFormat::OtlpTraces, harmless.clone()));
    assert_eq!(out.payload, harmless);
}

#[test]
fn damaged_lines_are_replaced_one_by_one() {
    let redactor = redactor(&all(RedactAction::Mask));
    let text = format!(
        "{{\"message\":\"{SECRET}\"}}\n{{\"message\":\"{SECRET}\nno {SECRET}\n{{\"message\":\"ok\"}}\n"
    );
    let out = redacted(&redactor, PayloadFormat::Ndjson, &text);
    assert_eq!(out, "{\"message\":\"[email]\"}\n!\n!\n{\"message\":\"ok\"}\n");
    let out = redacted(&redactor, PayloadFormat::Lines, &text);
    assert_eq!(out, "{\"message\":\"[email]\"}\n!\n!\n{\"message\":\"ok\"}\n");
    let csv = format!("a,b\n\"{SECRET}\" x,1\n2,{SECRET}\n");
    assert_eq!(redacted(&redactor, PayloadFormat::Csv, &csv), "a,b\n\"\"!\n2,\"[email]\"\n");
}

#[test]
fn what_cannot_be_inflated_is_replaced() {
    let redactor = redactor(&all(RedactAction::Mask));
    let mut zipped = frame(PayloadFormat::Ndjson, SECRET.as_bytes().to_vec());
    zipped.compression = Compression::Gzip;
    let out = redactor.frame(zipped);
    assert_eq!((&out.payload[..], out.compression), (&b"!"[..], Compression::None));
}

#[test]
fn deep_nesting_ends() {
    let redactor = redactor(&all(RedactAction::Mask));
    let deep = format!("{{\"a\":{}\"{SECRET}\"{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(redacted(&redactor, PayloadFormat::Ndjson, &deep), "!");
    let mut value = [&[0x0a, SECRET.len() as u8][..], SECRET.as_bytes()].concat();
    for _ in 0..60 {
        // An array with one element: tag 1 in tag 5.
        value = wrapped(0x2a, &wrapped(0x0a, &value));
    }
    let body = wrapped(0x2a, &value); // the body of a record
    let request = wrapped(0x0a, &wrapped(0x12, &wrapped(0x12, &body)));
    let out = redactor.frame(frame(PayloadFormat::OtlpLogs, request));
    assert!(!holds(&out.payload, "canary"));
}

fn wrapped(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let mut length = inner.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(inner);
    out
}

#[test]
fn an_escape_that_stands_for_nothing_loses_no_document() {
    let redactor = redactor(&all(RedactAction::Mask));
    for bad in [r"\ud800", r"\udc00 ", r"\ud800\u0041", r"\x", r"\u12"] {
        let record = |body: &str| format!(r#"{{"body":{{"stringValue":"{body}"}}}}"#);
        let text = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{},{},{}]}}]}}]}}"#,
            record(&format!("a {bad} b")),
            record(&format!("a {bad} {SECRET}")),
            record(SECRET),
        );
        let out = redacted(&redactor, PayloadFormat::OtlpJson, &text);
        // What holds nothing stays as it was, damage too; what does is without it.
        assert!(out.contains(&record(&format!("a {bad} b"))), "{out}");
        assert!(!out.contains("canary"), "{out}");
        assert!(out.contains(&record("[email]")), "{out}");
        assert_eq!(redacted(&redactor, PayloadFormat::OtlpJson, &out), out);
    }
    assert_eq!(redactor.counters().unreadable(), 0);
}

#[test]
fn numbers_that_come_as_bytes_leave_if_they_hold_something() {
    let redactor = redactor(&all(RedactAction::Mask));
    let part =
        |number: u8, value: &[u8]| [&[number << 3 | 2, value.len() as u8][..], value].concat();
    // `kind`, the dropped attributes, a trace id that is none.
    for number in [6, 10, 1] {
        let secret = format!("xy{SECRET}");
        let span = [part(5, b"n"), part(number, secret.as_bytes())].concat();
        let request = part(1, &part(2, &part(2, &span)));
        let out = redactor.frame(frame(PayloadFormat::OtlpTraces, request));
        assert!(!holds(&out.payload, "canary"), "{number}");
        assert_eq!(out.payload, part(1, &part(2, &part(2, &part(5, b"n")))));
    }
}

#[test]
fn bytes_are_looked_at_however_their_base64_is_written() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    let redactor = redactor(&all(RedactAction::Mask));
    for length in 0..3 {
        let plain = format!("\u{ff}\u{3fe} {}{SECRET}", "x ".repeat(length));
        let plain = plain.as_bytes();
        for text in
            [STANDARD_NO_PAD.encode(plain), URL_SAFE.encode(plain), URL_SAFE_NO_PAD.encode(plain)]
        {
            let value = format!(r#"{{"bytesValue":"{text}"}}"#);
            let otlp = format!(
                r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#
            );
            assert!(!redacted(&redactor, PayloadFormat::OtlpJson, &otlp).contains(&text));
        }
    }
}
