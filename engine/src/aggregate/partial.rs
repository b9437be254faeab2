//! What an accumulator holds of one group: crosses workers, goes into snapshots.
//!
//! Invariant: merging is associative and has no order; where order matters (`first`, lists), it is
//! that of the key that each value carries. Knows neither windows nor keys of groups.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::distinct::Distinct;
use super::distribution::Distribution;
use super::kind::Finisher;
use super::pick::{Collected, Exemplars};
use super::series::Series;
use super::sketch::Sketch;
use super::sum::Sum;
use super::top::Top;
use crate::model::Value;

/// The place of an event in its key's order: event time, source, position in the source's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderKey {
    /// Event time, nanoseconds.
    pub time_ns: i64,
    /// Source, by name order.
    pub source: u32,
    /// Frame.
    pub frame_seq: u64,
    /// Row in the frame.
    pub row: u32,
}

impl OrderKey {
    /// A hash that stands for the event.
    pub(super) fn hash(&self) -> u64 {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.frame_seq.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.source.to_le_bytes());
        bytes[20..].copy_from_slice(&self.row.to_le_bytes());
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

/// A group's part of one accumulator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Partial {
    /// Events.
    Count(u64),
    /// Sums; `None` of nothing.
    Sum(Option<Box<Sum>>),
    /// The smallest value so far.
    Min(Option<(Value, OrderKey)>),
    /// The largest value so far.
    Max(Option<(Value, OrderKey)>),
    /// The value of the first event so far.
    First(Option<(OrderKey, Value)>),
    /// The value of the last event so far.
    Last(Option<(OrderKey, Value)>),
    /// The distribution.
    Sketch(Sketch),
    /// (true, total).
    Truth(u64, u64),
    /// The distribution in exponential or explicit buckets.
    Histogram(Box<Distribution>),
    /// Distinct values.
    Distinct(Distinct),
    /// Values by frequency.
    Top(Top),
    /// The first values.
    Collected(Collected),
    /// Events that stand for the group.
    Exemplars(Exemplars),
    /// Points of counters.
    Series(Box<Series>),
    /// Satisfied, tolerating, all.
    Apdex([u64; 3]),
}

impl Partial {
    /// Adds another part of the same accumulator.
    pub fn merge(&mut self, other: Self) {
        match self {
            Self::Count(_)
            | Self::Sketch(_)
            | Self::Truth(..)
            | Self::Histogram(_)
            | Self::Apdex(_) => self.merge_from(&other),
            _ => self.take(other),
        }
    }

