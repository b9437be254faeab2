//! A trace that closes, as its readers see it.

use super::held::HeldSpan;
use super::spans::SpanState;
use crate::model::Value;
use crate::operators::sample::EarlyClose;
use crate::sampling::Randomness;

/// A closed trace.
#[derive(Debug, Default)]
pub(super) struct Assembled {
    pub(super) id: [u8; 16],
    /// When it was decided, event time.
    pub(super) decided_ns: i64,
    /// The earliest start.
    pub(super) start_ns: i64,
    /// The latest end.
    pub(super) end_ns: i64,
    /// Why it closed before its time, where it did.
    pub(super) early: Option<EarlyClose>,
    /// Of the first root; nulls where none came.
    pub(super) root: Vec<Value>,
    /// All masks together.
    pub(super) mask: u64,
    /// In the order of (start, id), as far as starts are kept; else in the order of the log.
    pub(super) spans: Vec<SpanState>,
    /// As received, where they may be said again.
    pub(super) held: Vec<HeldSpan>,
    /// Bytes of these.
    pub(super) held_bytes: u64,
    /// Stated by the first span that states it.
    pub(super) randomness: Option<Randomness>,
}

impl Assembled {
    /// Puts the spans in order: by start, then id; repeated ids in the order of the log.
    pub(super) fn sort(&mut self) {
        self.spans.sort_by_key(|span| (span.start_ns, span.span_id));
    }
}
