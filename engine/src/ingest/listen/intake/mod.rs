//! The bounded queue between the listeners and the one thread that writes the input log.
//!
//! Invariant: what becomes of a request is counted before anything of it is discarded; a frame's
//! room is given back only when its owner drops the [`Accepted`]. Frames leave in the order in
//! which they came, whoever brought them; that no sender takes all the room is the budget's work.

mod reception;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::limits::{
    INTAKE_BYTES_MAX, INTAKE_ITEMS_MAX, INTAKE_READING_BYTES_MAX, MESSAGE_BYTES_MAX,
};
use crate::model::{DataFrame, PayloadFormat, SourceId};

use super::budget::{Amount, Budget, Permit, Sender};
use super::clock::{Clock, monotonic, system_clock};
use super::counts::{Count, DiscardReason, IntakeCounts, SourceCounts};

pub(super) use reception::{Outcome, Reception};

/// What happens to a frame that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Its sender waits, for [`IntakeConfig::wait`] at most, and is then told to try again later.
    #[default]
    Block,
    /// It is discarded; its sender is told that its items were rejected.
    DropNewest,
    /// The oldest frame of the sender that holds the most is discarded to make room.
    DropOldest,
    /// Of its spans one in 2, 4, … 64 is taken, chosen by their trace ids; the frame's format and
    /// each span's tracestate say in how many. Other signals wait.
    Sample,
}

/// How much may wait, and what happens beyond that.
#[derive(Clone)]
pub struct IntakeConfig {
    /// Items that may wait or be in the hands of the log's writer.
    pub items: u64,
    /// Payload bytes that may wait or be in the hands of the log's writer.
    pub bytes: u64,
    /// Bytes of bodies that may be under way: received, decompressed, checked.
    pub reading_bytes: u64,
    /// What happens to a frame that finds no room.
    pub when_full: WhenFull,
    /// How long a sender waits for room.
    pub wait: Duration,
    /// When a sender that found no room is told to come back; whole seconds, at least one.
    pub retry_after: Duration,
    /// Tells the arrival time of frames.
    pub clock: Clock,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            items: INTAKE_ITEMS_MAX,
            bytes: INTAKE_BYTES_MAX,
            reading_bytes: INTAKE_READING_BYTES_MAX,
            when_full: WhenFull::Block,
            wait: Duration::from_secs(5),
            retry_after: Duration::from_secs(1),
            clock: system_clock(),
        }
    }
}

/// A frame for the input log. Dropping it makes room for further ones: keep it until the frame is
/// written or lost for good.
pub struct Accepted {
    /// The frame, decompressed, with its arrival time.
    pub frame: DataFrame,
    /// Spans, log records, metric points or lines in it.
    pub items: u64,
    room: Permit,
}

/// Why no frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFrame {
    /// None came in time.
    Timeout,
    /// The intake was closed and everything in it was handed out.
    Closed,
}

/// What the listeners put frames into. Clones share one queue.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

/// The end that the writer of the input log takes frames from.
pub struct IntakeReceiver {
    shared: Arc<Shared>,
}

struct Shared {
    config: IntakeConfig,
    room: Arc<Budget>,
    reading: Arc<Budget>,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    /// By number, in the order in which they came.
    frames: BTreeMap<u64, Accepted>,
    next_number: u64,
    waiting: BTreeMap<Sender, Waiting>,
    sources: BTreeMap<SourceId, SourceCounts>,
    is_closed: bool,
}

/// What of one sender waits.
#[derive(Default)]
struct Waiting {
    bytes: u64,
    numbers: VecDeque<u64>,
}

impl Intake {
    /// A queue: the end for listeners, and the end for the writer of the log.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a budget is smaller than one message may be.
    pub fn new(config: IntakeConfig) -> Result<(Self, IntakeReceiver), Error> {
        let message = MESSAGE_BYTES_MAX as u64;
        if config.items == 0 || config.bytes < message || config.reading_bytes < 2 * message {
            let text = format!(
                "expected room for 1 item, {message} bytes of frames and {} bytes of bodies, found \
                 `{}`, `{}` and `{}`",
                2 * message,
                config.items,
                config.bytes,
                config.reading_bytes
            );
            return Err(Error::new(ErrorKind::Setting, text));
        }
        let whole_s = config.retry_after.as_millis().div_ceil(1_000).max(1);
        let retry_after = Duration::from_secs(whole_s as u64);
        let config = IntakeConfig { retry_after, ..config };
        let shared = Arc::new(Shared {
            room: Budget::new(Amount { items: config.items, bytes: config.bytes }),
            reading: Budget::new(Amount { items: u64::MAX, bytes: config.reading_bytes }),
            config,
            queue: Mutex::default(),
            arrived: Condvar::new(),
        });
        Ok((Self { shared: Arc::clone(&shared) }, IntakeReceiver { shared }))
    }

    /// Takes no further frames; what waits can still be received. Senders are told to try again.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Keeps so many bytes of the room for frames and bodies from being taken, in place of those
    /// before: they are held elsewhere. Both lose the same share; where nothing is left, senders
    /// wait and are told to come back, or whatever [`WhenFull`] says.
    pub fn reserve(&self, bytes: u64) {
        let (room, reading) = (&self.shared.room, &self.shared.reading);
        let whole = room.limit_bytes().saturating_add(reading.limit_bytes());
        let bytes = bytes.min(whole);
        let of_reading = u128::from(bytes) * u128::from(reading.limit_bytes()) / u128::from(whole);
        let of_reading = of_reading as u64; // no more than its limit
        reading.reserve(of_reading);
        room.reserve(bytes - of_reading);
    }

    /// Bytes of frames and bodies that there is room for, in all.
    pub fn room_bytes(&self) -> u64 {
        self.shared.room.limit_bytes().saturating_add(self.shared.reading.limit_bytes())
    }

