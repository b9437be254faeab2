//! What lines of samplings did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Weight;
use crate::model::RuleId;

/// Upper bounds of the buckets of [`LineCounts::latency`], seconds; the last bucket has none.
pub const DECISION_SECONDS: [u64; 8] = [1, 2, 5, 10, 30, 60, 120, 300];

/// Why a trace was decided before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EarlyClose {
    /// It had as many spans as a trace may have.
    Spans,
    /// It had as many bytes.
    Bytes,
    /// There was no room for more spans beside others.
    Room,
}

impl EarlyClose {
    /// All reasons, in the order of [`LineCounts::early`].
    pub const ALL: [Self; 3] = [Self::Spans, Self::Bytes, Self::Room];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Bytes => "bytes",
            Self::Room => "room",
        }
    }
}

/// When a trace began and why it was decided early, if it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) start_ns: i64,
    pub(crate) early: Option<EarlyClose>,
}

/// What one line of a sampling did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// Traces or items that it fitted, no line before having decided.
    pub cases: u64,
    /// Of these, kept.
    pub kept: u64,
    /// Spans, log records or data points in kept cases.
    pub items_kept: u64,
    /// The same in dropped ones.
    pub items_dropped: u64,
    /// Bytes of kept items, as received.
    pub bytes_kept: u64,
    /// Bytes of dropped items.
    pub bytes_dropped: u64,
    /// Spans that came after their trace's verdict, by this line, and were kept like it.
    pub late_kept: u64,
    /// The same, dropped.
    pub late_dropped: u64,
    /// Log records that followed a verdict by this line and were kept.
    pub logs_kept: u64,
    /// The same, dropped.
    pub logs_dropped: u64,
    /// Among the kept traces those that a line kept for a trace that is linked to them.
    pub linked: u64,
    /// Tracestates of kept spans that broke W3C's rules and so were dropped as a whole.
    pub tracestates_refused: u64,
    /// Traces decided before what they wait for had come, for want of room.
    pub hurried: u64,
    /// Keys, named traces and links that were forgotten for want of room.
    pub forgotten: u64,
    /// Event time from the first span of a trace to its verdict, nanoseconds, of all together.
    pub latency_sum_ns: u64,
    /// The longest of them.
    pub latency_max_ns: u64,
    /// Traces by that time: up to each of [`DECISION_SECONDS`], then beyond.
    pub latency: [u64; DECISION_SECONDS.len() + 1],
    /// Traces decided before their time, by reason: see [`EarlyClose::ALL`].
    pub early: [u64; EarlyClose::ALL.len()],
}

impl LineCounts {
    /// Adds the counts of another worker or epoch.
    pub fn merge(&mut self, other: &Self) {
        self.cases += other.cases;
        self.kept += other.kept;
        self.items_kept += other.items_kept;
        self.items_dropped += other.items_dropped;
        self.bytes_kept += other.bytes_kept;
        self.bytes_dropped += other.bytes_dropped;
        self.late_kept += other.late_kept;
        self.late_dropped += other.late_dropped;
        self.logs_kept += other.logs_kept;
        self.logs_dropped += other.logs_dropped;
        self.linked += other.linked;
        self.tracestates_refused += other.tracestates_refused;
        self.hurried += other.hurried;
        self.forgotten += other.forgotten;
        self.latency_sum_ns = self.latency_sum_ns.saturating_add(other.latency_sum_ns);
        self.latency_max_ns = self.latency_max_ns.max(other.latency_max_ns);
        self.latency.iter_mut().zip(other.latency).for_each(|(mine, theirs)| *mine += theirs);
        self.early.iter_mut().zip(other.early).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub(super) fn count(&mut self, is_kept: bool, weight: Weight) {
        self.cases += 1;
        if is_kept {
            self.kept += 1;
            self.items_kept += u64::from(weight.items);
            self.bytes_kept += weight.bytes;
        } else {
            self.items_dropped += u64::from(weight.items);
            self.bytes_dropped += weight.bytes;
        }
    }

    /// Counts when a trace was decided.
    pub(super) fn decided(&mut self, timing: Timing, at_ns: i64) {
        let latency_ns = u64::try_from(at_ns.saturating_sub(timing.start_ns)).unwrap_or(0);
        self.latency_sum_ns = self.latency_sum_ns.saturating_add(latency_ns);
        self.latency_max_ns = self.latency_max_ns.max(latency_ns);
        let bucket = DECISION_SECONDS.iter().position(|s| latency_ns <= s * 1_000_000_000);
        self.latency[bucket.unwrap_or(DECISION_SECONDS.len())] += 1;
        if let Some(early) = timing.early {
            self.early[early as usize] += 1;
        }
    }
}

/// Counts of lines: by rule and line.
pub(crate) type Tally = BTreeMap<(RuleId, u16), LineCounts>;

/// Adds counts.
pub(crate) fn merge(mine: &mut Tally, theirs: &Tally) {
    for (line, counts) in theirs {
        mine.entry(*line).or_default().merge(counts);
    }
}
