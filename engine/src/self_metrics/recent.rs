//! How long things took of late: quantiles of the last minute, and of the one before it.
//!
//! Invariant: memory does not grow with what is recorded. A lock is held for one short step, and
//! each of these is written by one thread; who reads is a person that asks how the run is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock::{Instant, monotonic};
use crate::limits::{RECENT_DURATION_S_MAX, RECENT_SPAN_S};

/// How long the newer half is filled.
const SPAN: Duration = Duration::from_secs(RECENT_SPAN_S);

/// The longest duration that is told from longer ones.
const LONGEST: Duration = Duration::from_secs(RECENT_DURATION_S_MAX);

/// Digits of a quantile that are right.
const DIGITS: u8 = 2;

/// Durations of the last one to two minutes.
#[derive(Debug)]
pub struct Recent(Mutex<Halves>);

/// What they were, some at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lately {
    /// How many.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
}

#[derive(Debug)]
struct Halves {
    /// When the newer one began.
    begun: Instant,
    /// In microseconds.
    newer: Histogram<u32>,
    older: Histogram<u32>,
}

impl Default for Recent {
    fn default() -> Self {
        let most = LONGEST.as_micros() as u64;
        let empty = || Histogram::new_with_bounds(1, most, DIGITS).expect("bounds that may be");
        Self(Mutex::new(Halves { begun: monotonic(), newer: empty(), older: empty() }))
    }
}

impl Recent {
    /// Notes that something took so long, so many times.
    pub fn record(&self, took: Duration, times: u64) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.halves(monotonic()).newer.saturating_record_n(us, times);
    }

    /// What was noted; none if nothing was.
    pub fn lately(&self) -> Option<Lately> {
        self.lately_at(monotonic())
    }

    fn lately_at(&self, now: Instant) -> Option<Lately> {
        let mut halves = self.halves(now);
        let Halves { newer, older, .. } = &mut *halves;
        let mut all = older.clone();
        all += &*newer; // of equal bounds
        drop(halves);
        let at = |quantile| Duration::from_micros(all.value_at_quantile(quantile));
        let lately = || Lately {
            count: all.len(),
            p50: at(0.5),
            p99: at(0.99),
            max: Duration::from_micros(all.max()),
        };
        (!all.is_empty()).then(lately)
    }

    /// What is held, without what is too old.
    fn halves(&self, now: Instant) -> MutexGuard<'_, Halves> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.duration_since(halves.begun);
        if passed >= SPAN {
            let Halves { begun, newer, older } = &mut *halves;
            std::mem::swap(newer, older);
            newer.reset();
            if passed >= 2 * SPAN {
                older.reset();
            }
            *begun += SPAN * (passed.as_secs() / RECENT_SPAN_S) as u32;
        }
        halves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn quantiles_are_right_to_two_digits() {
        let recent = Recent::default();
        assert_eq!(recent.lately(), None);
        for number in 1..=1_000 {
            recent.record(number * MS, 1);
        }
        let lately = recent.lately().unwrap();
        let is_near = |found: Duration, exact: u32| {
            let off = found.as_secs_f64() / (exact * MS).as_secs_f64() - 1.0;
            assert!(off.abs() <= 0.01, "{found:?} for {exact} ms");
        };
        assert_eq!(lately.count, 1_000);
        is_near(lately.p50, 500);
        is_near(lately.p99, 990);
        is_near(lately.max, 1_000);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let recent = Recent::default();
        let begun = recent.halves(monotonic()).begun;
        let at = |seconds| begun + Duration::from_secs(seconds);
        let record = |seconds, times| {
            recent.halves(at(seconds)).newer.saturating_record_n(1_000, times);
        };
        let count = |seconds| recent.lately_at(at(seconds)).map(|lately| lately.count);
        record(0, 7);
        assert_eq!((count(59), count(60)), (Some(7), Some(7)), "then it is of the minute before");
        record(61, 2);
        assert_eq!((count(119), count(120), count(180)), (Some(9), Some(2), None));
        record(185, 1);
        assert_eq!((count(190), count(900)), (Some(1), None));
    }

    #[test]
    fn what_takes_too_long_counts_as_the_longest_and_memory_stays() {
        let recent = Recent::default();
        recent.record(Duration::MAX, u64::MAX);
        recent.record(Duration::ZERO, 1);
        let lately = recent.lately().unwrap();
        assert!(lately.max >= LONGEST && lately.max < 2 * LONGEST);
        let halves = recent.halves(monotonic());
        assert!(halves.newer.distinct_values() < 4_096, "{}", halves.newer.distinct_values());
    }
}
