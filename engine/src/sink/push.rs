//! Sinks that post batches: a bounded queue, a worker, retries within a deadline, a breaker.
//!
//! Whoever offers an item never waits: an item that finds the queue full is dropped and counted. So
//! a slow or dead receiver slows no other sink and not the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::breaker::{Admission, Breaker, BreakerState};
use super::client::{Client, Verdict};
use crate::clock::monotonic as now;
use crate::error::Error;
use crate::limits::{SINK_BATCH_MAX, SINK_QUEUE_MAX};
use crate::model::{Row, Transition};

/// Something that a rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A row.
    Row(Arc<Row>),
    /// An alert changed its state.
    Transition(Arc<Transition>),
}

/// How a sink posts.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Its name, for what is told about it.
    pub name: Arc<str>,
    /// Where it posts to.
    pub url: String,
    /// Headers of every request: (name, value); values are never told.
    pub headers: Vec<(String, String)>,
    /// Items that may wait.
    pub queue: usize,
    /// Items of a batch.
    pub batch: usize,
    /// How long a batch that is not full waits.
    pub interval: Duration,
    /// For one request and its answer.
    pub timeout: Duration,
    /// How long a batch is tried again before it is dropped.
    pub retry_within: Duration,
    /// Failures in a row after which the receiver is left alone.
    pub breaker_failures: u32,
    /// For how long.
    pub breaker_pause: Duration,
}

impl PushConfig {
    /// The usual settings.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: Arc::from(name),
            url: url.to_owned(),
            headers: Vec::new(),
            queue: SINK_QUEUE_MAX,
            batch: SINK_BATCH_MAX,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            retry_within: Duration::from_mins(5),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(10),
        }
    }
}

/// Turns what was said into requests.
pub trait Encode: Send + 'static {
    /// The body for a batch and its content type; `None` where nothing of it is sent.
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)>;

    /// What an answer says was not taken of a request that succeeded: how much, and why. It is
    /// never sent again.
    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let _ = answer;
        None
    }
}

/// What became of the items of a sink.
#[derive(Debug, Default)]
struct Counters {
    offered: AtomicU64,
    delivered: AtomicU64,
    dropped_full: AtomicU64,
    dropped_refused: AtomicU64,
    dropped_late: AtomicU64,
    dropped_stopping: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
}

/// What became of the items of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Items offered.
    pub offered: u64,
    /// Items that the receiver took, or that there is nothing to say of to it.
    pub delivered: u64,
    /// Items that found the queue full.
    pub dropped_full: u64,
    /// Items that the receiver refused for good.
    pub dropped_refused: u64,
    /// Items that could not be delivered in time.
    pub dropped_late: u64,
    /// Items that were left when the run ended.
    pub dropped_stopping: u64,
    /// Requests sent.
    pub requests: u64,
    /// Of those, repetitions.
    pub retries: u64,
}

impl PushCounts {
    /// Items that are neither delivered nor counted as lost: they wait. 0 once a sink has stopped.
    pub fn waiting(&self) -> u64 {
        let lost = self.dropped_full + self.dropped_refused + self.dropped_late;
        self.offered - self.delivered - lost - self.dropped_stopping
    }
}

/// Tells people what goes wrong: the sink's name and a sentence. Calls may come often.
pub type Tell = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// A running sink.
pub struct Push {
    queue: Sender<Said>,
    stop: watch::Sender<Option<Instant>>,
    worker: JoinHandle<()>,
    counters: Arc<Counters>,
    breaker: Arc<Breaker>,
}

impl Push {
    /// Starts a sink; call it within a tokio runtime.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Format`] if the URL or a header cannot be used.
    pub fn start(config: PushConfig, encode: impl Encode, tell: Tell) -> Result<Self, Error> {
        let client = Client::new(&config.url, &config.headers, config.timeout)?;
        let (queue, waiting) = channel(config.queue.max(1));
        let (stop, stopped) = watch::channel(None);
        let counters = Arc::new(Counters::default());
        let pause_ms = config.breaker_pause.as_millis() as u64;
        let breaker = Arc::new(Breaker::new(config.breaker_failures, pause_ms));
        let worker = Worker {
            client,
            encode,
            waiting,
            stopped,
            counters: Arc::clone(&counters),
            breaker: Arc::clone(&breaker),
            started: now(),
            tell,
            config,
        };
        let worker = tokio::spawn(worker.run());
        Ok(Self { queue, stop, worker, counters, breaker })
    }

