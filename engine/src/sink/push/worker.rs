//! The task of a sink: gathers batches, and delivers one after the other.
//!
//! Invariant: an item that left the queue is delivered or counted as dropped before the next batch
//! is gathered; it is never both.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Encode, PushConfig, Said};
use crate::clock::monotonic as now;
use crate::sink::backoff::Backoff;
use crate::sink::breaker::{Admission, Breaker};
use crate::sink::counts::{Attempt, DropReason, Failure, Meter};
use crate::sink::held::Held;
use crate::sink::http::{Client, Ending, Kind};
use crate::sink::trouble::{Report, Tell, Trouble, plain, rule_and_key};

/// What carries a body to a receiver.
pub(super) trait Post: Send + 'static {
    /// A body as it is sent.
    fn pack(&self, body: Bytes) -> impl Future<Output = Bytes> + Send;

    /// One attempt.
    fn post(
        &mut self,
        content_type: &'static str,
        body: Bytes,
    ) -> impl Future<Output = Ending> + Send;

    /// What is wrong with it that is no failure, once.
    fn complaint(&mut self) -> Option<String> {
        None
    }
}

impl Post for Client {
    fn pack(&self, body: Bytes) -> impl Future<Output = Bytes> + Send {
        Self::pack(self, body)
    }

    fn post(
        &mut self,
        content_type: &'static str,
        body: Bytes,
    ) -> impl Future<Output = Ending> + Send {
        Self::post(self, content_type, body)
    }

    fn complaint(&mut self) -> Option<String> {
        Self::complaint(self)
    }
}

pub(super) struct Worker<E, P> {
    pub(super) config: PushConfig,
    pub(super) post: P,
    pub(super) encode: E,
    pub(super) waiting: Receiver<Said>,
    /// An item that left the queue and found no room in the batch before.
    pub(super) left: Option<Said>,
    /// Until when a stopping sink may still deliver.
    pub(super) stopped: watch::Receiver<Option<Instant>>,
    pub(super) meter: Arc<Meter>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) backoff: Backoff,
    pub(super) started: Instant,
    pub(super) tell: Tell,
    pub(super) held: Arc<Held>,
}

/// A batch that is being delivered.
struct Delivery<'a> {
    batch: &'a [Said],
    /// Items of the batch that are in the request.
    items: u64,
    deadline: Instant,
    attempts: u32,
}

