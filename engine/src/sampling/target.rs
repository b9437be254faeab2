//! `target`: so much a second, or such a share, spread over keys so that rare ones are seen.
//!
//! As in Refinery's `EMAThroughput` and `EMADynamic` samplers (dynsampler-go), each key has an
//! exponential moving average of what it brings, and its goal is its logarithm's share of the whole
//! goal; what rare keys leave over goes to frequent ones. Averages are over all time, the quiet
//! parts of it too.
//!
//! Averages alone miss the goal where traffic is sparse, comes in batches, or has many keys. So
//! there is a budget: the goal fills it, what is kept spends it, and the goal of the keys is
//! multiplied by what is in it over half of what it can hold. What an estimate kept too much is
//! saved later, a burst ends with the budget, and every key keeps a share above 0.
//!
//! Everything is whole numbers, and a function of what came before and of what comes. Invariant: no
//! more than a bounded number of keys is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::budget::{Budget, FACTOR_BITS, TICKS, Window};
use super::logarithm::{COUNT_BITS, LOG_BITS, ONE, log2};
use super::rate::Rate;
use super::{Randomness, Threshold};
use crate::limits::SAMPLE_KEYS_MAX;

/// Weight of a tick, of 65 536: half in 15 ticks, as Refinery's weight of 0.5 an interval.
const WEIGHT: u64 = 2_960;

/// Keys are forgotten below this many in an interval: half, Refinery's default.
const FORGOTTEN: u64 = ONE / 2;

/// Largest count of one tick that is told from larger ones.
const COUNT_MAX: u64 = 1 << 38;

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Goal {
    /// So much in a time.
    Rate(Rate),
    /// Such a share of all, in millionths.
    Share(u64),
}

/// What comes for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When, nanoseconds of event time.
    pub at_ns: i64,
    /// So many traces, spans or bytes.
    pub weight: u64,
    /// How many of its kind it stands for, if it was sampled before; else 1.
    pub stands_for: u64,
    /// What is compared with the threshold.
    pub randomness: Randomness,
}

/// Thresholds by key, moved by what comes.
#[derive(Debug, Clone)]
pub struct Target<K> {
    goal: Goal,
    state: TargetState<K>,
}

/// What a target has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de> + Ord"))]
pub struct TargetState<K> {
    budget: Budget,
    window: Window,
    /// Ticks so far, as many as averages need to begin.
    ticks_seen: u64,
    /// That of `None` is shared by the keys beyond the bound.
    keys: BTreeMap<Option<K>, KeyState>,
    /// Counted in this tick.
    seen: u64,
    /// The same when thresholds were set.
    seen_set: u64,
    /// What a key whose count is one keeps of it, with [`COUNT_BITS`] fractional bits; `None` where
    /// all is kept.
    level: Option<u64>,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct KeyState {
    /// Average a tick, with [`COUNT_BITS`] fractional bits.
    average: u64,
    /// Counted in this tick.
    seen: u64,
    threshold: Threshold,
}

impl<K: Ord + Clone> Target<K> {
    /// A target that has seen nothing.
    pub fn new(goal: Goal) -> Self {
        let (budget, window) = Budget::new(goal);
        let (keys, level) = (BTreeMap::new(), None);
        let state =
            TargetState { budget, window, ticks_seen: 0, keys, seen: 0, seen_set: 0, level };
        let mut own = Self { goal, state };
        own.set_thresholds();
        own
    }

    /// Goes on from a state.
    pub fn from_state(goal: Goal, state: TargetState<K>) -> Self {
        Self { goal, state }
    }

    /// What it has seen.
    pub fn state(&self) -> &TargetState<K> {
        &self.state
    }

    /// Keys that are followed each by itself.
    pub fn keys(&self) -> usize {
        self.state.keys.len()
    }

    /// The threshold for what comes, and counts it. Calls come in order of time.
    pub fn threshold(&mut self, key: &K, of: Arrival) -> Threshold {
        if matches!(self.goal, Goal::Share(millionths) if millionths >= 1_000_000) {
            return Threshold::ALWAYS; // of all, all
        }
        let weight = of.weight.min(COUNT_MAX);
        let counted = weight.saturating_mul(of.stands_for.max(1)).min(COUNT_MAX);
        let ticks = self.state.window.advance(of.at_ns);
        if ticks > 0 {
            self.begin(ticks);
        }
        let key = self.place(key);
        let (fresh, state) = (self.of_fresh(counted), &mut self.state);
        state.budget.fill(self.goal, of.at_ns, counted);
        let none = KeyState { average: 0, seen: 0, threshold: fresh };
        let entry = state.keys.entry(key).or_insert(none);
        let mut threshold = entry.threshold;
        entry.seen = (entry.seen + counted).min(COUNT_MAX);
        state.seen = (state.seen + counted).min(COUNT_MAX);
        state.window.count(weight, counted);
        state.budget.count(weight);
        if state.budget.holds(self.goal, state.window.sum().0) {
            threshold = Threshold::ALWAYS;
        }
        if threshold.admits(of.randomness) {
            state.budget.spend(weight);
        }
        let has_doubled = state.seen >= state.seen_set.max(1).saturating_mul(2);
        if has_doubled || state.budget.has_moved() {
            self.set_thresholds();
        }
        threshold
    }

