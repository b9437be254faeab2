//! What the program measures of itself: histograms and gauges that many threads write.
//!
//! Invariant: recording takes a bounded number of atomic steps and no lock, but where the module
//! below says so, and decides nothing: no result depends on what is written here. Must not know
//! what is measured.

mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

pub use recent::{Lately, Recent};

/// Upper bounds for durations, nanoseconds: 100 µs to 60 s.
pub const DURATION_BOUNDS_NS: [u64; 18] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Upper bounds for numbers of items: 1 to 100 000.
pub const ITEM_BOUNDS: [u64; 14] =
    [1, 5, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000];

/// A distribution over fixed buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds: the last is for what lies above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram held at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramCounts {
    /// Upper bounds, inclusive.
    pub bounds: &'static [u64],
    /// Values by bucket, one more than there are bounds; not added up.
    pub counts: Vec<u64>,
    /// Sum of the values.
    pub sum: u64,
}

impl HistogramCounts {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Histogram {
    /// For durations in nanoseconds.
    pub fn of_durations() -> Self {
        Self::new(&DURATION_BOUNDS_NS)
    }

    /// For numbers of items.
    pub fn of_items() -> Self {
        Self::new(&ITEM_BOUNDS)
    }

    /// Over upper bounds, in rising order.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Notes a value.
    pub fn record(&self, value: u64) {
        self.record_times(value, 1);
    }

    /// Notes a value so many times.
    pub fn record_times(&self, value: u64, times: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(times, Ordering::Relaxed);
        self.sum.fetch_add(value.saturating_mul(times), Ordering::Relaxed);
    }

    /// What it holds.
    pub fn counts(&self) -> HistogramCounts {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        HistogramCounts { bounds: self.bounds, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// A time that is not known yet.
const UNKNOWN: i64 = i64::MIN;

/// How far event time has come and what is held for it. Written by the workers once an epoch.
#[derive(Debug)]
pub struct EngineGauges {
    sources: usize,
    workers: usize,
    tick_ns: AtomicI64,
    watermarks_ns: Vec<AtomicI64>,
    /// By time column, then source.
    highs_ns: Vec<AtomicI64>,
    groups: Vec<AtomicU64>,
    /// By worker, then rule.
    instances: Vec<AtomicU64>,
    /// By holder, worker, then rule.
    state_bytes: Vec<AtomicU64>,
    /// By worker.
    text_bytes: Vec<AtomicU64>,
    rules: usize,
}

/// Which stage holds state; each writes a place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Items that are being added up.
    Slices = 0,
    /// Windows over items.
    Windows = 1,
    /// Rules over rows, and alerts.
    Rows = 2,
    /// Rows in relations, for the rule that relates; several stages of a worker add theirs up.
    Relations = 3,
    /// Payloads of spans that open traces hold as received.
    Payloads = 4,
}

const HOLDERS: usize = 5;

impl EngineGauges {
    /// For a plan of so many timelines, time columns and rules.
    pub(crate) fn new(
        (timelines, columns, rules): (usize, usize, usize),
        sources: usize,
        workers: usize,
    ) -> Arc<Self> {
        let times = |count: usize| (0..count).map(|_| AtomicI64::new(UNKNOWN)).collect();
        let counts = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            sources,
            workers,
            tick_ns: AtomicI64::new(UNKNOWN),
            watermarks_ns: times(timelines),
            highs_ns: times(columns * sources),
            groups: counts(rules),
            instances: counts(workers * rules),
            state_bytes: counts(HOLDERS * workers * rules),
            text_bytes: counts(workers),
            rules,
        })
    }

    pub(crate) fn set_tick(&self, tick_ns: i64) {
        self.tick_ns.store(tick_ns, Ordering::Relaxed);
    }

    pub(crate) fn set_watermark(&self, timeline: usize, watermark_ns: i64) {
        store(&self.watermarks_ns, timeline, watermark_ns);
    }

    pub(crate) fn set_high(&self, column: usize, source: usize, high_ns: i64) {
        if source < self.sources {
            store(&self.highs_ns, column * self.sources + source, high_ns);
        }
    }

