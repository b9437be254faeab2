//! One OTLP export request from its head to the queue, the same for HTTP and gRPC.
//!
//! Room is taken, the body read, decompressed and checked, and the payload put into the queue;
//! only then is its sender told that it was taken.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::body::{Body, Incoming};

use crate::ingest::verify::{Contents, Undecodable, Verifier};
use crate::limits::{BODY_STEP_BYTES, MESSAGE_BYTES_MAX};
use crate::model::{Compression, PayloadFormat, Signal};

use super::body::{self, BodyPace, Room};
use super::counts::RefuseReason;
use super::intake::{Outcome, Reception};
use super::rate::{RateLimiter, RateLimits};
use super::respond::{Refusal, Success};

/// What the head of a request says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) signal: Signal,
    pub(super) format: PayloadFormat,
    pub(super) compression: Compression,
}

/// What all requests of a listener share.
pub(super) struct Exporting {
    pub(super) pace: BodyPace,
    rates: RateLimiter,
    /// Verifiers that are not in use, at most [`VERIFIERS_KEPT_MAX`].
    verifiers: Mutex<Vec<Verifier>>,
}

/// Verifiers kept for further requests.
const VERIFIERS_KEPT_MAX: usize = 16;

/// How a message stands in a body.
pub(super) struct Framing {
    /// Bytes before the message.
    pub(super) prefix: usize,
    /// Checks what there is of the body.
    pub(super) look: fn(&[u8]) -> Result<(), Refusal>,
    /// Checks the whole body and says whether its message is compressed.
    pub(super) finish: fn(&[u8], Compression) -> Result<Compression, Refusal>,
}

impl Exporting {
    pub(super) fn new(pace: BodyPace, rates: RateLimits) -> Self {
        Self { pace, rates: RateLimiter::new(rates), verifiers: Mutex::default() }
    }

    /// Takes a request, and counts what became of it.
    pub(super) async fn take(
        &self,
        mut reception: Reception,
        export: Export,
        framing: &Framing,
        body: &mut Incoming,
    ) -> Result<Success, Refusal> {
        let deadline = reception.intake().deadline();
        let message = self.message(&mut reception, export, framing, body, deadline).await;
        let (payload, contents, room) = match message {
            Ok(message) => message,
            Err(refusal) => {
                reception.refuse(refusal.reason);
                return Err(refusal);
            }
        };
        if contents.rejected > 0 {
            reception.refuse_items(RefuseReason::DamagedItem, contents.rejected, 0);
        }
        let success = partial(&contents);
        if contents.items == 0 {
            reception.accept_empty();
            return Ok(success);
        }
        let frame = (payload, export.format, contents.items);
        let outcome = reception.put_within(&self.rates, false, frame, deadline).await;
        drop(room); // held until the queue's own room is taken
        match outcome {
            Outcome::Taken => Ok(success),
            Outcome::Discarded => Ok(Success {
                rejected: contents.rejected + contents.items,
                message: "the queue is full and discards what is newest".into(),
            }),
            Outcome::Busy => Err(Refusal::busy()),
            Outcome::Limited(wait) => Err(Refusal::rate_limited(wait)),
            Outcome::Stopping => Err(Refusal::stopping()),
        }
    }

    async fn message(
        &self,
        reception: &mut Reception,
        export: Export,
        framing: &Framing,
        body: &mut Incoming,
        deadline: tokio::time::Instant,
    ) -> Result<(Bytes, Contents, Room), Refusal> {
        self.rates.look(reception.sender).map_err(Refusal::rate_limited)?;
        let max = MESSAGE_BYTES_MAX + framing.prefix;
        let length = body.size_hint().lower();
        if length > max as u64 {
            return Err(Refusal::too_large());
        }
        let step = BODY_STEP_BYTES as u64;
        let first = body.size_hint().exact().map_or(step, |length| length.min(step));
        let permit = reception.intake().reading(reception.sender, first, deadline).await;
        let mut room = Room { permit: permit.ok_or_else(Refusal::busy)?, deadline };
        let whole =
            body::read(body, max, self.pace, &mut room, &mut reception.bytes, framing.look).await?;
        let compression = (framing.finish)(&whole, export.compression)?;
        let payload = body::inflate(whole, framing.prefix, compression, &mut room).await?;
        reception.bytes = payload.len() as u64;
        let contents = self.verify(&payload, export).map_err(Refusal::undecodable)?;
        Ok((payload, contents, room))
    }

    fn verify(&self, payload: &[u8], export: Export) -> Result<Contents, Undecodable> {
        let kept = || self.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut verifier = kept().pop().unwrap_or_else(Verifier::new);
        let contents = verifier.request(payload, export.signal, export.format);
        let mut kept = kept();
        if kept.len() < VERIFIERS_KEPT_MAX {
            kept.push(verifier);
        }
        contents
    }
}

fn partial(contents: &Contents) -> Success {
    let message = match contents.reason {
        Some(reason) if contents.rejected > 0 => {
            Cow::from(format!("{} damaged items; the first: {reason}", contents.rejected))
        }
        _ => Cow::default(),
    };
    Success { rejected: contents.rejected, message }
}
