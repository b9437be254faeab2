//! Event time: highs by source, and the watermark of every timeline as a function of the log.
//!
//! Every worker folds the same steps and so has the same clock. A watermark never goes back.
//!
//! A source that has said nothing for its idle time, by the recorded ticks, holds no window of the
//! others; when all are silent, time goes on from where the furthest of them had come, as fast as
//! the ticks do. So a feed that runs minutes behind the clock keeps its distance and loses
//! nothing. The rejected way, time = the last tick less the idle time, declares such a feed late
//! as a whole.
//!
//! A signal of which nothing ever came would hold what reads it beside others for good. By ticks it
//! is idle, too, after its idle time, and then its time is that much behind the others'. Without
//! ticks it is not: files are read one after the other, and the next one may bring it.

use serde::{Deserialize, Serialize};

use super::facts::ClockStep;
use crate::model::SourceId;
use crate::plan::Timeline;
use crate::self_metrics::EngineGauges;

/// No time yet.
pub(crate) const UNSEEN: i64 = i64::MIN;

/// The state of event time at one place of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// By time column, then source: highest accepted time.
    highs: Vec<Vec<i64>>,
    /// By time column, then source: the tick at which it was last heard; [`UNSEEN`] where no tick
    /// had been.
    heard: Vec<Vec<i64>>,
    /// By source: whether it ended.
    ended: Vec<bool>,
    /// The first and the last recorded tick.
    first_tick_ns: i64,
    tick_ns: i64,
    is_end: bool,
    /// By timeline: watermark, monotone.
    watermarks: Vec<i64>,
    /// By timeline: how far time had come before the end of the log, lateness not taken off.
    reached: Vec<i64>,
}

