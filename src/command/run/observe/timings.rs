//! How long things take, and how large they are: histograms that the pump fills.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tailwater_engine::model::{DataFrame, Signal, SourceId};
use tailwater_engine::self_metrics::{Histogram, HistogramCounts, Lately, Recent};

/// Distributions of a run.
pub(in crate::command::run) struct Timings {
    age: Histogram,
    epoch: Histogram,
    /// The same of late, for people.
    recent_age: Recent,
    recent_epoch: Recent,
    /// By source.
    requests: Vec<Histogram>,
    /// By signal.
    epoch_items: Vec<Histogram>,
    ticks: AtomicU64,
    /// Items taken from the intake, and of those, the ones whose epoch is done.
    taken: AtomicU64,
    done: AtomicU64,
}

/// (arrival, items) of a frame.
type Arrival = (i64, u64);

impl Timings {
    /// For so many sources.
    pub(super) fn new(sources: usize) -> Self {
        Self {
            age: Histogram::of_durations(),
            epoch: Histogram::of_durations(),
            recent_age: Recent::default(),
            recent_epoch: Recent::default(),
            requests: (0..sources).map(|_| Histogram::of_items()).collect(),
            epoch_items: Signal::ALL.iter().map(|_| Histogram::of_items()).collect(),
            ticks: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    /// Notes a frame that was taken from the intake.
    pub(in crate::command::run) fn request(&self, source: SourceId, items: u64) {
        self.taken.fetch_add(items, Ordering::Relaxed);
        if let Some(requests) = self.requests.get(source.0 as usize) {
            requests.record(items);
        }
    }

    /// Notes a tick.
    pub(in crate::command::run) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes the items of a signal in an epoch that had some.
    pub(super) fn epoch_items(&self, signal: Signal, items: u64) {
        if items > 0 {
            self.epoch_items[signal.index()].record(items);
        }
    }

    /// Items in epochs that are not done.
    pub(super) fn under_way_items(&self) -> u64 {
        let done = self.done.load(Ordering::Relaxed);
        self.taken.load(Ordering::Relaxed).saturating_sub(done)
    }

    pub(super) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// From arrival until the epoch was done, of items; nanoseconds.
    pub(super) fn age(&self) -> HistogramCounts {
        self.age.counts()
    }

    /// From the end of an epoch's gathering until its results were there; nanoseconds.
    pub(super) fn epoch(&self) -> HistogramCounts {
        self.epoch.counts()
    }

    /// Age of items, and time of epochs, of late.
    pub(super) fn lately(&self) -> [Option<Lately>; 2] {
        [self.recent_age.lately(), self.recent_epoch.lately()]
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = HistogramCounts> + '_ {
        self.requests.iter().map(Histogram::counts)
    }

    pub(super) fn items_of(&self, signal: Signal) -> HistogramCounts {
        self.epoch_items[signal.index()].counts()
    }
}

/// An epoch that is under way.
#[derive(Debug)]
struct Sent {
    epoch: u64,
    at: Instant,
    arrivals: Vec<Arrival>,
    items: u64,
}

/// An epoch that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command::run) struct Done {
    /// How long it was under way.
    pub(in crate::command::run) took: Duration,
    /// Items in it that are not the run's own metrics.
    pub(in crate::command::run) items: u64,
}

/// When the epochs that are under way were sent, and when what is in them arrived. As many are
/// held as the engine lets be under way.
#[derive(Debug, Default)]
pub(in crate::command::run) struct UnderWay {
    /// The source of the run's own metrics.
    own: Option<SourceId>,
    /// Of the epoch that is being gathered.
    gathered: Vec<Arrival>,
    /// Items in it that are not the run's own.
    items: u64,
    sent: VecDeque<Sent>,
    /// Lists whose memory can be used again.
    spare: Vec<Vec<Arrival>>,
}

impl UnderWay {
    /// For a run whose own metrics come from a source.
    pub(in crate::command::run) fn new(own: Option<SourceId>) -> Self {
        Self { own, ..Self::default() }
    }

    /// Notes a frame of the epoch that is being gathered.
    pub(in crate::command::run) fn arrived(&mut self, frame: &DataFrame, items: u64) {
        let arrival_ns = frame.arrival_ns;
        if self.own != Some(frame.source) {
            self.items += items;
        }
        // Frames of listeners have an arrival; one without counts as just arrived.
        self.gathered.push((arrival_ns.unwrap_or(i64::MAX), items));
    }

    /// The epoch that was being gathered is on its way.
    pub(in crate::command::run) fn sent(&mut self, epoch: u64, at: Instant) {
        let next = self.spare.pop().unwrap_or_default();
        let arrivals = std::mem::replace(&mut self.gathered, next);
        self.sent.push_back(Sent { epoch, at, arrivals, items: std::mem::take(&mut self.items) });
    }

    /// The results of an epoch are there; tells how long it took.
    pub(in crate::command::run) fn done(
        &mut self,
        epoch: u64,
        (now, now_ns): (Instant, i64),
        timings: &Timings,
    ) -> Option<Done> {
        let mut last = None;
        while let Some(mut sent) = self.sent.pop_front_if(|sent| sent.epoch <= epoch) {
            let took = now.duration_since(sent.at);
            timings.epoch.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            timings.recent_epoch.record(took, 1);
            for (arrival_ns, items) in sent.arrivals.drain(..) {
                let age_ns = now_ns.saturating_sub(arrival_ns).max(0).unsigned_abs();
                timings.age.record_times(age_ns, items);
                timings.recent_age.record(Duration::from_nanos(age_ns), items);
                timings.done.fetch_add(items, Ordering::Relaxed);
            }
            self.spare.push(sent.arrivals);
            last = Some(Done { took, items: sent.items });
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use tailwater_engine::model::{Compression, PayloadFormat};

    use super::*;

    fn frame(source: u32, arrival_ns: Option<i64>) -> DataFrame {
        DataFrame {
            source: SourceId(source),
            arrival_ns,
            format: PayloadFormat::Lines,
            compression: Compression::None,
            payload: bytes::Bytes::new(),
            place: 0,
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant to begin with")]
    fn an_item_is_as_old_as_its_epoch_is_done_after_it_came() {
        let (timings, mut under_way) = (Timings::new(1), UnderWay::new(Some(SourceId(1))));
        let start = Instant::now();
        under_way.arrived(&frame(0, Some(1_000_000_000)), 3);
        under_way.arrived(&frame(1, None), 9);
        under_way.sent(4, start);
        under_way.arrived(&frame(0, Some(1_200_000_000)), 1);
        let later = start + Duration::from_millis(3);
        assert_eq!(under_way.done(3, (later, 1_300_000_000), &timings), None);
        assert_eq!(timings.epoch().count(), 0);
        let done = under_way.done(4, (later, 1_300_000_000), &timings);
        assert_eq!(done, Some(Done { took: Duration::from_millis(3), items: 3 }));
        assert_eq!((timings.epoch().count(), timings.epoch().sum), (1, 3_000_000));
        assert_eq!((timings.age().count(), timings.age().sum), (12, 900_000_000));
    }
}
