//! Slice tables: the shared state of windows on a grid.
//!
//! All aggregates that read the same items by the same key share one table: an event updates one
//! slice, whatever number of windows overlap it. The slice width divides every size and slide
//! (slicing as in Cutty and Scotty).

use serde::{Deserialize, Serialize};

use super::rule::Results;
use crate::aggregate::AccumulatorKind;
use crate::model::RuleId;

/// How event time is followed for a rule's input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timeline {
    /// Which of the plan's time columns it follows.
    pub time_column: u32,
    /// How far the watermark stays behind the highs, nanoseconds.
    pub lateness_ns: i64,
    /// How far a source may fall behind the others before it no longer holds the watermark.
    pub idle_ns: i64,
}

/// One accumulator of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableAccumulator {
    /// What is stored.
    pub kind: AccumulatorKind,
    /// Its arguments: columns of the batch.
    pub arguments: Vec<u32>,
    /// A further filter of the signal, for `… where …` behind an aggregate call.
    pub filter: Option<u32>,
}

/// Which slices a window takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WindowShape {
    /// Every `every_ns` a window of `size_ns`: tumbling when the two are equal.
    Sliding {
        /// Length, nanoseconds.
        size_ns: i64,
        /// Distance between ends, nanoseconds.
        every_ns: i64,
    },
    /// From the start of each `size_ns` period, growing by `every_ns`.
    Cumulate {
        /// Length of the period, nanoseconds.
        size_ns: i64,
        /// Growth, nanoseconds.
        every_ns: i64,
    },
    /// Per key, as long as no gap between events is longer than `gap_ns`.
    Session {
        /// Longest gap inside a session, nanoseconds, inclusive.
        gap_ns: i64,
        /// Longest time from the first to the last event, nanoseconds, where bounded.
        max_ns: Option<i64>,
    },
    /// Per key, `events` at a time in event-time order.
    Count {
        /// Events of a window.
        events: u32,
    },
}

impl WindowShape {
    /// The longest window, nanoseconds; for shapes off the grid, the slice's own length.
    pub fn size_ns(self) -> i64 {
        match self {
            Self::Sliding { size_ns, .. } | Self::Cumulate { size_ns, .. } => size_ns,
            Self::Session { gap_ns, .. } => gap_ns,
            Self::Count { .. } => COUNT_SLICE_NS,
        }
    }

    /// How long after the start of a slice the last window that holds it may end, nanoseconds: at
    /// most. Slices of sessions may be shorter than the gap.
    pub fn reach_ns(self) -> i64 {
        match self {
            Self::Session { gap_ns, .. } => gap_ns.saturating_add(gap_ns),
            _ => self.size_ns(),
        }
    }

    /// Distance between window ends, nanoseconds.
    pub fn every_ns(self) -> i64 {
        match self {
            Self::Sliding { every_ns, .. } | Self::Cumulate { every_ns, .. } => every_ns,
            Self::Session { .. } | Self::Count { .. } => self.size_ns(),
        }
    }

    /// Whether windows lie on a grid that is the same for all keys.
    pub fn is_grid(self) -> bool {
        matches!(self, Self::Sliding { .. } | Self::Cumulate { .. })
    }

    /// Whether events must be taken in event-time order, and so wait for the watermark.
    pub fn needs_order(self) -> bool {
        matches!(self, Self::Count { .. } | Self::Session { max_ns: Some(_), .. })
    }

    /// Start of the window that ends at `end_ns`, given that it is an end on this grid.
    pub fn start_ns(self, end_ns: i64, offset_ns: i64) -> i64 {
        match self {
            Self::Sliding { .. } | Self::Session { .. } | Self::Count { .. } => {
                end_ns - self.size_ns()
            }
            Self::Cumulate { size_ns, .. } => {
                (end_ns - 1 - offset_ns).div_euclid(size_ns) * size_ns + offset_ns
            }
        }
    }

    /// Whether a window ends there.
    pub fn is_end(self, end_ns: i64, offset_ns: i64) -> bool {
        (end_ns - offset_ns).rem_euclid(self.every_ns()) == 0
    }

