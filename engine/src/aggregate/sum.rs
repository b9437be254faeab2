//! Exact sums of numbers of any unit.

use serde::{Deserialize, Serialize};

use super::exact_sum::ExactSum;
use super::sketch::NumberUnit;
use crate::model::Value;

/// Count, sum and (where asked) sum of squares, all exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Numbers added.
    pub count: u64,
    /// Sum of the whole ones, in their unit.
    pub whole: i128,
    /// Sum of squares of the whole ones; `None` once it has left 128 bits.
    pub squares: i128,
    /// Whether `squares` overflowed, so that only `float_squares` holds.
    pub is_wide: bool,
    /// Sum of the floats, and of the squares of everything once wide.
    pub floats: Option<Box<(ExactSum, ExactSum)>>,
    /// The units seen.
    pub unit: NumberUnit,
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
        let square = i128::from(number) * i128::from(number);
        match self.squares.checked_add(square) {
            Some(sum) => self.squares = sum,
            None => {
                let carried = split(self.squares);
                let floats = &mut self.floats.get_or_insert_default().1;
                carried.into_iter().for_each(|part| floats.add(part));
                self.squares = square;
                self.is_wide = true;
            }
        }
    }

    /// Adds a float, and its square where asked.
    pub fn add_float(&mut self, number: f64, unit: NumberUnit, with_square: bool) {
        self.count += 1;
        self.unit = self.unit.with(unit);
        let floats = self.floats.get_or_insert_default();
        floats.0.add(number);
        if with_square {
            floats.1.add(number * number);
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.whole += other.whole;
        self.unit = self.unit.with(other.unit);
        self.is_wide |= other.is_wide;
        match self.squares.checked_add(other.squares) {
            Some(sum) => self.squares = sum,
            None => {
                let floats = &mut self.floats.get_or_insert_default().1;
                split(self.squares).into_iter().for_each(|part| floats.add(part));
                self.squares = other.squares;
                self.is_wide = true;
            }
        }
        if let Some(theirs) = &other.floats {
            let mine = self.floats.get_or_insert_default();
            mine.0.merge(&theirs.0);
            mine.1.merge(&theirs.1);
        }
    }

    fn total(&self) -> f64 {
        match &self.floats {
            None => self.whole as f64,
            Some(floats) => {
                let mut sum = floats.0.clone();
                split(self.whole).into_iter().for_each(|part| sum.add(part));
                sum.value()
            }
        }
    }

    /// The sum in its unit; null if nothing was added.
    pub fn sum(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        if self.floats.as_ref().is_some_and(|_| self.unit.is_float()) {
            return self.unit.value(self.total());
        }
        match i64::try_from(self.whole) {
            Ok(whole) => self.unit.whole(whole),
            Err(_) => Value::Float(self.whole as f64),
        }
    }

    /// The mean in its unit; null if nothing was added.
    pub fn avg(&self) -> Value {
        if self.count == 0 {
            Value::Null
        } else {
            self.unit.value(self.total() / self.count as f64)
        }
    }

    /// The population standard deviation in its unit; null if nothing was added.
    pub fn stddev(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        let count = self.count as f64;
        let variance = match (&self.floats, self.is_wide) {
            (None, false) => {
                // n·Σx² − (Σx)² in whole numbers where they fit: no cancellation.
                let squares = self.squares.checked_mul(i128::from(self.count));
                let square = self.whole.checked_mul(self.whole);
                match squares.zip(square).and_then(|(a, b)| a.checked_sub(b)) {
                    Some(spread) => spread as f64 / count / count,
                    None => self.squares as f64 / count - (self.whole as f64 / count).powi(2),
                }
            }
            _ => {
                let mut squares = self.floats.as_ref().map(|f| f.1.clone()).unwrap_or_default();
                split(self.squares).into_iter().for_each(|part| squares.add(part));
                squares.value() / count - (self.total() / count).powi(2)
            }
        };
        self.unit.value(variance.max(0.0).sqrt())
    }

    /// The sum per second.
    pub fn rate(&self, window_ns: i64) -> Value {
        if window_ns <= 0 {
            Value::Null
        } else {
            Value::Float(self.total() / (window_ns as f64 / 1e9))
        }
    }
}

/// A whole number of 128 bits as floats whose sum it is exactly.
fn split(whole: i128) -> [f64; 3] {
    let high = (whole >> 96) as f64 * 2f64.powi(96);
    let middle = ((whole >> 48) & ((1 << 48) - 1)) as f64 * 2f64.powi(48);
    let low = (whole & ((1 << 48) - 1)) as f64;
    [high, middle, low]
}
