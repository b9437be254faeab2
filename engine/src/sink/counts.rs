//! What became of the items of a sink: counters that every thread may read at any time.
//!
//! Invariant: offered = delivered + dropped + queued + in flight, in every snapshot. Counters only
//! grow, and outcomes are read before what they come from.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::breaker::BreakerState;
use crate::self_metrics::{Histogram, HistogramCounts, Lately, Recent};

/// Why items are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// They found the queue full.
    Full,
    /// One alone is larger than a request may be.
    TooLarge,
    /// The receiver refused the request for good.
    Refused,
    /// The receiver took the request and said that it did not take these.
    Rejected,
    /// They could not be delivered before the deadline for retries.
    Late,
    /// They were left when the run ended.
    Stopping,
    /// They cannot be written in the encoding of the sink.
    Unfit,
    /// They are of an alert that the sink has no room to follow.
    Overflow,
}

impl DropReason {
    /// All reasons, in the order of [`SinkCounts::dropped`].
    pub const ALL: [Self; 8] = [
        Self::Full,
        Self::TooLarge,
        Self::Refused,
        Self::Rejected,
        Self::Late,
        Self::Stopping,
        Self::Unfit,
        Self::Overflow,
    ];

    /// The word for it, as metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Late => "late",
            Self::Stopping => "stopping",
            Self::Unfit => "unfit",
            Self::Overflow => "overflow",
        }
    }
}

/// How an attempt to deliver failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// There was no connection: no such name, nobody listens, no handshake of TLS.
    Connect,
    /// The connection broke, or what came is no answer.
    Broken,
    /// No answer in time.
    Timeout,
    /// The receiver has too much to do.
    Busy,
    /// The receiver refused the credentials.
    Denied,
    /// The receiver refused the request.
    Refused,
    /// A file could not be written.
    Write,
}

impl Failure {
    /// All kinds, in the order of [`SinkCounts::failures`].
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Broken,
        Self::Timeout,
        Self::Busy,
        Self::Denied,
        Self::Refused,
        Self::Write,
    ];

    /// The word for it, as metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Write => "write",
        }
    }
}

/// Upper bounds of the latency's buckets, seconds; one more bucket holds what is above.
pub const LATENCY_BOUNDS_S: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Times from the start of an attempt to how it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Attempts by bucket of [`LATENCY_BOUNDS_S`], each on its own; the last one has no bound.
    pub counts: [u64; LATENCY_BOUNDS_S.len() + 1],
    /// Sum of all times, nanoseconds.
    pub sum_ns: u64,
}

/// What became of the items of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkCounts {
    /// Items offered.
    pub offered: u64,
    /// Items that the receiver took, or that there is nothing to say of to it.
    pub delivered: u64,
    /// Items dropped, by [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Items that wait.
    pub queued: u64,
    /// Items that are being sent, or wait for being sent again.
    pub in_flight: u64,
    /// Attempts to deliver.
    pub requests: u64,
    /// Of those, repetitions.
    pub retries: u64,
    /// Attempts that failed, by [`Failure::ALL`].
    pub failures: [u64; Failure::ALL.len()],
    /// Bytes of all attempts, as sent (compressed), without heads.
    pub bytes: u64,
    /// How long attempts took.
    pub latency: Latency,
    /// State of the breaker.
    pub breaker: BreakerState,
    /// How often the breaker has opened.
    pub breaker_opened: u64,
    /// What of the rows has no place in what is sent.
    pub left: Left,
}

/// What of rows has no place in OTLP metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Points that went to the series of those which found no room.
    pub overflowed: u64,
    /// Values that are not sent: text and lists, and distributions of windows that overlap.
    pub not_sent: u64,
}

impl SinkCounts {
    /// Items dropped for a reason.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Items dropped, for whatever reason.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Attempts that failed in a way.
    pub fn failed_by(&self, failure: Failure) -> u64 {
        self.failures[failure as usize]
    }

    /// Items that are neither delivered nor dropped: they wait. 0 once a sink has stopped.
    pub fn waiting(&self) -> u64 {
        self.queued + self.in_flight
    }
}

/// An attempt to deliver that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Items of the batch.
    pub items: u64,
    /// Bytes of the body, as sent.
    pub bytes: usize,
    /// Which attempt of the batch it is, from 1.
    pub number: u32,
    /// How long it took.
    pub took: Duration,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
}

/// Hears of every attempt, on the sink's own task: it must not wait.
pub type Hear = Arc<dyn Fn(&Attempt) + Send + Sync>;

/// Who hears of attempts, once somebody does.
#[derive(Default)]
struct Hearer(OnceLock<Hear>);

impl fmt::Debug for Hearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "Hearer" } else { "nobody" })
    }
}

/// The counters behind [`SinkCounts`].
#[derive(Debug)]
pub(super) struct Meter {
    hearer: Hearer,
    /// Times of attempts, of late.
    recent: Recent,
    /// Items of a batch.
    batches: Histogram,
    offered: AtomicU64,
    /// Items that left the queue.
    begun: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    requests: AtomicU64,
    retries: AtomicU64,
    failures: [AtomicU64; Failure::ALL.len()],
    bytes: AtomicU64,
    latency: [AtomicU64; LATENCY_BOUNDS_S.len() + 1],
    latency_sum_ns: AtomicU64,
    breaker_opened: AtomicU64,
    overflowed: AtomicU64,
    not_sent: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            hearer: Hearer::default(),
            recent: Recent::default(),
            batches: Histogram::of_items(),
            offered: AtomicU64::default(),
            begun: AtomicU64::default(),
            delivered: AtomicU64::default(),
            dropped: Default::default(),
            requests: AtomicU64::default(),
            retries: AtomicU64::default(),
            failures: Default::default(),
            bytes: AtomicU64::default(),
            latency: Default::default(),
            latency_sum_ns: AtomicU64::default(),
            breaker_opened: AtomicU64::default(),
            overflowed: AtomicU64::default(),
            not_sent: AtomicU64::default(),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Acquire)
}

