//! Distributions of floats and of histogram points.
//!
//! Floats go to a base-2 exponential histogram (OpenTelemetry data model, "ExponentialHistogram")
//! of at most 160 buckets a sign. Its scale is the highest, up to 10, at which the range of
//! everything added fits, so it depends neither on order nor on partition. Points with explicit
//! bounds are merged on the bounds that all of them have, which is exact.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::exact_sum::ExactSum;
use crate::limits::DISTRIBUTION_BUCKETS_MAX;
use crate::model::{ExponentialBuckets, HistogramPoint};

/// The highest scale: buckets 0.07 % wide.
const SCALE_MAX: i32 = 10;

/// Buckets of a doubling at the highest scale.
const STEPS: usize = 1 << SCALE_MAX;

/// `2^(i / 1024)` in `[1, 2)`: products of repeated square roots, which every machine rounds alike.
static BOUNDS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let mut roots = vec![2.0f64];
    for _ in 0..SCALE_MAX {
        let last = roots[roots.len() - 1];
        roots.push(last.sqrt());
    }
    let bound = |step: usize| {
        let bits = (0..SCALE_MAX as usize).filter(|bit| step >> bit & 1 == 1);
        bits.map(|bit| roots[SCALE_MAX as usize - bit]).product::<f64>()
    };
    (0..STEPS).map(bound).collect()
});

/// Counts of consecutive buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Buckets {
    first: i32,
    counts: Vec<u64>,
}

impl Buckets {
    fn range(&self) -> Option<(i32, i32)> {
        (!self.counts.is_empty()).then(|| (self.first, self.first + self.counts.len() as i32 - 1))
    }

    fn add(&mut self, at: i32, count: u64) {
        if self.counts.is_empty() {
            self.first = at;
        } else if at < self.first {
            let missing = (self.first - at) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = at;
        }
        let at = (at - self.first) as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += count;
    }

    fn coarsen(&mut self, steps: i32) {
        let old = std::mem::take(self);
        for (at, count) in (old.first..).zip(old.counts).filter(|(_, count)| *count > 0) {
            self.add(at >> steps, count);
        }
    }
}

/// Counts between explicit bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Explicit {
    bounds: Vec<f64>,
    counts: Vec<u64>,
}

impl Explicit {
    /// Leaves only the bounds that the other side has too.
    fn keep_bounds(&mut self, other: &[f64]) {
        if self.bounds == other {
            return;
        }
        let mut kept = Self::default();
        let mut pending = 0;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            pending += count;
            if other.contains(bound) {
                kept.bounds.push(*bound);
                kept.counts.push(std::mem::take(&mut pending));
            }
        }
        kept.counts.push(pending + self.counts.last().copied().unwrap_or(0));
        *self = kept;
    }

    /// Linear within the bucket of the rank, as Prometheus's `histogram_quantile`: wrong by less
    /// than the bucket's width. In the last bucket: its lower bound.
    fn quantile(&self, q: f64) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let last = self.bounds.last()?;
        let rank = q * total as f64;
        let mut below = 0u64;
        for (at, (bound, count)) in self.bounds.iter().zip(&self.counts).enumerate() {
            if (below + count) as f64 >= rank && *count > 0 {
                let low = match at {
                    0 if *bound > 0.0 => 0.0,
                    0 => return Some(*bound),
                    _ => self.bounds[at - 1],
                };
                let share = (rank - below as f64) / *count as f64;
                return Some(low + (bound - low) * share);
            }
            below += count;
        }
        (total > 0).then_some(*last)
    }
}

/// The distribution of floats and histogram points of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    scale: i32,
    positive: Buckets,
    negative: Buckets,
    zeros: u64,
    explicit: Option<Explicit>,
    sum: ExactSum,
    range: Option<(f64, f64)>,
    /// NaNs, infinities and points that hold no buckets: not taken.
    refused: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            scale: SCALE_MAX,
            positive: Buckets::default(),
            negative: Buckets::default(),
            zeros: 0,
            explicit: None,
            sum: ExactSum::default(),
            range: None,
            refused: 0,
        }
    }
}

impl Distribution {
    /// Adds one number; what is not finite is counted as refused.
    pub fn add(&mut self, number: f64) {
        self.add_times(number, 1);
    }

