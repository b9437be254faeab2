//! Where a watermark stands before a row of a frame, for the sequencer, which has no rows: from the
//! highest time of the rows before it, as the worker that decoded them tells it.

use super::clock::{Clock, UNSEEN};
use super::facts::{FrameDecision, FrameEvent, FrameFacts, TimeProfile};
use crate::limits::AHEAD_MAX_NS;
use crate::model::SourceId;
use crate::plan::Timeline;

/// The highest time of the rows before one that may move the clock, row after row of a batch.
pub(crate) struct Tops<'a> {
    times: &'a [i64],
    bound_ns: i64,
    next: usize,
    top_ns: i64,
}

impl<'a> Tops<'a> {
    /// Before the first row. Those further ahead of the arrival than [`AHEAD_MAX_NS`] move nothing.
    pub(crate) fn new(times: &'a [i64], arrival_ns: Option<i64>) -> Self {
        let bound_ns = arrival_ns.map_or(i64::MAX, |at| at.saturating_add(AHEAD_MAX_NS));
        Self { times, bound_ns, next: 0, top_ns: UNSEEN }
    }

    /// Of the rows before `row`; rows are asked for in ascending order.
    pub(crate) fn before(&mut self, row: u32) -> i64 {
        let passed = self.times[self.next..].iter().take(row as usize - self.next).copied();
        let may_move = passed.filter(|time| *time != 0 && *time <= self.bound_ns);
        self.top_ns = may_move.fold(self.top_ns, i64::max);
        self.next = row as usize;
        self.top_ns
    }
}

/// A place in the log: a row, and the highest time of those before it in its frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace {
    pub(super) row: u32,
    pub(super) top_ns: i64,
}

/// Time within one frame, which has not moved the clock yet.
pub(super) struct RowClock<'a> {
    pub(super) clock: &'a Clock,
    source: SourceId,
    profiles: &'a [(u32, TimeProfile)],
    ahead: &'a [(u32, Vec<u32>)],
}

impl<'a> RowClock<'a> {
    /// Of a frame with rows.
    pub(super) fn of(
        clock: &'a Clock,
        frame: &'a FrameFacts,
        decision: &'a FrameDecision,
    ) -> Option<Self> {
        let FrameEvent::Data { source, profiles, .. } = &frame.event else { return None };
        Some(Self { clock, source: *source, profiles, ahead: &decision.ahead })
    }

    /// The rows that are set aside by a time column, as they lie too far ahead.
    pub(super) fn ahead(&self, column: u32) -> &'a [u32] {
        let own = self.ahead.iter().find(|(of, _)| *of == column);
        own.map_or(&[], |(_, rows)| rows)
    }

    /// The watermark of a timeline as of the row before.
    pub(super) fn before(&self, index: usize, line: &Timeline, place: RowPlace) -> i64 {
        let ahead = self.ahead(line.time_column);
        let profile = || self.profiles.iter().find(|(column, _)| *column == line.time_column);
        let top_ns = match if ahead.is_empty() { None } else { profile() } {
            Some((_, profile)) => top_before(profile, place.row, ahead),
            None => place.top_ns,
        };
        if top_ns > self.clock.high(line.time_column, self.source) {
            self.clock.watermark_with(index, line, self.source, top_ns)
        } else {
            self.clock.watermark(index)
        }
    }
}

/// The highest time of the rows before one, those too far ahead left out.
fn top_before(profile: &TimeProfile, row: u32, ahead: &[u32]) -> i64 {
    let before = profile.times.iter().take_while(|(of, _)| *of < row);
    let kept = before.filter(|(of, _)| ahead.binary_search(of).is_err());
    kept.map(|(_, time)| *time).max().unwrap_or(UNSEEN)
}
