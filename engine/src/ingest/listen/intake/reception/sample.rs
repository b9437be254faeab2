//! A full queue that takes a share: what of a request goes in, and how the rest is counted.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::thin::thin;
use super::{Outcome, Reception};
use crate::ingest::listen::budget::Amount;
use crate::ingest::listen::counts::{Count, DiscardReason, RefuseReason};
use crate::model::PayloadFormat;

impl Reception {
    /// Puts as much of a payload into the queue as there is room for.
    pub(super) async fn put_sample(
        mut self,
        payload: Bytes,
        format: PayloadFormat,
        items: u64,
        deadline: Instant,
    ) -> Outcome {
        let shared = Arc::clone(&self.intake.shared);
        let need = Amount { items: items.max(1), bytes: self.bytes };
        if let Some(room) = shared.room.try_acquire(self.sender, need) {
            return self.push(payload, format, items, room);
        }
        // Half of what is free: the fuller the queue, the smaller the share of the next request.
        let free = shared.room.free_for(self.sender);
        let part = |free: u64, need: u64| free as f64 / need.max(1) as f64 / 2.0;
        let share = part(free.items, need.items).min(part(free.bytes, need.bytes));
        let whole = payload.clone();
        let thinning = tokio::task::spawn_blocking(move || thin(&whole, format, share));
        // One that panicked has thinned nothing.
        let thinned = thinning.await.ok().flatten();
        let (payload, format, kept) = match thinned {
            Some(thinned) => (thinned.payload, thinned.format, thinned.kept.min(items)),
            None => (payload, format, items),
        };
        let left = Amount { items: kept.max(1), bytes: payload.len() as u64 };
        let lost = Count {
            requests: 0,
            items: items - kept,
            bytes: self.bytes.saturating_sub(payload.len() as u64),
        };
        let room =
            if kept == 0 { None } else { shared.room.acquire(self.sender, left, deadline).await };
        if kept > 0 && room.is_none() {
            self.settle_refused(RefuseReason::Busy, items);
            return Outcome::Busy;
        }
        self.count_sampled(lost);
        self.bytes = payload.len() as u64;
        match room {
            Some(room) => self.push(payload, format, kept, room),
            None => {
                // Nothing of it is left: it is answered as taken, as what was sampled is.
                let count = Count { requests: 1, items: 0, bytes: 0 };
                self.settle(count, |counts| {
                    counts.discarded.entry(DiscardReason::Sampled).or_default().add(count);
                });
                Outcome::Taken
            }
        }
    }

    /// Counts what others of the same request stand for.
    fn count_sampled(&self, lost: Count) {
        let mut queue = self.intake.shared.lock();
        let counts = queue.sources.entry(self.source).or_default();
        counts.received.add(lost);
        counts.discarded.entry(DiscardReason::Sampled).or_default().add(lost);
    }
}
