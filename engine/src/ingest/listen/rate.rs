//! How much a listener takes a second: token buckets, one for all senders together and one each.
//!
//! A bucket is the time at which it is full again: taking `n` of `r` a second moves that time by
//! `n/r`, and there is enough as long as it lies no further ahead than the burst (the "virtual
//! scheduling" form of ITU-T I.371). A request larger than the burst is taken by a full bucket, and
//! what follows waits the longer: the rate holds on average, and no request is refused for ever.
//!
//! Invariant: memory is bounded however many senders there are. It decides what gets into the
//! input log, so nothing behind the log knows of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::RATE_SENDERS_MAX;

use super::budget::{Amount, Sender};
use super::clock::monotonic;

/// A rate; without any number it bounds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Items a second.
    pub items_per_s: Option<u64>,
    /// Bytes a second, after decompression.
    pub bytes_per_s: Option<u64>,
    /// What may come at once, as the time that it takes at that rate.
    pub burst: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self { items_per_s: None, bytes_per_s: None, burst: Duration::from_secs(5) }
    }
}

impl Rate {
    fn is_bounded(&self) -> bool {
        self.items_per_s.is_some() || self.bytes_per_s.is_some()
    }
}

/// The rates of a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Of all senders together.
    pub all: Rate,
    /// Of each sender: a peer address, or a connection of this machine.
    pub sender: Rate,
}

/// When the two buckets of a rate are full again, nanoseconds on the limiter's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    items_ns: u64,
    bytes_ns: u64,
}

/// What a request takes out of the buckets of one rate, nanoseconds.
type Cost = Bucket;

impl Rate {
    fn cost(&self, need: Amount) -> Cost {
        let ns = |per_s: Option<u64>, need: u64| match per_s {
            Some(per_s) => {
                let ns = u128::from(need) * 1_000_000_000 / u128::from(per_s.max(1));
                u64::try_from(ns).unwrap_or(u64::MAX)
            }
            None => 0,
        };
        Cost {
            items_ns: ns(self.items_per_s, need.items),
            bytes_ns: ns(self.bytes_per_s, need.bytes),
        }
    }
}

impl Bucket {
    /// How long until there is enough for a cost, nanoseconds.
    fn wait_ns(self, cost: Cost, burst: Duration, now_ns: u64) -> u64 {
        let burst_ns = u64::try_from(burst.as_nanos()).unwrap_or(u64::MAX);
        let wait = |full_ns: u64, cost_ns: u64| {
            let owed_ns = full_ns.saturating_sub(now_ns);
            owed_ns.saturating_sub(burst_ns.saturating_sub(cost_ns))
        };
        wait(self.items_ns, cost.items_ns).max(wait(self.bytes_ns, cost.bytes_ns))
    }

    fn take(&mut self, cost: Cost, now_ns: u64) {
        self.items_ns = self.items_ns.max(now_ns).saturating_add(cost.items_ns);
        self.bytes_ns = self.bytes_ns.max(now_ns).saturating_add(cost.bytes_ns);
    }

    fn give_back(&mut self, cost: Cost) {
        self.items_ns = self.items_ns.saturating_sub(cost.items_ns);
        self.bytes_ns = self.bytes_ns.saturating_sub(cost.bytes_ns);
    }

    fn is_full(self, now_ns: u64) -> bool {
        self.items_ns <= now_ns && self.bytes_ns <= now_ns
    }
}

#[derive(Debug, Default)]
struct State {
    all: Bucket,
    /// Those that are not full; one that is not here is.
    senders: BTreeMap<Sender, Bucket>,
    /// Shared by those that found no place of their own.
    others: Bucket,
    swept_ns: u64,
}

/// What a request took, to be given back if it is not taken after all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    sender: Sender,
    need: Amount,
}

/// The buckets of one listener.
pub(super) struct RateLimiter {
    limits: RateLimits,
    start: Instant,
    state: Mutex<State>,
}

/// How often full buckets are looked for, nanoseconds, once there are too many.
const SWEEP_EVERY_NS: u64 = 1_000_000_000;

