//! HTTP connections: hyper with its limits, one service a listener.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;

use crate::limits::{
    CONNECTION_BUFFER_BYTES, HEADER_BYTES_MAX, HEADER_FIELDS_MAX, STREAM_ERRORS_MAX,
    STREAM_RESETS_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::model::SourceId;

use super::auth::Access;
use super::budget::Sender;
use super::connection::{Connection, End, UnderWay};
use super::export::Exporting;
use super::intake::Intake;
use super::{grpc, http};

/// Which protocol a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http,
    Grpc,
}

/// What all connections of a listener share.
pub(super) struct Service {
    pub(super) speaks: Speaks,
    pub(super) intake: Intake,
    pub(super) source: SourceId,
    pub(super) access: Access,
    pub(super) exporting: Exporting,
}

/// One connection, as its requests see it.
pub(super) struct Visit {
    pub(super) sender: Sender,
}

/// How often a silent HTTP/2 peer is asked whether it is still there, and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one connection until it ends, is idle, or the listener stops.
pub(super) async fn serve(service: Arc<Service>, mut connection: Connection) {
    let Some(io) = connection.take_watched() else { return };
    let activity = Arc::clone(connection.activity());
    let visit = Arc::new(Visit { sender: connection.sender() });
    let answer = service_fn({
        let service = Arc::clone(&service);
        move |request: Request<Incoming>| {
            let under_way = activity.begin();
            let (service, visit) = (Arc::clone(&service), Arc::clone(&visit));
            async move {
                let mut response = match service.speaks {
                    Speaks::Http => http::answer(&service, &visit, request).await,
                    Speaks::Grpc => grpc::answer(&service, &visit, request).await,
                };
                response.body_mut().under_way = Some(under_way);
                Ok::<Response<Reply>, Infallible>(response)
            }
        }
    });
    let builder = builder();
    let running = builder.serve_connection(TokioIo::new(io), answer);
    tokio::pin!(running);
    let end = tokio::select! {
        _ = running.as_mut() => return,
        end = connection.ended() => end,
    };
    if end == End::Gently {
        running.as_mut().graceful_shutdown();
        tokio::select! {
            _ = running.as_mut() => {}
            () = connection.finished() => {}
        }
    }
}

/// Both versions on every listener: who comes to the wrong one is told so.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None) // it would count idle time: the connection watches itself
        .half_close(true) // who has sent all it has may say so, and still gets its answer
        .max_headers(HEADER_FIELDS_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(STREAM_RESETS_MAX)
        .max_local_error_reset_streams(STREAM_ERRORS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(2 * STREAM_WINDOW_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// A response's body: one piece, and trailers where gRPC has them.
#[derive(Default)]
pub(super) struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
    /// The request is under way until its answer has been written.
    under_way: Option<UnderWay>,
}

impl Reply {
    pub(super) fn of(data: Bytes) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), ..Self::default() }
    }

    pub(super) fn with_trailers(data: Bytes, trailers: HeaderMap) -> Self {
        Self { trailers: Some(trailers), ..Self::of(data) }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        let next = data.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(next.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, Bytes::len) as u64)
    }
}
