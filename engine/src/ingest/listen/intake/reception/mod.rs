//! One request on its way into the queue: what becomes of it, and how it is counted.
//!
//! Invariant: whatever happens, a request is counted once; one that is dropped is one whose sender
//! went away.

mod sample;
mod thin;
mod within;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Accepted, Intake, Queue, WhenFull};
use crate::ingest::listen::budget::{Amount, Permit, Sender};
use crate::ingest::listen::counts::{Count, DiscardReason, RefuseReason, SourceCounts};
use crate::model::{Compression, DataFrame, PayloadFormat, SourceId};

/// What became of a checked payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest::listen) enum Outcome {
    /// It will be handed to the log.
    Taken,
    /// It was discarded: the queue is full.
    Discarded,
    /// There was no room in time.
    Busy,
    /// Its listener takes no more of this sender, or of all, for so long.
    Limited(Duration),
    /// Nobody takes frames any more.
    Stopping,
}

/// A request under way. Dropping it counts the request as one whose sender went away.
pub(in crate::ingest::listen) struct Reception {
    intake: Intake,
    source: SourceId,
    pub(in crate::ingest::listen) sender: Sender,
    /// Bytes of it that were read.
    pub(in crate::ingest::listen) bytes: u64,
    is_open: bool,
}

impl Reception {
    pub(super) fn new(intake: Intake, source: SourceId, sender: Sender) -> Self {
        Self { intake, source, sender, bytes: 0, is_open: true }
    }

    /// The queue it belongs to.
    pub(in crate::ingest::listen) fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Counts the request as refused.
    pub(in crate::ingest::listen) fn refuse(mut self, reason: RefuseReason) {
        self.settle_refused(reason, 0);
    }

    /// Counts items of this request that are refused while the others are not.
    pub(in crate::ingest::listen) fn refuse_items(
        &self,
        reason: RefuseReason,
        items: u64,
        bytes: u64,
    ) {
        let count = Count { requests: 0, items, bytes };
        let mut queue = self.intake.shared.lock();
        let counts = queue.sources.entry(self.source).or_default();
        counts.received.add(count);
        counts.refused.entry(reason).or_default().add(count);
    }

    /// Counts a request without any item: there is nothing to put into the log.
    pub(in crate::ingest::listen) fn accept_empty(mut self) {
        let count = Count { requests: 1, items: 0, bytes: self.bytes };
        self.settle(count, |counts| counts.accepted.add(count));
    }

    fn settle_refused(&mut self, reason: RefuseReason, items: u64) {
        let count = Count { requests: 1, items, bytes: self.bytes };
        self.settle(count, |counts| counts.refused.entry(reason).or_default().add(count));
    }

    fn settle(&mut self, count: Count, decide: impl FnOnce(&mut SourceCounts)) {
        if std::mem::take(&mut self.is_open) {
            let mut queue = self.intake.shared.lock();
            settle_in(&mut queue, self.source, count, decide);
        }
    }

    /// Puts a payload into the queue, or does with it what the policy says. It counts with these
    /// items and all its bytes.
    pub(in crate::ingest::listen) async fn put(
        mut self,
        payload: Bytes,
        format: PayloadFormat,
        items: u64,
        deadline: Instant,
    ) -> Outcome {
        self.bytes = payload.len() as u64;
        let shared = Arc::clone(&self.intake.shared);
        if shared.config.when_full == WhenFull::Sample {
            return self.put_sample(payload, format, items, deadline).await;
        }
        let need = Amount { items: items.max(1), bytes: self.bytes };
        let room = match shared.config.when_full {
            WhenFull::Block | WhenFull::Sample => {
                shared.room.acquire(self.sender, need, deadline).await
            }
            WhenFull::DropNewest => {
                let room = shared.room.try_acquire(self.sender, need);
                if room.is_none() {
                    let count = Count { requests: 1, items, bytes: self.bytes };
                    self.settle(count, |counts| {
                        counts.discarded.entry(DiscardReason::Newest).or_default().add(count);
                    });
                    return Outcome::Discarded;
                }
                room
            }
            WhenFull::DropOldest => match shared.make_room(self.sender, need) {
                Some(room) => Some(room),
                None => shared.room.acquire(self.sender, need, deadline).await,
            },
        };
        let Some(room) = room else {
            self.settle_refused(RefuseReason::Busy, items);
            return Outcome::Busy;
        };
        self.push(payload, format, items, room)
    }

    fn push(&mut self, payload: Bytes, format: PayloadFormat, items: u64, room: Permit) -> Outcome {
        let shared = Arc::clone(&self.intake.shared);
        let count = Count { requests: 1, items, bytes: payload.len() as u64 };
        let mut queue = shared.lock();
        self.is_open = false;
        if queue.is_closed {
            settle_in(&mut queue, self.source, count, |counts| {
                counts.refused.entry(RefuseReason::Stopping).or_default().add(count);
            });
            drop(queue); // the permit goes after the lock
            return Outcome::Stopping;
        }
        settle_in(&mut queue, self.source, count, |counts| counts.queued.add(count));
        let frame = DataFrame {
            source: self.source,
            arrival_ns: Some((shared.config.clock)()),
            format,
            compression: Compression::None,
            payload,
            place: u64::from(!is_binary(format)),
        };
        queue.push(Accepted { frame, items, room });
        drop(queue);
        shared.arrived.notify_one();
        Outcome::Taken
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        self.settle_refused(RefuseReason::Disconnected, 0);
    }
}

/// Places in binary payloads are byte offsets from 0, in text they are lines from 1.
fn is_binary(format: PayloadFormat) -> bool {
    !matches!(format, PayloadFormat::OtlpJson | PayloadFormat::Lines)
}

fn settle_in(
    queue: &mut Queue,
    source: SourceId,
    count: Count,
    decide: impl FnOnce(&mut SourceCounts),
) {
    let counts = queue.sources.entry(source).or_default();
    counts.under_way -= 1;
    counts.received.add(Count { requests: 0, ..count });
    decide(counts);
}