    /// Offers an item; it is dropped, and counted, where there is no room.
    pub fn offer(&self, said: Said) {
        self.counters.offered.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(said).is_err() {
            self.counters.dropped_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of what was offered.
    pub fn counts(&self) -> PushCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let c = &self.counters;
        // Outcomes are read before offers, so that nothing seems to have come from nowhere.
        let counts = PushCounts {
            delivered: load(&c.delivered),
            dropped_full: load(&c.dropped_full),
            dropped_refused: load(&c.dropped_refused),
            dropped_late: load(&c.dropped_late),
            dropped_stopping: load(&c.dropped_stopping),
            requests: load(&c.requests),
            retries: load(&c.retries),
            offered: 0,
        };
        PushCounts { offered: load(&c.offered), ..counts }
    }

    /// The state of its breaker.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Delivers what waits, for so long at most; returns the final counts.
    pub async fn stop(self, within: Duration) -> PushCounts {
        self.stop.send_replace(Some(now() + within));
        let Self { queue, worker, counters, .. } = self;
        drop(queue);
        // A worker that panicked has counted what it could.
        drop(worker.await);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PushCounts {
            offered: load(&counters.offered),
            delivered: load(&counters.delivered),
            dropped_full: load(&counters.dropped_full),
            dropped_refused: load(&counters.dropped_refused),
            dropped_late: load(&counters.dropped_late),
            dropped_stopping: load(&counters.dropped_stopping),
            requests: load(&counters.requests),
            retries: load(&counters.retries),
        }
    }
}

struct Worker<E> {
    config: PushConfig,
    client: Client,
    encode: E,
    waiting: Receiver<Said>,
    /// Until when a stopping sink may still deliver.
    stopped: watch::Receiver<Option<Instant>>,
    counters: Arc<Counters>,
    breaker: Arc<Breaker>,
    started: Instant,
    tell: Tell,
}

impl<E: Encode> Worker<E> {
    async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.deliver(&batch).await;
        }
    }

    /// The next batch: full, or as old as the interval lets it become; at once while stopping.
    async fn gather(&mut self) -> Option<Vec<Said>> {
        let mut batch = vec![self.waiting.recv().await?];
        let until = now() + self.config.interval;
        while batch.len() < self.config.batch {
            let next = tokio::select! {
                next = self.waiting.recv() => next,
                () = tokio::time::sleep_until(until) => break,
                () = changed(&mut self.stopped, Option::is_some) => self.waiting.recv().await,
            };
            let Some(said) = next else { break };
            batch.push(said);
        }
        Some(batch)
    }

    async fn deliver(&mut self, batch: &[Said]) {
        let items = batch.len() as u64;
        let Some((content_type, body)) = self.encode.encode(batch) else {
            self.counters.delivered.fetch_add(items, Ordering::Relaxed);
            return;
        };
        let deadline = now() + self.config.retry_within;
        let mut attempt = 0;
        loop {
            if let Some(at) = self.not_before() {
                let wait =
                    Verdict::Again { after: Some(at), reason: "it is left alone".to_owned() };
                if !self.wait(&wait, attempt, deadline, items).await {
                    return;
                }
                continue;
            }
            self.counters.requests.fetch_add(1, Ordering::Relaxed);
            self.counters.retries.fetch_add(u64::from(attempt > 0), Ordering::Relaxed);
            let verdict = self.client.post(content_type, body.clone()).await;
            match &verdict {
                Verdict::Taken(answer) => {
                    self.breaker.succeeded();
                    self.settle(answer, items);
                    return;
                }
                Verdict::Refused(reason) => {
                    // It lives and says no: that is no reason to leave it alone.
                    self.breaker.succeeded();
                    self.counters.dropped_refused.fetch_add(items, Ordering::Relaxed);
                    self.say(&format!("{reason}; {items} items are lost"));
                    return;
                }
                Verdict::Again { reason, .. } => {
                    self.breaker.failed(self.now_ms());
                    self.say(&format!("{reason}; {items} items are tried again"));
                }
            }
            attempt += 1;
            if !self.wait(&verdict, attempt, deadline, items).await {
                return;
            }
        }
    }

    /// Counts what a request that succeeded has delivered.
    fn settle(&self, answer: &[u8], items: u64) {
        let mut lost = 0;
        if let Some((rejected, reason)) = self.encode.rejected(answer) {
            lost = rejected.min(items);
            let reason: String =
                reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
            self.say(&format!("it took all but {rejected}: {reason}"));
        }
        self.counters.dropped_refused.fetch_add(lost, Ordering::Relaxed);
        self.counters.delivered.fetch_add(items - lost, Ordering::Relaxed);
    }

    fn say(&self, text: &str) {
        (self.tell)(&self.config.name, text);
    }

    fn now_ms(&self) -> u64 {
        now().duration_since(self.started).as_millis() as u64
    }

    /// How long the breaker lets nothing through, if it does not.
    fn not_before(&self) -> Option<Duration> {
        let now_ms = self.now_ms();
        match self.breaker.admit(now_ms) {
            Admission::Open | Admission::Probe => None,
            Admission::Wait(at_ms) => Some(Duration::from_millis(at_ms.saturating_sub(now_ms))),
        }
    }

    /// Waits before the next attempt; `false` where there is none, with the items counted as lost.
    async fn wait(&mut self, why: &Verdict, attempt: u32, deadline: Instant, items: u64) -> bool {
        let Verdict::Again { after, .. } = why else { return false };
        let pause = after.unwrap_or_else(|| backoff(attempt, &self.config.name));
        let stop_at = *self.stopped.borrow();
        let until = stop_at.map_or(deadline, |stop_at| stop_at.min(deadline));
        if now() + pause >= until {
            let counter = match stop_at {
                Some(stop_at) if stop_at <= deadline => &self.counters.dropped_stopping,
                _ => &self.counters.dropped_late,
            };
            counter.fetch_add(items, Ordering::Relaxed);
            self.say(&format!("{items} items could not be delivered in time and are lost"));
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // A run that ends shortens the wait: the loop sees what is left.
            () = changed(&mut self.stopped, |at| *at != stop_at) => {}
        }
        true
    }
}

/// Waits until a stop is told that fulfils a condition; for ever, if none is told any more.
async fn changed(
    stopped: &mut watch::Receiver<Option<Instant>>,
    is_it: impl FnMut(&Option<Instant>) -> bool,
) {
    if stopped.wait_for(is_it).await.map(|_| ()).is_err() {
        std::future::pending::<()>().await;
    }
}

/// Exponential, from a quarter of a second to 30 s, each between half and all of it: senders that
/// failed together do not come back together.
fn backoff(attempt: u32, name: &str) -> Duration {
    let full_ms = (250_u64 << attempt.min(7)).min(30_000);
    let seed = format!("{name}{attempt}{:?}", now());
    let share = xxh3_64(seed.as_bytes()) % 1_000;
    Duration::from_millis(full_ms / 2 + full_ms * share / 2_000)
}
