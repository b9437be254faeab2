//! The ledger: what became of every item. Nothing vanishes without a line here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::SourceId;
use super::signal::Signal;
use crate::limits::SET_ASIDE_KEPT_MAX;

/// Why an item was dropped after it had been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DropReason {
    /// It could not be decoded.
    Damaged,
    /// Its timestamp lies more than five minutes ahead and the rows after it do not follow.
    AheadOfTime,
    /// It has no timestamp.
    NoTime,
}

/// A damaged or refused item: where and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The source it came from.
    pub source: SourceId,
    /// Line number (text, from 1) or byte offset (binary) in the source.
    pub place: u64,
    /// What was expected and what was found.
    pub reason: Arc<str>,
}

/// Counts of one signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCounts {
    /// Items decoded.
    pub received: u64,
    /// Items that went through the rules' streams (also when no filter took them).
    pub used: u64,
    /// Items dropped, of all reasons; the reasons are in [`Ledger::dropped`].
    pub dropped: u64,
}

/// What became of every item since the start of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Frames read.
    pub frames: u64,
    /// Payload bytes read.
    pub bytes: u64,
    /// Per signal.
    pub signals: [SignalCounts; Signal::ALL.len()],
    /// Items dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Items that could not be decoded and so belong to no signal (a damaged line or request).
    pub damaged: u64,
    /// Spans whose end lies before their start, counted and used with duration 0.
    pub end_before_start: u64,
    /// The first items set aside, with place and reason.
    pub set_aside: Vec<SetAside>,
}

impl Ledger {
    /// Adds another ledger: of another worker or of a later epoch.
    pub fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.damaged += other.damaged;
        self.end_before_start += other.end_before_start;
        for (mine, theirs) in self.signals.iter_mut().zip(&other.signals) {
            mine.received += theirs.received;
            mine.used += theirs.used;
            mine.dropped += theirs.dropped;
        }
        for (reason, count) in &other.dropped {
            *self.dropped.entry(*reason).or_default() += count;
        }
        self.set_aside.extend(other.set_aside.iter().cloned());
        self.set_aside.sort_by_key(|item| (item.source, item.place));
        self.set_aside.truncate(SET_ASIDE_KEPT_MAX);
    }

    /// Items received that are neither used nor dropped; 0 at every quiescent point.
    pub fn unaccounted(&self) -> i64 {
        self.signals
            .iter()
            .map(|counts| counts.received as i64 - counts.used as i64 - counts.dropped as i64)
            .sum()
    }
}
