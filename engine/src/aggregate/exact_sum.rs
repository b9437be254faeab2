//! Sums of floating-point numbers that do not depend on their order.
//!
//! A fixed-point number wide enough for every finite `f64` (a small superaccumulator, after
//! Kulisch): adding and merging are exact, and the result is rounded once, to nearest even.

use serde::{Deserialize, Serialize};

/// Limbs of 32 bits: 2 098 bits from 2^-1074 to 2^1023, and 64 of head room for carries.
const LIMBS: usize = 68;

/// Additions after which carries are moved on: each adds less than 2^32 to a limb of 63 bits.
const ADDS_MAX: u32 = 1 << 30;

/// The exact sum of any number of floats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactSum {
    /// Little-endian limbs; between additions each may hold more than 32 bits, with a sign.
    limbs: Vec<i64>,
    adds: u32,
    nans: u64,
    positive_infinities: u64,
    negative_infinities: u64,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self {
            limbs: vec![0; LIMBS],
            adds: 0,
            nans: 0,
            positive_infinities: 0,
            negative_infinities: 0,
        }
    }
}

impl ExactSum {
    /// Adds one number.
    pub fn add(&mut self, number: f64) {
        if !number.is_finite() {
            if number.is_nan() {
                self.nans += 1;
            } else if number > 0.0 {
                self.positive_infinities += 1;
            } else {
                self.negative_infinities += 1;
            }
            return;
        }
        let bits = number.to_bits();
        let exponent = ((bits >> 52) & 0x7FF) as usize;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let wide = u128::from(mantissa) << (shift % 32);
        for (index, limb) in self.limbs[shift / 32..].iter_mut().take(3).enumerate() {
            let part = ((wide >> (32 * index)) & 0xFFFF_FFFF) as i64;
            *limb += if number < 0.0 { -part } else { part };
        }
        self.adds += 1;
        if self.adds >= ADDS_MAX {
            self.normalize();
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        if self.adds.saturating_add(other.adds) >= ADDS_MAX {
            self.normalize();
        }
        for (mine, theirs) in self.limbs.iter_mut().zip(&other.limbs) {
            *mine += theirs;
        }
        self.adds += other.adds + 1;
        self.nans += other.nans;
        self.positive_infinities += other.positive_infinities;
        self.negative_infinities += other.negative_infinities;
    }

    /// Moves carries on, so that all limbs but the last are in `0..2^32`.
    fn normalize(&mut self) {
        let mut carry = 0i64;
        let last = self.limbs.len() - 1;
        for limb in &mut self.limbs[..last] {
            let value = *limb + carry;
            carry = value >> 32;
            *limb = value & 0xFFFF_FFFF;
        }
        self.limbs[last] += carry;
        self.adds = 1;
    }

    /// The sum, rounded to nearest even.
    pub fn value(&self) -> f64 {
        if self.nans > 0 || (self.positive_infinities > 0 && self.negative_infinities > 0) {
            return f64::NAN;
        }
        if self.positive_infinities > 0 {
            return f64::INFINITY;
        }
        if self.negative_infinities > 0 {
            return f64::NEG_INFINITY;
        }
        let mut sum = self.clone();
        sum.normalize();
        let is_negative = sum.limbs[LIMBS - 1] < 0;
        if is_negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.normalize();
        }
        let magnitude = round(&sum.limbs);
        if is_negative { -magnitude } else { magnitude }
    }
}

/// The value of normalized, non-negative limbs, rounded once.
fn round(limbs: &[i64]) -> f64 {
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    // The top 96 bits or more hold the 53 of the result; anything below only breaks ties.
    let low = top.saturating_sub(3);
    let mut wide: u128 = 0;
    for limb in limbs[low..=top].iter().rev() {
        wide = wide << 32 | u128::from(*limb as u64);
    }
    if limbs[..low].iter().any(|limb| *limb != 0) {
        wide |= 1; // sticky
    }
    let exponent = low as i32 * 32 - 1074;
    let bits = 128 - wide.leading_zeros() as i32;
    // How many of the low bits do not fit the mantissa (subnormals have a fixed exponent).
    let drop = (bits - 53).max(-1074 - exponent).max(0);
    let mut mantissa = if drop >= 128 { 0 } else { wide >> drop };
    if drop > 0 && drop <= 128 {
        let half = 1u128 << (drop - 1);
        let rest = wide & ((half << 1).wrapping_sub(1));
        if rest > half || (rest == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
    }
    scale(mantissa as f64, exponent + drop)
}

/// `mantissa * 2^exponent` without an intermediate overflow or a second rounding.
fn scale(mantissa: f64, exponent: i32) -> f64 {
    let step = |mut value: f64, mut exponent: i32| {
        while exponent > 1000 {
            value *= 2f64.powi(1000);
            exponent -= 1000;
        }
        while exponent < -1000 {
            value *= 2f64.powi(-1000);
            exponent += 1000;
        }
        value * 2f64.powi(exponent)
    };
    step(mantissa, exponent)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact is the point")]
mod tests {
    use super::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum.value()
    }

    #[test]
    fn cancellation_loses_nothing() {
        assert_eq!(sum(&[1e308, 1.0, -1e308]), 1.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[5e-324, -5e-324, 5e-324]), 5e-324);
        assert_eq!(sum(&[-2.5, 1.0]), -1.5);
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
    }

    #[test]
    fn ties_round_to_even_and_what_lies_below_breaks_them() {
        let half = 2f64.powi(-53);
        assert_eq!(sum(&[1.0, half]), 1.0);
        assert_eq!(sum(&[1.0, half, 1e-300]), 1.0 + f64::EPSILON);
    }

    #[test]
    fn what_is_not_finite_shows() {
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[f64::NEG_INFINITY, 1.0]), f64::NEG_INFINITY);
    }

    proptest::proptest! {
        #[test]
        fn single_numbers_come_back(
            number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL,
        ) {
            proptest::prop_assert_eq!(sum(&[number]), number);
        }

        #[test]
        fn order_and_partition_do_not_show(
            numbers in proptest::collection::vec(proptest::num::f64::NORMAL, 0..40),
            at in 0..40usize,
        ) {
            let whole = sum(&numbers);
            let mut reversed = numbers.clone();
            reversed.reverse();
            proptest::prop_assert_eq!(sum(&reversed).to_bits(), whole.to_bits());
            let (left, right) = numbers.split_at(at.min(numbers.len()));
            let (mut a, mut b) = (ExactSum::default(), ExactSum::default());
            left.iter().for_each(|number| a.add(*number));
            right.iter().for_each(|number| b.add(*number));
            b.merge(&a);
            proptest::prop_assert_eq!(b.value().to_bits(), whole.to_bits());
        }
    }
}
