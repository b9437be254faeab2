//! Sums of floating-point numbers and of their squares that do not depend on their order.
//!
//! A fixed-point number wide enough for every finite `f64` and its square (a small
//! superaccumulator, after Kulisch), of which only the limbs in use are held: adding and merging
//! are exact, and the result is rounded once, to nearest even.

use serde::{Deserialize, Serialize};

/// Weight of bit 0 as a power of two: below the square of the smallest subnormal, 2^-2148.
const BASE_EXPONENT: i32 = -2_176;

/// Additions after which carries are moved on: each adds less than 2^33 to a limb of 63 bits.
const ADDS_MAX: u32 = 1 << 28;

/// The exact sum of any number of floats, squares of floats and whole numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactSum {
    /// Little-endian limbs of 32 bits from `first` on; between additions each may hold more,
    /// with a sign.
    limbs: Vec<i64>,
    first: u32,
    adds: u32,
    nans: u64,
    positive_infinities: u64,
    negative_infinities: u64,
}

impl ExactSum {
    /// Adds one number.
    pub fn add(&mut self, number: f64) {
        if number.is_nan() {
            self.nans += 1;
        } else if number == f64::INFINITY {
            self.positive_infinities += 1;
        } else if number == f64::NEG_INFINITY {
            self.negative_infinities += 1;
        } else if number != 0.0 {
            let (mantissa, shift) = parts(number);
            self.add_bits(u128::from(mantissa), shift + 1_102, number < 0.0);
        }
    }

    /// Adds a finite number several times at once.
    pub fn add_times(&mut self, number: f64, times: u64) {
        if number.is_finite() && number != 0.0 && times > 0 {
            let (mantissa, shift) = parts(number);
            // 53 bits times 64 bits.
            let product = u128::from(mantissa) * u128::from(times);
            self.add_bits(product, shift + 1_102, number < 0.0);
        }
    }

    /// Adds the square of a finite number, exactly; others are left out.
    pub fn add_square(&mut self, number: f64) {
        if number.is_finite() && number != 0.0 {
            let (mantissa, shift) = parts(number);
            self.add_bits(u128::from(mantissa).pow(2), 2 * shift + 28, false);
        }
    }

    /// Adds a whole number.
    pub fn add_whole(&mut self, number: i128) {
        if number != 0 {
            self.add_bits(number.unsigned_abs(), BASE_EXPONENT.unsigned_abs(), number < 0);
        }
    }

    /// Adds `±magnitude · 2^(position + BASE_EXPONENT)`.
    fn add_bits(&mut self, magnitude: u128, position: u32, is_negative: bool) {
        let (limb, shift) = (position / 32, position % 32);
        let pieces = (128 - magnitude.leading_zeros()).div_ceil(32);
        self.reach(limb, limb + pieces + 1);
        let at = (limb - self.first) as usize;
        for piece in 0..pieces as usize {
            let wide = ((magnitude >> (32 * piece)) as u64 & 0xFFFF_FFFF) << shift;
            let (low, high) = ((wide & 0xFFFF_FFFF) as i64, (wide >> 32) as i64);
            let sign = if is_negative { -1 } else { 1 };
            self.limbs[at + piece] += sign * low;
            self.limbs[at + piece + 1] += sign * high;
        }
        self.count_adds(1);
    }

    /// Makes room for limbs `from..to`.
    fn reach(&mut self, from: u32, to: u32) {
        if self.limbs.is_empty() {
            self.first = from;
        } else if from < self.first {
            let missing = (self.first - from) as usize;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = from;
        }
        let length = (to - self.first) as usize;
        if self.limbs.len() < length {
            self.limbs.resize(length, 0);
        }
    }

    fn count_adds(&mut self, adds: u32) {
        self.adds = self.adds.saturating_add(adds);
        if self.adds >= ADDS_MAX {
            self.canonical();
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.combine(other, 1);
        self.nans += other.nans;
        self.positive_infinities += other.positive_infinities;
        self.negative_infinities += other.negative_infinities;
    }

    /// Takes back a sum that was merged.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, -1);
        self.nans = self.nans.saturating_sub(other.nans);
        self.positive_infinities =
            self.positive_infinities.saturating_sub(other.positive_infinities);
        self.negative_infinities =
            self.negative_infinities.saturating_sub(other.negative_infinities);
    }

    fn combine(&mut self, other: &Self, sign: i64) {
        if other.limbs.is_empty() {
            return;
        }
        self.reach(other.first, other.first + other.limbs.len() as u32);
        let at = (other.first - self.first) as usize;
        for (mine, theirs) in self.limbs[at..].iter_mut().zip(&other.limbs) {
            *mine += sign * theirs;
        }
        self.count_adds(other.adds.saturating_add(1));
    }

