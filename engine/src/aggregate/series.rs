//! The increase of counters, by series.
//!
//! The increase of a point is its value less that of the series' point before it, and counts where
//! the point is, so that the increases of windows side by side add up. As in Prometheus a value
//! below the one before it is a reset, after which the whole value is increase. Nothing is
//! extrapolated. Points of delta temporality add up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::partial::OrderKey;
use super::sketch::NumberUnit;
use super::sum::Sum;
use crate::limits::SERIES_POINTS_MAX;
use crate::model::Value;

/// A counter's value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// Whole.
    Whole(i64),
    /// Fractional.
    Float(f64),
}

/// The points of a group's counters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// By hash of the series' identity, in order.
    points: BTreeMap<u64, Vec<(OrderKey, Reading)>>,
    /// Points held.
    held: u64,
    /// Points of delta temporality.
    deltas: Sum,
    /// Whether there were more points than fit: the increase is then unknown.
    is_over: bool,
    /// By series: the last point before the window.
    before: BTreeMap<u64, (OrderKey, Reading)>,
}

impl Series {
    /// Adds a point of cumulative temporality.
    pub fn add(&mut self, series: u64, key: OrderKey, reading: Reading) {
        if matches!(reading, Reading::Float(value) if !value.is_finite()) || self.is_over {
            return;
        }
        let points = self.points.entry(series).or_default();
        let at = points.partition_point(|point| point.0 <= key);
        points.insert(at, (key, reading));
        self.held += 1;
        self.bound();
    }

    /// Adds a point of delta temporality.
    pub fn add_delta(&mut self, reading: Reading) {
        match reading {
            Reading::Whole(value) => self.deltas.add_whole(value, NumberUnit::Int),
            Reading::Float(value) => self.deltas.add_float(value, NumberUnit::Float, false),
        }
    }

    fn bound(&mut self) {
        if self.held > SERIES_POINTS_MAX as u64 {
            self.is_over = true;
        }
        if self.is_over {
            self.points.clear();
            self.held = 0;
        }
    }

    /// Adds other points.
    pub fn merge(&mut self, other: Self) {
        self.deltas.merge(&other.deltas);
        self.is_over |= other.is_over;
        for (series, theirs) in other.before {
            let mine = self.before.entry(series).or_insert(theirs);
            if theirs.0 > mine.0 {
                *mine = theirs;
            }
        }
        self.held += other.held;
        for (series, theirs) in other.points {
            let mine = self.points.entry(series).or_default();
            mine.extend(theirs);
            mine.sort_by_key(|point| point.0);
        }
        self.bound();
    }

    /// Brings equal contents to equal states.
    pub fn canonical(&mut self) {
        self.deltas.canonical();
    }

    /// The last point of every series that is not older than a time, nanoseconds: what a window
    /// after these points begins with.
    #[must_use]
    pub fn tail(&self, since_ns: i64) -> Self {
        let last = |(series, points): (&u64, &Vec<(OrderKey, Reading)>)| {
            points.last().map(|point| (*series, *point))
        };
        let mut before = self.before.clone();
        before.extend(self.points.iter().filter_map(last));
        before.retain(|_, (key, _)| key.time_ns >= since_ns);
        Self { before, ..Self::default() }
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.before.is_empty() && !self.is_over
    }

    fn total(&self) -> Option<Sum> {
        if self.is_over {
            return None;
        }
        let mut total = self.deltas.clone();
        for (series, points) in &self.points {
            if let (Some((_, before)), Some((_, first))) = (self.before.get(series), points.first())
            {
                add_step(&mut total, *before, *first);
            }
            for pair in points.windows(2) {
                add_step(&mut total, pair[0].1, pair[1].1);
            }
        }
        Some(total)
    }

    /// The increase; null if no series has two points, or there were too many points.
    pub fn increase(&self) -> Value {
        self.total().map_or(Value::Null, |total| total.sum())
    }

    /// The increase per second.
    pub fn rate(&self, window_ns: i64) -> Value {
        self.total().map_or(Value::Null, |total| total.rate(window_ns))
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        let points: usize = self.points.values().map(Vec::capacity).sum();
        (points + self.before.len()) * size_of::<(OrderKey, Reading)>() + self.points.len() * 48
    }
}

fn add_step(total: &mut Sum, before: Reading, now: Reading) {
    match (before, now) {
        (Reading::Whole(a), Reading::Whole(b)) => {
            let from = if b < a { 0 } else { a };
            total.add_whole(b.saturating_sub(from), NumberUnit::Int);
        }
        (a, b) => {
            let number = |reading: Reading| match reading {
                Reading::Whole(value) => value as f64,
                Reading::Float(value) => value,
            };
            let (a, b) = (number(a), number(b));
            // Both ends are added, not their rounded difference.
            total.add_float(b, NumberUnit::Float, false);
            if b >= a {
                total.add_float(-a, NumberUnit::Float, false);
            }
        }
    }
}