impl<E: Encode, P: Post> Worker<E, P> {
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            let bytes = batch.iter().map(Said::held_bytes).sum();
            self.held.encodes(bytes); // about as much again, until it is known
            self.deliver(&batch).await;
            self.held.encodes(0);
            self.held.free(bytes);
        }
    }

    async fn next(&mut self) -> Option<Said> {
        match self.left.take() {
            Some(said) => Some(said),
            None => self.waiting.recv().await.inspect(|_| self.meter.begun()),
        }
    }

    /// The next batch: full, or as old as its interval lets it become; at once while stopping.
    async fn gather(&mut self) -> Option<Vec<Said>> {
        let first = self.next().await?;
        let until = now() + self.interval(self.waiting.len());
        let mut bytes = self.encode.weight(&first);
        let mut batch = vec![first];
        while batch.len() < self.config.batch {
            let next = tokio::select! {
                next = self.waiting.recv() => next,
                () = tokio::time::sleep_until(until) => break,
                () = changed(&mut self.stopped, Option::is_some) => self.waiting.recv().await,
            };
            let Some(said) = next else { break };
            self.meter.begun();
            bytes = bytes.saturating_add(self.encode.weight(&said));
            if bytes > self.config.bytes {
                self.left = Some(said);
                break;
            }
            batch.push(said);
        }
        Some(batch)
    }

    /// How long a batch waits that is not full, when so many others wait.
    fn interval(&self, queued: usize) -> Duration {
        let (max, min) = (self.config.interval, self.config.interval_min);
        let full = self.config.batch.max(1);
        let free = full.saturating_sub(queued) as f64 / full as f64;
        min.min(max) + max.saturating_sub(min).mul_f64(free)
    }

    async fn deliver(&mut self, batch: &[Said]) {
        let encoded = self.encode.encode(batch);
        self.meter.left(self.encode.left());
        let left_out = self.encode.left_out().min(batch.len()) as u64;
        let items = batch.len() as u64 - left_out;
        let deadline = now() + self.config.retry_within;
        let mut delivery = Delivery { batch, items, deadline, attempts: 0 };
        if left_out > 0 {
            self.meter.dropped(DropReason::Unfit, left_out);
            let text = "they are damaged inside, and have no form in JSON";
            self.report(&delivery, left_out, Trouble::Dropped(DropReason::Unfit), text);
        }
        let Some((content_type, body)) = encoded else {
            self.meter.delivered(items);
            return;
        };
        if body.len() > self.config.bytes {
            let text = format!("a request of {} bytes is too large to be sent", body.len());
            self.lose(&delivery, DropReason::TooLarge, &text);
            return;
        }
        self.meter.batch(items);
        self.held.encodes(2 * body.len()); // as it is, and packed
        let body = self.post.pack(body).await;
        self.held.encodes(body.len());
        loop {
            if let Some(pause) = self.not_before() {
                if !self.wait(&delivery, pause, "it is left alone for a while").await {
                    return;
                }
                continue;
            }
            let ending = self.attempt(&mut delivery, content_type, body.clone()).await;
            match ending.kind {
                Kind::Taken(answer) => return self.settle(&delivery, &answer),
                Kind::Refused(failure) => {
                    self.meter.failed(failure);
                    return self.lose(&delivery, DropReason::Refused, &ending.text);
                }
                Kind::Again(failure, after) => {
                    self.meter.failed(failure);
                    self.report(&delivery, items, Trouble::Again(failure), &ending.text);
                    let own = self.backoff.pause(delivery.attempts);
                    // At once, or a time that is over: a receiver that is busy is not hurried.
                    let pause = after.filter(|asked| !asked.is_zero()).unwrap_or(own);
                    if !self.wait(&delivery, pause, &ending.text).await {
                        return;
                    }
                }
            }
        }
    }

    /// Sends once, and lets the breaker know how that ended.
    async fn attempt(
        &mut self,
        delivery: &mut Delivery<'_>,
        content_type: &'static str,
        body: Bytes,
    ) -> Ending {
        let bytes = body.len();
        self.meter.attempt(delivery.attempts > 0, bytes);
        delivery.attempts = delivery.attempts.saturating_add(1);
        let begun = now();
        let ending = tokio::select! {
            ending = self.post.post(content_type, body) => ending,
            () = over(&mut self.stopped) => {
                Ending::again(Failure::Timeout, "no answer before the run ends".to_owned())
            }
        };
        let failure = match &ending.kind {
            Kind::Taken(_) => None,
            Kind::Refused(failure) | Kind::Again(failure, _) => Some(*failure),
        };
        self.meter.ended(&Attempt {
            items: delivery.items,
            bytes,
            number: delivery.attempts,
            took: now().duration_since(begun),
            failure,
        });
        if let Some(text) = self.post.complaint() {
            self.report(delivery, 0, Trouble::Files, &text);
        }
        if matches!(ending.kind, Kind::Again(..)) {
            if self.breaker.failed(self.now_ms()) {
                self.meter.breaker_opened();
            }
        } else {
            // It lives, and perhaps says no: that is no reason to leave it alone.
            self.breaker.succeeded();
        }
        ending
    }

    /// Counts what a request that succeeded has delivered.
    fn settle(&self, delivery: &Delivery<'_>, answer: &[u8]) {
        let items = delivery.items;
        let mut dropped = 0;
        if let Some((rejected, reason)) = self.encode.rejected(answer) {
            dropped = rejected.min(items);
            let reason = plain(&reason);
            let (text, trouble) = if dropped == 0 {
                (format!("it took all, and says: {reason}"), Trouble::Warning)
            } else {
                let text = format!("it rejected {rejected} of {items}: {reason}");
                (text, Trouble::Dropped(DropReason::Rejected))
            };
            self.report(delivery, dropped, trouble, &text);
        }
        self.meter.dropped(DropReason::Rejected, dropped);
        self.meter.delivered(items - dropped);
    }

    fn lose(&self, delivery: &Delivery<'_>, reason: DropReason, text: &str) {
        let items = delivery.items;
        self.meter.dropped(reason, items);
        self.report(delivery, items, Trouble::Dropped(reason), text);
    }

    fn report(&self, delivery: &Delivery<'_>, items: u64, trouble: Trouble, text: &str) {
        let first = delivery.batch.first();
        let (rule, key) =
            first.map(|said| rule_and_key(self.encode.shapes(), said)).unwrap_or_default();
        let (sink, text) = (Arc::clone(&self.config.name), text.to_owned());
        (self.tell)(&Report { sink, trouble, text, items, rule, key });
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

    /// Waits before the next attempt; `false` where there is none, with the items counted as
    /// dropped.
    async fn wait(&mut self, delivery: &Delivery<'_>, pause: Duration, why: &str) -> bool {
        let stop_at = *self.stopped.borrow();
        let until = stop_at.map_or(delivery.deadline, |stop_at| stop_at.min(delivery.deadline));
        if until.duration_since(now()) <= pause {
            let reason = match stop_at {
                Some(stop_at) if stop_at <= delivery.deadline => DropReason::Stopping,
                _ => DropReason::Late,
            };
            let text = format!("{why}; there is no time left");
            self.lose(delivery, reason, &text);
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

/// Waits until a stopping sink may deliver no longer; for ever, if none stops it.
async fn over(stopped: &mut watch::Receiver<Option<Instant>>) {
    let told = stopped.wait_for(Option::is_some).await.ok().and_then(|at| *at);
    match told {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