    /// Adds a part that stays where it is: numbers and buckets are added, nothing is copied.
    pub fn merge_from(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(mine), Self::Count(theirs)) => *mine += theirs,
            (Self::Sum(Some(mine)), Self::Sum(Some(theirs))) => mine.merge(theirs),
            (Self::Sketch(mine), Self::Sketch(theirs)) => mine.merge(theirs),
            (Self::Truth(yes, all), Self::Truth(more, others)) => {
                *yes += more;
                *all += others;
            }
            (Self::Histogram(mine), Self::Histogram(theirs)) => mine.merge(theirs),
            (Self::Apdex(mine), Self::Apdex(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
            }
            (mine, theirs) => mine.take(theirs.clone()),
        }
    }

    /// Adds parts that hold values, which move.
    fn take(&mut self, other: Self) {
        match (self, other) {
            (Self::Sum(mine), Self::Sum(theirs)) => match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => mine.merge(&theirs),
                (None, theirs) => *mine = theirs,
                (_, None) => {}
            },
            (Self::Min(mine), Self::Min(theirs)) => {
                keep(mine, theirs, |new, old| new < old);
            }
            (Self::Max(mine), Self::Max(theirs)) => {
                // Of equal values the earlier event counts, as for min.
                keep(mine, theirs, |new, old| new.0.cmp(&old.0).then(old.1.cmp(&new.1)).is_gt());
            }
            (Self::First(mine), Self::First(theirs)) => {
                keep(mine, theirs, |new, old| new.0 < old.0);
            }
            (Self::Last(mine), Self::Last(theirs)) => {
                keep(mine, theirs, |new, old| new.0 > old.0);
            }
            (Self::Distinct(mine), Self::Distinct(theirs)) => mine.merge(theirs),
            (Self::Top(mine), Self::Top(theirs)) => mine.merge(theirs),
            (Self::Collected(mine), Self::Collected(theirs)) => mine.merge(theirs),
            (Self::Exemplars(mine), Self::Exemplars(theirs)) => mine.merge(theirs),
            (Self::Series(mine), Self::Series(theirs)) => mine.merge(*theirs),
            (mine, theirs) => {
                debug_assert!(false, "partials of two kinds: {mine:?} and {theirs:?}");
            }
        }
    }

    /// Takes back a part that was merged; `false` where the rest is not known exactly, and what
    /// is held then has to be merged anew.
    pub fn subtract(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Count(mine), Self::Count(theirs)) if *mine >= *theirs => *mine -= theirs,
            (Self::Truth(yes, all), Self::Truth(more, others))
                if *all >= *others && *yes >= *more =>
            {
                *yes -= more;
                *all -= others;
            }
            (Self::Apdex(mine), Self::Apdex(theirs))
                if mine.iter().zip(theirs).all(|(mine, theirs)| mine >= theirs) =>
            {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine -= theirs);
            }
            (Self::Sum(_), Self::Sum(None)) => {}
            (Self::Sum(Some(mine)), Self::Sum(Some(theirs))) => return mine.subtract(theirs),
            (Self::Sketch(mine), Self::Sketch(theirs)) => return mine.subtract(theirs),
            // The best of all is still there unless the part that leaves had it.
            (Self::Min(mine), Self::Min(theirs)) | (Self::Max(mine), Self::Max(theirs)) => {
                return theirs.is_none() || mine != theirs;
            }
            (Self::First(mine), Self::First(theirs)) | (Self::Last(mine), Self::Last(theirs)) => {
                return theirs.is_none() || mine != theirs;
            }
            _ => return false,
        }
        true
    }

    /// Brings equal parts to equal states, and so to equal bytes.
    pub fn canonical(&mut self) {
        match self {
            Self::Sum(Some(sum)) => sum.canonical(),
            Self::Sketch(sketch) => sketch.canonical(),
            Self::Histogram(distribution) => distribution.canonical(),
            Self::Top(top) => top.canonical(),
            Self::Series(series) => series.canonical(),
            _ => {}
        }
    }

    /// Bytes of heap memory, without the texts of values.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Sum(Some(sum)) => size_of::<Sum>() + sum.heap_bytes(),
            Self::Sketch(sketch) => sketch.heap_bytes(),
            Self::Histogram(held) => size_of::<Distribution>() + held.heap_bytes(),
            Self::Distinct(distinct) => distinct.heap_bytes(),
            Self::Top(top) => top.heap_bytes(),
            Self::Collected(values) => values.heap_bytes(),
            Self::Exemplars(exemplars) => exemplars.heap_bytes(),
            Self::Series(series) => size_of::<Series>() + series.heap_bytes(),
            _ => 0,
        }
    }

    /// What a window after this part begins with: the last points of counters that are not older
    /// than a time, nanoseconds; nothing of other kinds.
    pub fn tail(&self, since_ns: i64) -> Option<Self> {
        match self {
            Self::Series(series) => Some(Self::Series(Box::new(series.tail(since_ns)))),
            _ => None,
        }
    }

    /// Whether a tail holds nothing.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Series(series) if series.is_empty())
    }

    /// Prepares the part for [`Partial::finish`]: no more merging after this.
    pub fn seal(&mut self) {
        if let Self::Sketch(sketch) = self {
            sketch.seal();
        }
    }

    /// The result of a sealed part, for a window of a length in nanoseconds.
    pub fn finish(&self, finisher: &Finisher, window_ns: i64) -> Value {
        match (self, finisher) {
            (Self::Count(count), Finisher::CountRate) if window_ns > 0 => {
                Value::Float(*count as f64 / (window_ns as f64 / 1e9))
            }
            (Self::Count(count), Finisher::Count) => {
                Value::Int(i64::try_from(*count).unwrap_or(i64::MAX))
            }
            (Self::Sum(Some(sum)), Finisher::Sum) => sum.sum(),
            (Self::Sum(Some(sum)), Finisher::Avg) => sum.avg(),
            (Self::Sum(Some(sum)), Finisher::Stddev) => sum.stddev(),
            (Self::Sum(Some(sum)), Finisher::SumRate) => sum.rate(window_ns),
            (
                Self::Min(Some((value, _)))
                | Self::Max(Some((value, _)))
                | Self::First(Some((_, value)))
                | Self::Last(Some((_, value))),
                Finisher::Value,
            ) => value.clone(),
            (Self::Sketch(sketch), Finisher::Quantile(millionths)) => sketch.quantile(*millionths),
            (Self::Truth(yes, all), Finisher::Ratio) if *all > 0 => {
                Value::Ratio(*yes as f64 / *all as f64)
            }
            (Self::Histogram(held), Finisher::Histogram) if held.count() > 0 => {
                held.point().map_or(Value::Null, |point| Value::Histogram(Arc::new(point)))
            }
            (Self::Histogram(held), Finisher::Quantile(millionths)) => {
                held.quantile(*millionths).map_or(Value::Null, Value::Float)
            }
            (Self::Distinct(distinct), Finisher::Distinct) => Value::Int(distinct.count() as i64),
            (Self::Top(top), Finisher::Top(k)) => top.most_frequent(*k),
            (Self::Collected(values), Finisher::List) => values.list(),
            (Self::Exemplars(exemplars), Finisher::List) => exemplars.list(),
            (Self::Series(series), Finisher::Increase) => series.increase(),
            (Self::Series(series), Finisher::IncreaseRate) => series.rate(window_ns),
            (Self::Apdex([satisfied, tolerating, all]), Finisher::Apdex) if *all > 0 => {
                Value::Float((*satisfied as f64 + *tolerating as f64 / 2.0) / *all as f64)
            }
            _ => Value::Null,
        }
    }
}

fn keep<T>(mine: &mut Option<T>, theirs: Option<T>, wins: impl Fn(&T, &T) -> bool) {
    match (&*mine, theirs) {
        (None, theirs) => *mine = theirs,
        (Some(old), Some(new)) if wins(&new, old) => *mine = Some(new),
        _ => {}
    }
}