    /// The end of the last window that holds a slice starting at `start_ns`.
    pub fn last_end_ns(self, start_ns: i64, offset_ns: i64) -> i64 {
        match self {
            Self::Sliding { size_ns, every_ns } => {
                (start_ns - offset_ns + size_ns).div_euclid(every_ns) * every_ns + offset_ns
            }
            Self::Cumulate { size_ns, .. } => {
                ((start_ns - offset_ns).div_euclid(size_ns) + 1) * size_ns + offset_ns
            }
            // A session that an event of this slice is in closes a gap after the slice at the
            // earliest; keys of count windows stay open.
            Self::Session { gap_ns, .. } => start_ns.saturating_add(gap_ns).saturating_add(gap_ns),
            Self::Count { .. } => i64::MAX,
        }
    }
}

/// Length of the slices in which keys of count windows are admitted: they never die.
const COUNT_SLICE_NS: i64 = i64::MAX / 4;

/// A window of a table and the rule that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableWindow {
    /// Which slices it takes.
    pub shape: WindowShape,
    /// The rule whose rows it makes.
    pub rule: RuleId,
    /// When its rows are said.
    pub results: Results,
}

/// A slice table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// Index of the signal's plan.
    pub signal: u32,
    /// Index of the timeline.
    pub timeline: u32,
    /// Index of the signal's filter, if any.
    pub filter: Option<u32>,
    /// Index of the removal of duplicates that items pass before, if any.
    pub dedupe: Option<u32>,
    /// Columns of the batch that make the key.
    pub key: Vec<u32>,
    /// Width of a slice, nanoseconds.
    pub width_ns: i64,
    /// Offset of the grid from the Unix epoch, nanoseconds, in `0..width_ns`… of the windows.
    pub offset_ns: i64,
    /// What is accumulated.
    pub accumulators: Vec<TableAccumulator>,
    /// The windows that read the table.
    pub windows: Vec<TableWindow>,
    /// Keys that may be open at once; further ones go to `other`.
    pub groups_max: u32,
    /// How long late items still amend windows that closed, nanoseconds; 0 where they do not.
    pub amend_ns: i64,
    /// The rule that takes items which are late here.
    pub late: Option<RuleId>,
    /// Hash of the normalised sub-plan: the identity of the state.
    pub hash: u64,
}

impl Table {
    /// The shape of a table off the grid; such a table has one shape.
    pub fn keyed_shape(&self) -> Option<WindowShape> {
        self.windows.first().map(|window| window.shape).filter(|shape| !shape.is_grid())
    }

    /// Index of the slice that holds a time.
    #[inline]
    pub fn slice_of(&self, time_ns: i64) -> i64 {
        time_ns.saturating_sub(self.offset_ns).div_euclid(self.width_ns)
    }

    /// Start of a slice, nanoseconds.
    #[inline]
    pub fn slice_start_ns(&self, slice: i64) -> i64 {
        slice.saturating_mul(self.width_ns).saturating_add(self.offset_ns)
    }

    /// When the last window that holds a slice is decided for good: the slice is dead.
    pub fn slice_dead_ns(&self, slice: i64) -> i64 {
        self.slice_closed_ns(slice).saturating_add(self.amend_slices() * self.width_ns)
    }

    /// End of the last window that holds a slice: an item that comes when it has passed is late,
    /// or amends.
    pub fn slice_closed_ns(&self, slice: i64) -> i64 {
        let start_ns = self.slice_start_ns(slice);
        let ends = self.windows.iter().map(|w| w.shape.last_end_ns(start_ns, self.offset_ns));
        ends.max().unwrap_or(start_ns)
    }

    /// How many slices after its end a window is decided for good.
    pub fn amend_slices(&self) -> i64 {
        if self.amend_ns == 0 { 0 } else { (self.amend_ns - 1).div_euclid(self.width_ns) + 1 }
    }

    /// Whether some rule hears of every change, at the end of every epoch.
    pub fn says_changes(&self) -> bool {
        self.windows.iter().any(|window| window.results == Results::Changes)
    }
}