    /// Adds a number several times.
    pub(super) fn add_times(&mut self, number: f64, times: u64) {
        if !number.is_finite() || times == 0 {
            self.refused += times;
            return;
        }
        (0..times).for_each(|_| self.sum.add(number));
        self.widen(Some((number, number)));
        if number == 0.0 {
            self.zeros += times;
            return;
        }
        let at = bucket(number.abs()) >> (SCALE_MAX - self.scale);
        let buckets = if number > 0.0 { &mut self.positive } else { &mut self.negative };
        let (low, high) = buckets.range().unwrap_or((at, at));
        let steps = excess(low.min(at), high.max(at));
        self.coarsen(steps);
        let buckets = if number > 0.0 { &mut self.positive } else { &mut self.negative };
        buckets.add(at >> steps, times);
    }

    fn widen(&mut self, range: Option<(f64, f64)>) {
        self.range = match (self.range, range) {
            (Some((low, high)), Some((l, h))) => {
                // A total order, so that zeros of both signs leave one range.
                let low = if l.total_cmp(&low).is_lt() { l } else { low };
                let high = if h.total_cmp(&high).is_gt() { h } else { high };
                Some((low, high))
            }
            (mine, theirs) => mine.or(theirs),
        };
    }

    fn coarsen(&mut self, steps: i32) {
        if steps > 0 {
            self.scale -= steps;
            self.positive.coarsen(steps);
            self.negative.coarsen(steps);
        }
    }

    /// Adds a histogram point; one without buckets is counted as refused.
    pub fn add_point(&mut self, point: &HistogramPoint) {
        let mut other = Self::default();
        if let Some(buckets) = &point.exponential {
            // A finer scale than ours is brought down, a coarser one is kept.
            let steps = (buckets.scale - SCALE_MAX).clamp(0, 31);
            if !(-SCALE_MAX..=31 + SCALE_MAX).contains(&buckets.scale) {
                self.refused += 1;
                return;
            }
            other.scale = buckets.scale.min(SCALE_MAX);
            other.zeros = buckets.zero_count;
            let positive = (buckets.positive_offset, &buckets.positive);
            let negative = (buckets.negative_offset, &buckets.negative);
            other.positive = from_point(positive, steps);
            other.negative = from_point(negative, steps);
        } else if !point.bounds.is_empty() && point.counts.len() == point.bounds.len() + 1 {
            let (bounds, counts) = (point.bounds.clone(), point.counts.clone());
            other.explicit = Some(Explicit { bounds, counts });
        } else {
            self.refused += 1;
            return;
        }
        if let Some(sum) = point.sum {
            other.sum.add(sum);
        }
        other.range = point.min.zip(point.max);
        self.merge(&other);
    }

