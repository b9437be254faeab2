//! Policies and frames for tests.

use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::model::{Compression, DataFrame, PayloadFormat, SourceId, SourceSpec};
use tailwater_engine::plan::{ClassRule, KeyRule, RedactAction, Redaction, ValueClass};
use tailwater_engine::redact::Redactor;

/// Every class under one action.
pub(crate) fn all(action: RedactAction) -> Redaction {
    classes(action, &ValueClass::ALL)
}

/// Some classes under one action.
pub(crate) fn classes(action: RedactAction, classes: &[ValueClass]) -> Redaction {
    let rule = |&class: &ValueClass| ClassRule {
        class,
        action,
        kept_bits: class.kept_bits().unwrap_or(0),
    };
    Redaction {
        classes: classes.iter().map(rule).collect(),
        secret: Some(Arc::from("redact")),
        ..Redaction::default()
    }
}

/// Keys whose values are replaced.
pub(crate) fn keyed(action: RedactAction, globs: &[&str]) -> Redaction {
    let keys = globs.iter().map(|&glob| KeyRule { glob: Arc::from(glob), action }).collect();
    Redaction { keys, secret: Some(Arc::from("redact")), ..Redaction::default() }
}

/// The source of all frames.
pub(crate) fn sources() -> [SourceSpec; 1] {
    [SourceSpec { name: Arc::from("test"), has_arrival: true, mapping: None }]
}

/// A redactor with a secret.
pub(crate) fn redactor(redaction: &Redaction) -> Redactor {
    Redactor::new(redaction, Some(b"pepper"), &sources()).expect("a redaction that can be made")
}

/// A frame of some bytes.
pub(crate) fn frame(format: PayloadFormat, payload: impl Into<Bytes>) -> DataFrame {
    DataFrame {
        source: SourceId(0),
        arrival_ns: Some(0),
        format,
        compression: Compression::None,
        payload: payload.into(),
        place: 0,
    }
}

/// What becomes of a text, as text.
pub(crate) fn redacted(redactor: &Redactor, format: PayloadFormat, text: &str) -> String {
    let frame = redactor.frame(frame(format, text.to_owned()));
    String::from_utf8(frame.payload.to_vec()).expect("text stays text")
}

/// Whether some bytes stand in others.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}
