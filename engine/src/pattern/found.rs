//! What runs of a pattern come to.

use super::register::Registers;
use crate::keyed_events::Place;
use crate::model::Value;

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FoundKind {
    Match,
    /// It ran out of time at this step.
    Timeout {
        symbol: u32,
    },
}

/// A match, or what is left of one.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) kind: FoundKind,
    pub(crate) key: Vec<Value>,
    /// Of its first event.
    pub(crate) start: Place,
    /// Of the event or deadline that decided it, nanoseconds.
    pub(crate) end_ns: i64,
    pub(crate) registers: Registers,
}
