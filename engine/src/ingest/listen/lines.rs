//! The line protocol over TCP and Unix sockets: one JSON object a line.
//!
//! Lines of one connection are gathered into frames, by size or a few milliseconds. While there is
//! no room the connection is not read, so that its sender waits; after the stated time it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{LINE_BYTES_MAX, LINE_CONNECTIONS_MAX};
use crate::model::{PayloadFormat, SourceId};

use super::budget::Sender;
use super::clock::monotonic;
use super::connection::{Connection, ConnectionPace, Stream};
use super::counts::RefuseReason;
use super::intake::{Intake, Outcome};
use super::line_batch::{LineBatch, Ready};
use super::line_frames::LineFrames;
use super::listener::{Address, ConnectionLimits};
use super::rate::{RateLimiter, RateLimits};
use super::security::Security;
use super::wrong_protocol::{Http, http_request};

/// A listener of the line protocol.
#[derive(Debug, Clone)]
pub struct LinesConfig {
    /// Where it listens.
    pub address: Address,
    /// The source that its frames belong to.
    pub source: SourceId,
    /// TLS and credentials. Where tokens are asked for, a connection's first line is
    /// `Bearer TOKEN`.
    pub security: Security,
    /// Whether each frame of lines is answered with a line: an object whose `lines`, `taken` and
    /// `refused` count since the connection began. Lines are then checked when they come; else
    /// those that look like objects are taken, and set aside when they cannot be decoded.
    pub acks: bool,
    /// Bounds on connections; an idle one ends after its `pace.idle`.
    pub connections: ConnectionLimits,
    /// How long lines are gathered after the first of a frame.
    pub gather: Duration,
    /// How much is taken a second; a sender beyond it is not read, as where there is no room.
    pub rates: RateLimits,
}

impl LinesConfig {
    /// A listener with the usual limits, open to all, without acks.
    pub fn new(address: Address, source: SourceId) -> Self {
        let idle = Duration::from_secs(30);
        Self {
            address,
            source,
            security: Security::default(),
            acks: false,
            connections: ConnectionLimits {
                connections: LINE_CONNECTIONS_MAX,
                per_peer: LINE_CONNECTIONS_MAX,
                pace: ConnectionPace { idle, ..ConnectionPace::default() },
            },
            gather: Duration::from_millis(5),
            rates: RateLimits::default(),
        }
    }
}

/// What all connections of a listener share.
pub(super) struct Lines {
    pub(super) intake: Intake,
    pub(super) config: LinesConfig,
    pub(super) rates: RateLimiter,
    pub(super) frames: LineFrames,
}

/// How long a connection is silent before it gives memory back.
const SILENT: Duration = Duration::from_secs(1);

/// Bytes of one read of what nobody wants, and how long that goes on.
const READ_BYTES: usize = 4 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// How a step of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is more to come.
    Open,
    /// Its sender is done.
    Ended,
    /// It broke, was silent for too long, or is not wanted any more.
    Broken,
}

/// Serves one connection until it ends.
pub(super) async fn serve(lines: Arc<Lines>, mut connection: Connection) {
    let Some(stream) = connection.take_stream() else { return };
    let activity = Arc::clone(connection.activity());
    let mut talk = Talk {
        lines: &lines,
        stream,
        sender: connection.sender(),
        batch: LineBatch::new(lines.frames.clone(), lines.config.acks),
        counted: Counted::default(),
    };
    if !talk.is_admitted().await {
        return;
    }
    loop {
        let step = tokio::select! {
            step = talk.gather() => step,
            _ = connection.ended() => Step::Broken,
        };
        match step {
            Step::Open => {}
            Step::Ended => talk.batch.end(),
            Step::Broken => talk.batch.broken(),
        }
        let under_way = activity.begin();
        if let Some(http) = talk.batch.http() {
            return talk.point_elsewhere(http).await;
        }
        let goes_on = talk.hand_over().await;
        drop(under_way);
        if step != Step::Open || !goes_on {
            drop(talk.stream.shutdown().await);
            return;
        }
    }
}

/// Lines since the connection began.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    taken: u64,
    refused: u64,
}

struct Talk<'a> {
    lines: &'a Lines,
    stream: Box<dyn Stream>,
    sender: Sender,
    batch: LineBatch,
    counted: Counted,
}

