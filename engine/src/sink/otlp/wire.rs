//! Requests in one of OTLP's two encodings, piece by piece.
//!
//! A row's attributes are encoded once and stand in each of its points. Both encodings are written
//! from the same plain values, so that neither says more than the other.

use bytes::Bytes;

use super::{json, protobuf};
use crate::model::{HistogramPoint, Value};
use crate::sink::exemplar::Exemplar;

/// Encodings of OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    #[default]
    Protobuf,
    /// JSON: one object without newlines, as files of OTLP hold one a line.
    Json,
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    Metrics,
    Logs,
}

/// How points of a stream relate in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Temporality {
    /// Each point counts from the start of its series.
    #[default]
    Cumulative,
    /// Each point counts what came since the one before.
    Delta,
}

impl Temporality {
    /// Its number in OTLP.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Delta => 1,
            Self::Cumulative => 2,
        }
    }
}

/// Kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Gauge,
    /// Whether it never goes back.
    Sum(Temporality, bool),
    Histogram(Temporality),
    Exponential(Temporality),
}

/// A metric without its points.
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
}

/// What a point says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// Of a data point, all but what it says.
pub(super) struct Place<'a> {
    pub(super) start_ns: i64,
    pub(super) time_ns: i64,
    /// Encoded attributes.
    pub(super) attributes: &'a [u8],
    pub(super) exemplars: &'a [Exemplar],
}

/// A log record.
pub(super) struct Record<'a> {
    pub(super) time_ns: i64,
    pub(super) severity: (u64, &'static str),
    pub(super) body: String,
    pub(super) event: &'static str,
    pub(super) attributes: &'a [(String, Value)],
}

impl Encoding {
    /// What `Content-Type` says over HTTP.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    pub(super) fn attributes<'a>(
        self,
        pairs: impl Iterator<Item = (&'a str, &'a Value)>,
    ) -> Vec<u8> {
        match self {
            Self::Protobuf => protobuf::attributes(pairs),
            Self::Json => json::attributes(pairs),
        }
    }

    /// Appends a point with a number to those of its metric.
    pub(super) fn number(self, place: &Place<'_>, number: &Number, points: &mut Vec<u8>) {
        match self {
            Self::Protobuf => protobuf::number(place, number, points),
            Self::Json => json::number(place, number, points),
        }
    }

    /// Appends a point with a distribution to those of its metric.
    pub(super) fn histogram(
        self,
        place: &Place<'_>,
        histogram: &HistogramPoint,
        points: &mut Vec<u8>,
    ) {
        match self {
            Self::Protobuf => protobuf::histogram(place, histogram, points),
            Self::Json => json::histogram(place, histogram, points),
        }
    }

    /// Appends a metric to those of a request.
    pub(super) fn metric(self, head: &Head<'_>, points: &[u8], metrics: &mut Vec<u8>) {
        match self {
            Self::Protobuf => protobuf::metric(head, points, metrics),
            Self::Json => json::metric(head, points, metrics),
        }
    }

    /// Appends a log record to those of a request.
    pub(super) fn record(self, record: &Record<'_>, records: &mut Vec<u8>) {
        match self {
            Self::Protobuf => protobuf::record(record, records),
            Self::Json => json::record(record, records),
        }
    }

    /// A whole request.
    pub(super) fn request(self, items: Items, encoded: &[u8]) -> Bytes {
        match self {
            Self::Protobuf => protobuf::request(encoded),
            Self::Json => json::request(items, encoded),
        }
    }

    /// What an answer says was not taken: how many, and why. Nothing where it is whole, or cannot
    /// be read: then the receiver has said that it took everything.
    pub(super) fn partial_success(self, answer: &[u8]) -> Option<(u64, String)> {
        if let Some(text) = web_page(answer) {
            return Some((0, text));
        }
        let (rejected, text) = match self {
            Self::Protobuf => protobuf::partial_success(answer),
            Self::Json => json::partial_success(answer),
        }?;
        (rejected > 0 || !text.is_empty()).then_some((rejected, text))
    }
}

/// Characters of a web page that are shown.
const PAGE_CHARS: usize = 80;

/// What to tell of an answer that is a web page, which neither encoding begins like: something else
/// than a receiver answers at that URL.
fn web_page(answer: &[u8]) -> Option<String> {
    let start = answer.trim_ascii_start();
    start.starts_with(b"<").then(|| {
        let start: String = String::from_utf8_lossy(start).chars().take(PAGE_CHARS).collect();
        format!("a web page, as where the URL is not that of a receiver: `{start}`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_page_is_no_answer_of_a_receiver() {
        for wire in [Encoding::Protobuf, Encoding::Json] {
            let (rejected, text) = wire.partial_success(b"\n<!doctype html>").expect("it is told");
            assert_eq!(rejected, 0);
            assert!(text.ends_with("`<!doctype html>`"), "{text}");
            assert_eq!(wire.partial_success(b""), None);
            assert_eq!(wire.partial_success(b"{}"), None);
        }
    }
}
