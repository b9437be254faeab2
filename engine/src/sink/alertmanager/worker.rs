//! The task that posts what is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::state::AlertsKnown;
use crate::clock::{Clock, monotonic};
use crate::error::Error;
use crate::limits::SINK_QUEUE_MAX;
use crate::model::Transition;
use crate::self_metrics::Lately;
use crate::sink::breaker::{Admission, Breaker};
use crate::sink::counts::{Attempt, DropReason, Hear, Meter, SinkCounts};
use crate::sink::http::{Client, Ending, Framing, Kind, Target};
use crate::sink::push::PushConfig;
use crate::sink::{Report, Shape, Tell, Trouble};

/// Pause after a failed post, at first and at most.
const PAUSE_FIRST_NS: i64 = 500_000_000;
const PAUSE_MAX_NS: i64 = 30_000_000_000;

/// Where alerts are posted, and how often.
#[derive(Debug, Clone)]
pub struct AlertmanagerConfig {
    /// Its name, for what is told about it.
    pub name: Arc<str>,
    /// Its address: `http://localhost:9093`; the path of the API is added.
    pub target: Target,
    /// How often a firing alert is sent again. 1 min.
    pub resend: Duration,
    /// Failures in a row after which the receiver is left alone. 5.
    pub breaker_failures: u32,
    /// For how long. 10 s.
    pub breaker_pause: Duration,
}

impl AlertmanagerConfig {
    /// The usual settings: again every minute.
    pub fn new(name: &str, url: &str) -> Self {
        let push = PushConfig::new(name, url);
        Self {
            name: push.name,
            target: push.target,
            resend: Duration::from_mins(1),
            breaker_failures: push.breaker_failures,
            breaker_pause: push.breaker_pause,
        }
    }
}

/// What became of transitions and posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertmanagerCounts {
    /// Transitions, of which those count as delivered that alerts are followed by; attempts to
    /// post, and the breaker.
    pub sends: SinkCounts,
    /// Posts that were taken.
    pub posted: u64,
    /// Posts that failed; what they said is said again.
    pub failed: u64,
    /// Alerts that are followed: firing, or resolved and not yet told.
    pub followed: u64,
}

impl AlertmanagerCounts {
    /// Transitions offered.
    pub fn offered(&self) -> u64 {
        self.sends.offered
    }

    /// Of those, dropped because too many waited or too many alerts were followed.
    pub fn dropped(&self) -> u64 {
        self.sends.dropped_in_all()
    }
}

#[derive(Debug)]
struct Counters {
    meter: Meter,
    breaker: Breaker,
    posted: AtomicU64,
    failed: AtomicU64,
    followed: AtomicU64,
    followed_bytes: AtomicU64,
}

/// A running sink.
pub struct AlertmanagerSink {
    queue: Sender<Arc<Transition>>,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
    counters: Arc<Counters>,
}

/// A view of a sink.
#[derive(Clone)]
pub struct AlertmanagerWatch {
    counters: Arc<Counters>,
}

impl AlertmanagerWatch {
    /// What became of what was offered.
    pub fn counts(&self) -> AlertmanagerCounts {
        read(&self.counters)
    }

    /// How long posts took of late; none if there were none.
    pub fn lately(&self) -> Option<Lately> {
        self.counters.meter.lately()
    }

    /// Bytes of the alerts that are followed, about.
    pub fn held_bytes(&self) -> u64 {
        self.counters.followed_bytes.load(Ordering::Relaxed)
    }

    /// Transitions that may wait.
    pub fn queue(&self) -> usize {
        SINK_QUEUE_MAX
    }

    /// Lets somebody hear of every attempt to post; the first one who asks.
    pub fn hear(&self, hear: Hear) {
        self.counters.meter.hear(hear);
    }
}

