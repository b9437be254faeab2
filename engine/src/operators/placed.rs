//! A batch at its place in the log, and what was decided about its frame.
//!
//! Must not know who takes the rows.

use super::decode::{PreparedBatch, PreparedFrame};
use super::facts::{Decisions, FrameDecision};
use crate::limits::AHEAD_MAX_NS;
use crate::model::{Column, ItemKey, SourceId};
use crate::plan::{Dedupe, Plan, Timeline};

/// A batch of a frame that is being applied.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) frame: &'a PreparedFrame,
    pub(super) batch: &'a PreparedBatch,
    pub(super) source: SourceId,
    pub(super) decision: &'a FrameDecision,
    /// Those of the whole epoch.
    pub(super) decisions: &'a Decisions,
}

impl<'a> Placed<'a> {
    /// The times of its rows on a timeline; `None` where its items have none of that kind.
    pub(super) fn times(&self, plan: &Plan, line: &Timeline) -> Option<&'a [i64]> {
        let column = plan.time_columns[line.time_column as usize].column;
        match self.batch.batch.columns.get(column as usize) {
            Some(Column::Times(times)) => Some(times),
            _ => None,
        }
    }

    /// Rows set aside because their time lies too far ahead, ascending.
    pub(super) fn ahead(&self, line: &Timeline) -> &'a [u32] {
        let mut columns = self.decision.ahead.iter();
        columns.find(|(column, _)| *column == line.time_column).map_or(&[], |(_, rows)| rows)
    }

    /// Times behind this one move nothing.
    pub(super) fn bound_ns(&self) -> i64 {
        self.frame.arrival_ns.map_or(i64::MAX, |at| at.saturating_add(AHEAD_MAX_NS))
    }

    /// Whether a row passes a removal of duplicates.
    pub(super) fn passes(&self, dedupes: &[Dedupe], dedupe: u32, row: u32) -> bool {
        self.decisions.passes(dedupes, dedupe, (self.frame.seq, row))
    }

    /// The place of a row among all items.
    pub(super) fn key(&self, row: u32, time_ns: i64) -> ItemKey {
        ItemKey { frame_seq: self.frame.seq, row, time_ns, source: self.source }
    }
}