impl RateLimiter {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, start: monotonic(), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(monotonic().duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    fn is_bounded(&self) -> bool {
        self.limits.all.is_bounded() || self.limits.sender.is_bounded()
    }

    /// Takes what a request needs.
    ///
    /// # Errors
    /// How long until there will be enough, if no other takes it; then nothing was taken.
    pub(super) fn take(&self, sender: Sender, need: Amount) -> Result<Charge, Duration> {
        if self.is_bounded() {
            self.lock().take(&self.limits, sender, need, self.now_ns())?;
        }
        Ok(Charge { sender, need })
    }

    /// Whether there is anything left for a sender, before its request is read.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn look(&self, sender: Sender) -> Result<(), Duration> {
        if !self.is_bounded() {
            return Ok(());
        }
        let least = Amount { items: 1, bytes: 1 };
        let wait_ns = self.lock().wait_ns(&self.limits, sender, least, self.now_ns());
        if wait_ns == 0 { Ok(()) } else { Err(Duration::from_nanos(wait_ns)) }
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, charge: Charge) {
        if !self.is_bounded() {
            return;
        }
        let mut state = self.lock();
        state.all.give_back(self.limits.all.cost(charge.need));
        let cost = self.limits.sender.cost(charge.need);
        match state.senders.get_mut(&charge.sender) {
            Some(bucket) => bucket.give_back(cost),
            None => state.others.give_back(cost),
        }
    }
}

impl State {
    fn wait_ns(&self, limits: &RateLimits, sender: Sender, need: Amount, now_ns: u64) -> u64 {
        let own = match self.senders.get(&sender) {
            Some(own) => *own,
            None if self.senders.len() >= RATE_SENDERS_MAX => self.others,
            None => Bucket::default(),
        };
        let all_ns = self.all.wait_ns(limits.all.cost(need), limits.all.burst, now_ns);
        all_ns.max(own.wait_ns(limits.sender.cost(need), limits.sender.burst, now_ns))
    }

    fn take(
        &mut self,
        limits: &RateLimits,
        sender: Sender,
        need: Amount,
        now_ns: u64,
    ) -> Result<(), Duration> {
        self.sweep(now_ns);
        let wait_ns = self.wait_ns(limits, sender, need, now_ns);
        if wait_ns > 0 {
            return Err(Duration::from_nanos(wait_ns));
        }
        self.all.take(limits.all.cost(need), now_ns);
        if !limits.sender.is_bounded() {
            return Ok(());
        }
        let has_place = self.senders.len() < RATE_SENDERS_MAX;
        let bucket = match self.senders.get_mut(&sender) {
            Some(own) => own,
            None if has_place => self.senders.entry(sender).or_default(),
            None => &mut self.others,
        };
        bucket.take(limits.sender.cost(need), now_ns);
        Ok(())
    }

