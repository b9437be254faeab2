//! A small HTTP server for pages: what Prometheus scrapes, and what says how a run is.
//!
//! HTTP/1.1, `GET` and `HEAD` alone, bounded connections, a deadline for each head and each answer.
//! Must not know what is on a page.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind};
use crate::limits::{PAGE_CONNECTIONS_MAX, PAGE_HEAD_BYTES_MAX};

/// How long a head may take, and a connection without a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last: whoever scrapes comes back with a new one.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);

/// Bytes from which a page is worth compressing.
const GZIP_FROM_BYTES: usize = 1_024;

/// How long accepting waits after it failed, as when no file descriptor is left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its HTTP status.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What is on it.
    pub body: Bytes,
}

/// Makes the page of a path, given the request's `Accept`; `None` where there is none.
pub type MakePage = Arc<dyn Fn(&str, &str) -> Option<Page> + Send + Sync>;

/// A page server that runs until it is stopped or dropped.
pub struct PageServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl PageServer {
    /// Binds an address and serves; call it within a tokio runtime. Port 0 is any free one.
    ///
    /// # Errors
    /// [`ErrorKind::Listen`] if the address cannot be bound.
    pub async fn start(address: SocketAddr, make: MakePage) -> Result<Self, Error> {
        let cannot = |cause: std::io::Error| {
            let text = format!("cannot listen on `{address}`: choose another address or port");
            Error::new(ErrorKind::Listen, text).caused_by(cause)
        };
        let socket = TcpListener::bind(address).await.map_err(cannot)?;
        let address = socket.local_addr().map_err(cannot)?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(socket, make, stopped));
        Ok(Self { address, stop, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting; answers under way are still sent.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A task that panicked serves nobody either.
        drop(self.accepting.await);
    }
}

async fn accept(socket: TcpListener, make: MakePage, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(PAGE_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        // One too many is closed at once: it sees that, and others are served.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (make, stopped) = (Arc::clone(&make), stopped.clone());
        tokio::spawn(async move {
            serve(stream, make, stopped).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, make: MakePage, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let make = Arc::clone(&make);
        async move { Ok::<_, Infallible>(answer(&request, &make)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(PAGE_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a connection ended concerns its peer alone.
    tokio::select! {
        ended = connection.as_mut() => return drop(ended),
        _ = stopped.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(CONNECTION_TIMEOUT) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(HEAD_TIMEOUT, connection).await);
}

fn answer(request: &Request<Incoming>, make: &MakePage) -> Response<Whole> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_head = request.method() == Method::HEAD;
    if request.method() != Method::GET && !is_head {
        let mut response = plain(405, "only `GET` and `HEAD` are served here\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let accept: Vec<&str> =
        request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let Some(page) = make(request.uri().path(), &accept.join(",")) else {
        return plain(404, "there is no such page\n");
    };
    let takes_gzip = text(ACCEPT_ENCODING).is_some_and(takes_gzip);
    let packed =
        if takes_gzip && page.body.len() >= GZIP_FROM_BYTES { gzip(&page.body) } else { None };
    let is_packed = packed.is_some();
    let body = packed.unwrap_or(page.body);
    let mut response = Response::new(Whole::new(if is_head { Bytes::new() } else { body }));
    *response.status_mut() =
        StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn plain(status: u16, text: &'static str) -> Response<Whole> {
    let mut response = Response::new(Whole::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Whether an `Accept-Encoding` takes gzip.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| matches!(name, "gzip" | "x-gzip" | "*"));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && weight.is_none_or(|q| q.parse::<f64>().is_ok_and(|q| q > 0.0))
    })
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// A body that is there at once.
struct Whole(Option<Bytes>);

impl Whole {
    fn new(bytes: Bytes) -> Self {
        Self((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::takes_gzip;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("*", true),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accepted), takes, "{accepted}");
        }
    }
}
