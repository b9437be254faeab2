//! Sinks that post batches: a bounded queue, a worker, retries within a deadline, a breaker.
//!
//! Whoever offers an item never waits: an item that finds the queue full is dropped and counted. So
//! a slow or dead receiver slows no other sink and not the engine.

mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Shape;
use super::backoff::Backoff;
use super::breaker::{Breaker, BreakerState};
use super::counts::{DropReason, Hear, Left, Meter, SinkCounts};
use super::held::Held;
use super::http::{Client, Framing, Target};
use super::trouble::Tell;
use crate::clock::monotonic as now;
use crate::error::Error;
use crate::limits::{SINK_BATCH_MAX, SINK_BYTES_MAX, SINK_HELD_BYTES_MAX, SINK_QUEUE_MAX};
use crate::model::{EmittedItem, Row, RuleId, Transition};
use crate::self_metrics::{HistogramCounts, Lately};
use worker::{Post, Worker};

/// Something that a rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A row.
    Row(Arc<Row>),
    /// An alert changed its state.
    Transition(Arc<Transition>),
    /// An item of telemetry, as it came.
    Item(Arc<EmittedItem>),
}

impl Said {
    /// The rule that said it.
    pub(super) fn rule(&self) -> RuleId {
        match self {
            Self::Row(row) => row.rule,
            Self::Transition(transition) => transition.rule,
            Self::Item(item) => item.rule,
        }
    }
}

/// How a sink posts.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Its name, for what is told about it.
    pub name: Arc<str>,
    /// Where it posts to, and with what.
    pub target: Target,
    /// Items that may wait. 10 000.
    pub queue: usize,
    /// Bytes that may wait or be sent. 64 MiB.
    pub queue_bytes: usize,
    /// Items of a batch. 500.
    pub batch: usize,
    /// Bytes of a batch before compression. 4 MiB.
    pub bytes: usize,
    /// How long a batch that is not full waits at most. 1 s.
    pub interval: Duration,
    /// How long it waits at least, however many others wait. With a batch of `batch` items waiting
    /// the pause is this, with none it is `interval`, and in proportion between. 100 ms.
    pub interval_min: Duration,
    /// How long a batch is tried again before it is dropped; 0 never tries again. 5 min.
    pub retry_within: Duration,
    /// Failures in a row after which the receiver is left alone. 5.
    pub breaker_failures: u32,
    /// For how long. 10 s.
    pub breaker_pause: Duration,
    /// Where the jitter of pauses starts; processes that send to one receiver should differ. By
    /// default made of the name.
    pub seed: u64,
}

impl PushConfig {
    /// The usual settings.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: Arc::from(name),
            target: Target::new(url),
            queue: SINK_QUEUE_MAX,
            queue_bytes: SINK_HELD_BYTES_MAX,
            batch: SINK_BATCH_MAX,
            bytes: SINK_BYTES_MAX,
            interval: Duration::from_secs(1),
            interval_min: Duration::from_millis(100),
            retry_within: Duration::from_mins(5),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(10),
            seed: xxhash_rust::xxh3::xxh3_64(name.as_bytes()),
        }
    }
}

/// Turns what was said into requests.
pub trait Encode: Send + 'static {
    /// The body for a batch and its content type; `None` where nothing of it is sent.
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)>;

    /// Items of the last batch that are not in its request, because the encoding has no form for
    /// them.
    fn left_out(&self) -> usize {
        0
    }

    /// What of all rows so far had no place in requests.
    fn left(&self) -> Left {
        Left::default()
    }

    /// What an answer says was not taken of a request that succeeded: how much, and why. It is
    /// never sent again.
    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let _ = answer;
        None
    }

    /// Bytes that an item adds to a body, at most; so batches keep their bound.
    fn weight(&self, said: &Said) -> usize {
        let _ = said;
        0
    }

    /// Shapes by rule id, for what is told.
    fn shapes(&self) -> &[Shape] {
        &[]
    }
}

/// A running sink.
pub struct Push {
    queue: Sender<Said>,
    stop: watch::Sender<Option<Instant>>,
    worker: JoinHandle<()>,
    meter: Arc<Meter>,
    breaker: Arc<Breaker>,
    held: Arc<Held>,
}

