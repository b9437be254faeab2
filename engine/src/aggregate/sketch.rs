//! The distribution of numbers: exact while small, then buckets as hdrhistogram's.
//!
//! Stages: exact values, then a list of bucket indices, then dense counts. Bucketing is lossless
//! with respect to hdrhistogram (the indices are its own), and the stage depends on the total
//! number of values alone: merging partial sketches in any order gives the same answer.
//! Durations are bucketed in microseconds, other numbers as they are (G. Tene, `HdrHistogram`).

use serde::{Deserialize, Serialize};

use super::buckets::{Dense, highest_equivalent, index, remove_all, sort};
use super::distribution::Distribution;
use crate::model::Value;

/// Values up to which a group's quantiles are exact.
pub const EXACT_VALUES_MAX: usize = 16;

/// Values up to which a group is held as a list of bucket indices.
pub const LIST_VALUES_MAX: usize = 1_024;

/// Values that a list has room for at first: 48 bytes. Twice the exact values were 64.
const LIST_FIRST_VALUES: usize = 24;

/// The unit of numbers that are accumulated together.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum NumberUnit {
    /// Nothing seen yet.
    #[default]
    None,
    /// Whole numbers.
    Int,
    /// Nanoseconds.
    Duration,
    /// Bytes.
    Size,
    /// Ratios.
    Ratio,
    /// Floats, or numbers of several units.
    Float,
}

impl NumberUnit {
    /// The unit of numbers of both units together.
    #[must_use]
    #[inline]
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, unit) | (unit, Self::None) => unit,
            (a, b) if a == b => a,
            _ => Self::Float,
        }
    }

    /// Whether results are floats.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Ratio)
    }

    /// A number in this unit.
    pub fn value(self, number: f64) -> Value {
        match self {
            Self::Duration => Value::Duration(number.round() as i64),
            Self::Size => Value::Size(number.round() as i64),
            Self::Ratio => Value::Ratio(number),
            Self::None | Self::Int | Self::Float => Value::Float(number),
        }
    }

    /// A whole number in this unit.
    pub fn whole(self, number: i64) -> Value {
        match self {
            Self::Duration => Value::Duration(number),
            Self::Size => Value::Size(number),
            Self::Float | Self::Ratio => Value::Float(number as f64),
            Self::None | Self::Int => Value::Int(number),
        }
    }
}

/// How values are held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Values as they came.
    Exact(Vec<i64>),
    /// Bucket indices.
    List(Vec<u16>),
    /// Counts by bucket index; boxed, as the many groups that are lists should not pay for it.
    Dense(Box<Dense>),
}

/// The distribution of a group's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    pub(super) stage: Stage,
    pub(super) unit: NumberUnit,
    pub(super) digits: u8,
    /// Floats, in exponential buckets.
    pub(super) floats: Option<Box<Distribution>>,
    /// Durations met numbers of other units: there is no common bucket, and no quantile.
    pub(super) is_mixed: bool,
    /// Negative values and NaNs: not taken.
    refused: u32,
}

impl Sketch {
    /// An empty sketch of 2 or 3 significant digits.
    pub fn new(digits: u8) -> Self {
        let stage = Stage::Exact(Vec::new());
        Self { stage, unit: NumberUnit::None, digits, floats: None, is_mixed: false, refused: 0 }
    }

