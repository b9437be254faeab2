//! What an answer means.
//!
//! Source for what may be sent again: OTLP 1.11, "Failures": 429, 502, 503, 504, and no answer.

use std::time::Duration;

use bytes::Bytes;
use hyper::http::response::Parts;

use super::retry_after::retry_after;
use crate::sink::counts::Failure;
use crate::sink::trouble::plain;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) struct Ending {
    pub(in crate::sink) kind: Kind,
    /// What to tell people; empty where it was taken.
    pub(in crate::sink) text: String,
}

/// Kinds of ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) enum Kind {
    /// Taken; the answer's body.
    Taken(Bytes),
    /// Not taken, and may be sent again, not before a time that the receiver named.
    Again(Failure, Option<Duration>),
    /// Not taken, and will never be.
    Refused(Failure),
}

impl Ending {
    pub(in crate::sink) fn taken(answer: Bytes) -> Self {
        Self { kind: Kind::Taken(answer), text: String::new() }
    }

    pub(in crate::sink) fn again(failure: Failure, text: String) -> Self {
        Self { kind: Kind::Again(failure, None), text }
    }
}

/// An error with its causes, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    plain(&text)
}

/// What an answer over plain HTTP means.
pub(super) fn judge(head: &Parts, body: Bytes, now_ns: impl Fn() -> i64) -> Ending {
    let status = head.status;
    if status.is_success() {
        return Ending::taken(body);
    }
    let said = plain(String::from_utf8_lossy(&body).trim());
    let separator = if said.is_empty() { "" } else { ": " };
    let text = format!("it answered {status}{separator}{said}");
    let kind = match status.as_u16() {
        429 | 502 | 503 | 504 => Kind::Again(Failure::Busy, retry_after(&head.headers, now_ns)),
        401 | 403 | 407 => Kind::Refused(Failure::Denied),
        _ => Kind::Refused(Failure::Refused),
    };
    Ending { kind, text }
}
