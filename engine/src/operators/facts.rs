//! What workers tell the sequencer about an epoch, and what it tells them back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dedupe::{Candidate, passes};
use crate::limits::{AHEAD_MAX_NS, AHEAD_ROWS};
use crate::model::{Ledger, SourceId};
use crate::plan::Dedupe;

/// What one worker found in its frames of one epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct EpochFacts {
    /// One entry a frame.
    pub(crate) frames: Vec<FrameFacts>,
    /// Keys that limited tables have not seen before in a slice.
    pub(crate) new_keys: Vec<NewKey>,
    /// Items that may be duplicates.
    pub(crate) candidates: Vec<Candidate>,
    /// What the decoder counted.
    pub(crate) ledger: Ledger,
    /// Whether the runtime asks for a snapshot after this epoch.
    pub(crate) snapshot: bool,
}

/// What a frame says about time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FrameFacts {
    pub(crate) seq: u64,
    pub(crate) bytes: u64,
    pub(crate) event: FrameEvent,
}

/// The kinds of frames, as far as time is concerned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum FrameEvent {
    /// Telemetry of a source: one profile a time column of the plan that it has rows for. A
    /// heartbeat of the line protocol counts as one more time, after the frame's rows.
    Data {
        source: SourceId,
        profiles: Vec<(u32, TimeProfile)>,
        heartbeat_ns: Option<i64>,
        /// The line protocol's senders in the frame, and whether the last line of each said
        /// goodbye.
        senders: BTreeMap<u64, bool>,
    },
    Tick(i64),
    SourceEnd(SourceId),
    End,
}

/// The times of a frame's rows in one time column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimeProfile {
    /// Number of rows with a time.
    pub(crate) rows: u32,
    pub(crate) min_ns: i64,
    pub(crate) max_ns: i64,
    /// The highest time that may move the high: with an arrival time, rows too far ahead of it
    /// are left out.
    pub(crate) high_ns: i64,
    /// Plain files only. Every row's (row, time) where they spread over more than
    /// [`AHEAD_MAX_NS`]; else the first [`AHEAD_ROWS`], enough to see whether they follow a jump.
    pub(crate) times: Vec<(u32, i64)>,
    /// Whether `times` holds every row.
    pub(crate) is_whole: bool,
}

impl TimeProfile {
    /// Summarises the times of a frame's rows; 0 means that the row has no time. Returns `None`
    /// if no row has one.
    pub(crate) fn of(times: &[i64], arrival_ns: Option<i64>) -> Option<Self> {
        let bound_ns = arrival_ns.map_or(i64::MAX, |at| at.saturating_add(AHEAD_MAX_NS));
        let (mut min_ns, mut max_ns, mut high_ns, mut rows) = (i64::MAX, i64::MIN, i64::MIN, 0u32);
        for &time in times {
            if time != 0 {
                rows += 1;
                min_ns = min_ns.min(time);
                max_ns = max_ns.max(time);
                if time <= bound_ns {
                    high_ns = high_ns.max(time);
                }
            }
        }
        if rows == 0 {
            return None;
        }
        let with_rows =
            || times.iter().enumerate().filter(|(_, t)| **t != 0).map(|(row, t)| (row as u32, *t));
        let is_calm = max_ns.saturating_sub(min_ns) <= AHEAD_MAX_NS;
        let (times, is_whole) = if arrival_ns.is_some() {
            (Vec::new(), false)
        } else if is_calm {
            (with_rows().take(AHEAD_ROWS).collect(), rows as usize <= AHEAD_ROWS)
        } else {
            (with_rows().collect(), true)
        };
        Some(Self { rows, min_ns, max_ns, high_ns, times, is_whole })
    }
}

/// A key that a limited table sees for the first time in a slice, on one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct NewKey {
    /// First position: frame, then row.
    pub(crate) seq: u64,
    pub(crate) row: u32,
    /// Index of the table in the plan.
    pub(crate) table: u32,
    /// Index of the slice on the table's grid.
    pub(crate) slice: i64,
    /// xxh3 of the canonical key bytes: equal on every worker.
    pub(crate) key_hash: u128,
    /// The highest time of the rows before it in its frame that may move the clock.
    pub(crate) top_ns: i64,
}

/// What the sequencer decided about an epoch; every worker gets the same.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Decisions {
    /// The frames of the epoch in log order.
    pub(crate) frames: Vec<FrameDecision>,
    /// Keys that go to `other`: (table, slice, key hash), sorted.
    pub(crate) refused: Vec<(u32, i64, u128)>,
    /// Duplicates: (dedupe, frame, row), sorted.
    pub(crate) duplicates: Vec<(u32, u64, u32)>,
    /// What the decoders counted, of all workers, with what the sequencer dropped.
    pub(crate) ledger: Ledger,
    /// Whether every stage writes a snapshot after this epoch.
    pub(crate) snapshot: bool,
}

impl Decisions {
    /// Whether an item passes a removal of duplicates.
    pub(crate) fn passes(&self, dedupes: &[Dedupe], index: u32, (seq, row): (u64, u32)) -> bool {
        let is_found = |index| self.duplicates.binary_search(&(index, seq, row)).is_ok();
        passes(dedupes, index, &is_found)
    }
}

/// One frame as every worker sees it: enough to follow the watermark through the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FrameDecision {
    pub(crate) seq: u64,
    pub(crate) step: ClockStep,
    /// Rows set aside because their time lies too far ahead, ascending, by time column.
    pub(crate) ahead: Vec<(u32, Vec<u32>)>,
}

/// How a frame moves time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ClockStep {
    /// (time column, highest accepted time) of a source's frame, and whether the last of the
    /// source's senders said goodbye in it.
    Data {
        source: SourceId,
        highs: Vec<(u32, i64)>,
        ends: bool,
    },
    Tick(i64),
    SourceEnd(SourceId),
    End,
}

/// Decisions travel to every worker of a process as one shared value.
pub(crate) type SharedDecisions = Arc<Decisions>;
