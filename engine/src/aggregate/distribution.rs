//! Distributions of floats and of histogram points.
//!
//! Floats go to a base-2 exponential histogram (OpenTelemetry data model, "exponential histogram")
//! of at most 640 buckets a sign. Its scale is the highest, up to 10, at which the range of
//! everything added fits, so it depends neither on order nor on partition. Points with explicit
//! bounds are merged on the bounds that all of them have, which is exact.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::exact_sum::ExactSum;
use crate::limits::{DISTRIBUTION_BOUNDS_MAX, DISTRIBUTION_BUCKETS_MAX};
use crate::model::{ExponentialBuckets, HistogramPoint};

/// The highest scale: buckets 0.07 % wide.
const SCALE_MAX: i32 = 10;

/// The scales that OpenTelemetry's SDKs use, and the only ones that are taken.
const SCALES: RangeInclusive<i32> = -10..=20;

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
        // Counts of a forged point may be anything; bounded sums are as associative as others.
        self.counts[at] = self.counts[at].saturating_add(count);
    }

    fn coarsen(&mut self, steps: i32) {
        if steps == 0 {
            return;
        }
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
    /// The buckets of a point: bounds must be finite and ascend, and be one fewer than counts.
    fn of(point: &HistogramPoint) -> Option<Self> {
        // Zeros of both signs are one bound.
        let bounds: Vec<f64> = point.bounds.iter().map(|bound| bound + 0.0).collect();
        let is_usable = !bounds.is_empty()
            && bounds.len() <= DISTRIBUTION_BOUNDS_MAX
            && point.counts.len() == bounds.len() + 1
            && bounds.iter().all(|bound| bound.is_finite())
            && bounds.is_sorted_by(|a, b| a < b);
        is_usable.then(|| Self { bounds, counts: point.counts.clone() })
    }

    /// Leaves only the bounds that the other side has too.
    fn keep_bounds(&mut self, other: &[f64]) {
        if self.bounds == other {
            return;
        }
        let mut kept = Self::default();
        let mut pending = 0u64;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            pending = pending.saturating_add(*count);
            if other.binary_search_by(|known| known.total_cmp(bound)).is_ok() {
                kept.bounds.push(*bound);
                kept.counts.push(std::mem::take(&mut pending));
            }
        }
        kept.counts.push(pending.saturating_add(self.counts.last().copied().unwrap_or(0)));
        *self = kept;
    }

    /// Linear within the bucket of the rank, as Prometheus's `histogram_quantile`: wrong by less
    /// than the bucket's width. In the last bucket: its lower bound.
    fn quantile(&self, q: f64) -> Option<f64> {
        let total = total(&self.counts);
        let last = self.bounds.last()?;
        let rank = q * total as f64;
        let mut below = 0u64;
        for (at, (bound, count)) in self.bounds.iter().zip(&self.counts).enumerate() {
            if below.saturating_add(*count) as f64 >= rank && *count > 0 {
                let low = match at {
                    0 if *bound > 0.0 => 0.0,
                    0 => return Some(*bound),
                    _ => self.bounds[at - 1],
                };
                let share = (rank - below as f64) / *count as f64;
                return Some(low + (bound - low) * share);
            }
            below = below.saturating_add(*count);
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
    /// Half-width of the zero bucket: the widest of the points.
    zero_threshold: f64,
    range: Option<(f64, f64)>,
    /// Points without a sum: the sum is then unknown.
    without_sum: u64,
    /// Points without a smallest and largest value: the range is then unknown.
    without_range: u64,
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
            zero_threshold: 0.0,
            range: None,
            without_sum: 0,
            without_range: 0,
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
            self.refused = self.refused.saturating_add(times);
            return;
        }
        self.sum.add_times(number, times);
        self.widen(Some((number, number)));
        if number == 0.0 {
            self.zeros = self.zeros.saturating_add(times);
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

    /// Adds a histogram point. One without buckets, or with buckets that no finite number falls
    /// into, or with bounds that do not ascend, is counted as refused.
    pub fn add_point(&mut self, point: &HistogramPoint) {
        let Some(mut other) = Self::of_point(point) else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        if other.count() == 0 {
            return;
        }
        match point.sum {
            Some(sum) => other.sum.add(sum),
            None => other.without_sum = 1,
        }
        match point.min.zip(point.max) {
            Some((low, high)) if low.is_finite() && high.is_finite() && low <= high => {
                other.range = Some((low, high));
            }
            _ => other.without_range = 1,
        }
        self.merge(&other);
    }

    /// The buckets of a point.
    fn of_point(point: &HistogramPoint) -> Option<Self> {
        let mut held = Self::default();
        let Some(buckets) = &point.exponential else {
            held.explicit = Some(Explicit::of(point)?);
            return Some(held);
        };
        let threshold = buckets.zero_threshold;
        if !SCALES.contains(&buckets.scale) || !threshold.is_finite() || threshold < 0.0 {
            return None;
        }
        // A finer scale than ours is brought down, a coarser one is kept.
        held.scale = buckets.scale.min(SCALE_MAX);
        let steps = buckets.scale - held.scale;
        let positive = side(buckets.positive_offset, &buckets.positive, steps, held.scale)?;
        let negative = side(buckets.negative_offset, &buckets.negative, steps, held.scale)?;
        let more = positive.2.max(negative.2);
        held.scale -= more;
        for (buckets, (first, counts, _)) in
            [(&mut held.positive, positive), (&mut held.negative, negative)]
        {
            for (at, count) in (first..).zip(counts).filter(|(_, count)| **count > 0) {
                buckets.add((at >> (steps + more)) as i32, *count);
            }
        }
        held.zeros = buckets.zero_count;
        held.zero_threshold = threshold + 0.0;
        if held.positive.counts.is_empty() && held.negative.counts.is_empty() {
            held.scale = SCALE_MAX;
        }
        Some(held)
    }

    /// Adds another distribution.
    pub fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
        self.refused = self.refused.saturating_add(other.refused);
        self.without_sum = self.without_sum.saturating_add(other.without_sum);
        self.without_range = self.without_range.saturating_add(other.without_range);
        self.sum.merge(&other.sum);
        self.widen(other.range);
        match (&mut self.explicit, &other.explicit) {
            (Some(mine), Some(theirs)) => {
                let mut theirs = theirs.clone();
                mine.keep_bounds(&theirs.bounds);
                theirs.keep_bounds(&mine.bounds);
                mine.counts
                    .iter_mut()
                    .zip(theirs.counts)
                    .for_each(|(a, b)| *a = a.saturating_add(b));
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
        let explicit = self.explicit.as_ref().map_or(0, |explicit| total(&explicit.counts));
        self.bucket_count().saturating_add(explicit)
    }

    fn bucket_count(&self) -> u64 {
        let signed = total(&self.positive.counts).saturating_add(total(&self.negative.counts));
        self.zeros.saturating_add(signed)
    }

    /// Smallest and largest value, where all parts know theirs.
    fn known_range(&self) -> Option<(f64, f64)> {
        self.range.filter(|_| self.without_range == 0)
    }

    /// The quantile by nearest rank, or by interpolation between explicit bounds; `None` if there
    /// is nothing, or both kinds of buckets, between which there is no conversion.
    ///
    /// The value of an exponential bucket is that of the least relative error,
    /// `(base − 1) / (base + 1)`, within the smallest and largest value where these are known.
    /// Values in a point's zero bucket count as 0: wrong by up to its threshold.
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
        Some(self.known_range().map_or(value, |(low, high)| value.max(low).min(high)))
    }

    fn at_rank(&self, rank: u64) -> f64 {
        let mut seen = 0u64;
        let mut reaches = |count: u64| {
            seen = seen.saturating_add(count);
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

    /// As a histogram point; `None` with both kinds of buckets, which no point can hold.
    pub fn point(&self) -> Option<HistogramPoint> {
        let mut point = HistogramPoint {
            count: self.count(),
            sum: (self.without_sum == 0).then(|| self.sum.value()),
            min: self.known_range().map(|range| range.0),
            max: self.known_range().map(|range| range.1),
            ..HistogramPoint::default()
        };
        if let Some(explicit) = &self.explicit {
            point.bounds.clone_from(&explicit.bounds);
            point.counts.clone_from(&explicit.counts);
            return (self.bucket_count() == 0).then_some(point);
        }
        point.exponential = Some(ExponentialBuckets {
            scale: self.scale,
            zero_count: self.zeros,
            zero_threshold: self.zero_threshold,
            positive_offset: self.positive.first,
            positive: self.positive.counts.clone(),
            negative_offset: self.negative.first,
            negative: self.negative.counts.clone(),
        });
        Some(point)
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        let explicit = self.explicit.as_ref().map_or(0, |e| e.bounds.len() + e.counts.len());
        let buckets = self.positive.counts.capacity() + self.negative.counts.capacity();
        (buckets + explicit) * 8 + self.sum.heap_bytes()
    }
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// Index of the first bucket in use, the counts in use, and how often buckets must be joined in
/// pairs beyond `steps`. `None` if a bucket lies where no finite number is.
fn side(offset: i32, counts: &[u64], steps: i32, scale: i32) -> Option<(i64, &[u64], i32)> {
    let used = |count: &u64| *count > 0;
    let Some(from) = counts.iter().position(used) else { return Some((0, &[], 0)) };
    let to = counts.iter().rposition(used).unwrap_or(from);
    let first = i64::from(offset) + from as i64;
    let last = i64::from(offset) + to as i64;
    let (low, high) = (first >> steps, last >> steps);
    let exponent = |at: i64| (at << (SCALE_MAX - scale)).div_euclid(STEPS as i64);
    if exponent(low) < -1_100 || exponent(high) > 1_024 {
        return None;
    }
    Some((first, &counts[from..=to], excess(low as i32, high as i32)))
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
