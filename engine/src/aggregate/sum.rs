//! Exact sums of numbers of any unit.
//!
//! Invariant: equal numbers make equal sums, in whatever order and parts they come; rounding
//! happens once, when a result is read.

use serde::{Deserialize, Serialize};

use super::exact_sum::ExactSum;
use super::sketch::NumberUnit;
use crate::model::Value;

/// Count, sum and (where asked) sum of squares, all exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Numbers added.
    count: u64,
    /// Sum of the whole ones, in their unit: 2^64 numbers of 63 bits fit.
    whole: i128,
    /// Sum of squares of the whole ones, as far as it fits; the rest is in `wide`.
    squares: i128,
    /// Floats, and what has left 128 bits.
    wide: Option<Box<Wide>>,
    /// The units seen.
    unit: NumberUnit,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Wide {
    floats: ExactSum,
    squares: ExactSum,
}

impl Sum {
    /// Adds a whole number.
    #[inline]
    pub fn add_whole(&mut self, number: i64, unit: NumberUnit) {
        self.count += 1;
        self.whole += i128::from(number);
        self.unit = self.unit.with(unit);
    }

    /// Adds the square of a whole number.
    #[inline]
    pub fn add_square(&mut self, number: i64) {
        self.add_squares(i128::from(number) * i128::from(number));
    }

    fn add_squares(&mut self, squares: i128) {
        match self.squares.checked_add(squares) {
            Some(sum) => self.squares = sum,
            None => {
                let wide = self.wide.get_or_insert_default();
                wide.squares.add_whole(self.squares);
                self.squares = squares;
            }
        }
    }

    /// Adds a float, and its square where asked.
    pub fn add_float(&mut self, number: f64, unit: NumberUnit, with_square: bool) {
        self.count += 1;
        self.unit = self.unit.with(unit);
        let wide = self.wide.get_or_insert_default();
        wide.floats.add(number);
        if with_square {
            wide.squares.add_square(number);
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.whole += other.whole;
        self.unit = self.unit.with(other.unit);
        self.add_squares(other.squares);
        if let Some(theirs) = &other.wide {
            let mine = self.wide.get_or_insert_default();
            mine.floats.merge(&theirs.floats);
            mine.squares.merge(&theirs.squares);
        }
    }

    /// Takes back a sum that was merged; `false`, and nothing done, if the unit of the rest is not
    /// known: their units differ, or are those of floats, which whole numbers may have joined.
    pub fn subtract(&mut self, other: &Self) -> bool {
        if other.count == 0 {
            return true;
        }
        let is_known = self.unit == other.unit && self.unit != NumberUnit::Float;
        if !is_known || self.wide.is_some() != other.wide.is_some() || self.count < other.count {
            return false;
        }
        self.count -= other.count;
        if self.count == 0 {
            *self = Self::default();
            return true;
        }
        self.whole -= other.whole;
        match (&mut self.wide, &other.wide) {
            (Some(mine), Some(theirs)) => {
                mine.floats.subtract(&theirs.floats);
                mine.squares.subtract(&theirs.squares);
                mine.squares.add_whole(self.squares);
                mine.squares.add_whole(-other.squares);
                self.squares = 0;
            }
            _ => self.squares -= other.squares,
        }
        true
    }

    /// Brings equal sums to equal states.
    pub fn canonical(&mut self) {
        if let Some(wide) = &mut self.wide {
            wide.squares.add_whole(self.squares);
            self.squares = 0;
            wide.floats.canonical();
            wide.squares.canonical();
        }
    }

    /// Everything as one exact sum.
    fn exact(&self) -> ExactSum {
        let mut sum = self.wide.as_ref().map(|wide| wide.floats.clone()).unwrap_or_default();
        sum.add_whole(self.whole);
        sum
    }

    fn total(&self) -> f64 {
        if self.wide.is_some() { self.exact().value() } else { self.whole as f64 }
    }

    /// The sum in its unit; null if nothing was added.
    pub fn sum(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        if self.unit.is_float() {
            return self.unit.value(self.total());
        }
        match i64::try_from(self.whole) {
            Ok(whole) => self.unit.whole(whole),
            Err(_) => Value::Float(self.whole as f64),
        }
    }

    /// The mean in its unit: the sum, rounded once, over the count; null if nothing was added.
    pub fn avg(&self) -> Value {
        if self.count == 0 {
            Value::Null
        } else {
            self.unit.value(self.total() / self.count as f64)
        }
    }

    /// The population standard deviation in its unit; null if nothing was added. It comes from
    /// exact sums: nothing cancels.
    pub fn stddev(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        let count = self.count as f64;
        self.unit.value(self.spread().sqrt() / count)
    }

    /// n·Σx² − (Σx)².
    fn spread(&self) -> f64 {
        if self.wide.is_none() {
            let squares = self.squares.checked_mul(i128::from(self.count));
            let square = self.whole.checked_mul(self.whole);
            if let Some(spread) = squares.zip(square).and_then(|(a, b)| a.checked_sub(b)) {
                return spread as f64;
            }
        }
        let sum = self.exact();
        if !sum.is_finite() {
            return f64::NAN;
        }
        let mut squares = self.wide.as_ref().map(|wide| wide.squares.clone()).unwrap_or_default();
        squares.add_whole(self.squares);
        ExactSum::spread(&sum, &squares, self.count)
    }

    /// The sum per second.
    pub fn rate(&self, window_ns: i64) -> Value {
        if window_ns <= 0 || self.count == 0 {
            Value::Null
        } else {
            Value::Float(self.total() / (window_ns as f64 / 1e9))
        }
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        let wide =
            |wide: &Wide| size_of::<Wide>() + wide.floats.heap_bytes() + wide.squares.heap_bytes();
        self.wide.as_deref().map_or(0, wide)
    }
}
