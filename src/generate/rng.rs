//! A small random generator, so that a seed gives the same numbers in every version: `SplitMix64`
//! (Steele, Lea, Flood 2014).

/// The generator.
#[derive(Debug, Clone)]
pub(super) struct Rng {
    state: u64,
}

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Below `bound`, which is above 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * ln(1.0 - self.unit())
    }

    /// e to the power of a normal number with this standard deviation; the median is 1. The normal
    /// number is a sum of twelve uniform ones: within 6 deviations, and the same everywhere.
    pub(super) fn log_normal(&mut self, sigma: f64) -> f64 {
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        exp(sigma * normal)
    }
}

/// The natural logarithm of a number in (0, 1], from exact operations only: the system's libraries
/// differ in the last bit, and a seed must not depend on them.
fn ln(x: f64) -> f64 {
    let (mut mantissa, mut twos) = (x, 0.0);
    while mantissa < 0.75 {
        mantissa *= 2.0;
        twos -= 1.0;
    }
    // 2 artanh((m - 1) / (m + 1)), |argument| ≤ 1/7.
    let argument = (mantissa - 1.0) / (mantissa + 1.0);
    let square = argument * argument;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    2.0 * argument * series + twos * std::f64::consts::LN_2
}

/// e to the power of a number, likewise: by halving the argument and squaring the result.
fn exp(x: f64) -> f64 {
    let small = x / 1024.0;
    let series = (1..12).rev().fold(1.0, |sum, k| 1.0 + sum * small / f64::from(k));
    (0..10).fold(series, |power, _| power * power)
}

#[test]
fn logarithm_and_power_are_those_of_mathematics() {
    for step in 1..=1_000 {
        let x = f64::from(step) / 1_000.0;
        assert!((ln(x) - x.ln()).abs() < 1e-12, "ln {x}");
        let y = f64::from(step - 500) / 25.0;
        assert!((exp(y) / y.exp() - 1.0).abs() < 1e-9, "exp {y}");
    }
    assert!(ln(1e-16).is_finite());
}

#[test]
fn numbers_have_their_distribution() {
    let mut rng = Rng::new(7);
    let mean = (0..100_000).map(|_| rng.exponential(5.0)).sum::<f64>() / 100_000.0;
    assert!((mean - 5.0).abs() < 0.1, "{mean}");
    let below = (0..100_000).filter(|_| rng.log_normal(0.8) < 1.0).count();
    assert!((49_000..51_000).contains(&below), "{below} below the median");
    assert!((0..10_000).all(|_| rng.below(7) < 7));
}
