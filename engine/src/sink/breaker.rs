//! A circuit breaker: a receiver that fails again and again is left alone for a while.
//!
//! Closed, it lets everything through. After some failures in a row it opens and lets nothing
//! through until a pause is over; then it is half open and lets exactly one through, whose result
//! closes or opens it again. State, failures and the end of the pause are one word, so that a
//! result costs one atomic step and no two callers see different halves of it.
//!
//! Source: Nygard, "Release It!", 2007, ch. 5.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a breaker lets a caller do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Go on.
    Open,
    /// Go on; everybody else waits for how this ends.
    Probe,
    /// Not before this time, milliseconds.
    Wait(u64),
}

/// The state of a breaker, for people and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything goes through.
    Closed,
    /// Nothing goes through.
    Open,
    /// One goes through.
    HalfOpen,
}

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;

/// Bits of the time; above it failures, above those the state.
const TIME_BITS: u32 = 48;
const FAILURE_BITS: u32 = 14;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const FAILURE_MASK: u64 = (1 << FAILURE_BITS) - 1;

/// A breaker. Times are milliseconds of any clock that does not go back.
#[derive(Debug)]
pub(super) struct Breaker {
    word: AtomicU64,
    failures_max: u64,
    pause_ms: u64,
    probe_ms: u64,
}

fn pack(state: u64, failures: u64, time_ms: u64) -> u64 {
    state << (TIME_BITS + FAILURE_BITS)
        | failures.min(FAILURE_MASK) << TIME_BITS
        | time_ms.min(TIME_MASK)
}

fn unpack(word: u64) -> (u64, u64, u64) {
    (word >> (TIME_BITS + FAILURE_BITS), word >> TIME_BITS & FAILURE_MASK, word & TIME_MASK)
}

impl Breaker {
    /// Opens after so many failures in a row, for so long. A probe that has not told how it ended
    /// after `probe_ms` is given up.
    pub(super) fn new(failures_max: u32, pause_ms: u64, probe_ms: u64) -> Self {
        let failures_max = u64::from(failures_max).clamp(1, FAILURE_MASK);
        Self { word: AtomicU64::new(0), failures_max, pause_ms, probe_ms }
    }

    pub(super) fn state(&self) -> BreakerState {
        match unpack(self.word.load(Ordering::Acquire)).0 {
            CLOSED => BreakerState::Closed,
            OPEN => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// Asks to go through.
    pub(super) fn admit(&self, now_ms: u64) -> Admission {
        let word = self.word.load(Ordering::Acquire);
        let (state, failures, time_ms) = unpack(word);
        match state {
            CLOSED => Admission::Open,
            OPEN if now_ms >= time_ms => {
                let half_open = pack(HALF_OPEN, failures, now_ms + self.probe_ms);
                let order = (Ordering::AcqRel, Ordering::Acquire);
                match self.word.compare_exchange(word, half_open, order.0, order.1) {
                    Ok(_) => Admission::Probe,
                    // Somebody else probes, or closed it just now: ask again soon.
                    Err(_) => Admission::Wait(now_ms + 1),
                }
            }
            OPEN => Admission::Wait(time_ms),
            // A probe that never tells how it ended (its task is gone) is not waited for for ever.
            _ if now_ms >= time_ms => {
                let again = pack(HALF_OPEN, failures, now_ms + self.probe_ms);
                let order = (Ordering::AcqRel, Ordering::Acquire);
                match self.word.compare_exchange(word, again, order.0, order.1) {
                    Ok(_) => Admission::Probe,
                    Err(_) => Admission::Wait(now_ms + 1),
                }
            }
            _ => Admission::Wait(time_ms),
        }
    }

    /// A call went well.
    pub(super) fn succeeded(&self) {
        self.word.store(pack(CLOSED, 0, 0), Ordering::Release);
    }

    /// A call failed; whether the breaker opened by that.
    pub(super) fn failed(&self, now_ms: u64) -> bool {
        let next = |word: u64| {
            let (state, failures, time_ms) = unpack(word);
            let failures = failures + 1;
            Some(match state {
                CLOSED if failures < self.failures_max => pack(CLOSED, failures, 0),
                // One that was under way when it opened says nothing new.
                OPEN => pack(OPEN, failures, time_ms),
                _ => pack(OPEN, failures, now_ms + self.pause_ms),
            })
        };
        // The closure always gives a word.
        let Ok(before) = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) else {
            return false;
        };
        let (state, failures, _) = unpack(before);
        match state {
            CLOSED => failures + 1 >= self.failures_max,
            OPEN => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_a_success_between_starts_over() {
        let breaker = Breaker::new(3, 100, 100);
        breaker.failed(1);
        breaker.failed(2);
        breaker.succeeded();
        breaker.failed(3);
        breaker.failed(4);
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failed(5);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(104), Admission::Wait(105));
    }

    #[test]
    fn half_open_lets_exactly_one_through() {
        let breaker = Breaker::new(1, 100, 100);
        breaker.failed(0);
        let admitted = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1_000).filter(|_| breaker.admit(150) == Admission::Probe).count()
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().expect("no panic")).sum::<usize>()
        });
        assert_eq!(admitted, 1);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn the_probe_decides() {
        let breaker = Breaker::new(1, 100, 100);
        breaker.failed(0);
        assert_eq!(breaker.admit(100), Admission::Probe);
        breaker.failed(110);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(209), Admission::Wait(210));
        assert_eq!(breaker.admit(210), Admission::Probe);
        breaker.succeeded();
        assert_eq!((breaker.state(), breaker.admit(211)), (BreakerState::Closed, Admission::Open));
    }

    #[test]
    fn a_failure_under_way_while_it_opens_does_not_lengthen_the_pause() {
        let breaker = Breaker::new(1, 100, 100);
        breaker.failed(0);
        breaker.failed(90);
        assert_eq!(breaker.admit(100), Admission::Probe);
    }

    #[test]
    fn a_probe_that_says_nothing_is_replaced_after_a_pause() {
        let breaker = Breaker::new(1, 100, 100);
        breaker.failed(0);
        assert_eq!(breaker.admit(100), Admission::Probe);
        assert_eq!(breaker.admit(150), Admission::Wait(200));
        assert_eq!(breaker.admit(200), Admission::Probe);
        assert_eq!(breaker.admit(201), Admission::Wait(300));
    }
}
