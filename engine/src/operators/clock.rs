//! Event time: highs by source, and the watermark of every timeline as a function of the log.
//!
//! Every worker folds the same steps and so has the same clock. A watermark never goes back.

use serde::{Deserialize, Serialize};

use super::facts::ClockStep;
use crate::model::SourceId;
use crate::plan::Timeline;

/// No time yet.
pub(crate) const UNSEEN: i64 = i64::MIN;

/// The state of event time at one place of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// By time column, then source: highest accepted time.
    highs: Vec<Vec<i64>>,
    /// By source: whether it ended.
    ended: Vec<bool>,
    /// The last recorded tick.
    tick_ns: i64,
    is_end: bool,
    /// By timeline: watermark, monotone.
    watermarks: Vec<i64>,
}

impl Clock {
    pub(crate) fn new(timelines: &[Timeline]) -> Self {
        let columns = timelines.iter().map(|line| line.time_column as usize + 1).max();
        Self {
            highs: vec![Vec::new(); columns.unwrap_or(0)],
            ended: Vec::new(),
            tick_ns: UNSEEN,
            is_end: false,
            watermarks: vec![UNSEEN; timelines.len()],
        }
    }

    /// The high of a source in a time column.
    pub(crate) fn high(&self, column: u32, source: SourceId) -> i64 {
        let highs = self.highs.get(column as usize);
        highs.and_then(|highs| highs.get(source.0 as usize)).copied().unwrap_or(UNSEEN)
    }

    /// The watermark of a timeline: everything up to and including it is expected to be there.
    pub(crate) fn watermark(&self, timeline: usize) -> i64 {
        self.watermarks[timeline]
    }

    /// The highest time that any source of a timeline has reached.
    pub(crate) fn top(&self, timeline: &Timeline) -> i64 {
        self.highs[timeline.time_column as usize].iter().copied().max().unwrap_or(UNSEEN)
    }

    /// Follows one frame.
    pub(crate) fn step(&mut self, step: &ClockStep, timelines: &[Timeline]) {
        match step {
            ClockStep::Data { source, highs, ends } => {
                for &(column, high_ns) in highs {
                    let slot = slot(&mut self.highs[column as usize], *source, UNSEEN);
                    *slot = (*slot).max(high_ns);
                }
                *slot(&mut self.ended, *source, false) = *ends;
            }
            ClockStep::Tick(tick_ns) => self.tick_ns = self.tick_ns.max(*tick_ns),
            ClockStep::SourceEnd(source) => *slot(&mut self.ended, *source, false) = true,
            ClockStep::End => self.is_end = true,
        }
        for (index, timeline) in timelines.iter().enumerate() {
            let now = self.compute(timeline, None);
            self.watermarks[index] = self.watermarks[index].max(now);
        }
    }

    /// The watermark that a timeline would have if `source` had reached `high_ns` by now: used
    /// inside a frame, row by row.
    pub(crate) fn watermark_with(
        &self,
        index: usize,
        timeline: &Timeline,
        source: SourceId,
        high_ns: i64,
    ) -> i64 {
        self.watermarks[index].max(self.compute(timeline, Some((source, high_ns))))
    }

    fn compute(&self, timeline: &Timeline, ahead: Option<(SourceId, i64)>) -> i64 {
        if self.is_end {
            return i64::MAX;
        }
        let highs = &self.highs[timeline.time_column as usize];
        // A tick says that a source which was silent for the idle time has nothing older to send.
        let floor_ns = self.tick_ns.saturating_sub(timeline.idle_ns);
        let sources = highs.len().max(ahead.map_or(0, |(source, _)| source.0 as usize + 1));
        let high = |index: usize| {
            let known = highs.get(index).copied().unwrap_or(UNSEEN);
            match ahead {
                Some((source, high_ns)) if source.0 as usize == index => known.max(high_ns),
                _ => known,
            }
        };
        let ended = |index: usize| {
            self.ended.get(index).copied().unwrap_or(false)
                && ahead.is_none_or(|(source, _)| source.0 as usize != index)
        };
        let top_ns = (0..sources).map(high).max().unwrap_or(UNSEEN).max(floor_ns);
        if top_ns == UNSEEN {
            return UNSEEN;
        }
        let idle_below_ns = top_ns.saturating_sub(timeline.idle_ns).max(floor_ns);
        let active = (0..sources).filter(|&index| !ended(index) && high(index) >= idle_below_ns);
        let low_ns = active.map(high).min().unwrap_or(top_ns);
        low_ns.saturating_sub(timeline.lateness_ns)
    }
}

fn slot<T: Clone>(values: &mut Vec<T>, source: SourceId, empty: T) -> &mut T {
    let index = source.0 as usize;
    if values.len() <= index {
        values.resize(index + 1, empty);
    }
    &mut values[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn line() -> Timeline {
        Timeline { time_column: 0, lateness_ns: 10 * SECOND, idle_ns: 30 * SECOND }
    }

    fn data(source: u32, high_s: i64) -> ClockStep {
        ClockStep::Data { source: SourceId(source), highs: vec![(0, high_s * SECOND)], ends: false }
    }

    fn watermark_after(steps: &[ClockStep]) -> i64 {
        let lines = [line()];
        let mut clock = Clock::new(&lines);
        steps.iter().for_each(|step| clock.step(step, &lines));
        clock.watermark(0)
    }

    #[test]
    fn one_source_is_its_high_minus_lateness() {
        assert_eq!(watermark_after(&[data(0, 100)]), 90 * SECOND);
        assert_eq!(watermark_after(&[data(0, 100), data(0, 50)]), 90 * SECOND);
    }

    #[test]
    fn the_slowest_source_holds_the_watermark_until_it_is_idle() {
        assert_eq!(watermark_after(&[data(0, 100), data(1, 80)]), 90 * SECOND);
        assert_eq!(watermark_after(&[data(1, 80), data(0, 100)]), 70 * SECOND);
        assert_eq!(watermark_after(&[data(1, 80), data(0, 110)]), 70 * SECOND);
        assert_eq!(watermark_after(&[data(1, 80), data(0, 111)]), 101 * SECOND);
    }

    #[test]
    fn an_ended_source_holds_nothing() {
        let steps = [data(1, 80), data(0, 100), ClockStep::SourceEnd(SourceId(1))];
        assert_eq!(watermark_after(&steps), 90 * SECOND);
    }

    #[test]
    fn a_tick_moves_past_silent_sources() {
        assert_eq!(watermark_after(&[data(0, 100), ClockStep::Tick(120 * SECOND)]), 90 * SECOND);
        assert_eq!(watermark_after(&[data(0, 100), ClockStep::Tick(200 * SECOND)]), 160 * SECOND);
    }

    #[test]
    fn the_end_closes_everything() {
        assert_eq!(watermark_after(&[data(0, 100), ClockStep::End]), i64::MAX);
    }
}
