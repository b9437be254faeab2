//! Distributions of windows, added up to one that never goes back.
//!
//! Source: OpenTelemetry metrics data model, "Exponential Histogram" (downscaling joins buckets in
//! pairs; of two zero thresholds the larger one holds, and takes in what lies below it).

use crate::limits::SINK_HISTOGRAM_BUCKETS_MAX;
use crate::model::{ExponentialBuckets, HistogramPoint};

/// The lowest scale: a bucket holds a factor of 2^1024, which is every number.
const SCALE_MIN: i32 = -10;

/// Adds a window's distribution to what was before it. `false` where they cannot be added, because
/// one has explicit bounds that the other has not: then nothing was changed.
pub(super) fn add(total: &mut HistogramPoint, window: &HistogramPoint) -> bool {
    match (&mut total.exponential, &window.exponential) {
        (Some(held), Some(new)) => merge(held, new),
        (None, None) if total.bounds == window.bounds => {
            if total.counts.len() != window.counts.len() {
                return false;
            }
            for (held, new) in total.counts.iter_mut().zip(&window.counts) {
                *held = held.saturating_add(*new);
            }
        }
        _ => return false,
    }
    total.count = total.count.saturating_add(window.count);
    total.sum = total.sum.zip(window.sum).map(|(a, b)| a + b);
    total.min = total.min.zip(window.min).map(|(a, b)| a.min(b));
    total.max = total.max.zip(window.max).map(|(a, b)| a.max(b));
    true
}

fn merge(held: &mut ExponentialBuckets, new: &ExponentialBuckets) {
    let mut new = new.clone();
    let scale = held.scale.min(new.scale);
    coarsen(held, scale);
    coarsen(&mut new, scale);
    held.zero_count = held.zero_count.saturating_add(new.zero_count);
    held.zero_threshold = held.zero_threshold.max(new.zero_threshold);
    join((&mut held.positive_offset, &mut held.positive), (new.positive_offset, &new.positive));
    join((&mut held.negative_offset, &mut held.negative), (new.negative_offset, &new.negative));
    let is_long = |held: &ExponentialBuckets| {
        held.positive.len().max(held.negative.len()) > SINK_HISTOGRAM_BUCKETS_MAX
    };
    while is_long(held) && held.scale > SCALE_MIN {
        let scale = held.scale - 1;
        coarsen(held, scale);
    }
    swallow(held);
}

/// Buckets that the zero bucket's threshold reaches into belong to it.
fn swallow(held: &mut ExponentialBuckets) {
    let base = 2f64.powf(2f64.powi(-held.scale));
    let mut threshold = held.zero_threshold;
    if threshold <= 0.0 {
        return;
    }
    for (offset, counts) in [
        (&mut held.positive_offset, &mut held.positive),
        (&mut held.negative_offset, &mut held.negative),
    ] {
        let reached = counts.iter().zip(*offset..).take_while(|(_, at)| {
            let lower = base.powi(*at);
            lower < held.zero_threshold
        });
        let (mut zeros, mut gone) = (0_u64, 0);
        for (count, at) in reached {
            zeros = zeros.saturating_add(*count);
            if *count > 0 {
                threshold = threshold.max(base.powi(at + 1));
            }
            gone += 1;
        }
        counts.drain(..gone);
        *offset += gone as i32;
        held.zero_count = held.zero_count.saturating_add(zeros);
    }
    held.zero_threshold = threshold;
}

/// Joins buckets until they have a scale that is no higher than theirs.
pub(super) fn coarsen(held: &mut ExponentialBuckets, scale: i32) {
    let steps = held.scale - scale;
    if steps <= 0 {
        return;
    }
    for (offset, counts) in [
        (&mut held.positive_offset, &mut held.positive),
        (&mut held.negative_offset, &mut held.negative),
    ] {
        let old = std::mem::take(counts);
        let steps = steps.min(31);
        let first = *offset >> steps;
        for (count, at) in old.into_iter().zip(*offset..) {
            let place = ((at >> steps) - first) as usize;
            if counts.len() <= place {
                counts.resize(place + 1, 0);
            }
            counts[place] = counts[place].saturating_add(count);
        }
        *offset = first;
    }
    held.scale = scale;
}

