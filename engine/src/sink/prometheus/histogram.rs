//! Distributions as Prometheus has them: classic buckets, and native ones.
//!
//! Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", exponential
//! histograms (a native bucket's index is that of OpenTelemetry plus one; schemas -4 to 8);
//! OpenMetrics 1.0, "Histogram".

use crate::model::{ExponentialBuckets, HistogramPoint};
use crate::sink::merge::coarsen;

/// Schemas of native histograms.
const SCHEMA_MIN: i32 = -4;
const SCHEMA_MAX: i32 = 8;

/// Buckets on a page of text, at most, of each sign; more are joined in pairs.
const CLASSIC_MAX: usize = 40;

/// Bounds of a page of text are powers of two, so that they stay the same from window to window
/// while the range of values fits.
const CLASSIC_SCALE: i32 = 0;

/// A native histogram's buckets: schema and, of each sign, the index of the first and counts.
pub(super) struct Native {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: u64,
    pub(super) positive: (i32, Vec<u64>),
    pub(super) negative: (i32, Vec<u64>),
}

/// The buckets as native ones; none where bounds are explicit, or buckets wider than any schema's.
pub(super) fn native(point: &HistogramPoint) -> Option<Native> {
    let mut held = point.exponential.clone().filter(|held| held.scale >= SCHEMA_MIN)?;
    coarsen(&mut held, SCHEMA_MAX);
    Some(Native {
        schema: held.scale,
        zero_threshold: held.zero_threshold,
        zero_count: held.zero_count,
        positive: (held.positive_offset + 1, held.positive),
        negative: (held.negative_offset + 1, held.negative),
    })
}

/// (Upper bound, values up to it), the last one without bound.
pub(super) fn classic(point: &HistogramPoint) -> Vec<(f64, u64)> {
    let mut buckets = match &point.exponential {
        Some(held) => of_exponential(held.clone()),
        None => point.bounds.iter().copied().zip(point.counts.iter().copied()).collect(),
    };
    let mut sum = 0_u64;
    for (_, count) in &mut buckets {
        sum = sum.saturating_add(*count);
        *count = sum;
    }
    buckets.push((f64::INFINITY, point.count));
    buckets
}

fn of_exponential(mut held: ExponentialBuckets) -> Vec<(f64, u64)> {
    coarsen(&mut held, CLASSIC_SCALE);
    while held.positive.len().max(held.negative.len()) > CLASSIC_MAX && held.scale > -10 {
        let scale = held.scale - 1;
        coarsen(&mut held, scale);
    }
    let base = 2f64.powf(2f64.powi(-held.scale));
    let mut buckets = Vec::new();
    for (count, at) in held.negative.iter().zip(held.negative_offset..) {
        buckets.push((-base.powi(at), *count));
    }
    buckets.reverse();
    if held.zero_count > 0 || !buckets.is_empty() {
        buckets.push((held.zero_threshold, held.zero_count));
    }
    for (count, at) in held.positive.iter().zip(held.positive_offset..) {
        buckets.push((base.powi(at + 1), *count));
    }
    // What a number cannot hold has no bound: the last bucket has it.
    buckets.retain(|(bound, _)| bound.is_finite());
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(scale: i32, offset: i32, positive: &[u64]) -> HistogramPoint {
        let exponential = ExponentialBuckets {
            scale,
            zero_count: 1,
            positive_offset: offset,
            positive: positive.to_vec(),
            negative_offset: 0,
            negative: vec![2],
            ..ExponentialBuckets::default()
        };
        let count = 3 + positive.iter().sum::<u64>();
        HistogramPoint { count, exponential: Some(exponential), ..HistogramPoint::default() }
    }

    #[test]
    fn buckets_of_text_are_powers_of_two_and_count_up() {
        // Scale 1: (2, 2.83], (2.83, 4], (4, 5.66]
        let found = classic(&exponential(1, 2, &[1, 2, 4]));
        let wanted = [(-1.0, 2), (0.0, 3), (4.0, 6), (8.0, 10), (f64::INFINITY, 10)];
        assert_eq!(found, wanted);
        let long = classic(&exponential(0, -100, &[1; 200]));
        assert!(long.len() <= CLASSIC_MAX + 3, "{}", long.len());
        assert!(long.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1));
    }

    #[test]
    fn a_native_index_is_one_more_and_schemas_have_bounds() {
        let found = native(&exponential(3, 5, &[1, 2])).unwrap();
        assert_eq!((found.schema, found.positive), (3, (6, vec![1, 2])));
        assert_eq!(native(&exponential(20, 0, &[1])).unwrap().schema, 8);
        assert!(native(&exponential(-5, 0, &[1])).is_none());
        assert!(native(&HistogramPoint::default()).is_none());
    }
}