impl Talk<'_> {
    /// Reads the first line where it has to be a token.
    async fn is_admitted(&mut self) -> bool {
        let Some(tokens) = self.lines.config.security.tokens.clone() else { return true };
        let mut line = Vec::new();
        let within = self.lines.config.connections.pace.header;
        let first = timeout(within, async {
            while line.len() < LINE_BYTES_MAX {
                match self.stream.read_u8().await {
                    Ok(b'\n') => return true,
                    Ok(byte) => line.push(byte),
                    Err(_) => return false,
                }
            }
            false
        });
        let is_whole = first.await.unwrap_or(false);
        if let Some(http) = http_request(line.trim_ascii_end()) {
            self.point_elsewhere(http).await;
            return false;
        }
        let token = line.trim_ascii_end().strip_prefix(b"Bearer ");
        if is_whole && token.is_some_and(|token| tokens.admit(token)) {
            return true;
        }
        let reception = self.lines.intake.begin(self.lines.config.source, self.sender);
        reception.refuse(RefuseReason::Unauthenticated);
        if self.lines.config.acks {
            self.say(b"{\"v\":1,\"type\":\"refused\",\"reason\":\"unauthenticated\"}\n").await;
        }
        false
    }

    /// Says which port is meant to one who speaks HTTP. What else it sends is read for a moment: a
    /// socket that is closed with unread bytes takes the answer with it.
    async fn point_elsewhere(&mut self, http: Http) {
        let reception = self.lines.intake.begin(self.lines.config.source, self.sender);
        reception.refuse(RefuseReason::MediaType);
        self.say(&http.answer()).await;
        drop(self.stream.shutdown().await);
        let mut rest = vec![0; READ_BYTES];
        let reading = async { while matches!(self.stream.read(&mut rest).await, Ok(1..)) {} };
        drop(timeout(LINGER, reading).await);
    }

    /// Reads until a frame is full, time is up, or the connection ends.
    async fn gather(&mut self) -> Step {
        let gather = self.lines.config.gather;
        let mut deadline: Option<Instant> = None;
        while !self.batch.is_full() && self.batch.http().is_none() {
            let until = deadline.or_else(|| self.batch.is_large().then(|| monotonic() + SILENT));
            let read = self.stream.read_buf(self.batch.room());
            let read = match until {
                Some(until) => match timeout_at(until, read).await {
                    Ok(read) => read,
                    Err(_) if deadline.is_some() => return Step::Open,
                    Err(_) => {
                        self.batch.rest();
                        continue;
                    }
                },
                None => read.await, // the connection's idle timer watches
            };
            match read {
                Ok(0) => return Step::Ended,
                Ok(_) => self.batch.came(),
                Err(_) => return Step::Broken,
            }
            if !self.batch.is_empty() {
                deadline.get_or_insert_with(|| monotonic() + gather);
            }
        }
        Step::Open
    }

    /// Puts what was gathered into the queue; `false` if there was no room in time.
    async fn hand_over(&mut self) -> bool {
        let ready = self.batch.ready();
        if ready.is_empty() {
            return true;
        }
        let (outcome, lines, refused) = self.put(ready).await;
        let is_taken = outcome == Outcome::Taken;
        self.counted.taken += if is_taken { lines } else { 0 };
        self.counted.refused += if is_taken { refused } else { refused + lines };
        if self.lines.config.acks {
            self.acknowledge(outcome).await;
        }
        matches!(outcome, Outcome::Taken | Outcome::Discarded)
    }

    async fn put(&mut self, ready: Ready) -> (Outcome, u64, u64) {
        let (lines, refused) = (ready.lines, ready.refused_lines());
        let reception = self.lines.intake.begin(self.lines.config.source, self.sender);
        for (reason, (lines, bytes)) in &ready.refused {
            reception.refuse_items(*reason, *lines, *bytes);
        }
        if lines == 0 {
            reception.accept_empty();
            return (Outcome::Taken, lines, refused);
        }
        let deadline = self.lines.intake.deadline();
        let payload = self.lines.frames.wrap(ready.payload);
        let frame = (payload, PayloadFormat::Lines, lines);
        let outcome = reception.put_within(&self.lines.rates, true, frame, deadline).await;
        (outcome, lines, refused)
    }

    async fn acknowledge(&mut self, outcome: Outcome) {
        let Counted { taken, refused } = self.counted;
        let reason = match outcome {
            Outcome::Taken => String::new(),
            Outcome::Discarded => ",\"reason\":\"discarded\"".to_owned(),
            Outcome::Busy => not_now("busy", self.lines.intake.retry_after()),
            Outcome::Stopping => not_now("stopping", self.lines.intake.retry_after()),
            Outcome::Limited(wait) => not_now("rate_limited", wait),
        };
        let lines = taken + refused;
        let counts = format!("\"lines\":{lines},\"taken\":{taken},\"refused\":{refused}");
        let line = format!("{{\"v\":1,\"type\":\"ack\",{counts}{reason}}}\n");
        self.say(line.as_bytes()).await;
    }

    /// Writes an answer. One that its sender does not read in time is not waited for: the next read
    /// shows whether the connection still lives.
    async fn say(&mut self, line: &[u8]) {
        let within = self.lines.config.connections.pace.write;
        drop(timeout(within, self.stream.write_all(line)).await);
    }
}

/// Why lines were not taken, and when their sender shall come back: milliseconds, rounded up.
fn not_now(reason: &str, after: Duration) -> String {
    let after_ms = after.as_nanos().div_ceil(1_000_000);
    format!(",\"reason\":\"{reason}\",\"retry_after_ms\":{after_ms}")
}