    /// Forgets full buckets: nobody can tell them from none.
    fn sweep(&mut self, now_ns: u64) {
        let is_due = now_ns >= self.swept_ns.saturating_add(SWEEP_EVERY_NS);
        if self.senders.len() >= RATE_SENDERS_MAX && is_due {
            self.swept_ns = now_ns;
            self.senders.retain(|_, bucket| !bucket.is_full(now_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;
    const A: Sender = Sender::Connection(1);
    const B: Sender = Sender::Connection(2);

    fn items(items: u64) -> Amount {
        Amount { items, bytes: 0 }
    }

    fn limits(per_s: u64, burst_s: u64) -> RateLimits {
        let burst = Duration::from_secs(burst_s);
        let sender = Rate { items_per_s: Some(per_s), bytes_per_s: None, burst };
        RateLimits { sender, ..RateLimits::default() }
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (limits, mut state) = (limits(10, 2), State::default());
        for _ in 0..20 {
            assert_eq!(state.take(&limits, A, items(1), S), Ok(()));
        }
        assert_eq!(state.take(&limits, A, items(1), S), Err(Duration::from_millis(100)));
        assert_eq!(state.take(&limits, A, items(5), S), Err(Duration::from_millis(500)));
        assert_eq!(state.take(&limits, A, items(5), S + S / 2), Ok(()));
        // Another sender has a bucket of its own.
        assert_eq!(state.take(&limits, B, items(20), S), Ok(()));
    }

    #[test]
    fn a_request_beyond_the_burst_needs_a_full_bucket_and_is_owed() {
        let (limits, mut state) = (limits(10, 1), State::default());
        assert_eq!(state.take(&limits, A, items(100), 0), Ok(()));
        assert_eq!(state.take(&limits, A, items(1), 0), Err(Duration::from_millis(9_100)));
        assert_eq!(state.take(&limits, A, items(100), 9 * S), Err(Duration::from_secs(1)));
        assert_eq!(state.take(&limits, A, items(100), 10 * S), Ok(()));
    }

    #[test]
    fn both_numbers_and_both_buckets_count() {
        let rate = |items_per_s, bytes_per_s| Rate {
            items_per_s,
            bytes_per_s,
            burst: Duration::from_secs(1),
        };
        let limits = RateLimits { all: rate(None, Some(100)), sender: rate(Some(10), None) };
        let mut state = State::default();
        let need = Amount { items: 1, bytes: 60 };
        assert_eq!(state.take(&limits, A, need, 0), Ok(()));
        assert_eq!(state.take(&limits, B, need, 0), Err(Duration::from_millis(200)));
        let many = Amount { items: 10, bytes: 1 };
        assert_eq!(state.take(&limits, A, many, 0), Err(Duration::from_millis(100)));
        // What was refused took nothing.
        assert_eq!(state.take(&limits, B, many, 0), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limiter = RateLimiter::new(limits(10, 1));
        let charge = limiter.take(A, items(10)).expect("the bucket is full");
        assert!(limiter.look(A).is_err());
        limiter.give_back(charge);
        assert!(limiter.take(A, items(10)).is_ok());
    }

    #[test]
    fn senders_without_a_place_share_a_bucket() {
        let (limits, mut state) = (limits(1, 10), State::default());
        for sender in 0..RATE_SENDERS_MAX as u64 {
            assert_eq!(state.take(&limits, Sender::Connection(sender), items(10), 0), Ok(()));
        }
        let late = |at| Sender::Connection(RATE_SENDERS_MAX as u64 + at);
        assert_eq!(state.take(&limits, late(0), items(10), 0), Ok(()));
        assert!(state.take(&limits, late(1), items(10), 0).is_err());
        assert_eq!(state.senders.len(), RATE_SENDERS_MAX);
        // Later the others are full again, and forgotten.
        assert_eq!(state.take(&limits, late(1), items(10), 10 * S), Ok(()));
        assert_eq!(state.senders.len(), 1);
    }

    proptest! {
        /// In any stretch of time no more is taken than the burst and what the rate gives.
        #[test]
        fn no_stretch_has_more_than_burst_and_rate(
            asks in prop::collection::vec((1..30_u64, 0..3 * S), 1..80),
        ) {
            let (limits, mut state, mut now) = (limits(10, 3), State::default(), 0);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (need, after) in asks {
                now += after;
                match state.take(&limits, A, items(need), now) {
                    Ok(()) => taken.push((now, need)),
                    Err(wait) => {
                        // It says when: not earlier, and then really.
                        let wait = wait.as_nanos() as u64;
                        let least = items(need);
                        prop_assert!(state.wait_ns(&limits, A, least, now + wait - 1) > 0);
                        prop_assert_eq!(state.wait_ns(&limits, A, least, now + wait), 0);
                    }
                }
            }
            for first in 0..taken.len() {
                for last in first..taken.len() {
                    let all: u64 = taken[first..=last].iter().map(|(_, need)| need).sum();
                    let ns = taken[last].0 - taken[first].0;
                    prop_assert!(all * S <= 30 * S + ns * 10, "{taken:?}");
                }
            }
        }
    }
}
