//! A trace that closes, as its readers see it.

use super::held::HeldSpan;
use super::values::Values;
use crate::model::Value;
use crate::operators::sample::EarlyClose;
use crate::sampling::Randomness;
use crate::trace::LinkedKind;

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
    /// In the order of (start, id), each id once; spans without an id in the order of the log.
    pub(super) spans: ClosedSpans,
    /// What spans carry.
    pub(super) values: Box<Values>,
    /// As received, where they may be said again.
    pub(super) held: Vec<HeldSpan>,
    /// Bytes of these.
    pub(super) held_bytes: u64,
    /// Stated by the first span that states it.
    pub(super) randomness: Option<Randomness>,
}

/// The spans of a closed trace. Columns that nobody reads are empty, but for ids.
#[derive(Debug, Default)]
pub(super) struct ClosedSpans {
    pub(super) ids: Vec<u64>,
    pub(super) parents: Vec<u64>,
    pub(super) starts_ns: Vec<i64>,
    pub(super) durations_ns: Vec<i64>,
    pub(super) masks: Vec<u64>,
    /// By carried column: numbers of values.
    pub(super) carried: Vec<Vec<u32>>,
    /// Spans that repeat the id of an earlier one in the log; they are not among these.
    pub(super) duplicates: usize,
}

impl ClosedSpans {
    /// Forgets all spans; so many columns are carried.
    pub(super) fn clear(&mut self, carried: usize) {
        self.ids.clear();
        self.parents.clear();
        self.starts_ns.clear();
        self.durations_ns.clear();
        self.masks.clear();
        self.carried.resize_with(carried, Vec::new);
        self.carried.iter_mut().for_each(Vec::clear);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}

impl Assembled {
    /// What a span carries in a column.
    pub(super) fn value(&self, span: u32, column: u32) -> &Value {
        self.values.get(self.spans.carried[column as usize][span as usize])
    }

    /// All that spans carry in a column.
    pub(super) fn column(&self, column: u32) -> impl Iterator<Item = &Value> {
        self.spans.carried[column as usize].iter().map(|number| self.values.get(*number))
    }

    /// The kind of a span, by its carried column.
    pub(super) fn kind(&self, span: usize, column: u32) -> LinkedKind {
        self.values.kind(self.spans.carried[column as usize][span])
    }
}
