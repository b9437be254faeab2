//! OTLP over HTTP: `POST /v1/traces`, `/v1/metrics`, `/v1/logs`.
//!
//! Source: OTLP 1.11, "OTLP/HTTP". The answer has the request's content type; an error's body is
//! a `google.rpc.Status`.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::limits::HEADER_BYTES_MAX;
use crate::model::{Compression, PayloadFormat, Signal};

use super::counts::RefuseReason;
use super::export::{Export, Framing};
use super::grpc;
use super::respond::{Refusal, Success};
use super::service::{Reply, Service, Visit};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// A body is the message.
const FRAMING: Framing =
    Framing { prefix: 0, look: |_| Ok(()), finish: |_, compression| Ok(compression) };

/// Answers one request.
pub(super) async fn answer(
    service: &Service,
    visit: &Visit,
    request: Request<Incoming>,
) -> Response<Reply> {
    let (head, mut body) = request.into_parts();
    let is_json = media_type(&head.headers) != Some(PROTOBUF);
    let reception = service.intake.begin(service.source, visit.sender);
    if grpc::is_call(head.version, &head.headers) {
        reception.refuse(RefuseReason::NotFound);
        linger(body);
        return grpc::not_here(service.intake.retry_after());
    }
    let export = match check(service, &head.method, head.uri.path(), &head.headers) {
        Ok(export) => export,
        Err(refusal) => {
            reception.refuse(refusal.reason);
            linger(body);
            return refuse(&refusal, is_json, service.intake.retry_after());
        }
    };
    match service.exporting.take(reception, export, &FRAMING, &mut body).await {
        Ok(success) => succeed(&success, is_json, export.signal),
        Err(refusal) => {
            linger(body);
            refuse(&refusal, is_json, service.intake.retry_after())
        }
    }
}

fn check(
    service: &Service,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Export, Refusal> {
    if !service.access.admits(headers) {
        return Err(Refusal::unauthenticated());
    }
    let signal = match path {
        "/v1/traces" => Signal::Spans,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        _ => {
            let message = "expected `/v1/traces`, `/v1/metrics` or `/v1/logs`, found another path";
            return Err(Refusal::not_found(message));
        }
    };
    if method != Method::POST {
        return Err(Refusal::wrong_method());
    }
    if header_bytes(headers) > HEADER_BYTES_MAX {
        return Err(Refusal::headers_too_large());
    }
    let format = match (media_type(headers), signal) {
        (Some(JSON), _) => PayloadFormat::OtlpJson,
        (Some(PROTOBUF), Signal::Logs) => PayloadFormat::OtlpLogs,
        (Some(PROTOBUF), Signal::Metrics) => PayloadFormat::OtlpMetrics,
        (Some(PROTOBUF), _) => PayloadFormat::OtlpTraces,
        _ => {
            let message = "expected the content type `application/x-protobuf` or `application/json`, found \
                 another or none";
            return Err(Refusal::media_type(message));
        }
    };
    Ok(Export { signal, format, compression: content_encoding(headers)? })
}

/// Bytes of all header names and values.
pub(super) fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The content type without its parameters, if it is one of the two.
fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let name = text.split(';').next().unwrap_or_default().trim();
    [PROTOBUF, JSON].into_iter().find(|known| name.eq_ignore_ascii_case(known))
}

fn content_encoding(headers: &HeaderMap) -> Result<Compression, Refusal> {
    let mut found = headers.get_all(CONTENT_ENCODING).iter();
    let (first, second) = (found.next(), found.next());
    let name = match first {
        None => return Ok(Compression::None),
        Some(value) => value.to_str().unwrap_or_default().trim(),
    };
    if second.is_none() {
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(Compression::None);
        }
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return Ok(Compression::Gzip);
        }
        if name.eq_ignore_ascii_case("zstd") {
            return Ok(Compression::Zstd);
        }
    }
    let message = "expected one content encoding, `gzip`, `zstd` or `identity`, found another";
    Err(Refusal::media_type(message))
}

fn succeed(success: &Success, is_json: bool, signal: Signal) -> Response<Reply> {
    let body = if is_json { success.json(signal) } else { success.protobuf() };
    respond(StatusCode::OK, is_json, body)
}

fn refuse(refusal: &Refusal, is_json: bool, retry_after: Duration) -> Response<Reply> {
    let body = if is_json { refusal.json(retry_after) } else { refusal.protobuf(retry_after) };
    let mut response = respond(refusal.status, is_json, Bytes::from(body));
    let mut header = |name: HeaderName, value: Cow<'static, str>| {
        let value = HeaderValue::try_from(&*value).expect("digits and names are header text");
        response.headers_mut().insert(name, value);
    };
    if refusal.is_retryable() {
        header(RETRY_AFTER, refusal.retry_after_s(retry_after).to_string().into());
    }
    match refusal.status {
        StatusCode::METHOD_NOT_ALLOWED => header(ALLOW, "POST".into()),
        StatusCode::UNAUTHORIZED => header(WWW_AUTHENTICATE, "Bearer".into()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => header(ACCEPT_ENCODING, "gzip, zstd".into()),
        _ => {}
    }
    if refusal.reason == RefuseReason::TooSlow {
        header(hyper::header::CONNECTION, "close".into());
    }
    response
}

fn respond(status: StatusCode, is_json: bool, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::of(body));
    *response.status_mut() = status;
    let name = HeaderValue::from_static(if is_json { JSON } else { PROTOBUF });
    response.headers_mut().insert(CONTENT_TYPE, name);
    response
}

/// How long the rest of a refused body is read and thrown away, so that its sender gets to read
/// the answer: a connection closed with unread bytes is reset.
const LINGER: Duration = Duration::from_secs(2);

pub(super) fn linger(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let rest = async {
            let mut next = async || {
                std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
            };
            while matches!(next().await, Some(Ok(_))) {}
        };
        drop(tokio::time::timeout(LINGER, rest).await);
    });
}
