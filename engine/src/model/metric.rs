//! Distributions of metric data points: explicit-bucket and base-2 exponential histograms.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// One histogram (or summary) data point of OTLP.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HistogramPoint {
    /// Number of values.
    pub count: u64,
    /// Sum of the values, where recorded.
    pub sum: Option<f64>,
    /// Smallest value, where recorded.
    pub min: Option<f64>,
    /// Largest value, where recorded.
    pub max: Option<f64>,
    /// Explicit buckets: upper bounds, one fewer than `counts`. Empty when exponential.
    pub bounds: Vec<f64>,
    /// Explicit buckets: counts.
    pub counts: Vec<u64>,
    /// Exponential buckets, where the point has them.
    pub exponential: Option<ExponentialBuckets>,
    /// A summary's (quantile, value) pairs.
    pub quantiles: Vec<(f64, f64)>,
}

/// Buckets of a base-2 exponential histogram: bucket `i` holds (base^i, base^(i+1)] with
/// base = 2^(2^-scale).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExponentialBuckets {
    /// The scale; a higher one means narrower buckets.
    pub scale: i32,
    /// Values within `zero_threshold` of zero.
    pub zero_count: u64,
    /// Half-width of the zero bucket.
    pub zero_threshold: f64,
    /// Index of the first positive bucket.
    pub positive_offset: i32,
    /// Counts of the positive buckets.
    pub positive: Vec<u64>,
    /// Index of the first negative bucket.
    pub negative_offset: i32,
    /// Counts of the negative buckets, by magnitude.
    pub negative: Vec<u64>,
}

impl HistogramPoint {
    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.bounds.len() + self.counts.len() + 2 * self.quantiles.len();
        let buckets = self
            .exponential
            .as_ref()
            .map_or(0, |exponential| exponential.positive.len() + exponential.negative.len());
        size_of::<Self>() + size_of::<u64>() * (words + buckets)
    }

    /// Appends a canonical encoding, for group keys and ordering.
    pub fn encode_key(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_be_bytes());
        for number in [self.sum, self.min, self.max] {
            out.push(u8::from(number.is_some()));
            out.extend_from_slice(&number.unwrap_or(0.0).to_bits().to_be_bytes());
        }
        encode_floats(&self.bounds, out);
        encode_counts(&self.counts, out);
        for (quantile, value) in &self.quantiles {
            encode_floats(&[*quantile, *value], out);
        }
        if let Some(buckets) = &self.exponential {
            out.extend_from_slice(&buckets.scale.to_be_bytes());
            out.extend_from_slice(&buckets.zero_count.to_be_bytes());
            out.extend_from_slice(&buckets.positive_offset.to_be_bytes());
            encode_counts(&buckets.positive, out);
            out.extend_from_slice(&buckets.negative_offset.to_be_bytes());
            encode_counts(&buckets.negative, out);
        }
    }

    /// A total order, by canonical encoding.
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        self.encode_key(&mut a);
        other.encode_key(&mut b);
        a.cmp(&b)
    }
}

fn encode_floats(numbers: &[f64], out: &mut Vec<u8>) {
    out.extend_from_slice(&(numbers.len() as u32).to_be_bytes());
    for number in numbers {
        out.extend_from_slice(&number.to_bits().to_be_bytes());
    }
}

fn encode_counts(counts: &[u64], out: &mut Vec<u8>) {
    out.extend_from_slice(&(counts.len() as u32).to_be_bytes());
    for count in counts {
        out.extend_from_slice(&count.to_be_bytes());
    }
}
