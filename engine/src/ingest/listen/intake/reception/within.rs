//! Into the queue within a rate.

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{Outcome, Reception};
use crate::ingest::listen::budget::Amount;
use crate::ingest::listen::clock::monotonic;
use crate::ingest::listen::counts::RefuseReason;
use crate::ingest::listen::rate::RateLimiter;
use crate::model::PayloadFormat;

impl Reception {
    /// As [`Reception::put`], if the rates allow it. A sender that cannot come back `waits` for
    /// them, until the deadline.
    pub(in crate::ingest::listen) async fn put_within(
        mut self,
        rates: &RateLimiter,
        waits: bool,
        (payload, format, items): (Bytes, PayloadFormat, u64),
        deadline: Instant,
    ) -> Outcome {
        let need = Amount { items, bytes: payload.len() as u64 };
        let charge = loop {
            match rates.take(self.sender, need) {
                Ok(charge) => break charge,
                Err(wait) if waits && monotonic() + wait <= deadline => sleep(wait).await,
                Err(wait) => {
                    self.bytes = need.bytes;
                    self.settle_refused(RefuseReason::RateLimited, items);
                    return Outcome::Limited(wait);
                }
            }
        };
        let outcome = self.put(payload, format, items, deadline).await;
        if matches!(outcome, Outcome::Busy | Outcome::Stopping) {
            rates.give_back(charge);
        }
        outcome
    }
}