    /// Brings equal sums to equal states: magnitude limbs of one sign, no zeros around them.
    pub fn canonical(&mut self) {
        let (is_negative, magnitude) = self.magnitude();
        let sign = if is_negative { -1 } else { 1 };
        let zeros = magnitude.iter().take_while(|limb| **limb == 0).count();
        let end = magnitude.iter().rposition(|limb| *limb != 0).map_or(zeros, |top| top + 1);
        self.limbs = magnitude[zeros..end].iter().map(|limb| sign * i64::from(*limb)).collect();
        self.first = if self.limbs.is_empty() { 0 } else { self.first + zeros as u32 };
        self.adds = u32::from(!self.limbs.is_empty());
    }

    /// Sign and limbs from `first` on.
    fn magnitude(&self) -> (bool, Vec<u32>) {
        let (mut magnitude, mut carry) = carried(&self.limbs, 1);
        let is_negative = carry < 0;
        if is_negative {
            (magnitude, carry) = carried(&self.limbs, -1);
        }
        while carry > 0 {
            magnitude.push(carry as u32);
            carry >>= 32;
        }
        (is_negative, magnitude)
    }

    /// The magnitude's limbs from limb 0 on, without leading zeros.
    fn all_limbs(&self) -> Vec<u32> {
        let mut limbs = vec![0; self.first as usize];
        limbs.extend(self.magnitude().1);
        limbs
    }

    /// Whether nothing but finite numbers was added.
    pub fn is_finite(&self) -> bool {
        self.nans == 0 && self.positive_infinities == 0 && self.negative_infinities == 0
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
        let (is_negative, magnitude) = self.magnitude();
        let rounded = round(&magnitude, BASE_EXPONENT + 32 * self.first as i32);
        if is_negative { -rounded } else { rounded }
    }

    /// `count · squares − sum²`, exact and rounded once: the variance times `count²`. The
    /// difference is never negative (Cauchy and Schwarz).
    pub fn spread(sum: &Self, squares: &Self, count: u64) -> f64 {
        let sum = sum.all_limbs();
        let scaled = multiply(&squares.all_limbs(), &[count as u32, (count >> 32) as u32]);
        // The square has the weight of both factors: bring the other side to it.
        let mut left = vec![0; BASE_EXPONENT.unsigned_abs() as usize / 32];
        left.extend(scaled);
        let right = multiply(&sum, &sum);
        let mut borrow = 0i64;
        left.resize(left.len().max(right.len()), 0);
        for (at, limb) in left.iter_mut().enumerate() {
            let taken = i64::from(right.get(at).copied().unwrap_or(0));
            let rest = i64::from(*limb) - taken + borrow;
            borrow = rest >> 32;
            *limb = rest as u32;
        }
        round(&left, 2 * BASE_EXPONENT)
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        self.limbs.capacity() * 8
    }
}

/// Mantissa and shift of a finite number: `mantissa · 2^(shift − 1074)`.
fn parts(number: f64) -> (u64, u32) {
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as u32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) }
}

fn carried(limbs: &[i64], sign: i64) -> (Vec<u32>, i64) {
    let mut carry = 0i64;
    let moved = limbs.iter().map(|limb| {
        let value = sign * limb + carry;
        carry = value >> 32;
        value as u32
    });
    let moved = moved.collect();
    (moved, carry)
}

fn multiply(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut product = vec![0u32; a.len() + b.len() + 1];
    for (i, x) in a.iter().enumerate().filter(|(_, x)| **x != 0) {
        let mut carry = 0u64;
        for (j, limb) in product[i..].iter_mut().enumerate() {
            let y = b.get(j).copied().unwrap_or(0);
            if j >= b.len() && carry == 0 {
                break;
            }
            let sum = u64::from(*x) * u64::from(y) + u64::from(*limb) + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
    }
    product
}

/// The value of limbs, the lowest of weight `2^base`, rounded once.
fn round(limbs: &[u32], base: i32) -> f64 {
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    // The top 97 bits or more hold the 53 of the result; anything below only breaks ties.
    let low = top.saturating_sub(3);
    let mut wide: u128 = 0;
    for limb in limbs[low..=top].iter().rev() {
        wide = wide << 32 | u128::from(*limb);
    }
    if limbs[..low].iter().any(|limb| *limb != 0) {
        wide |= 1; // sticky
    }
    let exponent = low as i32 * 32 + base;
    let bits = 128 - wide.leading_zeros() as i32;
    // How many of the low bits do not fit the mantissa (subnormals have a fixed exponent).
    let drop = (bits - 53).max(-1074 - exponent).max(0);
    let mut mantissa = if drop >= 128 { 0 } else { wide >> drop };
    if drop > 0 && drop <= 128 {
        let half = 1u128 << (drop - 1);
        let rest = if drop == 128 { wide } else { wide & ((1u128 << drop) - 1) };
        if rest > half || (rest == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
    }
    scale(mantissa as f64, exponent + drop)
}

/// `value * 2^exponent` without an intermediate overflow or a second rounding.
fn scale(mut value: f64, mut exponent: i32) -> f64 {
    while exponent > 1000 {
        value *= 2f64.powi(1000);
        exponent -= 1000;
    }
    while exponent < -1000 {
        value *= 2f64.powi(-1000);
        exponent += 1000;
    }
    value * 2f64.powi(exponent)
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
