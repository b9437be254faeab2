//! What windows count, added up since the start of a series.
//!
//! Invariant: a series' start never goes back, nor does its time; there are at most so many
//! series, and what further ones count goes into one series of each rule, so that nothing is
//! missing from a sum.

use std::collections::BTreeMap;

use super::wire::Number;
use crate::model::{HistogramPoint, Row};
use crate::sink::merge;

/// What a window adds to a series.
#[derive(Debug, Clone)]
pub(super) enum Addend {
    Number(Number),
    Histogram(Box<HistogramPoint>),
}

/// One series.
#[derive(Debug, Clone)]
pub(super) struct Total {
    pub(super) start_ns: i64,
    pub(super) time_ns: i64,
    pub(super) value: Addend,
}

/// Series of cumulative sums.
#[derive(Debug)]
pub(super) struct Sums {
    /// By rule, group and place of the value.
    series: BTreeMap<(Vec<u8>, u32), Total>,
    series_max: usize,
    overflowed: u64,
}

/// The group of a row, and whether it is that of the groups which found no room.
pub(super) struct Group {
    key: Vec<u8>,
    pub(super) is_other: bool,
}

impl Sums {
    pub(super) fn new(series_max: usize) -> Self {
        Self { series: BTreeMap::new(), series_max, overflowed: 0 }
    }

    /// Points that went to a series of those which found no room.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// The group of a row: its own where it is known or there is room for so many series more.
    pub(super) fn group(&mut self, row: &Row, more: usize) -> Group {
        let mut key = row.rule.0.to_be_bytes().to_vec();
        if !row.is_other {
            let mut own = key.clone();
            own.push(0);
            row.key.iter().for_each(|value| value.encode_key(&mut own));
            let at = (own, 0);
            let is_known =
                self.series.range(&at..).next().is_some_and(|((held, _), _)| *held == at.0);
            if is_known || self.series.len() + more <= self.series_max {
                return Group { key: at.0, is_other: false };
            }
            self.overflowed += more as u64;
        }
        key.push(1);
        Group { key, is_other: true }
    }

    /// Adds what a window says to a series.
    pub(super) fn add(&mut self, group: &Group, value: u32, row: &Row, addend: &Addend) -> &Total {
        let new = || Total { start_ns: row.start_ns, time_ns: row.end_ns, value: addend.clone() };
        let mut is_new = false;
        let entry = self.series.entry((group.key.clone(), value));
        let total = entry.or_insert_with(|| {
            is_new = true;
            new()
        });
        if is_new {
            return total;
        }
        let time_ns = total.time_ns.max(row.end_ns);
        let is_added = match (&mut total.value, addend) {
            (Addend::Number(Number::Int(held)), Addend::Number(Number::Int(more))) => {
                held.checked_add(*more).inspect(|sum| *held = *sum).is_some()
            }
            (Addend::Number(Number::Double(held)), Addend::Number(Number::Double(more))) => {
                *held += more;
                true
            }
            (Addend::Histogram(held), Addend::Histogram(more)) => merge::add(held, more),
            _ => false,
        };
        if !is_added {
            // What does not fit begins a series anew, as a counter that was reset.
            let start_ns = total.start_ns.max(row.start_ns);
            *total = Total { start_ns, ..new() };
        }
        total.time_ns = time_ns;
        total
    }
}
