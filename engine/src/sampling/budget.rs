//! What a target may keep, as of now: the goal fills it, what is kept spends it.
//!
//! Time goes by in ticks, 15 to an interval. An interval is 15 s, Refinery's adjustment interval,
//! or as long as the goal takes to bring a few: `5 per h` is no matter of seconds.

use serde::{Deserialize, Serialize};

use super::logarithm::COUNT_BITS;
use super::rate::{MICRO, Rate};
use super::target::Goal;

/// Ticks of an interval.
pub(super) const TICKS: u64 = 15;

/// Fractional bits of [`Budget::factor`].
pub(super) const FACTOR_BITS: u32 = 16;

/// A tick is never shorter.
const TICK_NS_MIN: i128 = 1_000_000_000;

/// A tick is never longer: some four months.
const TICK_NS_MAX: i128 = 10_000_000_000_000_000;

/// So many, of average weight, fit into any budget: fewer would be full at random, and what comes
/// then is lost.
const ROOM: i128 = 8;

/// Of a full budget, what counts when it is empty.
const FLOOR: i128 = 64;

/// Fractional bits of averages of all.
const AVERAGE_BITS: u32 = 40;

/// What may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Budget {
    /// What is in it, of which `one` is one trace, span or byte. In debt below 0.
    left: i128,
    /// The same when thresholds were set.
    left_set: i128,
    /// A full one.
    full: i128,
    /// What the goal brings in an interval, in the same unit; of a share, as far as is known.
    interval: i128,
    one: i128,
    /// Up to when it is filled.
    at_ns: Option<i64>,
    /// Weight and number of this tick, and what they are on average.
    seen: (u64, u64),
    average: (u128, u128),
}

impl Budget {
    /// What a goal begins with: an interval's worth; of a low rate what 15 s bring, at least one;
    /// of a share as much as neither widens nor narrows it.
    pub(super) fn new(goal: Goal) -> (Self, Window) {
        let (one, interval, tick_ns) = match goal {
            Goal::Rate(rate) => {
                let tick_ns = tick_ns(rate);
                (rate.one(), rate.in_ns(tick_ns * i128::from(TICKS)), tick_ns)
            }
            Goal::Share(_) => (i128::from(MICRO), 0, TICK_NS_MIN),
        };
        let full = interval.max(ROOM * one);
        let mut window = Window::new(tick_ns as i64);
        let mut left = full;
        if tick_ns > TICK_NS_MIN || interval == 0 {
            let first = match goal {
                Goal::Rate(rate) => rate.in_ns(TICK_NS_MIN * i128::from(TICKS)).max(one),
                Goal::Share(_) => full / 2,
            };
            left = first.min(full);
            window.before(((full - left) / one) as u64);
        }
        let (left_set, at_ns, seen, average) = (left, None, (0, 0), (0, 0));
        (Self { left, left_set, full, interval, one, at_ns, seen, average }, window)
    }

    /// What the goal brings up to now, or with what comes now.
    pub(super) fn fill(&mut self, goal: Goal, at_ns: i64, counted: u64) {
        let before_ns = self.at_ns.unwrap_or(at_ns);
        self.at_ns = Some(at_ns.max(before_ns));
        let more = match goal {
            Goal::Rate(rate) => rate.in_ns((i128::from(at_ns) - i128::from(before_ns)).max(0)),
            Goal::Share(millionths) => i128::from(counted) * i128::from(millionths),
        };
        self.left = self.left.saturating_add(more).min(self.full);
    }

    /// Something is kept. No more is owed than a full budget beside it.
    pub(super) fn spend(&mut self, weight: u64) {
        let cost = i128::from(weight).saturating_mul(self.one);
        let least = self.full.saturating_add(cost).saturating_neg();
        self.left = self.left.saturating_sub(cost).max(least);
    }

    /// Whether all that came of late, with what comes now, is no more than the goal of an interval.
    pub(super) fn holds(&self, goal: Goal, weight: u64) -> bool {
        let is_rate = matches!(goal, Goal::Rate(_));
        is_rate && i128::from(weight).saturating_mul(self.one) <= self.interval
    }
}

impl Budget {
    /// Counts what comes.
    pub(super) fn count(&mut self, weight: u64) {
        let (weights, cases) = self.seen;
        self.seen = (weights.saturating_add(weight).min(1 << AVERAGE_BITS), cases + 1);
    }

    /// Takes the counts of a tick into the averages, which then fade; weights as in `target`.
    pub(super) fn average(&mut self, weight: u64, fading: u64) {
        let moved = |seen: u64, average: u128| {
            let new = u128::from(seen) << AVERAGE_BITS;
            let moved = (new * u128::from(weight) + average * u128::from(65_536 - weight)) >> 16;
            (moved * u128::from(fading)) >> 32
        };
        self.average = (moved(self.seen.0, self.average.0), moved(self.seen.1, self.average.1));
        self.seen = (0, 0);
    }

