//! `target`: so much a second, or such a share, spread over keys so that rare ones are seen.
//!
//! The next second's thresholds follow from what has closed before. As in Refinery's
//! `EMAThroughput` and `EMADynamic` samplers (dynsampler-go), each key has an exponential moving
//! average of what it brings, its goal is its logarithm's share of the whole goal but at least one
//! a horizon, and what a key leaves over goes to the keys behind it. Unlike there, averages move
//! each second, a burst moves thresholds within its second, keys beyond the bound share one
//! threshold instead of being kept whole, and arithmetic is on whole numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Threshold;
use super::logarithm::{COUNT_BITS, ONE, log2};
use crate::limits::SAMPLE_KEYS_MAX;

/// Seconds over which goals are counted: Refinery's adjustment interval.
const HORIZON_S: u64 = 15;

/// Weight of a second, of 65 536: half in 15 s, as Refinery's weight of 0.5 an interval.
const WEIGHT: u64 = 2_960;

/// Keys are forgotten below this many in [`HORIZON_S`]: half, Refinery's default.
const FORGOTTEN: u64 = ONE / 2;

/// How many times what was expected a second has to bring to be a burst; Refinery's default.
const BURST_TIMES: u64 = 2;

/// Largest count of one second that is told from larger ones.
const COUNT_MAX: u64 = 1 << 38;

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Goal {
    /// So many thousandths of an item, a span or a byte a second.
    PerSecond(u64),
    /// Such a share of all, in millionths.
    Share(u64),
}

/// Thresholds by key, moved by what closes.
#[derive(Debug, Clone)]
pub struct Target<K> {
    goal: Goal,
    state: TargetState<K>,
}

/// What a target has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de> + Ord"))]
pub struct TargetState<K> {
    /// The second that counts are of, since the Unix epoch.
    second: i64,
    /// Seconds with anything in them so far.
    seconds_seen: u64,
    keys: BTreeMap<Option<K>, KeyState>,
    /// Counted in this second.
    seen: u64,
    /// The count of this second from which on it is a burst.
    burst_from: u64,
    /// Whether this second is a burst.
    is_burst: bool,
}

/// What is known of a key; that of `None` are those beyond the bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct KeyState {
    /// Average a second, with [`COUNT_BITS`] fractional bits.
    average: u64,
    /// Counted in this second.
    seen: u64,
    /// Threshold in force; `None` before the first.
    threshold: Option<Threshold>,
}

impl<K: Ord + Clone> Target<K> {
    /// A target that has seen nothing: it keeps all until a second's goal is reached.
    pub fn new(goal: Goal) -> Self {
        let state = TargetState {
            second: i64::MIN,
            seconds_seen: 0,
            keys: BTreeMap::new(),
            seen: 0,
            burst_from: Self::least_burst(goal),
            is_burst: false,
        };
        Self { goal, state }
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

    /// The threshold for what closes at a time, and counts it: `weight` traces, spans or bytes.
    /// Calls come in order of time.
    pub fn threshold(&mut self, close_ns: i64, key: &K, weight: u64) -> Threshold {
        let second = close_ns.div_euclid(1_000_000_000);
        if second > self.state.second {
            self.begin(second);
        }
        let key = self.place(key);
        let state = &mut self.state;
        let entry = state.keys.entry(key).or_default();
        let threshold = entry.threshold.unwrap_or(Threshold::ALWAYS);
        entry.seen = (entry.seen + weight).min(COUNT_MAX);
        state.seen = (state.seen + weight).min(COUNT_MAX);
        if state.seen >= state.burst_from {
            self.burst();
        }
        threshold
    }

    fn least_burst(goal: Goal) -> u64 {
        match goal {
            Goal::PerSecond(milli) => milli.div_ceil(1_000).max(1),
            Goal::Share(_) => 100,
        }
    }

    /// The place of a key: its own while there is room.
    fn place(&self, key: &K) -> Option<K> {
        let own = Some(key.clone());
        let has_room = self.state.keys.len() < SAMPLE_KEYS_MAX;
        if has_room || self.state.keys.contains_key(&own) { own } else { None }
    }

    /// Takes the counts of the second that is over into the averages, and sets thresholds. Seconds
    /// in which nothing closed say nothing, so that a pause does not open the gates.
    fn begin(&mut self, second: i64) {
        let state = &mut self.state;
        if state.seen > 0 {
            state.seconds_seen += 1;
            // The mean of all seconds at first, so that averages need no start.
            let weight = WEIGHT.max(65_536 / state.seconds_seen.min(65_536));
            for key in state.keys.values_mut() {
                let new = key.seen << COUNT_BITS;
                let moved = (u128::from(new) * u128::from(weight)
                    + u128::from(key.average) * u128::from(65_536 - weight))
                    >> 16;
                key.average = if state.is_burst { new.max(moved as u64) } else { moved as u64 };
                key.seen = 0;
            }
            state.keys.retain(|_, key| key.average.saturating_mul(HORIZON_S) >= FORGOTTEN);
        }
        state.second = second;
        state.seen = 0;
        state.is_burst = false;
        self.set_thresholds();
        let sum: u64 = self.state.keys.values().map(|key| key.average >> COUNT_BITS).sum();
        self.state.burst_from = (sum * BURST_TIMES).max(Self::least_burst(self.goal));
    }

    /// A burst: what this second has brought so far counts as what a second brings.
    fn burst(&mut self) {
        self.state.is_burst = true;
        self.state.burst_from = self.state.seen.saturating_mul(BURST_TIMES);
        self.set_thresholds();
    }

    /// What a key is expected to bring in a horizon.
    fn expected(key: &KeyState) -> u64 {
        let average = key.average.max(key.seen << COUNT_BITS);
        average.saturating_mul(HORIZON_S).max(ONE)
    }

    fn set_thresholds(&mut self) {
        let keys = &mut self.state.keys;
        let counts: Vec<u64> = keys.values().map(Self::expected).collect();
        let sum: u128 = counts.iter().map(|count| u128::from(*count)).sum();
        let logs: u128 = counts.iter().map(|count| u128::from(log2(*count))).sum();
        let goal = match self.goal {
            Goal::PerSecond(milli) => {
                u128::from(milli) * u128::from(HORIZON_S) * u128::from(ONE) / 1_000
            }
            Goal::Share(millionths) => sum * u128::from(millionths) / 1_000_000,
        };
        let mut extra = 0_u128;
        let mut remaining = keys.len() as u128;
        for (key, count) in keys.values_mut().zip(counts) {
            let share = extra / remaining;
            remaining -= 1;
            let own = (goal * u128::from(log2(count))).checked_div(logs).unwrap_or(goal);
            let own = own.max(u128::from(ONE)) + share;
            extra -= share;
            let kept = own.min(u128::from(count)) as u64;
            key.threshold = Some(Threshold::of_fraction(kept, count));
            extra += own - u128::from(kept);
        }
    }
}