    pub(crate) fn set_groups(&self, rule: usize, groups: u64) {
        if let Some(place) = self.groups.get(rule) {
            place.store(groups, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_instances(&self, worker: usize, rule: usize, instances: u64) {
        if let Some(place) = self.instances.get(worker * self.rules + rule) {
            place.store(instances, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_state_bytes(&self, holder: Holder, worker: usize, rule: usize, bytes: u64) {
        let at = (holder as usize * self.workers + worker) * self.rules + rule;
        if let Some(place) = self.state_bytes.get(at) {
            place.store(bytes, Ordering::Relaxed);
        }
    }

    /// Tells what one of several stages of a worker holds now, and held when it told before.
    pub(crate) fn change_state_bytes(
        &self,
        holder: Holder,
        worker: usize,
        rule: usize,
        (before, now): (u64, u64),
    ) {
        let at = (holder as usize * self.workers + worker) * self.rules + rule;
        if let Some(place) = self.state_bytes.get(at) {
            place.fetch_add(now.wrapping_sub(before), Ordering::Relaxed); // wraps around to less
        }
    }

    pub(crate) fn set_text_bytes(&self, worker: usize, bytes: u64) {
        if let Some(place) = self.text_bytes.get(worker) {
            place.store(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes of the texts that workers know: each keeps one that came again and again once.
    pub fn text_bytes(&self) -> u64 {
        self.text_bytes.iter().map(|place| place.load(Ordering::Relaxed)).sum()
    }

    /// Sources that are followed, by id.
    pub fn sources(&self) -> usize {
        self.sources
    }

    /// The last recorded tick, nanoseconds since the Unix epoch.
    pub fn tick_ns(&self) -> Option<i64> {
        known(&self.tick_ns)
    }

    /// The watermark of a timeline of the plan, nanoseconds.
    pub fn watermark_ns(&self, timeline: usize) -> Option<i64> {
        known(self.watermarks_ns.get(timeline)?)
    }

    /// The highest time that a source has reached in a time column of the plan, nanoseconds.
    pub fn high_ns(&self, column: usize, source: usize) -> Option<i64> {
        let source = Some(source).filter(|source| *source < self.sources)?;
        known(self.highs_ns.get(column * self.sources + source)?)
    }

    /// Groups that a rule holds; of an alert, its instances.
    pub fn groups(&self, rule: usize) -> u64 {
        let own = self.groups.get(rule).into_iter();
        let instances = self.instances.iter().skip(rule).step_by(self.rules.max(1));
        own.chain(instances).map(|place| place.load(Ordering::Relaxed)).sum()
    }

    /// Bytes of state that a rule holds, estimated; what rules share is divided among them.
    pub fn state_bytes(&self, rule: usize) -> u64 {
        let own = self.state_bytes.iter().skip(rule).step_by(self.rules.max(1));
        own.map(|place| place.load(Ordering::Relaxed)).sum()
    }

    /// Those of them that are payloads of spans which open traces hold as received.
    pub fn payload_bytes(&self, rule: usize) -> u64 {
        let first = Holder::Payloads as usize * self.workers * self.rules + rule;
        let own = self.state_bytes.iter().skip(first).step_by(self.rules.max(1));
        own.map(|place| place.load(Ordering::Relaxed)).sum()
    }
}

fn store(places: &[AtomicI64], at: usize, value: i64) {
    if let Some(place) = places.get(at) {
        place.store(value, Ordering::Relaxed);
    }
}

fn known(place: &AtomicI64) -> Option<i64> {
    Some(place.load(Ordering::Relaxed)).filter(|value| *value != UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_within_it() {
        let histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11] {
            histogram.record(value);
        }
        histogram.record_times(5, 3);
        let counts = histogram.counts();
        assert_eq!((counts.counts.as_slice(), counts.sum), ([2, 5, 1].as_slice(), 39));
        assert_eq!(counts.count(), 8);
    }

    #[test]
    fn bounds_rise() {
        assert!(DURATION_BOUNDS_NS.is_sorted() && ITEM_BOUNDS.is_sorted());
    }

    #[test]
    fn state_of_all_holders_and_workers_adds_up() {
        let gauges = EngineGauges::new((1, 1, 2), 1, 2);
        gauges.set_state_bytes(Holder::Slices, 0, 1, 1);
        gauges.set_state_bytes(Holder::Windows, 1, 1, 10);
        gauges.set_state_bytes(Holder::Rows, 1, 1, 100);
        gauges.set_state_bytes(Holder::Rows, 1, 0, 1_000);
        assert_eq!((gauges.state_bytes(0), gauges.state_bytes(1)), (1_000, 111));
        assert_eq!(gauges.high_ns(0, 0), None);
        gauges.set_high(0, 0, 7);
        gauges.set_high(0, 1, 9);
        assert_eq!((gauges.high_ns(0, 0), gauges.high_ns(0, 1)), (Some(7), None));
    }
}
