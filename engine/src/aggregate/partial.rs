//! What an accumulator holds of one group: crosses workers, goes into snapshots.

use serde::{Deserialize, Serialize};

use super::kind::Finisher;
use super::sketch::Sketch;
use super::sum::Sum;
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
}

impl Partial {
    /// Adds another part of the same accumulator.
    pub fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(mine), Self::Count(theirs)) => *mine += theirs,
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
            (Self::Sketch(mine), Self::Sketch(theirs)) => mine.merge(theirs),
            (Self::Truth(yes, all), Self::Truth(more, others)) => {
                *yes += more;
                *all += others;
            }
            (mine, theirs) => {
                debug_assert!(false, "partials of two kinds: {mine:?} and {theirs:?}");
            }
        }
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
