//! `rate`: so much a second and no more, by token buckets on event time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::SAMPLE_KEYS_MAX;

/// A rate and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimit {
    /// Thousandths of a trace, a span or a byte a second.
    pub milli_per_s: u64,
    /// What may come at once, in thousandths: by default the rate of two seconds.
    pub burst_milli: u64,
}

impl RateLimit {
    /// A rate with the default burst, twice what a second brings, at least one.
    pub fn of(milli_per_s: u64) -> Self {
        Self { milli_per_s, burst_milli: milli_per_s.saturating_mul(2).max(1_000) }
    }
}

/// What is left in a bucket, in billionths of a thousandth, and when that was.
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
        let full = i128::from(limit.burst_milli) * 1_000_000_000;
        let key = self.place(limit, close_ns, key);
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: full, at_ns: close_ns });
        bucket.left = filled(bucket, limit, close_ns);
        bucket.at_ns = bucket.at_ns.max(close_ns);
        let cost = i128::from(weight) * 1_000_000_000_000;
        let passes = bucket.left >= cost.min(full);
        if passes {
            bucket.left -= cost;
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
            let full = i128::from(limit.burst_milli) * 1_000_000_000;
            self.buckets.retain(|_, bucket| filled(bucket, limit, now_ns) < full);
        }
        if self.buckets.len() < SAMPLE_KEYS_MAX { own } else { None }
    }
}

/// What a bucket holds at a time.
fn filled(bucket: &Bucket, limit: RateLimit, now_ns: i64) -> i128 {
    let elapsed_ns = i128::from(now_ns.saturating_sub(bucket.at_ns).max(0));
    let full = i128::from(limit.burst_milli) * 1_000_000_000;
    (bucket.left + elapsed_ns * i128::from(limit.milli_per_s)).min(full)
}
