//! What the applying stage tells the closing stage, and what it counts.

use serde::{Deserialize, Serialize};

use super::groups::GroupDelta;
use super::sample::{Case, EarlyClose, Tally};
use super::traces::SpanBlock;
use crate::keyed_events::Event;
use crate::limits::SHARDS;
use crate::model::{EmittedItem, Ledger, Row};

/// What a rule did with the items that its filter took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCounts {
    /// Items that the rule's source and filter gave it.
    pub taken: u64,
    /// Items that went into a window.
    pub used: u64,
    /// Items that equalled an earlier one.
    pub duplicates: u64,
    /// Items among the used ones that amended windows which had closed.
    pub amended: u64,
    /// Items whose windows had all closed.
    pub late: u64,
    /// How far the worst late item lay behind the watermark, nanoseconds.
    pub worst_late_ns: i64,
    /// Items among the used ones that went to `other` because the group limit was reached.
    pub to_other: u64,
    /// Events, or matches that they would have begun, that a bound of a pattern left no room for,
    /// and rows of `other` where a pattern or correlation asks for their key;
    /// of a route or sampling, items that cannot be written as OTLP; of traces, spans without a
    /// trace id, and values of named spans that took too many pairs to find; of `rows` that judge
    /// by their past, rows whose values were forgotten before they could be withdrawn.
    pub refused: u64,
    /// Derived traces that were sent on.
    pub traces_kept: u64,
    /// Derived traces that were not.
    pub traces_dropped: u64,
    /// Traces that closed before their time, derived ones too, by reason: see
    /// [`EarlyClose::ALL`].
    pub traces_early: [u64; EarlyClose::ALL.len()],
}

impl RuleCounts {
    /// Adds the counts of another worker or epoch.
    pub fn merge(&mut self, other: &Self) {
        self.taken += other.taken;
        self.used += other.used;
        self.duplicates += other.duplicates;
        self.amended += other.amended;
        self.late += other.late;
        self.worst_late_ns = self.worst_late_ns.max(other.worst_late_ns);
        self.to_other += other.to_other;
        self.refused += other.refused;
        self.traces_kept += other.traces_kept;
        self.traces_dropped += other.traces_dropped;
        self.add_early(other.traces_early);
    }

    /// Counts items that the rule took and made nothing of.
    pub(crate) fn refuse(&mut self, items: u64) {
        self.taken += items;
        self.used += items;
        self.refused += items;
    }

    /// Counts traces that closed before their time, by reason.
    pub(crate) fn add_early(&mut self, early: [u64; EarlyClose::ALL.len()]) {
        self.traces_early.iter_mut().zip(early).for_each(|(own, more)| *own += more);
    }

    /// Items taken that are neither used, duplicate nor late: 0 at every quiescent point.
    pub fn unaccounted(&self) -> i64 {
        self.taken as i64 - self.used as i64 - self.duplicates as i64 - self.late as i64
    }
}

/// Groups of one slice that leave for the worker that closes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SliceDelta {
    pub(crate) table: u32,
    /// The first boundary (in slices) whose windows see these groups.
    pub(crate) boundary: i64,
    pub(crate) slice: i64,
    pub(crate) groups: Vec<GroupDelta>,
}

/// One event on its way to a table off the grid, where its place in the log matters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyedEvent {
    pub(crate) table: u32,
    pub(crate) time_ns: i64,
    pub(crate) source: u32,
    pub(crate) seq: u64,
    pub(crate) row: u32,
    /// The watermark as of the row before.
    pub(crate) watermark_ns: i64,
    pub(crate) group: GroupDelta,
    /// The event as a late item, where a rule takes these and it may be one.
    pub(crate) late: Option<Box<Row>>,
}

/// What one worker tells another at the end of an epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) deltas: Vec<SliceDelta>,
    pub(crate) events: Vec<KeyedEvent>,
    /// Items that are something to a pattern.
    pub(crate) pattern_events: Vec<Event>,
    /// Spans on their way to their traces.
    pub(crate) spans: Vec<SpanBlock>,
    /// Late items, for the rules that read them.
    pub(crate) late: Vec<Row>,
    /// Items that leave.
    pub(crate) items: Vec<EmittedItem>,
    /// Items whose sampling depends on others.
    pub(crate) cases: Vec<Case>,
    /// What lines of samplings did.
    pub(crate) samples: Tally,
    /// To worker 0 only: what was counted in this epoch.
    pub(crate) ledger: Option<Ledger>,
    pub(crate) rules: Vec<RuleCounts>,
    pub(crate) snapshot: bool,
}

/// Deltas that were taken and not yet sent when a snapshot was made: part of its state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ApplyState {
    /// (table hash, slice, group).
    pub(crate) groups: Vec<(u64, i64, GroupDelta)>,
}

/// The worker that holds a group's virtual shard.
pub(crate) fn owner(group: &GroupDelta, peers: usize) -> usize {
    owner_of(group.key_hash, peers)
}

/// The worker that holds a key's virtual shard.
pub(crate) fn owner_of(key_hash: u128, peers: usize) -> usize {
    (key_hash as u64 % SHARDS) as usize % peers
}