impl Meter {
    pub(super) fn offered(&self) {
        add(&self.offered, 1);
    }

    pub(super) fn begun(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    pub(super) fn delivered(&self, items: u64) {
        self.delivered.fetch_add(items, Ordering::Release);
    }

    pub(super) fn dropped(&self, reason: DropReason, items: u64) {
        self.dropped[reason as usize].fetch_add(items, Ordering::Release);
    }

    pub(super) fn attempt(&self, is_repetition: bool, bytes: usize) {
        add(&self.requests, 1);
        add(&self.retries, u64::from(is_repetition));
        add(&self.bytes, bytes as u64);
    }

    pub(super) fn took(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.recent.record(time, 1);
        let bucket = LATENCY_BOUNDS_S.partition_point(|bound| *bound < seconds);
        add(&self.latency[bucket], 1);
        add(&self.latency_sum_ns, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Notes a batch that is about to be sent.
    pub(super) fn batch(&self, items: u64) {
        self.batches.record(items);
    }

    /// Tells of an attempt whoever wants to hear of it.
    pub(super) fn ended(&self, attempt: &Attempt) {
        self.took(attempt.took);
        if let Some(hear) = self.hearer.0.get() {
            hear(attempt);
        }
    }

    /// Lets somebody hear of attempts; the first one stays.
    pub(super) fn hear(&self, hear: Hear) {
        // Whoever comes second is not heard: a run asks once.
        let _ = self.hearer.0.set(hear);
    }

    /// Times of attempts, of late.
    pub(super) fn lately(&self) -> Option<Lately> {
        self.recent.lately()
    }

    pub(super) fn batches(&self) -> HistogramCounts {
        self.batches.counts()
    }

    pub(super) fn failed(&self, failure: Failure) {
        add(&self.failures[failure as usize], 1);
    }

    /// Notes what of all rows so far had no place.
    pub(super) fn left(&self, left: Left) {
        self.overflowed.store(left.overflowed, Ordering::Relaxed);
        self.not_sent.store(left.not_sent, Ordering::Relaxed);
    }

    pub(super) fn breaker_opened(&self) {
        add(&self.breaker_opened, 1);
    }

    /// A snapshot. `breaker` is its state.
    pub(super) fn counts(&self, breaker: BreakerState) -> SinkCounts {
        let delivered = read(&self.delivered);
        let dropped = std::array::from_fn(|at| read(&self.dropped[at]));
        let full = dropped[DropReason::Full as usize];
        let ended = delivered + dropped.iter().sum::<u64>() - full;
        // Of what ended, everything had begun; of what began or found no room, all was offered.
        let begun = read(&self.begun);
        let offered = read(&self.offered);
        SinkCounts {
            offered,
            delivered,
            dropped,
            queued: offered - begun - full,
            in_flight: begun - ended,
            requests: read(&self.requests),
            retries: read(&self.retries),
            failures: std::array::from_fn(|at| read(&self.failures[at])),
            bytes: read(&self.bytes),
            latency: Latency {
                counts: std::array::from_fn(|at| read(&self.latency[at])),
                sum_ns: read(&self.latency_sum_ns),
            },
            breaker,
            breaker_opened: read(&self.breaker_opened),
            left: Left { overflowed: read(&self.overflowed), not_sent: read(&self.not_sent) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_where_their_number_says() {
        assert!(DropReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
        assert!(Failure::ALL.iter().enumerate().all(|(at, failure)| *failure as usize == at));
    }

    #[test]
    fn every_item_is_somewhere() {
        let meter = Meter::default();
        (0..10).for_each(|_| meter.offered());
        (0..6).for_each(|_| meter.begun());
        meter.dropped(DropReason::Full, 1);
        meter.delivered(2);
        meter.dropped(DropReason::Late, 3);
        let counts = meter.counts(BreakerState::Closed);
        assert_eq!((counts.queued, counts.in_flight, counts.dropped_in_all()), (3, 1, 4));
        assert_eq!(counts.offered, counts.delivered + counts.dropped_in_all() + counts.waiting());
    }

    #[test]
    fn a_snapshot_while_others_count_never_runs_below_nothing() {
        let meter = Meter::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100_000 {
                    meter.offered();
                    meter.begun();
                    meter.delivered(1);
                }
            });
            for _ in 0..10_000 {
                let counts = meter.counts(BreakerState::Closed);
                assert!(counts.queued <= 100_000 && counts.in_flight <= 100_000, "{counts:?}");
            }
        });
    }

    #[test]
    fn a_time_at_a_bound_is_below_it() {
        let meter = Meter::default();
        for ms in [5, 6, 10_000, 10_001] {
            meter.took(Duration::from_millis(ms));
        }
        let latency = meter.counts(BreakerState::Closed).latency;
        assert_eq!(latency.counts, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(latency.sum_ns, 20_012_000_000);
    }
}