    /// Adds a whole number of a unit.
    #[inline]
    pub fn add(&mut self, number: i64, unit: NumberUnit) {
        if number < 0 {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        if self.unit != unit && !self.take_unit(unit) {
            return;
        }
        match &mut self.stage {
            Stage::Exact(values) if values.len() < EXACT_VALUES_MAX => values.push(number),
            Stage::List(list) if list.len() < LIST_VALUES_MAX => {
                list.push(index(number, unit, self.digits));
            }
            Stage::Dense(dense) => dense.add(index(number, unit, self.digits), 1),
            _ => {
                self.promote();
                self.add(number, unit);
            }
        }
    }

    /// Adds a float.
    pub fn add_float(&mut self, number: f64, unit: NumberUnit) {
        if self.unit == unit || self.take_unit(unit) {
            self.floats.get_or_insert_default().add(number);
        }
    }

    /// Joins a unit to those seen; `false` if there is no common one, and then nothing is held.
    #[cold]
    fn take_unit(&mut self, unit: NumberUnit) -> bool {
        let known = self.unit;
        self.unit = known.with(unit);
        let is_duration = |unit| unit == NumberUnit::Duration;
        let is_none = known == NumberUnit::None || unit == NumberUnit::None;
        self.is_mixed |= !is_none && is_duration(known) != is_duration(unit);
        if self.is_mixed {
            self.unit = NumberUnit::Float;
            self.stage = Stage::Exact(Vec::new());
            self.floats = None;
        }
        !self.is_mixed
    }

    /// Brings equal sketches to equal states.
    pub fn canonical(&mut self) {
        self.seal();
        if let Some(floats) = &mut self.floats {
            floats.canonical();
        }
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        let floats = |floats: &Distribution| size_of::<Distribution>() + floats.heap_bytes();
        let stage = match &self.stage {
            Stage::Exact(values) => values.capacity() * 8,
            Stage::List(list) => list.capacity() * 2,
            Stage::Dense(dense) => size_of::<Dense>() + dense.counts.capacity() * 8,
        };
        stage + self.floats.as_deref().map_or(0, floats)
    }

    #[cold]
    fn promote(&mut self) {
        let (unit, digits) = (self.unit, self.digits);
        self.stage = match std::mem::replace(&mut self.stage, Stage::List(Vec::new())) {
            Stage::Exact(values) => {
                let mut list = Vec::with_capacity(LIST_FIRST_VALUES);
                list.extend(values.iter().map(|value| index(*value, unit, digits)));
                Stage::List(list)
            }
            Stage::List(list) => {
                let mut dense = Box::<Dense>::default();
                list.iter().for_each(|at| dense.add(*at, 1));
                Stage::Dense(dense)
            }
            dense @ Stage::Dense(_) => dense,
        };
    }

    /// Adds another sketch of the same precision.
    pub fn merge(&mut self, other: &Self) {
        self.refused = self.refused.saturating_add(other.refused);
        self.is_mixed |= other.is_mixed;
        if !self.take_unit(other.unit) {
            return;
        }
        if let Some(theirs) = &other.floats {
            self.floats.get_or_insert_default().merge(theirs);
        }
        let total = self.len() + other.len();
        while stage_max(&self.stage) < stage_max(&other.stage) || total > stage_max(&self.stage) {
            self.promote();
        }
        let (unit, digits) = (other.unit, self.digits);
        match (&mut self.stage, &other.stage) {
            (Stage::Exact(all), Stage::Exact(values)) => all.extend(values),
            (Stage::List(all), Stage::Exact(values)) => {
                all.extend(values.iter().map(|value| index(*value, unit, digits)));
            }
            (Stage::List(all), Stage::List(list)) => all.extend(list),
            (Stage::Dense(dense), Stage::Exact(values)) => {
                values.iter().for_each(|value| dense.add(index(*value, unit, digits), 1));
            }
            (Stage::Dense(dense), Stage::List(list)) => {
                list.iter().for_each(|at| dense.add(*at, 1));
            }
            (Stage::Dense(dense), Stage::Dense(others)) => dense.merge(others),
            (Stage::Exact(_), _) | (Stage::List(_), Stage::Dense(_)) => {
                unreachable!("the left side was promoted at least as far as the right side")
            }
        }
    }

    /// Takes back a sketch that was merged; `false` where the rest is not known exactly: of few
    /// values that were many, whose exact values are gone, or of values of several units.
    pub fn subtract(&mut self, other: &Self) -> bool {
        if self.is_mixed || other.is_mixed || self.floats.is_some() || other.floats.is_some() {
            return false;
        }
        self.refused = self.refused.saturating_sub(other.refused);
        if other.len() == 0 {
            return true;
        }
        if self.unit != other.unit || self.unit.is_float() || self.len() < other.len() {
            return false;
        }
        let rest = self.len() - other.len();
        if rest == 0 {
            *self = Self { refused: self.refused, ..Self::new(self.digits) };
            return true;
        }
        let (unit, digits) = (self.unit, self.digits);
        match (&mut self.stage, &other.stage) {
            (Stage::Exact(all), Stage::Exact(values)) => values.iter().all(|value| {
                let found = all.iter().position(|known| known == value);
                found.map(|at| all.swap_remove(at)).is_some()
            }),
            (Stage::Exact(_), _) => false,
            _ if rest <= EXACT_VALUES_MAX as u64 => false,
            (Stage::List(all), Stage::Exact(values)) => {
                remove_all(all, values.iter().map(|value| index(*value, unit, digits)).collect())
            }
            (Stage::List(all), Stage::List(list)) => remove_all(all, list.clone()),
            (Stage::List(_), Stage::Dense(_)) => false,
            (Stage::Dense(all), Stage::Exact(values)) => {
                values.iter().all(|value| all.remove(index(*value, unit, digits), 1))
            }
            (Stage::Dense(all), Stage::List(list)) => list.iter().all(|at| all.remove(*at, 1)),
            (Stage::Dense(all), Stage::Dense(counts)) => {
                let mut counts = counts.counts.iter().enumerate();
                counts.all(|(at, n)| all.remove(at as u16, *n))
            }
        }
    }

    /// Number of whole values.
    pub(super) fn len(&self) -> u64 {
        stage_len(&self.stage)
    }

    /// Number of values taken.
    pub fn count(&self) -> u64 {
        self.len() + self.floats.as_ref().map_or(0, |floats| floats.count())
    }

    /// Sorts what is a list, so that quantiles are look-ups.
    pub fn seal(&mut self) {
        match &mut self.stage {
            Stage::Exact(values) => values.sort_unstable(),
            Stage::List(list) => sort(list),
            Stage::Dense(_) => {}
        }
    }

    /// The value at nearest rank ⌈q·n⌉ of a sealed sketch; null if there are no values.
    pub fn quantile(&self, millionths: u32) -> Value {
        let total = self.count();
        if total == 0 {
            return Value::Null;
        }
        let rank = (u128::from(total) * u128::from(millionths)).div_ceil(1_000_000).max(1) as u64;
        if let Some(floats) = &self.floats {
            return self.float_quantile(floats, millionths);
        }
        match &self.stage {
            Stage::Exact(values) => self.unit.whole(values[rank as usize - 1]),
            Stage::List(list) => self.bucket_value(list[rank as usize - 1]),
            Stage::Dense(dense) => self.bucket_value(dense.at_rank(rank)),
        }
    }

    fn bucket_value(&self, at: u16) -> Value {
        self.bucket_value_in(at, self.unit)
    }

    /// The value that stands for a bucket, in a unit.
    pub(super) fn bucket_value_in(&self, at: u16, unit: NumberUnit) -> Value {
        bucket_value(at, self.digits, unit)
    }

    /// With floats among the values, all of them are read from exponential buckets.
    fn float_quantile(&self, floats: &Distribution, millionths: u32) -> Value {
        let mut all = floats.clone();
        match &self.stage {
            Stage::Exact(values) => values.iter().for_each(|value| all.add(*value as f64)),
            Stage::List(list) => {
                list.iter().for_each(|at| all.add(highest_equivalent(*at, self.digits) as f64));
            }
            Stage::Dense(dense) => {
                for (at, n) in dense.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                    let value = highest_equivalent(at as u16, self.digits);
                    all.add_times(value as f64, *n);
                }
            }
        }
        let unit = self.unit.with(NumberUnit::Float);
        let unit = if self.unit == NumberUnit::Ratio { NumberUnit::Ratio } else { unit };
        all.quantile(millionths).map_or(Value::Null, |value| unit.value(value))
    }
}