/// A view of a sink.
#[derive(Clone)]
pub struct PushWatch {
    queue: usize,
    meter: Arc<Meter>,
    breaker: Arc<Breaker>,
    held: Arc<Held>,
}

impl PushWatch {
    /// What became of what was offered.
    pub fn counts(&self) -> SinkCounts {
        self.meter.counts(self.breaker.state())
    }

    /// How long attempts took of late; none if there were none.
    pub fn lately(&self) -> Option<Lately> {
        self.meter.lately()
    }

    /// Items of the batches so far.
    pub fn batches(&self) -> HistogramCounts {
        self.meter.batches()
    }

    /// Lets somebody hear of every attempt to deliver; the first one who asks.
    pub fn hear(&self, hear: Hear) {
        self.meter.hear(hear);
    }

    /// Items that may wait.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// Bytes of the batch that is being sent, encoded, beside its items.
    pub fn encoded_bytes(&self) -> usize {
        self.held.encoded()
    }

    /// Bytes that wait or are being sent, and how many may.
    pub fn held_bytes(&self) -> (usize, usize) {
        self.held.of()
    }
}

impl Push {
    /// Starts a sink; call it within a tokio runtime.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Setting`] if the URL, a header or a file cannot be used,
    /// [`crate::ErrorKind::Read`] if a file cannot be read.
    pub fn start(config: PushConfig, encode: impl Encode, tell: Tell) -> Result<Self, Error> {
        let client = Client::new(&config.target, Framing::Plain)?;
        Ok(Self::with(config, client, encode, tell))
    }

    /// Starts a sink that makes unary calls of gRPC; the URL names the method.
    pub(super) fn start_grpc(
        config: PushConfig,
        encode: impl Encode,
        tell: Tell,
    ) -> Result<Self, Error> {
        let client = Client::new(&config.target, Framing::Grpc)?;
        Ok(Self::with(config, client, encode, tell))
    }

    fn with(config: PushConfig, post: impl Post, encode: impl Encode, tell: Tell) -> Self {
        let (queue, waiting) = channel(config.queue.max(1));
        let (stop, stopped) = watch::channel(None);
        let meter = Arc::new(Meter::default());
        let pause_ms = config.breaker_pause.as_millis() as u64;
        // A probe is given up when it must have ended.
        let probe_ms = pause_ms + config.target.timeout.as_millis() as u64;
        let breaker = Arc::new(Breaker::new(config.breaker_failures, pause_ms, probe_ms));
        let held = Arc::new(Held::new(config.queue_bytes));
        let worker = Worker {
            held: Arc::clone(&held),
            post,
            encode,
            waiting,
            left: None,
            stopped,
            meter: Arc::clone(&meter),
            breaker: Arc::clone(&breaker),
            backoff: Backoff::new(config.seed),
            started: now(),
            tell,
            config,
        };
        Self { queue, stop, worker: tokio::spawn(worker.run()), meter, breaker, held }
    }

    /// Offers an item; it is dropped, and counted, where there is no room.
    pub fn offer(&self, said: Said) {
        self.meter.offered();
        let bytes = said.held_bytes();
        if !self.held.take(bytes) {
            return self.meter.dropped(DropReason::Full, 1);
        }
        if self.queue.try_send(said).is_err() {
            self.held.free(bytes);
            self.meter.dropped(DropReason::Full, 1);
        }
    }

    /// What became of what was offered.
    pub fn counts(&self) -> SinkCounts {
        self.watch().counts()
    }

    /// A view of it that outlives it.
    pub fn watch(&self) -> PushWatch {
        PushWatch {
            queue: self.queue.max_capacity(),
            meter: Arc::clone(&self.meter),
            breaker: Arc::clone(&self.breaker),
            held: Arc::clone(&self.held),
        }
    }

    /// The state of its breaker.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Delivers what waits, for so long at most; returns the final counts.
    pub async fn stop(self, within: Duration) -> SinkCounts {
        self.stop.send_replace(Some(now() + within));
        let Self { queue, worker, meter, breaker, .. } = self;
        drop(queue);
        // A worker that panicked has counted what it could.
        drop(worker.await);
        meter.counts(breaker.state())
    }
}