    /// The place of a key: its own while there is room.
    fn place(&self, key: &K) -> Option<K> {
        let own = Some(key.clone());
        let has_room = self.state.keys.len() < SAMPLE_KEYS_MAX;
        if has_room || self.state.keys.contains_key(&own) { own } else { None }
    }

    /// The threshold of a key that is not known.
    fn of_fresh(&self, weight: u64) -> Threshold {
        let Some(level) = self.state.level else { return Threshold::ALWAYS };
        let count = (weight << COUNT_BITS).max(ONE);
        let kept = (u128::from(level) * u128::from(log2(count + ONE))) >> LOG_BITS;
        Threshold::of_fraction(kept.clamp(1, u128::from(count)) as u64, count)
    }

    /// Takes the counts of the tick that is over into the averages, and of the quiet ones behind
    /// it, and sets thresholds.
    fn begin(&mut self, ticks: u64) {
        let state = &mut self.state;
        // The mean of all ticks at first, so that averages need no start.
        let weight = |ticks_seen: u64| WEIGHT.max(65_536 / ticks_seen.max(1));
        state.ticks_seen = (state.ticks_seen + 1).min(65_536);
        let first = weight(state.ticks_seen);
        let mut quiet = 1_u64 << 32;
        for _ in 1..ticks {
            if quiet == 0 {
                break;
            }
            state.ticks_seen = (state.ticks_seen + 1).min(65_536);
            quiet = (quiet * (65_536 - weight(state.ticks_seen))) >> 16;
        }
        for key in state.keys.values_mut() {
            let moved = (u128::from(key.seen << COUNT_BITS) * u128::from(first)
                + u128::from(key.average) * u128::from(65_536 - first))
                >> 16;
            key.average = ((moved * u128::from(quiet)) >> 32) as u64;
            key.seen = 0;
        }
        state.keys.retain(|_, key| key.average.saturating_mul(TICKS) >= FORGOTTEN);
        state.budget.average(first, quiet);
        state.seen = 0;
        let expected = state.keys.values().map(|key| key.average).fold(0, u64::saturating_add);
        state.budget.begin(self.goal, expected);
        self.set_thresholds();
    }

    /// What each key is expected to bring in an interval.
    fn expected(&self) -> Vec<u64> {
        let state = &self.state;
        let averages = state.keys.values().map(|key| u128::from(key.average)).sum::<u128>();
        let all = averages * u128::from(TICKS);
        // Averages fall slowly: of more than twice what came of late, twice that counts.
        let of_late = u128::from(state.window.sum().1) << (COUNT_BITS + 1);
        let is_less = matches!(self.goal, Goal::Rate(_)) && of_late < all;
        let of_key = |key: &KeyState| {
            let mut average = u128::from(key.average) * u128::from(TICKS);
            if is_less {
                average = (average * of_late).checked_div(all).unwrap_or(0);
            }
            // What this tick brought counts for half an interval.
            let now = state.budget.of_half(self.goal, key.seen << COUNT_BITS);
            average.max(u128::from(now)).min(1 << 62) as u64
        };
        state.keys.values().map(of_key).collect()
    }

    /// Gives each key its logarithm's share of the goal, the ones with the least to keep first:
    /// what they leave over goes to the others.
    fn set_thresholds(&mut self) {
        let counts = self.expected();
        let sum: u128 = counts.iter().map(|count| u128::from(*count)).sum();
        let mut goal = match self.goal {
            Goal::Rate(_) => self.state.budget.goal(),
            // Of a key that is not known, one is expected: else all of rare keys would be kept.
            Goal::Share(millionths) => (sum + u128::from(ONE)) * u128::from(millionths) / 1_000_000,
        };
        goal = (goal * u128::from(self.state.budget.factor())) >> FACTOR_BITS;
        let log = |count: u64| u128::from(log2(count.saturating_add(ONE)));
        let mut order: Vec<(u64, &mut KeyState)> =
            counts.into_iter().zip(self.state.keys.values_mut()).collect();
        order.sort_by_key(|(count, _)| *count);
        let mut logs: u128 = order.iter().map(|(count, _)| log(*count)).sum();
        if matches!(self.goal, Goal::Share(_)) {
            logs += log(ONE);
        }
        let mut level = None;
        for (count, key) in order {
            let own_log = log(count);
            let own = (goal * own_log).checked_div(logs).unwrap_or(goal);
            let kept = own.min(u128::from(count));
            key.threshold = Threshold::of_fraction(kept.max(1) as u64, count);
            if own < u128::from(count) {
                level = Some((goal << LOG_BITS).checked_div(logs).unwrap_or(u128::MAX));
            }
            goal -= kept;
            logs -= own_log;
        }
        if matches!(self.goal, Goal::Share(_)) {
            level = Some((goal << LOG_BITS).checked_div(logs).unwrap_or(u128::MAX));
        }
        self.state.level = level.map(|level| level.min(1 << 62) as u64);
        self.state.seen_set = self.state.seen;
        self.state.budget.set();
    }
}