    /// A tick begins: how much finds room, given what is expected to come in it.
    pub(super) fn begin(&mut self, goal: Goal, expected: u64) {
        if let Goal::Share(millionths) = goal {
            let all = i128::from(expected) * i128::from(TICKS);
            self.interval = (all * i128::from(millionths)) >> COUNT_BITS;
        }
        let (weights, cases) = self.average;
        let mean = (weights << COUNT_BITS).checked_div(cases).unwrap_or(1 << COUNT_BITS);
        let mean = (mean as i128).clamp(1 << COUNT_BITS, 1 << (AVERAGE_BITS + COUNT_BITS));
        let room = self.one.saturating_mul(ROOM).saturating_mul(mean) >> COUNT_BITS;
        let before = std::mem::replace(&mut self.full, self.interval.max(room));
        if matches!(goal, Goal::Share(_)) {
            // A share of more is more: it is as full as before.
            self.left = self.left.saturating_mul(self.full) / before;
        }
        self.left = self.left.min(self.full);
    }

    /// What the goal is multiplied by: 1 where it is half full, 2 where it is full.
    pub(super) fn factor(&self) -> u64 {
        let factor = (self.left.max(self.full / FLOOR) << (FACTOR_BITS + 1)) / self.full;
        factor as u64
    }

    /// Thresholds are set by what is in it now.
    pub(super) fn set(&mut self) {
        self.left_set = self.left;
    }

    /// Whether so much has come or gone since that thresholds are off by an eighth.
    pub(super) fn has_moved(&self) -> bool {
        let least = self.left_set.max(self.full * 2 / FLOOR) / 8;
        (self.left - self.left_set).abs() >= least
    }

    /// What a rate brings in an interval, as a count.
    pub(super) fn goal(&self) -> u128 {
        ((self.interval << COUNT_BITS) / self.one) as u128
    }

    /// What the count of half an interval is of a whole one. Where the budget has room for more
    /// than the goal of an interval, the count is of a longer time.
    pub(super) fn of_half(&self, goal: Goal, count: u64) -> u64 {
        let part = match goal {
            Goal::Rate(_) => ((self.interval << FACTOR_BITS) / self.full).max(1) as u128,
            Goal::Share(_) => 1 << FACTOR_BITS,
        };
        ((u128::from(count) * 2 * part) >> FACTOR_BITS) as u64
    }
}

/// What tick it is, and what the newest ticks brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    tick_ns: i64,
    /// Since the Unix epoch; `None` before the first.
    tick: Option<i64>,
    /// Weight, and what that stood for before it was sampled.
    counts: [(u64, u64); TICKS as usize],
}

impl Window {
    fn new(tick_ns: i64) -> Self {
        Self { tick_ns, tick: None, counts: [(0, 0); TICKS as usize] }
    }

    /// As if so many, fewer than [`ROOM`], had come before the first tick, evenly: as fast as the
    /// goal lets more come, they leave.
    fn before(&mut self, weight: u64) {
        let left = |ticks: u64| weight.saturating_sub(ticks * ROOM as u64 / TICKS);
        let ticks = self.counts.iter_mut().skip(1).rev().zip(0..);
        ticks.for_each(|((weight, _), tick)| *weight = left(tick) - left(tick + 1));
    }

    /// Time has come so far: how many ticks are over.
    pub(super) fn advance(&mut self, at_ns: i64) -> u64 {
        let tick = at_ns.div_euclid(self.tick_ns);
        let before = *self.tick.get_or_insert(tick);
        if tick <= before {
            return 0;
        }
        self.tick = Some(tick);
        let ticks = tick.abs_diff(before);
        self.counts.rotate_right((ticks % TICKS) as usize);
        let over = ticks.min(TICKS) as usize;
        self.counts[..over].fill((0, 0));
        ticks
    }

    /// Counts what comes.
    pub(super) fn count(&mut self, weight: u64, counted: u64) {
        let (weights, stood_for) = &mut self.counts[0];
        *weights = weights.saturating_add(weight);
        *stood_for = stood_for.saturating_add(counted);
    }

    /// What the newest ticks brought: weight, and what that stood for.
    pub(super) fn sum(&self) -> (u64, u64) {
        let both =
            |(a, b): (u64, u64), (c, d): &(u64, u64)| (a.saturating_add(*c), b.saturating_add(*d));
        self.counts.iter().fold((0, 0), both)
    }
}

/// How long a tick is.
fn tick_ns(rate: Rate) -> i128 {
    let each = ROOM * rate.one() / i128::from(rate.micro.max(1)) / i128::from(TICKS);
    each.saturating_add(1).clamp(TICK_NS_MIN, TICK_NS_MAX)
}