impl AlertmanagerSink {
    /// Starts the sink; call it within a tokio runtime. Shapes are by rule id. The first clock says
    /// how time passes, the second one what Alertmanager is told of it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Setting`] if the URL, a header or a file cannot be used,
    /// [`crate::ErrorKind::Read`] if a file cannot be read.
    pub fn start(
        config: &AlertmanagerConfig,
        shapes: Arc<[Shape]>,
        (clock, wall): (Clock, Clock),
        tell: Tell,
    ) -> Result<Self, Error> {
        let url = format!("{}/api/v2/alerts", config.target.url.trim_end_matches('/'));
        let target = Target { url, ..config.target.clone() };
        let client = Client::new(&target, Framing::Plain)?;
        let resend_ns = i64::try_from(config.resend.as_nanos()).unwrap_or(i64::MAX).max(1);
        let (queue, waiting) = channel(SINK_QUEUE_MAX);
        let (stop, stopped) = watch::channel(false);
        let pause_ms = config.breaker_pause.as_millis() as u64;
        // A probe is given up when it must have ended.
        let probe_ms = pause_ms + config.target.timeout.as_millis() as u64;
        let counters = Arc::new(Counters {
            meter: Meter::default(),
            breaker: Breaker::new(config.breaker_failures, pause_ms, probe_ms),
            posted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            followed: AtomicU64::new(0),
            followed_bytes: AtomicU64::new(0),
        });
        let worker = Worker {
            name: Arc::clone(&config.name),
            client,
            known: AlertsKnown::new(shapes, resend_ns),
            resend_ns,
            failures: 0,
            started: monotonic(),
            waiting,
            stopped,
            counters: Arc::clone(&counters),
            clock,
            wall,
            tell,
        };
        Ok(Self { queue, stop, worker: tokio::spawn(worker.run()), counters })
    }

    /// Offers a transition; it is dropped, and counted, where there is no room.
    pub fn offer(&self, transition: Arc<Transition>) {
        self.counters.meter.offered();
        if self.queue.try_send(transition).is_err() {
            self.counters.meter.dropped(DropReason::Full, 1);
        }
    }

    /// What became of what was offered.
    pub fn counts(&self) -> AlertmanagerCounts {
        read(&self.counters)
    }

    /// A view of it that outlives it.
    pub fn watch(&self) -> AlertmanagerWatch {
        AlertmanagerWatch { counters: Arc::clone(&self.counters) }
    }

    /// Says what is due once more, for so long at most. Firing alerts stay known to Alertmanager
    /// until their `endsAt`.
    pub async fn stop(self, within: Duration) -> AlertmanagerCounts {
        let Self { queue, stop, mut worker, counters } = self;
        stop.send_replace(true);
        drop(queue);
        if tokio::time::timeout(within, &mut worker).await.is_err() {
            worker.abort();
        }
        read(&counters)
    }
}

fn read(counters: &Counters) -> AlertmanagerCounts {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    AlertmanagerCounts {
        sends: counters.meter.counts(counters.breaker.state()),
        posted: load(&counters.posted),
        failed: load(&counters.failed),
        followed: load(&counters.followed),
    }
}

struct Worker {
    name: Arc<str>,
    client: Client,
    known: AlertsKnown,
    resend_ns: i64,
    failures: u32,
    started: Instant,
    waiting: Receiver<Arc<Transition>>,
    stopped: watch::Receiver<bool>,
    counters: Arc<Counters>,
    /// How time passes.
    clock: Clock,
    /// What others are told of it.
    wall: Clock,
    tell: Tell,
}

impl Worker {
    async fn run(mut self) {
        loop {
            let now_ns = (self.clock)();
            let due_ns = self.known.next_due_ns();
            let wait_ns = due_ns.map_or(self.resend_ns, |due_ns| (due_ns - now_ns).max(0));
            let wait = Duration::from_nanos(wait_ns.unsigned_abs());
            let next = tokio::select! {
                biased;
                next = self.waiting.recv() => next,
                () = tokio::time::sleep(wait) => {
                    self.post().await;
                    continue;
                }
            };
            let Some(transition) = next else { break };
            let before = self.known.overflowed();
            self.known.take(&transition, (self.clock)());
            let lost = self.known.overflowed() - before;
            self.counters.meter.begun();
            if lost > 0 {
                self.counters.meter.dropped(DropReason::Overflow, 1);
            } else {
                self.counters.meter.delivered(1);
            }
            self.count();
        }
        // The queue is closed: what is due is said while time is left.
        while *self.stopped.borrow() && self.post().await {}
    }

