//! Lists of keys.

use std::sync::Arc;

use tailwater_engine::model::PayloadFormat;
use tailwater_engine::plan::{RedactAction, Redaction};

use crate::support::{keyed, redacted, redactor};

fn deny(globs: &[&str]) -> Redaction {
    Redaction { deny: globs.iter().map(|glob| Arc::from(*glob)).collect(), ..Redaction::default() }
}

fn allow(globs: &[&str]) -> Redaction {
    Redaction { allow: globs.iter().map(|glob| Arc::from(*glob)).collect(), ..Redaction::default() }
}

const OTLP: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"b"},"attributes":[{"key":"db.password","value":{"stringValue":"pw"}},{"key":"user","value":{"kvlistValue":{"values":[{"key":"Password","value":{"stringValue":"pw"}},{"key":"id","value":{"intValue":"7"}}]}}}]}]}]}]}"#;

#[test]
fn keys_on_the_deny_list_leave_at_every_depth() {
    let out = redacted(&redactor(&deny(&["*.password"])), PayloadFormat::OtlpJson, OTLP);
    assert!(!out.contains("pw"), "{out}");
    assert!(out.contains(r#"{"key":"id","value":{"intValue":"7"}}"#), "{out}");
    assert!(out.contains("service.name"), "{out}");
}

#[test]
fn only_keys_on_the_allow_list_stay() {
    let redactor = redactor(&allow(&["service.*", "user"]));
    let out = redacted(&redactor, PayloadFormat::OtlpJson, OTLP);
    assert!(!out.contains("db.password"), "{out}");
    // A key that is allowed is allowed with what is in it.
    assert!(out.contains(r#"{"key":"Password","value":{"stringValue":"pw"}}"#), "{out}");
    assert!(out.contains("service.name") && out.contains(r#""body":{"stringValue":"b"}"#));
    let counts = redactor.counters().counts();
    assert_eq!((counts[0].rule, &*counts[0].what, counts[0].count), ("keys allow", "other", 1));
}

#[test]
fn what_an_allow_list_does_not_know_is_not_let_through() {
    let redactor = redactor(&allow(&["a"]));
    let line = r#"{"v":1,"src":"s","ts":1,"type":"event","x":"q","data":{"msg":"m","a":1,"b":2,"ctx":{"a":1,"c":3}}}"#;
    let out = redacted(&redactor, PayloadFormat::Lines, line);
    let expected =
        r#"{"v":1,"src":"s","ts":1,"type":"event","data":{"msg":"m","a":1,"ctx":{"a":1}}}"#;
    assert_eq!(out, expected);
    let row = r#"{"message":"m","a":1,"b":2}"#;
    let out = redacted(&redactor, PayloadFormat::Ndjson, row);
    assert_eq!(out, r#"{"message":"m","a":1}"#);
    let csv = "message,a,b\nm,1,2\n";
    assert_eq!(redacted(&redactor, PayloadFormat::Csv, csv), "message,a,b\nm,1,\n");
}

#[test]
fn whole_values_are_hashed_under_their_keys() {
    let redactor = redactor(&keyed(RedactAction::Hash, &["enduser.id"]));
    let row = r#"{"enduser.id":"bob","n":[1]}"#;
    let once = redacted(&redactor, PayloadFormat::Ndjson, row);
    // HMAC-SHA-256 of `bob` under `pepper`, by another implementation.
    assert_eq!(once, r#"{"enduser.id":"hash:5e77fd7015b5fc631c91afce8c9040b5","n":[1]}"#);
    assert_eq!(redacted(&redactor, PayloadFormat::Ndjson, &once), once);
    // The same value has the same hash wherever it stands, and whatever type it has.
    let nested = redacted(&redactor, PayloadFormat::Ndjson, r#"{"enduser":{"id":"bob"}}"#);
    assert_eq!(nested, r#"{"enduser":{"id":"hash:5e77fd7015b5fc631c91afce8c9040b5"}}"#);
    let seven = redacted(&redactor, PayloadFormat::Ndjson, r#"{"enduser.id":7}"#);
    let text = redacted(&redactor, PayloadFormat::Ndjson, r#"{"enduser.id":"7"}"#);
    assert_eq!(seven, text);
    let list = redacted(&redactor, PayloadFormat::Ndjson, r#"{"enduser.id":["bob",null]}"#);
    assert_eq!(list, r#"{"enduser.id":["hash:5e77fd7015b5fc631c91afce8c9040b5",null]}"#);
}

/// A source of logs with a column that stands for an attribute.
fn mapped(redaction: &Redaction) -> tailwater_engine::redact::Redactor {
    use tailwater_engine::model::{ColumnMapping, Signal, SourceSpec};
    let columns = [("body", "message"), ("enduser.id", "uid"), ("service.name", "svc")];
    let mapping = ColumnMapping {
        signal: Signal::Logs,
        columns: columns.map(|(path, column)| (path.into(), column.into())).to_vec(),
    };
    let sources = [SourceSpec {
        name: Arc::from("test"),
        has_arrival: true,
        mapping: Some(Arc::new(mapping)),
    }];
    tailwater_engine::redact::Redactor::new(redaction, Some(b"pepper"), &sources)
        .expect("a redaction that can be made")
}

#[test]
fn keys_are_those_of_the_attribute_and_of_its_column() {
    let row = r#"{"message":"m","uid":"bob","x":1}"#;
    let csv = "message,uid,x\nm,bob,1\n";
    for name in ["enduser.id", "uid"] {
        let denying = mapped(&deny(&[name]));
        assert_eq!(redacted(&denying, PayloadFormat::Ndjson, row), r#"{"message":"m","x":1}"#);
        assert_eq!(redacted(&denying, PayloadFormat::Csv, csv), "message,uid,x\nm,,1\n");
        let allowing = mapped(&allow(&[name]));
        let out = redacted(&allowing, PayloadFormat::Ndjson, row);
        assert_eq!(out, r#"{"message":"m","uid":"bob"}"#);
        assert_eq!(redacted(&allowing, PayloadFormat::Csv, csv), "message,uid,x\nm,bob,\n");
        let masking = mapped(&keyed(RedactAction::Mask, &[name]));
        let out = redacted(&masking, PayloadFormat::Ndjson, row);
        assert_eq!(out, r#"{"message":"m","uid":"[masked]","x":1}"#);
    }
    let row = r#"{"service":"shop","x":1}"#;
    for name in ["service.name", "service"] {
        let out = redacted(&redactor(&deny(&[name])), PayloadFormat::Ndjson, row);
        assert_eq!(out, r#"{"x":1}"#);
    }
}

#[test]
fn services_of_every_format_are_attributes() {
    let jaeger = r#"{"spans":[],"processes":{"p":{"serviceName":"shop","tags":[]}}}"#;
    let zipkin =
        r#"[{"localEndpoint":{"serviceName":"shop"},"remoteEndpoint":{"serviceName":"db"}}]"#;
    let line = r#"{"v":1,"src":"s","ts":1,"data":{"name":"n","service":"shop"},"type":"span"}"#;
    let own = redactor(&deny(&["service.name"]));
    assert!(!redacted(&own, PayloadFormat::Jaeger, jaeger).contains("shop"));
    let out = redacted(&own, PayloadFormat::Zipkin, zipkin);
    assert!(!out.contains("shop") && out.contains("db"), "{out}");
    assert!(!redacted(&own, PayloadFormat::Lines, line).contains("shop"));
    let peer = redactor(&keyed(RedactAction::Mask, &["peer.service"]));
    let out = redacted(&peer, PayloadFormat::Zipkin, zipkin);
    assert!(out.contains("shop") && out.contains("[masked]"), "{out}");
    let only = redactor(&allow(&["service.*"]));
    let out = redacted(&only, PayloadFormat::Zipkin, zipkin);
    assert!(out.contains("shop") && !out.contains("db"), "{out}");
    assert_eq!(redacted(&only, PayloadFormat::Lines, line), line);
}

#[test]
fn members_of_a_line_are_what_its_type_says() {
    let line = r#"{"v":1,"src":"s","ts":1,"type":"event","data":{"msg":"m","operation":"o","status":"t","tags":{"password":"p","x":1}}}"#;
    let out = redacted(&redactor(&allow(&["nothing"])), PayloadFormat::Lines, line);
    assert_eq!(out, r#"{"v":1,"src":"s","ts":1,"type":"event","data":{"msg":"m"}}"#);
    let out = redacted(&redactor(&deny(&["tags.password"])), PayloadFormat::Lines, line);
    assert!(!out.contains("password") && out.contains(r#""tags":{"x":1}"#), "{out}");
}

#[test]
fn only_ids_of_the_trace_context_are_left_alone() {
    let all = redactor(&crate::support::all(RedactAction::Mask));
    let row = r#"{"sid":"4111111111111111","pid":"123-45-6789","trace_id":"41111111111111114111111111111111"}"#;
    let out = redacted(&all, PayloadFormat::Ndjson, row);
    let expected =
        r#"{"sid":"[card]","pid":"[ssn]","trace_id":"41111111111111114111111111111111"}"#;
    assert_eq!(out, expected);
    let out = redacted(&all, PayloadFormat::Csv, "sid,x\n4111111111111111,1\n");
    assert_eq!(out, "sid,x\n\"[card]\",1\n");
}

#[test]
fn each_value_that_leaves_is_counted_once() {
    let row = r#"{"message":"m","a":1}"#;
    let csv = "message,a\nm,1\nn,2\no,\n";
    // What is in a value that leaves is not counted again.
    let nested = OTLP.replace("\"user\"", "\"a\"").replace("\"id\"", "\"a\"");
    let tag = r#"{"spans":[{"tags":[{"key":"a","value":"v"}]}]}"#;
    let formats = [
        (PayloadFormat::Ndjson, row, 2),
        (PayloadFormat::Csv, csv, 5),
        (PayloadFormat::OtlpJson, &nested, 1),
        (PayloadFormat::Jaeger, tag, 1),
    ];
    for (format, text, count) in formats {
        let redactor = redactor(&deny(&["message", "a"]));
        redacted(&redactor, format, text);
        let counts = redactor.counters().counts();
        assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), count, "{format:?}");
    }
}

#[test]
fn the_keys_of_a_map_are_part_of_its_whole_value() {
    let row = r#"{"user":{"bob":"x","n":{"ann":1}}}"#;
    let entry = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{{value}}}}}"#);
    let map = entry("bob", r#""stringValue":"x""#);
    let value = format!(r#""kvlistValue":{{"values":[{map}]}}"#);
    let otlp = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"attributes":[{}]}}]}}]}}]}}"#,
        entry("user", &value)
    );
    let masking = redactor(&keyed(RedactAction::Mask, &["user"]));
    assert_eq!(redacted(&masking, PayloadFormat::Ndjson, row), r#"{"user":"[masked]"}"#);
    let out = redacted(&masking, PayloadFormat::OtlpJson, &otlp);
    assert!(out.contains(&entry("user", r#""stringValue":"[masked]""#)), "{out}");
    let hashing = redactor(&keyed(RedactAction::Hash, &["user"]));
    for (format, text) in [(PayloadFormat::Ndjson, row), (PayloadFormat::OtlpJson, &otlp)] {
        let once = redacted(&hashing, format, text);
        assert!(!once.contains("bob") && !once.contains("ann"), "{once}");
        assert!(once.contains("hash:5e77fd7015b5fc631c91afce8c9040b5"), "{once}");
        assert_eq!(redacted(&hashing, format, &once), once);
    }
}

#[test]
fn a_number_has_one_hash_however_it_is_written() {
    let redactor = redactor(&keyed(RedactAction::Hash, &["k"]));
    let hash =
        |text: &str| redacted(&redactor, PayloadFormat::Ndjson, &format!(r#"{{"k":{text}}}"#));
    assert_eq!(hash("5.0"), hash("\"5\""));
    assert_eq!(hash("1e3"), hash("1000"));
    assert_ne!(hash("5.5"), hash("5"));
}

#[test]
fn whole_values_are_masked_and_dropped_under_their_keys() {
    let masking = redactor(&keyed(RedactAction::Mask, &["k?y"]));
    let row = r#"{"KEY":true,"other":1}"#;
    assert_eq!(redacted(&masking, PayloadFormat::Ndjson, row), r#"{"KEY":"[masked]","other":1}"#);
    let dropping = redactor(&keyed(RedactAction::Drop, &["k?y"]));
    assert_eq!(redacted(&dropping, PayloadFormat::Ndjson, row), r#"{"other":1}"#);
}
