//! Reading a body: room before bytes, a pace, decompression in bounded steps.
//!
//! Invariant: a buffer is never larger than the permit that stands for it; a length that a sender
//! claims reserves nothing.

use std::io::Read;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use crate::limits::{
    BODY_STEP_BYTES, GZIP_MEMBERS_MAX, MESSAGE_BYTES_MAX, RATIO_FREE_BYTES, RATIO_MAX,
    ZSTD_WINDOW_LOG_MAX,
};
use crate::model::Compression;

use super::budget::Permit;
use super::clock::monotonic;
use super::respond::Refusal;

/// How fast a body must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPace {
    /// Within which time it must be complete.
    pub timeout: Duration,
    /// After which time its average rate counts.
    pub grace: Duration,
    /// Bytes a second that are expected then.
    pub bytes_per_s: u32,
}

impl Default for BodyPace {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), grace: Duration::from_secs(5), bytes_per_s: 1_024 }
    }
}

impl BodyPace {
    fn deadline(self, start: Instant, received: usize) -> Instant {
        let earned = received as f64 / f64::from(self.bytes_per_s.max(1));
        start + self.timeout.min(self.grace + Duration::from_secs_f64(earned))
    }
}

/// A permit and the deadline by which it may grow.
pub(super) struct Room {
    pub(super) permit: Permit,
    pub(super) deadline: Instant,
}

impl Room {
    /// Makes sure that the permit covers so many bytes beside what others use of it.
    async fn cover(&mut self, bytes: usize) -> Result<(), Refusal> {
        let missing = (bytes as u64).saturating_sub(self.permit.bytes());
        if missing == 0 || self.permit.grow(missing, self.deadline).await {
            Ok(())
        } else {
            Err(Refusal::busy())
        }
    }
}

/// Reads a whole body of at most `max` bytes. `received` follows the bytes as they come, and
/// `look` sees what there is after each step.
pub(super) async fn read(
    body: &mut Incoming,
    max: usize,
    pace: BodyPace,
    room: &mut Room,
    received: &mut u64,
    look: impl Fn(&[u8]) -> Result<(), Refusal>,
) -> Result<Vec<u8>, Refusal> {
    let start = monotonic();
    let mut out = Vec::new();
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = tokio::time::timeout_at(pace.deadline(start, out.len()), next);
        let Ok(frame) = frame.await else { return Err(Refusal::too_slow()) };
        let Some(frame) = frame else { return Ok(out) };
        let Ok(data) = frame.map_err(|_| Refusal::disconnected())?.into_data() else {
            continue; // trailers
        };
        *received += data.len() as u64;
        let needed = out.len() + data.len();
        if needed > max {
            return Err(Refusal::too_large());
        }
        if needed > out.capacity() {
            let wanted = body.size_hint().exact().map_or(max, |rest| needed + rest as usize);
            let target = (2 * out.capacity()).max(BODY_STEP_BYTES).min(wanted).max(needed);
            room.cover(target).await?;
            out.reserve_exact(target - out.len());
        }
        out.extend_from_slice(&data);
        look(&out)?;
    }
}

/// Decompresses a message; one that is not compressed passes as it is. Afterwards the room covers
/// the result alone.
pub(super) async fn inflate(
    message: Vec<u8>,
    start: usize,
    compression: Compression,
    room: &mut Room,
) -> Result<Bytes, Refusal> {
    let mut message = Bytes::from(trimmed(message));
    message.advance(start);
    let out = match compression {
        Compression::None => return Ok(message),
        Compression::Gzip => unpack(Members::new(&message), message.len(), room).await?,
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&message[..])
                .map_err(|error| Refusal::bad_compression(&error))?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(|error| Refusal::bad_compression(&error))?;
            unpack(decoder, message.len(), room).await?
        }
    };
    drop(message);
    room.permit.shrink_to(out.capacity() as u64);
    Ok(Bytes::from(trimmed(out)))
}

/// A payload waits in the queue: memory that it does not fill is given back.
fn trimmed(mut payload: Vec<u8>) -> Vec<u8> {
    if payload.capacity() - payload.len() > payload.len() / 4 {
        payload.shrink_to_fit();
    }
    payload
}

async fn unpack(
    mut decoder: impl Read,
    compressed: usize,
    room: &mut Room,
) -> Result<Vec<u8>, Refusal> {
    let max = MESSAGE_BYTES_MAX.min((compressed * RATIO_MAX).max(RATIO_FREE_BYTES));
    let mut out: Vec<u8> = Vec::new();
    loop {
        if out.len() == out.capacity() {
            if out.len() > max {
                return Err(Refusal::too_large());
            }
            let first = (8 * compressed).clamp(1_024, BODY_STEP_BYTES);
            let target = (2 * out.capacity()).max(first).min(max + 1);
            room.cover(compressed + target).await?;
            out.reserve_exact(target - out.len());
        }
        let step = BODY_STEP_BYTES.min(out.capacity() - out.len());
        let before = out.len();
        let result = decoder.by_ref().take(step as u64).read_to_end(&mut out);
        result.map_err(|error| Refusal::bad_compression(&error))?;
        if out.len() > max {
            return Err(Refusal::too_large());
        }
        if out.len() - before < step {
            return Ok(out);
        }
        tokio::task::yield_now().await;
    }
}

/// The members of a gzip body, one after another, not endlessly many.
struct Members<'a> {
    member: flate2::bufread::GzDecoder<&'a [u8]>,
    left: usize,
}

impl<'a> Members<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self { member: flate2::bufread::GzDecoder::new(message), left: GZIP_MEMBERS_MAX - 1 }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.member.read(out)?;
            let rest = *self.member.get_ref();
            if read > 0 || out.is_empty() || rest.is_empty() {
                return Ok(read);
            }
            if self.left == 0 {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            self.left -= 1;
            self.member = flate2::bufread::GzDecoder::new(rest);
        }
    }
}
