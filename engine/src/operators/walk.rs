//! The watermark of one timeline, row by row through a frame.
//!
//! Must not know what rows are to anybody.

use super::apply::Apply;
use super::clock::UNSEEN;
use super::facts::ClockStep;
use super::placed::Placed;
use crate::model::SourceId;

/// A walk through the rows of a batch.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    pub(super) times: &'a [i64],
    /// Index of the timeline.
    line: usize,
    pub(super) source: SourceId,
    ahead: &'a [u32],
    bound_ns: i64,
    next: usize,
    high_ns: i64,
    /// As of the row before the one that was walked to.
    pub(super) watermark_ns: i64,
}

impl Walk<'_> {
    /// Whether a row's time lies too far ahead to count.
    pub(super) fn is_ahead(&self, row: u32) -> bool {
        !self.ahead.is_empty() && self.ahead.binary_search(&row).is_ok()
    }
}

impl Apply {
    /// A walk through a batch, before its first row.
    pub(super) fn walk<'a>(&self, line: usize, at: Placed<'a>) -> Option<Walk<'a>> {
        let timeline = &self.plan.timelines[line];
        Some(Walk {
            times: at.times(&self.plan, timeline)?,
            line,
            source: at.source,
            ahead: at.ahead(timeline),
            bound_ns: at.bound_ns(),
            next: 0,
            high_ns: self.clock.high(timeline.time_column, at.source),
            watermark_ns: self.clock.watermark(line),
        })
    }

    /// The watermark that a timeline will have after a frame.
    pub(super) fn end_of_frame_ns(&self, line: usize, at: Placed<'_>) -> i64 {
        let timeline = &self.plan.timelines[line];
        let ClockStep::Data { highs, .. } = &at.decision.step else { return UNSEEN };
        let own = highs.iter().filter(|(column, _)| *column == timeline.time_column);
        let last_ns = own.map(|(_, high_ns)| *high_ns).max().unwrap_or(UNSEEN);
        let high_ns = self.clock.high(timeline.time_column, at.source).max(last_ns);
        self.clock.watermark_with(line, timeline, at.source, high_ns)
    }

    /// Lets a walk come to a row: the watermark is as of the row before.
    pub(super) fn walk_to(&self, row: u32, walk: &mut Walk<'_>) {
        let timeline = &self.plan.timelines[walk.line];
        while walk.next < row as usize {
            let time_ns = walk.times[walk.next];
            let moves = time_ns != 0 && time_ns > walk.high_ns && time_ns <= walk.bound_ns;
            if moves && walk.ahead.binary_search(&(walk.next as u32)).is_err() {
                walk.high_ns = time_ns;
                walk.watermark_ns =
                    self.clock.watermark_with(walk.line, timeline, walk.source, time_ns);
            }
            walk.next += 1;
        }
    }
}
