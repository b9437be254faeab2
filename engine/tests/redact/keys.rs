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

#[test]
fn whole_values_are_masked_and_dropped_under_their_keys() {
    let masking = redactor(&keyed(RedactAction::Mask, &["k?y"]));
    let row = r#"{"KEY":true,"other":1}"#;
    assert_eq!(redacted(&masking, PayloadFormat::Ndjson, row), r#"{"KEY":"[masked]","other":1}"#);
    let dropping = redactor(&keyed(RedactAction::Drop, &["k?y"]));
    assert_eq!(redacted(&dropping, PayloadFormat::Ndjson, row), r#"{"other":1}"#);
}