    /// Adds another distribution.
    pub fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        self.refused += other.refused;
        self.sum.merge(&other.sum);
        self.widen(other.range);
        match (&mut self.explicit, &other.explicit) {
            (Some(mine), Some(theirs)) => {
                let mut theirs = theirs.clone();
                mine.keep_bounds(&theirs.bounds);
                theirs.keep_bounds(&mine.bounds);
                mine.counts.iter_mut().zip(theirs.counts).for_each(|(a, b)| *a += b);
            }
            (None, Some(theirs)) => self.explicit = Some(theirs.clone()),
            (_, None) => {}
        }
        self.coarsen(self.scale - other.scale);
        let steps = other.scale - self.scale;
        let joint = |mine: &Buckets, theirs: &Buckets| {
            let theirs = theirs.range().map(|(low, high)| (low >> steps, high >> steps));
            match (mine.range(), theirs) {
                (Some((a, b)), Some((c, d))) => excess(a.min(c), b.max(d)),
                (mine, theirs) => mine.or(theirs).map_or(0, |(low, high)| excess(low, high)),
            }
        };
        let more =
            joint(&self.positive, &other.positive).max(joint(&self.negative, &other.negative));
        self.coarsen(more);
        for (mine, theirs) in
            [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)]
        {
            for (at, count) in (theirs.first..).zip(&theirs.counts).filter(|(_, n)| **n > 0) {
                mine.add(at >> (steps + more), *count);
            }
        }
    }

    /// Brings equal distributions to equal states.
    pub fn canonical(&mut self) {
        self.sum.canonical();
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        let explicit = self.explicit.iter().flat_map(|e| &e.counts).sum::<u64>();
        self.bucket_count() + explicit
    }

    fn bucket_count(&self) -> u64 {
        let buckets = self.positive.counts.iter().chain(&self.negative.counts);
        self.zeros + buckets.sum::<u64>()
    }

    /// The quantile by nearest rank, or by interpolation between explicit bounds; `None` if there
    /// is nothing, or both kinds of buckets, between which there is no conversion.
    ///
    /// The value of an exponential bucket is that of the least relative error,
    /// `(base − 1) / (base + 1)`, within the smallest and largest value.
    pub fn quantile(&self, millionths: u32) -> Option<f64> {
        if let Some(explicit) = &self.explicit {
            let q = f64::from(millionths) / 1e6;
            return if self.bucket_count() == 0 { explicit.quantile(q) } else { None };
        }
        let total = self.bucket_count();
        if total == 0 {
            return None;
        }
        let rank = (u128::from(total) * u128::from(millionths)).div_ceil(1_000_000).max(1) as u64;
        let value = self.at_rank(rank);
        Some(self.range.map_or(value, |(low, high)| value.max(low).min(high)))
    }

    fn at_rank(&self, rank: u64) -> f64 {
        let mut seen = 0;
        let mut reaches = |count: u64| {
            seen += count;
            seen >= rank
        };
        let last = self.negative.first + self.negative.counts.len() as i32 - 1;
        for (back, count) in self.negative.counts.iter().rev().enumerate() {
            if reaches(*count) {
                return -middle(last - back as i32, SCALE_MAX - self.scale);
            }
        }
        if reaches(self.zeros) {
            return 0.0;
        }
        for (at, count) in (self.positive.first..).zip(&self.positive.counts) {
            if reaches(*count) {
                return middle(at, SCALE_MAX - self.scale);
            }
        }
        0.0
    }

    /// As a histogram point.
    pub fn point(&self) -> HistogramPoint {
        let mut point = HistogramPoint {
            count: self.count(),
            sum: Some(self.sum.value()),
            min: self.range.map(|range| range.0),
            max: self.range.map(|range| range.1),
            ..HistogramPoint::default()
        };
        match &self.explicit {
            Some(explicit) if self.bucket_count() == 0 => {
                point.bounds.clone_from(&explicit.bounds);
                point.counts.clone_from(&explicit.counts);
            }
            _ => {
                point.exponential = Some(ExponentialBuckets {
                    scale: self.scale,
                    zero_count: self.zeros,
                    zero_threshold: 0.0,
                    positive_offset: self.positive.first,
                    positive: self.positive.counts.clone(),
                    negative_offset: self.negative.first,
                    negative: self.negative.counts.clone(),
                });
            }
        }
        point
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        let explicit = self.explicit.as_ref().map_or(0, |e| e.bounds.len() + e.counts.len());
        let buckets = self.positive.counts.capacity() + self.negative.counts.capacity();
        (buckets + explicit) * 8 + self.sum.heap_bytes()
    }
}

fn from_point((first, counts): (i32, &Vec<u64>), steps: i32) -> Buckets {
    let mut buckets = Buckets::default();
    let indices = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    for (at, count) in indices {
        buckets.add(first.saturating_add(at as i32) >> steps, *count);
    }
    buckets
}

/// How often buckets must be joined in pairs until a range fits.
fn excess(low: i32, high: i32) -> i32 {
    let fits = |steps: &i32| {
        i64::from(high >> steps) - i64::from(low >> steps) < DISTRIBUTION_BUCKETS_MAX as i64
    };
    (0..31).find(fits).unwrap_or(31)
}

/// Index at the highest scale of the bucket `(lower, upper]` that holds a positive number.
fn bucket(number: f64) -> i32 {
    let (number, lift) =
        if number < f64::MIN_POSITIVE { (number * 2f64.powi(60), 60) } else { (number, 0) };
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i32 - 1_023 - lift;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1_023 << 52);
    exponent * STEPS as i32 + BOUNDS.partition_point(|bound| *bound < mantissa) as i32 - 1
}

/// The value of a bucket: `2·lower·upper / (lower + upper)`.
fn middle(at: i32, steps: i32) -> f64 {
    let bound = |at: i64| {
        let index = at << steps;
        let exponent = index.div_euclid(STEPS as i64).clamp(-1_100, 1_100) as i32;
        let half = exponent / 2;
        BOUNDS[index.rem_euclid(STEPS as i64) as usize]
            * 2f64.powi(half)
            * 2f64.powi(exponent - half)
    };
    let (lower, upper) = (bound(i64::from(at)), bound(i64::from(at) + 1));
    if upper.is_infinite() { lower * 2.0 } else { lower * (2.0 / (1.0 + lower / upper)) }
}
