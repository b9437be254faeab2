//! Functions of a row's value against the values of its key's earlier rows: `ewma`, `zscore`,
//! `mad`. The state is bounded by the length asked for and [`ROW_WINDOW_MAX`].

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::limits::ROW_WINDOW_MAX;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum RowFunction {
    /// Exponentially weighted mean; the weight of the newest value.
    Ewma(f64),
    /// Population standard deviations between the value and the mean of the earlier ones.
    Zscore,
    /// Median absolute deviations, scaled by 1.4826, between the value and the earlier median.
    Mad,
}

/// The earlier values of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowWindow {
    function: RowFunction,
    length: usize,
    mean: Option<f64>,
    values: VecDeque<f64>,
}

impl RowWindow {
    /// No values yet; `length` is the number of earlier values looked at.
    pub fn new(function: RowFunction, length: usize) -> Self {
        let length = length.clamp(1, ROW_WINDOW_MAX);
        Self { function, length, mean: None, values: VecDeque::new() }
    }

    /// The result for the next value, which then becomes an earlier one. `None` while there is
    /// nothing to compare with, where the earlier values are all alike, and for what is not
    /// finite, which is not kept.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        if let RowFunction::Ewma(weight) = self.function {
            let mean = self.mean.map_or(value, |mean| weight * value + (1.0 - weight) * mean);
            self.mean = Some(mean);
            return Some(mean);
        }
        let result = match self.function {
            RowFunction::Zscore => self.zscore(value),
            _ => self.mad(value),
        };
        if self.values.len() == self.length {
            self.values.pop_front();
        }
        self.values.push_back(value);
        result
    }

    fn zscore(&self, value: f64) -> Option<f64> {
        if self.values.len() < 2 {
            return None;
        }
        let count = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / count;
        let variance = self.values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        (variance > 0.0).then(|| (value - mean) / variance.sqrt())
    }

    fn mad(&self, value: f64) -> Option<f64> {
        let middle = median(self.values.iter().copied())?;
        let spread = median(self.values.iter().map(|v| (v - middle).abs()))?;
        (spread > 0.0).then(|| (value - middle) / (1.4826 * spread))
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}
