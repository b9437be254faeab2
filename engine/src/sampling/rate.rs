//! `rate`: so much a second and no more, by token buckets on event time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::SAMPLE_KEYS_MAX;

/// Of a trace, a span or a byte, in the units in which rates count.
pub(super) const MICRO: u64 = 1_000_000;

/// Periods in which rates are written.
const PERIODS_S: [u32; 4] = [1, 60, 3_600, 86_400];

/// So much in a period: a fraction, so that what is written for an hour or a day is exactly that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rate {
    /// Millionths of a trace, a span or a byte.
    pub micro: u64,
    /// In so many seconds.
    pub period_s: u32,
}

impl Rate {
    /// So many a second.
    pub fn per_second(count: u64) -> Self {
        Self { micro: count.saturating_mul(MICRO), period_s: 1 }
    }

    /// The rate that a number was written as: a whole number of millionths in the shortest of
    /// second, minute, hour and day that has one, else the nearest in a day. Below a millionth a
    /// day it is that.
    pub fn of_number(per_second: f64) -> Self {
        let in_period = |period_s: u32| per_second * f64::from(period_s) * MICRO as f64;
        // A written number was divided by its period: two roundings of a float.
        let is_whole = |micro: f64| (micro - micro.round()).abs() <= micro * 1e-15;
        let whole = PERIODS_S.into_iter().find(|period_s| is_whole(in_period(*period_s)));
        // Of high rates millionths a second are close enough, and those of a day too many.
        let period_s = whole.unwrap_or(if per_second < 1e6 { 86_400 } else { 1 });
        Self { micro: (in_period(period_s).round() as u64).max(1), period_s }
    }

    /// What one trace, span or byte is of millionths times nanoseconds of the period.
    pub(super) fn one(self) -> i128 {
        i128::from(MICRO) * 1_000_000_000 * i128::from(self.period_s)
    }

    /// What comes together in a time, in the same unit.
    pub(super) fn in_ns(self, ns: i128) -> i128 {
        ns.saturating_mul(i128::from(self.micro))
    }
}

/// A rate and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimit {
    /// The rate.
    pub rate: Rate,
    /// What may come at once, nanoseconds of the rate; one trace, span or byte may always.
    pub burst_ns: i64,
}

impl RateLimit {
    /// A rate with the default burst: what comes in two seconds, at least one.
    pub fn of(rate: Rate) -> Self {
        Self { rate, burst_ns: 2_000_000_000 }
    }

    /// A full bucket.
    fn full(self) -> i128 {
        self.rate.in_ns(i128::from(self.burst_ns)).max(self.rate.one())
    }
}

/// What is left in a bucket, in the unit of [`Rate::one`], and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    left: i128,
    at_ns: i64,
}

/// A bucket for each key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Deserialize<'de> + Ord"))]
pub struct Buckets<K> {
    /// That of `None` is shared by the keys beyond the bound.
    buckets: BTreeMap<Option<K>, Bucket>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { buckets: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Buckets<K> {
    /// Whether what closes at a time may pass, and takes it from its key's bucket. Calls come in
    /// order of time.
    ///
    /// What weighs more than a full bucket passes when the bucket is full and leaves it in debt:
    /// the rate holds over time, and nothing is too large to ever pass.
    pub fn admit(&mut self, limit: RateLimit, close_ns: i64, key: &K, weight: u64) -> bool {
        let full = limit.full();
        let key = self.place(limit, close_ns, key);
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: full, at_ns: close_ns });
        bucket.left = filled(bucket, limit, close_ns);
        bucket.at_ns = bucket.at_ns.max(close_ns);
        let cost = i128::from(weight).saturating_mul(limit.rate.one());
        let passes = bucket.left >= cost.min(full);
        if passes {
            bucket.left = bucket.left.saturating_sub(cost);
        }
        passes
    }

    /// The place of a key: its own while there is room. A full bucket is as good as none.
    fn place(&mut self, limit: RateLimit, now_ns: i64, key: &K) -> Option<K> {
        let own = Some(key.clone());
        if self.buckets.contains_key(&own) {
            return own;
        }
        if self.buckets.len() >= SAMPLE_KEYS_MAX {
            let full = limit.full();
            self.buckets.retain(|_, bucket| filled(bucket, limit, now_ns) < full);
        }
        if self.buckets.len() < SAMPLE_KEYS_MAX { own } else { None }
    }
}

/// What a bucket holds at a time.
fn filled(bucket: &Bucket, limit: RateLimit, now_ns: i64) -> i128 {
    let elapsed_ns = i128::from(now_ns.saturating_sub(bucket.at_ns).max(0));
    bucket.left.saturating_add(limit.rate.in_ns(elapsed_ns)).min(limit.full())
}
