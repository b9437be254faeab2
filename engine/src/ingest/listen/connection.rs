//! One connection's time: idle, header, and writing that nobody reads.
//!
//! hyper's own header timer also runs while a connection is idle, so that a kept connection would
//! end after 5 s; and before the HTTP version is known it has none. The stream is watched here
//! instead: the first byte of a head starts its 5 s, a request ends them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use super::budget::Sender;
use super::clock::monotonic;
use crate::self_metrics::Recent;

/// How long a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionPace {
    /// For a request's head, from its first byte; also for the TLS handshake.
    pub header: Duration,
    /// Without any request under way.
    pub idle: Duration,
    /// For a peer to read some of an answer.
    pub write: Duration,
}

impl Default for ConnectionPace {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            idle: Duration::from_mins(1),
            write: Duration::from_secs(30),
        }
    }
}

/// How long a connection that was asked to end and has no request under way may still take.
const ENDING: Duration = Duration::from_secs(1);

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// After the requests under way; the peer is told.
    Gently,
    /// At once.
    Now,
}

/// A stream of bytes: TCP, Unix, TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What happens on a connection, seen by its stream, its requests and the listener.
pub(super) struct Activity {
    start: Instant,
    requests: AtomicU32,
    /// Requests that ever began: tells one head from the next.
    begun: AtomicU64,
    /// Milliseconds after `start` when the last request ended.
    idle_since_ms: AtomicU64,
    is_http2: AtomicBool,
    /// Set by the listener when a newer connection needs the place.
    make_room: Notify,
    /// How long requests of the listener took of late.
    took: Arc<Recent>,
}

impl Activity {
    pub(super) fn new(took: Arc<Recent>) -> Arc<Self> {
        Arc::new(Self {
            start: monotonic(),
            requests: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            idle_since_ms: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            make_room: Notify::new(),
            took,
        })
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay { activity: Arc::clone(self), begun: monotonic() }
    }

    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Since when no request is under way; none while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let since = Duration::from_millis(self.idle_since_ms.load(Ordering::Relaxed));
        self.is_idle().then(|| self.start + since)
    }

    /// Ends the connection at once.
    pub(super) fn end(&self) {
        self.make_room.notify_one();
    }
}

/// A request under way, until it is dropped: from its head on until its answer has been written.
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    begun: Instant,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = monotonic();
        let since = now.duration_since(self.activity.start).as_millis() as u64;
        self.activity.idle_since_ms.store(since, Ordering::Relaxed);
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
        self.activity.took.record(now.duration_since(self.begun), 1);
    }
}

/// A connection that a listener accepted.
pub(super) struct Connection {
    stream: Option<Box<dyn Stream>>,
    activity: Arc<Activity>,
    sender: Sender,
    pace: ConnectionPace,
    stop: watch::Receiver<bool>,
}

impl Connection {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        activity: Arc<Activity>,
        sender: Sender,
        pace: ConnectionPace,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { stream: Some(stream), activity, sender, pace, stop }
    }

    /// The stream, once.
    pub(super) fn take_stream(&mut self) -> Option<Box<dyn Stream>> {
        self.stream.take()
    }

    /// The stream of HTTP with its timers, once.
    pub(super) fn take_watched(&mut self) -> Option<Watched> {
        let stream = self.stream.take()?;
        Some(Watched::new(stream, Arc::clone(&self.activity), self.pace))
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender
    }

    /// Waits until the connection should end: idle for too long, in the way of a newer one, or the
    /// listener stops.
    pub(super) async fn ended(&mut self) -> End {
        loop {
            let since = self.activity.idle_since().unwrap_or_else(monotonic);
            tokio::select! {
                () = sleep_until(since + self.pace.idle) => {
                    let since = self.activity.idle_since();
                    if since.is_some_and(|since| monotonic() >= since + self.pace.idle) {
                        return End::Gently;
                    }
                }
                () = self.activity.make_room.notified() => {
                    return if self.activity.is_idle() { End::Now } else { End::Gently };
                }
                _ = self.stop.wait_for(|stop| *stop) => return End::Gently,
            }
        }
    }

    /// Waits until no request is under way, and a little.
    pub(super) async fn finished(&mut self) {
        loop {
            tokio::time::sleep(ENDING).await;
            if self.activity.is_idle() {
                return;
            }
        }
    }
}

/// A stream with its timers.
pub(super) struct Watched {
    stream: Box<dyn Stream>,
    activity: Arc<Activity>,
    pace: ConnectionPace,
    /// Bytes of the HTTP/2 preface seen so far; none once it is known whether it is one.
    preface: Option<usize>,
    /// The timer of a head, with the number of requests that had begun before it.
    header: Option<(u64, Pin<Box<Sleep>>)>,
    write: Option<Pin<Box<Sleep>>>,
}

/// What an HTTP/2 connection starts with, as far as no other method does.
const PREFACE: &[u8] = b"PRI * HTTP/2";

impl Watched {
    fn new(stream: Box<dyn Stream>, activity: Arc<Activity>, pace: ConnectionPace) -> Self {
        Self { stream, activity, pace, preface: Some(0), header: None, write: None }
    }

    /// Notes bytes that came.
    fn came(&mut self, bytes: &[u8]) {
        if let Some(seen) = self.preface {
            let rest = &PREFACE[seen..];
            let common = rest.len().min(bytes.len());
            if bytes[..common] != rest[..common] {
                self.preface = None;
            } else if common == rest.len() {
                self.preface = None;
                self.activity.is_http2.store(true, Ordering::Relaxed);
            } else {
                self.preface = Some(seen + common);
            }
        }
        self.forget_past_head();
        let is_http2 = self.activity.is_http2.load(Ordering::Relaxed);
        if is_http2 {
            self.header = None;
        } else if self.activity.is_idle() && self.header.is_none() {
            let sleep = Box::pin(sleep_until(monotonic() + self.pace.header));
            self.header = Some((self.activity.begun.load(Ordering::Relaxed), sleep));
        }
    }

    fn forget_past_head(&mut self) {
        let begun = self.activity.begun.load(Ordering::Relaxed);
        self.header.take_if(|(before, _)| *before != begun);
    }

    /// Whether a head has taken too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.forget_past_head();
        self.header.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready())
    }

    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write = None;
            return result;
        }
        let deadline = self.pace.write;
        let sleep = self.write.get_or_insert_with(|| Box::pin(sleep_until(monotonic() + deadline)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before {
                    this.came(&buf.filled()[before..]);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.is_late(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other,
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, result)
    }
}
