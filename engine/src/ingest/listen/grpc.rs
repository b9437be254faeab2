//! OTLP over gRPC: the `Export` method of the three collector services.
//!
//! Unary calls are one length-prefixed message each way, so hyper's HTTP/2 is all they need; the
//! message is never decoded here. Source: "gRPC over HTTP2"; OTLP 1.11, "OTLP/gRPC".

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::limits::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::model::{Compression, PayloadFormat, Signal};

use super::counts::RefuseReason;
use super::export::{Export, Framing};
use super::http::{header_bytes, linger};
use super::respond::{Refusal, Success};
use super::service::{Reply, Service, Visit};

const CONTENT: &str = "application/grpc";
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";
const ENCODING: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

/// A flag and a length stand before the message.
const FRAMING: Framing = Framing { prefix: 5, look: length_is_allowed, finish: whole_message };

fn prefix(body: &[u8]) -> Option<(u8, usize)> {
    let (head, _) = body.split_first_chunk::<5>()?;
    let [flag, length @ ..] = *head;
    Some((flag, u32::from_be_bytes(length) as usize))
}

/// What is wrong is told as soon as it can be seen, however much would follow.
fn length_is_allowed(body: &[u8]) -> Result<(), Refusal> {
    flag_is_known(body.first())?;
    match prefix(body) {
        Some((_, length)) if length > MESSAGE_BYTES_MAX => Err(Refusal::too_large()),
        Some((_, length)) if body.len() > 5 + length => {
            flag_is_known(body.get(5 + length))?;
            Err(Refusal::not_one_message("expected one message in the call, found more after it"))
        }
        _ => Ok(()),
    }
}

/// The byte before a message's length.
fn flag_is_known(flag: Option<&u8>) -> Result<(), Refusal> {
    match flag {
        None | Some(0 | 1) => Ok(()),
        Some(other) => Err(Refusal::bad_framing(format!(
            "expected 0 or 1 (compressed) before a message's length, found {other}: \
             a length is wrong, or this is no gRPC message"
        ))),
    }
}

fn whole_message(body: &[u8], encoding: Compression) -> Result<Compression, Refusal> {
    match prefix(body) {
        Some((_, length)) if body.len() != 5 + length => Err(Refusal::bad_framing(format!(
            "expected a message of {length} bytes, as its length says, found {}",
            body.len() - 5
        ))),
        Some((0, _)) => Ok(Compression::None),
        Some(_) if encoding != Compression::None => Ok(encoding),
        Some(_) => Err(Refusal::bad_framing(
            "expected `grpc-encoding` to name the compression of a message that is said to be \
             compressed, found none",
        )),
        None if body.is_empty() => {
            Err(Refusal::not_one_message("expected one message in the call, found none"))
        }
        None => Err(Refusal::bad_framing(format!(
            "expected 5 bytes before a message (a flag and its length), found {}",
            body.len()
        ))),
    }
}

/// Answers one call.
pub(super) async fn answer(
    service: &Service,
    visit: &Visit,
    request: Request<Incoming>,
) -> Response<Reply> {
    let (head, mut body) = request.into_parts();
    let reception = service.intake.begin(service.source, visit.sender);
    if head.version != Version::HTTP_2 {
        reception.refuse(RefuseReason::MediaType);
        linger(body);
        let text =
            "expected gRPC, found HTTP/1: OTLP over HTTP has a port of its own, usually 4318\n";
        let mut response = Response::new(Reply::of(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        return response;
    }
    let export = match check(service, &head.method, head.uri.path(), &head.headers) {
        Ok(export) => export,
        Err(refusal) => {
            reception.refuse(refusal.reason);
            return refuse(&refusal, service.intake.retry_after());
        }
    };
    match service.exporting.take(reception, export, &FRAMING, &mut body).await {
        Ok(success) => succeed(&success),
        Err(refusal) => refuse(&refusal, service.intake.retry_after()),
    }
}

/// Whether a request on a listener of OTLP over HTTP is a call of gRPC.
pub(super) fn is_call(version: Version, headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    version == Version::HTTP_2 && content.is_some_and(|content| content.starts_with(CONTENT))
}

/// What a call is told that came to a listener of OTLP over HTTP.
pub(super) fn not_here(retry_after: Duration) -> Response<Reply> {
    let text = "expected OTLP over HTTP, found gRPC: it has a port of its own, usually 4317";
    refuse(&Refusal::not_found(text).within_call(), retry_after)
}

fn check(
    service: &Service,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Export, Refusal> {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let suffix = content.and_then(|content| content.strip_prefix(CONTENT));
    if !suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with(['+', ';'])) {
        let message = "expected the content type `application/grpc`, found another or none";
        return Err(Refusal::media_type(message));
    }
    if method != Method::POST {
        return Err(Refusal::wrong_method());
    }
    if !service.access.admits(headers) {
        return Err(Refusal::unauthenticated());
    }
    if header_bytes(headers) > HEADER_BYTES_MAX {
        return Err(Refusal::headers_too_large());
    }
    let (signal, format) = match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => {
            (Signal::Spans, PayloadFormat::OtlpTraces)
        }
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => {
            (Signal::Metrics, PayloadFormat::OtlpMetrics)
        }
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => {
            (Signal::Logs, PayloadFormat::OtlpLogs)
        }
        _ => {
            let message = "expected `Export` of an OTLP service, found another method";
            return Err(Refusal::not_found(message).within_call());
        }
    };
    Ok(Export { signal, format, compression: encoding(headers)? })
}

fn encoding(headers: &HeaderMap) -> Result<Compression, Refusal> {
    match headers.get(ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(Compression::None),
        Some(b"gzip") => Ok(Compression::Gzip),
        Some(b"zstd") => Ok(Compression::Zstd),
        Some(_) => {
            let message = "expected the encoding `gzip`, `zstd` or `identity`, found another";
            Err(Refusal::media_type(message).within_call())
        }
    }
}

fn succeed(success: &Success) -> Response<Reply> {
    let message = success.protobuf();
    let mut body = BytesMut::with_capacity(5 + message.len());
    body.put_u8(0);
    body.put_u32(message.len() as u32);
    body.extend_from_slice(&message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    let mut response = Response::new(Reply::with_trailers(body.freeze(), trailers));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
    response
}

/// An error is told in the headers; there is no message. What is not a gRPC call at all gets the
/// status of HTTP.
fn refuse(refusal: &Refusal, retry_after: Duration) -> Response<Reply> {
    let mut response = Response::new(Reply::of(Bytes::new()));
    let is_no_call = matches!(
        refusal.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::METHOD_NOT_ALLOWED
    );
    if is_no_call {
        *response.status_mut() = refusal.status;
        if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
            let allow = HeaderValue::from_static("POST");
            response.headers_mut().insert(hyper::header::ALLOW, allow);
        }
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
    headers.insert(ACCEPTED, HeaderValue::from_static("identity, gzip, zstd"));
    headers.insert(STATUS, HeaderValue::from(refusal.code as u16));
    headers.insert(MESSAGE, escaped(&refusal.message));
    let details = HeaderValue::try_from(refusal.grpc_details(retry_after));
    headers.insert(DETAILS, details.expect("base64 is header text"));
    response
}

/// Percent-encoding of what is no printable ASCII.
fn escaped(message: &str) -> HeaderValue {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string grows");
        }
    }
    HeaderValue::try_from(out).expect("printable ASCII is header text")
}
