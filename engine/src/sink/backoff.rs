//! Pauses between attempts: exponential, with jitter from a seed.
//!
//! Senders that failed together must not come back together, so the seed should differ between
//! processes. This file knows no randomness of its own.
//!
//! Source: OTLP exporter specification, "Retry"; `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).

use std::time::Duration;

/// The first pause before jitter, and the longest one.
const FIRST_MS: u64 = 500;
const LONGEST_MS: u64 = 30_000;

/// Pauses between attempts.
#[derive(Debug, Clone)]
pub(super) struct Backoff(u64);

impl Backoff {
    /// Its jitter is a function of the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The pause after the `attempt`th failure in a row, counted from 1: between half and all of a
    /// time that doubles.
    pub(super) fn pause(&mut self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let full_us = (FIRST_MS << doublings).min(LONGEST_MS) * 1_000;
        let half_us = full_us / 2;
        Duration::from_micros(full_us - half_us + self.next() % (half_us + 1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ_by_seed() {
        let mut one = Backoff::new(1);
        for (attempt, full_ms) in [(1, 500), (2, 1_000), (3, 2_000), (7, 30_000), (9_999, 30_000)] {
            let pauses: Vec<_> = (0..200).map(|_| one.pause(attempt)).collect();
            let (low, high) = (Duration::from_millis(full_ms / 2), Duration::from_millis(full_ms));
            assert!(pauses.iter().all(|pause| (low..=high).contains(pause)), "{pauses:?}");
            let lowest = pauses.iter().min().unwrap();
            let spread = pauses.iter().max().unwrap().saturating_sub(*lowest);
            assert!(spread > high.saturating_sub(low) * 9 / 10, "{spread:?}");
        }
        assert_ne!(Backoff::new(2).pause(5), Backoff::new(3).pause(5));
        assert_eq!(Backoff::new(2).pause(5), Backoff::new(2).pause(5));
    }
}