    fn count(&self) {
        self.counters.followed.store(self.known.len() as u64, Ordering::Relaxed);
        let bytes = self.known.held_bytes() as u64;
        self.counters.followed_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Posts what is due; whether there may be more.
    async fn post(&mut self) -> bool {
        let now_ns = (self.clock)();
        let Some(due) = self.known.due(now_ns, (self.wall)()) else { return false };
        let now_ms = self.now_ms();
        if let Admission::Wait(at_ms) = self.counters.breaker.admit(now_ms) {
            let wait_ms = i64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(i64::MAX);
            let wait_ns = wait_ms.saturating_mul(1_000_000);
            self.known.put_off(&due, now_ns.saturating_add(wait_ns));
            return false;
        }
        let body = self.client.pack(due.body.clone()).await;
        let ending = self.attempt(due.alerts as u64, body).await;
        if let Some(text) = self.client.complaint() {
            self.report(0, Trouble::Files, text);
        }
        let now_ns = (self.clock)();
        let is_taken = matches!(ending.kind, Kind::Taken(_));
        let (pause_ns, trouble) = match ending.kind {
            Kind::Taken(_) => {
                self.failures = 0;
                self.counters.posted.fetch_add(1, Ordering::Relaxed);
                self.known.taken(&due, now_ns);
                (0, None)
            }
            Kind::Again(failure, after) => {
                let named = after.filter(|after| !after.is_zero());
                let named_ns =
                    named.map(|after| i64::try_from(after.as_nanos()).unwrap_or(i64::MAX));
                let own_ns = (PAUSE_FIRST_NS << self.failures.min(16)).min(PAUSE_MAX_NS);
                (named_ns.unwrap_or(own_ns), Some(Trouble::Again(failure)))
            }
            // What is due later says how things stand by then: nothing is lost for good.
            Kind::Refused(failure) => (self.resend_ns, Some(Trouble::Again(failure))),
        };
        if let Some(trouble) = trouble {
            self.failures += 1;
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
            self.known.put_off(&due, now_ns.saturating_add(pause_ns));
            self.report(due.alerts as u64, trouble, ending.text);
        }
        self.count();
        is_taken
    }

    /// Posts once, and lets meter and breaker know how that ended.
    async fn attempt(&mut self, alerts: u64, body: Bytes) -> Ending {
        let (meter, bytes) = (&self.counters.meter, body.len());
        meter.attempt(self.failures > 0, bytes);
        let begun = monotonic();
        let ending = self.client.post("application/json", body).await;
        let failure = match &ending.kind {
            Kind::Taken(_) => None,
            Kind::Refused(failure) | Kind::Again(failure, _) => Some(*failure),
        };
        meter.ended(&Attempt {
            items: alerts,
            bytes,
            number: self.failures.saturating_add(1),
            took: monotonic().duration_since(begun),
            failure,
        });
        if let Some(failure) = failure {
            meter.failed(failure);
        }
        let now_ms = self.now_ms();
        if !matches!(ending.kind, Kind::Again(..)) {
            self.counters.breaker.succeeded();
        } else if self.counters.breaker.failed(now_ms) {
            self.counters.meter.breaker_opened();
        }
        ending
    }

    fn now_ms(&self) -> u64 {
        monotonic().duration_since(self.started).as_millis() as u64
    }

    fn report(&self, items: u64, trouble: Trouble, text: String) {
        let sink = Arc::clone(&self.name);
        (self.tell)(&Report { sink, trouble, text, items, rule: None, key: String::new() });
    }
}