    /// Items and bytes that may be held; requests are bounded by these alone.
    pub fn capacity(&self) -> Count {
        let config = &self.shared.config;
        Count { requests: 0, items: config.items, bytes: config.bytes }
    }

    /// What became of all that arrived.
    pub fn counts(&self) -> IntakeCounts {
        self.shared.counts()
    }

    /// Puts a payload of the program's own into the queue, as if a sender had brought it; whether
    /// it was taken. Waits for room as senders do.
    pub async fn offer(
        &self,
        source: SourceId,
        payload: Bytes,
        format: PayloadFormat,
        items: u64,
    ) -> bool {
        let reception = self.begin(source, Sender::Connection(u64::MAX));
        let outcome = reception.put(payload, format, items, self.deadline()).await;
        outcome == Outcome::Taken
    }

    /// When a sender that found no room shall come back.
    pub(super) fn retry_after(&self) -> Duration {
        self.shared.config.retry_after
    }

    /// Until when a request that starts now waits for room.
    pub(super) fn deadline(&self) -> Instant {
        monotonic() + self.shared.config.wait
    }

    /// Notes a request of a source; whatever becomes of it is told to the reception.
    pub(super) fn begin(&self, source: SourceId, sender: Sender) -> Reception {
        let mut queue = self.shared.lock();
        let counts = queue.sources.entry(source).or_default();
        counts.received.requests += 1;
        counts.under_way += 1;
        drop(queue);
        Reception::new(self.clone(), source, sender)
    }

    /// Room for a body that is about to be read.
    pub(super) async fn reading(
        &self,
        sender: Sender,
        bytes: u64,
        deadline: Instant,
    ) -> Option<Permit> {
        self.shared.reading.acquire(sender, Amount::bytes(bytes), deadline).await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    fn counts(&self) -> IntakeCounts {
        let held = self.room.used();
        IntakeCounts {
            sources: self.lock().sources.clone(),
            held_items: held.items,
            held_bytes: held.bytes,
            reading_bytes: self.reading.used().bytes,
            waiting: (self.room.waiting() + self.reading.waiting()) as u64,
        }
    }

    /// Discards waiting frames until there is room; none if what is held waits no longer.
    fn make_room(&self, sender: Sender, need: Amount) -> Option<Permit> {
        loop {
            if let Some(room) = self.room.try_acquire(sender, need) {
                return Some(room);
            }
            if self.room.waiting() > 0 {
                return None; // what is discarded now would go to those who wait already
            }
            let mut queue = self.lock();
            let oldest = queue.discard_oldest()?;
            drop(queue);
            drop(oldest); // gives its room back, outside the lock
        }
    }
}

impl Queue {
    fn push(&mut self, frame: Accepted) {
        let number = self.next_number;
        self.next_number += 1;
        let waiting = self.waiting.entry(frame.room.sender()).or_default();
        waiting.bytes += frame.count().bytes;
        waiting.numbers.push_back(number);
        self.frames.insert(number, frame);
    }

    /// Takes the oldest frame of a sender out.
    fn take(&mut self, sender: Sender) -> Option<Accepted> {
        let waiting = self.waiting.get_mut(&sender)?;
        let frame = self.frames.remove(&waiting.numbers.pop_front()?)?;
        waiting.bytes -= frame.count().bytes;
        if waiting.numbers.is_empty() {
            self.waiting.remove(&sender);
        }
        Some(frame)
    }

    /// The oldest frame. Turns of senders would be kinder to one that comes late to a long queue,
    /// but let its telemetry overtake that of the others, whose items could then be late.
    fn pop(&mut self) -> Option<Accepted> {
        let sender = self.frames.first_key_value()?.1.room.sender();
        let frame = self.take(sender)?;
        let counts = self.sources.entry(frame.frame.source).or_default();
        counts.queued.subtract(frame.count());
        counts.accepted.add(frame.count());
        Some(frame)
    }

    /// The oldest frame of the sender with the most bytes waiting, counted as discarded.
    fn discard_oldest(&mut self) -> Option<Accepted> {
        let sender = *self.waiting.iter().max_by_key(|(_, waiting)| waiting.bytes)?.0;
        let oldest = self.take(sender)?;
        let counts = self.sources.entry(oldest.frame.source).or_default();
        counts.queued.subtract(oldest.count());
        counts.discarded.entry(DiscardReason::Oldest).or_default().add(oldest.count());
        Some(oldest)
    }
}

impl Accepted {
    fn count(&self) -> Count {
        Count { requests: 1, items: self.items, bytes: self.frame.payload.len() as u64 }
    }

    /// Bytes of the queue's budget that it holds.
    pub fn held_bytes(&self) -> u64 {
        self.room.bytes()
    }
}

impl IntakeReceiver {
    /// The next frame, waiting for it at most so long. Blocks the calling thread.
    ///
    /// # Errors
    /// [`NoFrame`] if none came in time, or none will.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Accepted, NoFrame> {
        let queue = self.shared.lock();
        let is_empty = |queue: &mut Queue| queue.frames.is_empty() && !queue.is_closed;
        let (mut queue, _) = self
            .shared
            .arrived
            .wait_timeout_while(queue, timeout, is_empty)
            .unwrap_or_else(PoisonError::into_inner);
        match queue.pop() {
            Some(frame) => Ok(frame),
            None if queue.is_closed => Err(NoFrame::Closed),
            None => Err(NoFrame::Timeout),
        }
    }

    /// What became of all that arrived.
    pub fn counts(&self) -> IntakeCounts {
        self.shared.counts()
    }
}

impl Drop for IntakeReceiver {
    fn drop(&mut self) {
        self.shared.close();
    }
}