impl Clock {
    pub(crate) fn new(timelines: &[Timeline]) -> Self {
        let columns = timelines.iter().map(|line| line.time_column as usize + 1).max();
        Self {
            highs: vec![Vec::new(); columns.unwrap_or(0)],
            heard: vec![Vec::new(); columns.unwrap_or(0)],
            ended: Vec::new(),
            first_tick_ns: UNSEEN,
            tick_ns: UNSEEN,
            is_end: false,
            watermarks: vec![UNSEEN; timelines.len()],
            reached: vec![UNSEEN; timelines.len()],
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

    /// Tells how far it has come.
    pub(crate) fn tell(&self, gauges: &EngineGauges) {
        if self.tick_ns != UNSEEN {
            gauges.set_tick(self.tick_ns);
        }
        for (timeline, watermark_ns) in self.watermarks.iter().enumerate() {
            gauges.set_watermark(timeline, *watermark_ns);
        }
        for (column, highs) in self.highs.iter().enumerate() {
            for (source, high_ns) in highs.iter().enumerate() {
                gauges.set_high(column, source, *high_ns);
            }
        }
    }

    /// The highest time that any source of a timeline has reached, or that ticks have: what the end
    /// of the log closes.
    pub(crate) fn top(&self, index: usize, timeline: &Timeline) -> i64 {
        let highs = self.highs[timeline.time_column as usize].iter().copied();
        highs.max().unwrap_or(UNSEEN).max(self.reached[index])
    }

    /// Follows one frame.
    pub(crate) fn step(&mut self, step: &ClockStep, timelines: &[Timeline]) {
        match step {
            ClockStep::Data { source, highs, ends } => {
                for &(column, high_ns) in highs {
                    let slot = slot(&mut self.highs[column as usize], *source, UNSEEN);
                    *slot = (*slot).max(high_ns);
                    self.hear(column, *source);
                }
                *slot(&mut self.ended, *source, false) = *ends;
            }
            ClockStep::Tick(tick_ns) => self.tick(*tick_ns),
            ClockStep::SourceEnd(source) => *slot(&mut self.ended, *source, false) = true,
            ClockStep::End => self.is_end = true,
        }
        for (index, timeline) in timelines.iter().enumerate() {
            let now = self.compute(timeline, None);
            self.watermarks[index] = self.watermarks[index].max(now);
            if !self.is_end && now != UNSEEN {
                let reached_ns = now.saturating_add(timeline.lateness_ns);
                self.reached[index] = self.reached[index].max(reached_ns);
            }
        }
        if matches!(step, ClockStep::Tick(_)) {
            for (index, timeline) in timelines.iter().enumerate() {
                if self.reached[index] == UNSEEN {
                    let now = self.without_telemetry(timeline);
                    self.watermarks[index] = self.watermarks[index].max(now);
                }
            }
        }
    }

    /// The watermark of a timeline of whose signal nothing ever came, as of a tick: with the items
    /// of other signals it would depend on which of them share a frame.
    fn without_telemetry(&self, timeline: &Timeline) -> i64 {
        let others_ns = self.reached.iter().copied().max().unwrap_or(UNSEEN);
        // No tick has been while both are unseen.
        let ticked_ns = self.tick_ns.saturating_sub(self.first_tick_ns);
        if others_ns == UNSEEN || ticked_ns <= timeline.idle_ns {
            return UNSEEN;
        }
        others_ns.saturating_sub(timeline.idle_ns).saturating_sub(timeline.lateness_ns)
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

    fn hear(&mut self, column: u32, source: SourceId) {
        *slot(&mut self.heard[column as usize], source, UNSEEN) = self.tick_ns;
    }

    fn tick(&mut self, tick_ns: i64) {
        if self.tick_ns == UNSEEN {
            // Whoever was heard before the first tick counts as heard at it.
            self.heard.iter_mut().flatten().for_each(|heard| *heard = tick_ns);
            self.first_tick_ns = tick_ns;
        }
        self.tick_ns = self.tick_ns.max(tick_ns);
    }

    fn compute(&self, timeline: &Timeline, ahead: Option<(SourceId, i64)>) -> i64 {
        if self.is_end {
            return i64::MAX;
        }
        let column = timeline.time_column as usize;
        let highs = &self.highs[column];
        let sources = highs.len().max(ahead.map_or(0, |(source, _)| source.0 as usize + 1));
        let is_ahead = |index: usize| ahead.is_some_and(|(at, _)| at.0 as usize == index);
        let high = |index: usize| {
            let known = highs.get(index).copied().unwrap_or(UNSEEN);
            ahead.filter(|_| is_ahead(index)).map_or(known, |(_, high_ns)| known.max(high_ns))
        };
        let top_ns = (0..sources).map(high).max().unwrap_or(UNSEEN);
        if top_ns == UNSEEN {
            return UNSEEN;
        }
        let ended =
            |index: usize| self.ended.get(index).copied().unwrap_or(false) && !is_ahead(index);
        // How long it has said nothing; one that speaks right now is not silent.
        let silent_ns = |index: usize| match self.heard[column].get(index) {
            Some(&heard_ns) if heard_ns != UNSEEN && !is_ahead(index) => {
                self.tick_ns.saturating_sub(heard_ns)
            }
            _ => 0,
        };
        let idle_below_ns = top_ns.saturating_sub(timeline.idle_ns);
        let holds = |&index: &usize| {
            !ended(index) && high(index) >= idle_below_ns && silent_ns(index) <= timeline.idle_ns
        };
        let low_ns = (0..sources).filter(holds).map(high).min().unwrap_or_else(|| {
            let goes_on = |index| {
                let beyond_ns = silent_ns(index).saturating_sub(timeline.idle_ns).max(0);
                high(index).saturating_add(beyond_ns)
            };
            (0..sources).map(goes_on).max().unwrap_or(top_ns)
        });
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

    fn tick(at_s: i64) -> ClockStep {
        ClockStep::Tick(at_s * SECOND)
    }

    #[test]
    fn ticks_go_on_from_the_last_high_once_all_are_silent() {
        assert_eq!(watermark_after(&[tick(5_000)]), UNSEEN);
        let begun = [tick(5_000), data(0, 100)];
        assert_eq!(watermark_after(&[&begun[..], &[tick(5_030)]].concat()), 90 * SECOND);
        assert_eq!(watermark_after(&[&begun[..], &[tick(5_100)]].concat()), 160 * SECOND);
        // Heard before the first tick is heard at it.
        assert_eq!(watermark_after(&[data(0, 100), tick(5_000), tick(5_040)]), 100 * SECOND);
    }

    #[test]
    fn a_silent_source_no_longer_holds_the_others() {
        let both = [tick(0), data(0, 100), data(1, 80)];
        assert_eq!(watermark_after(&[&both[..], &[tick(20), data(0, 105)]].concat()), 90 * SECOND);
        let later = [tick(31), data(0, 105)];
        assert_eq!(watermark_after(&[&both[..], &later].concat()), 95 * SECOND);
        let woken = [tick(31), data(0, 105), data(1, 90), data(0, 110)];
        assert_eq!(watermark_after(&[&both[..], &woken].concat()), 95 * SECOND);
        let woken_again = [tick(31), data(0, 105), data(1, 106), data(0, 110)];
        assert_eq!(watermark_after(&[&both[..], &woken_again].concat()), 96 * SECOND);
    }

    #[test]
    fn a_feed_behind_the_clock_keeps_its_distance() {
        // An hour behind, one item every 60 s: none is late, and windows still close in between.
        let mut steps = Vec::new();
        for index in 0..5 {
            steps.push(tick(3_600 + index * 60));
            let before = watermark_after(&steps);
            assert!(before <= (index * 60 - 40).max(0) * SECOND, "{index}: {before}");
            steps.push(data(0, index * 60));
        }
        assert_eq!(watermark_after(&steps), 230 * SECOND);
    }

    #[test]
    fn a_signal_that_never_came_follows_the_others_once_ticks_say_so() {
        let lines = [line(), Timeline { time_column: 1, ..line() }];
        let watermarks_after = |steps: &[ClockStep]| {
            let mut clock = Clock::new(&lines);
            steps.iter().for_each(|step| clock.step(step, &lines));
            (clock.watermark(0), clock.watermark(1))
        };
        assert_eq!(watermarks_after(&[data(0, 100), data(0, 900)]), (890 * SECOND, UNSEEN));
        let begun = [tick(0), data(0, 100), tick(30)];
        assert_eq!(watermarks_after(&begun), (90 * SECOND, UNSEEN));
        let idle = [&begun[..], &[tick(31)]].concat();
        assert_eq!(watermarks_after(&idle), (91 * SECOND, 61 * SECOND)); // the other goes on, too
        let further = [&idle[..], &[data(0, 110)]].concat();
        assert_eq!(watermarks_after(&further), (100 * SECOND, 61 * SECOND));
        let further = [&further[..], &[tick(32)]].concat();
        assert_eq!(watermarks_after(&further), (100 * SECOND, 70 * SECOND));
        // Once it speaks, its own time counts; what was passed stays passed.
        let of_it = |high_s| ClockStep::Data {
            source: SourceId(0),
            highs: vec![(1, high_s * SECOND)],
            ends: false,
        };
        let spoken = |high_s| watermarks_after(&[&further[..], &[of_it(high_s)]].concat()).1;
        assert_eq!((spoken(50), spoken(105)), (70 * SECOND, 95 * SECOND));
    }

    #[test]
    fn the_end_closes_everything() {
        assert_eq!(watermark_after(&[data(0, 100), ClockStep::End]), i64::MAX);
    }
}
