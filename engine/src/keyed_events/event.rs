//! An event and its place in the order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{RuleId, Value};

/// The place of an event: a key's events are taken in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) time_ns: i64,
    /// The source; rows of rules come behind items.
    pub(crate) source: u32,
    pub(crate) seq: u64,
    /// In the frame: the row, or where items of several signals are put in order, where it begins.
    pub(crate) at: u32,
    /// Of what begins at one place, as a span and its events do.
    pub(crate) signal: u8,
}

impl Place {
    /// The place in the log as bytes that are in the order of places of one time.
    pub(crate) fn as_value(&self) -> Value {
        let (source, seq, at) =
            (self.source.to_be_bytes(), self.seq.to_be_bytes(), self.at.to_be_bytes());
        Value::Bytes(Arc::from([&source[..], &seq, &at, &[self.signal]].concat()))
    }
}

/// An event, as one pattern or correlation sees it under one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) rule: RuleId,
    pub(crate) place: Place,
    pub(crate) key_hash: u128,
    pub(crate) key: Vec<Value>,
    /// What it can be: one bit a symbol.
    pub(crate) mask: u128,
    /// The values that the rule reads of it.
    pub(crate) slots: Vec<Value>,
}

impl Event {
    /// Bytes that it takes while it waits.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + Value::bytes_of(&self.key) + Value::bytes_of(&self.slots)
    }

    /// Where it stands in the log: which events a bound refuses must not depend on the worker that
    /// decoded them.
    pub(crate) fn in_log(&self) -> impl Ord + use<> {
        (self.place.seq, self.place.at, self.place)
    }

    /// Whether it can be a symbol, conditions on other events aside.
    pub(crate) fn is(&self, symbol: u32) -> bool {
        self.mask >> symbol & 1 == 1
    }

    /// Takes over what the same item is to the rule by another of its inputs.
    pub(crate) fn join(&mut self, other: Self) {
        self.mask |= other.mask;
        for (mine, theirs) in self.slots.iter_mut().zip(other.slots) {
            if mine.is_null() {
                *mine = theirs;
            }
        }
    }
}