/// Adds counts, each of which lies at its offset and after.
fn join((offset, counts): (&mut i32, &mut Vec<u64>), (new_offset, new): (i32, &[u64])) {
    let used = |count: &u64| *count > 0;
    let Some(skipped) = new.iter().position(used) else { return };
    let (new, new_offset) = (&new[skipped..], new_offset + skipped as i32);
    if counts.is_empty() {
        *offset = new_offset;
    }
    if new_offset < *offset {
        let missing = (*offset - new_offset) as usize;
        counts.splice(0..0, std::iter::repeat_n(0, missing));
        *offset = new_offset;
    }
    let from = (new_offset - *offset) as usize;
    if counts.len() < from + new.len() {
        counts.resize(from + new.len(), 0);
    }
    for (held, count) in counts[from..].iter_mut().zip(new) {
        *held = held.saturating_add(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, positive_offset: i32, positive: &[u64]) -> HistogramPoint {
        let count = positive.iter().sum();
        let exponential = ExponentialBuckets {
            scale,
            positive_offset,
            positive: positive.to_vec(),
            ..ExponentialBuckets::default()
        };
        HistogramPoint {
            count,
            sum: Some(count as f64),
            exponential: Some(exponential),
            ..HistogramPoint::default()
        }
    }

    fn buckets(point: &HistogramPoint) -> (i32, i32, &[u64]) {
        let found = point.exponential.as_ref().unwrap();
        (found.scale, found.positive_offset, &found.positive)
    }

    #[test]
    fn buckets_meet_at_the_coarser_scale() {
        let mut total = point(1, -3, &[1, 2, 3, 4]);
        assert!(add(&mut total, &point(0, 2, &[5])));
        // At scale 0: index -3 → -2; -2, -1 → -1; 0 → 0.
        assert_eq!(buckets(&total), (0, -2, &[1, 5, 4, 0, 5][..]));
        assert_eq!((total.count, total.sum), (15, Some(15.0)));
    }

    #[test]
    fn what_lies_far_apart_is_joined_until_it_fits() {
        let mut total = point(10, 0, &[1]);
        assert!(add(&mut total, &point(10, 1_000_000, &[1])));
        let (scale, _, counts) = buckets(&total);
        assert!(scale < 10 && counts.len() <= SINK_HISTOGRAM_BUCKETS_MAX, "{scale}");
        assert_eq!(counts.iter().sum::<u64>(), 2);
    }

    #[test]
    fn a_larger_zero_bucket_takes_in_what_it_reaches() {
        let mut total = point(0, 0, &[1, 2, 4]); // (1, 2], (2, 4], (4, 8]
        let mut window = point(0, 3, &[8]);
        window.exponential.as_mut().unwrap().zero_threshold = 3.0;
        assert!(add(&mut total, &window));
        let found = total.exponential.as_ref().unwrap();
        assert_eq!((found.zero_count, found.zero_threshold.to_bits()), (3, 4f64.to_bits()));
        assert_eq!((found.positive_offset, &*found.positive), (2, &[4, 8][..]));
    }

    #[test]
    fn explicit_buckets_are_added_where_their_bounds_are_equal() {
        let explicit = |bounds: &[f64]| HistogramPoint {
            count: 3,
            sum: None,
            bounds: bounds.to_vec(),
            counts: vec![1; bounds.len() + 1],
            ..HistogramPoint::default()
        };
        let mut total = explicit(&[1.0, 2.0]);
        assert!(add(&mut total, &explicit(&[1.0, 2.0])));
        assert_eq!((total.count, &*total.counts), (6, &[2, 2, 2][..]));
        let before = total.clone();
        assert!(!add(&mut total, &explicit(&[1.0, 3.0])));
        assert!(!add(&mut total, &point(0, 0, &[1])));
        assert_eq!((total.count, &total.counts), (before.count, &before.counts));
    }
}