/// The value that stands for a bucket of sketches of a precision, in a unit.
pub(super) fn bucket_value(at: u16, digits: u8, unit: NumberUnit) -> Value {
    let value = highest_equivalent(at, digits);
    match unit {
        NumberUnit::Duration => Value::Duration(value.saturating_mul(1_000)),
        unit => unit.whole(value),
    }
}

fn stage_len(stage: &Stage) -> u64 {
    match stage {
        Stage::Exact(values) => values.len() as u64,
        Stage::List(list) => list.len() as u64,
        Stage::Dense(dense) => dense.total,
    }
}

/// Values up to which a stage is chosen.
fn stage_max(stage: &Stage) -> u64 {
    match stage {
        Stage::Exact(_) => EXACT_VALUES_MAX as u64,
        Stage::List(_) => LIST_VALUES_MAX as u64,
        Stage::Dense(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[i64], digits: u8) -> Sketch {
        let mut sketch = Sketch::new(digits);
        values.iter().for_each(|value| sketch.add(*value, NumberUnit::Int));
        sketch
    }

    fn values() -> impl Strategy<Value = Vec<i64>> {
        let value = prop_oneof![0..300i64, 0..1_000_000i64, 0..1i64 << 60];
        vec(value, 1..3_000)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn quantiles_are_exact_when_few_and_hdrhistograms_when_many(
            values in values(),
            digits in 2..4u8,
        ) {
            let mut sketch = sketch(&values, digits);
            sketch.seal();
            let mut histogram = Histogram::<u64>::new(digits).unwrap();
            values.iter().for_each(|value| histogram.record(*value as u64).unwrap());
            let mut sorted = values.clone();
            sorted.sort_unstable();
            for millionths in [0, 1, 500_000, 900_000, 950_000, 990_000, 999_000, 1_000_000] {
                let rank = (values.len() * millionths as usize).div_ceil(1_000_000).max(1);
                let exact = sorted[rank - 1];
                let expected = if values.len() <= EXACT_VALUES_MAX {
                    exact
                } else {
                    histogram.highest_equivalent(exact as u64) as i64
                };
                prop_assert_eq!(sketch.quantile(millionths), Value::Int(expected));
            }
        }

        #[test]
        fn neither_order_nor_partition_shows(values in values(), cuts in vec(0..3_000usize, 0..5)) {
            let mut whole = sketch(&values, 2);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % values.len()).collect();
            cuts.extend([0, values.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| sketch(&values[cut[0]..cut[1]], 2));
            let mut merged = Sketch::new(2);
            parts.collect::<Vec<_>>().into_iter().rev().for_each(|part| merged.merge(&part));
            whole.seal();
            merged.seal();
            prop_assert_eq!(merged, whole);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn what_was_merged_is_taken_back_without_a_trace(
            gone in values(),
            kept in values(),
            many in 0..3_000usize,
        ) {
            let (gone, kept) = (&gone[..many.min(gone.len())], &kept[..many.min(kept.len())]);
            let mut rest = sketch(kept, 2);
            let mut all = rest.clone();
            all.merge(&sketch(gone, 2));
            all.seal();
            if all.subtract(&sketch(gone, 2)) {
                all.seal();
                rest.seal();
                prop_assert_eq!(all.count(), rest.count());
                for millionths in [0, 10_000, 500_000, 990_000, 1_000_000] {
                    prop_assert_eq!(all.quantile(millionths), rest.quantile(millionths));
                }
            } else {
                let was_few = gone.len() + kept.len() <= EXACT_VALUES_MAX;
                prop_assert!(!was_few && kept.len() <= EXACT_VALUES_MAX);
            }
        }
    }

    #[test]
    fn a_float_quantile_is_within_its_bound() {
        let mut sketch = Sketch::new(2);
        (1..=1_000).for_each(|n| sketch.add_float(f64::from(n) / 10.0, NumberUnit::Float));
        let Value::Float(p99) = sketch.quantile(990_000) else { panic!("a float") };
        assert!((p99 / 99.0 - 1.0).abs() < 0.011, "{p99}");
    }

    #[test]
    fn durations_are_bucketed_in_microseconds() {
        let mut sketch = Sketch::new(2);
        (0..100).for_each(|_| sketch.add(1_234_567, NumberUnit::Duration));
        sketch.seal();
        assert_eq!(sketch.quantile(500_000), Value::Duration(1_239_000));
    }
}
