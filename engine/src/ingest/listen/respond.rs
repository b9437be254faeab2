//! What senders are told: statuses, `google.rpc.Status` bodies, partial success.
//!
//! One table of refusals serves HTTP and gRPC. Source: OTLP 1.11, "OTLP/gRPC Response",
//! "OTLP/HTTP Response"; `google.rpc`, `status.proto`, `error_details.proto`.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use hyper::StatusCode;

use crate::ingest::inflate::is_wide;
use crate::ingest::verify::Undecodable;
use crate::limits::{MESSAGE_BYTES_MAX, RATIO_MAX};
use crate::model::Signal;

use super::counts::RefuseReason;

/// gRPC status codes that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Cancelled = 1,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// Why a request is refused, and how that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: RefuseReason,
    pub(super) status: StatusCode,
    pub(super) code: Code,
    pub(super) message: Cow<'static, str>,
    /// Whether the request itself is wrong: `BadRequest` says how.
    is_bad_request: bool,
    /// When to come back, where that is known better than by the listener's usual time.
    wait: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(
        reason: RefuseReason,
        status: StatusCode,
        code: Code,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { reason, status, code, message: message.into(), is_bad_request: false, wait: None }
    }

    fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            is_bad_request: true,
            ..Self::new(
                RefuseReason::Undecodable,
                StatusCode::BAD_REQUEST,
                Code::InvalidArgument,
                message,
            )
        }
    }

    /// The bytes are no message, or no compressed one.
    pub(super) fn bad_compression(error: &io::Error) -> Self {
        Self::bad_request(if is_wide(error) {
            "expected zstd with a window of at most 8 MiB (RFC 9659), found a larger one: compress \
             at a level of at most 19, without long-distance matching"
        } else {
            "expected compressed data, found damaged or truncated data"
        })
    }

    /// The framing of a gRPC message is wrong. It is not the request that is: gRPC's own documents
    /// give `INTERNAL` to a broken frame, and to one said to be compressed without saying how.
    pub(super) fn bad_framing(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Code::Internal, is_bad_request: false, ..Self::bad_request(message) }
    }

    /// A unary call with no message, or with several: `UNIMPLEMENTED`, by gRPC's table of codes.
    pub(super) fn not_one_message(message: &'static str) -> Self {
        Self { code: Code::Unimplemented, is_bad_request: false, ..Self::bad_request(message) }
    }

    pub(super) fn undecodable(found: Undecodable) -> Self {
        if found.is_too_large {
            return Self { message: found.reason.into(), ..Self::too_large() };
        }
        Self::bad_request(format!("{}, at byte {}", found.reason, found.at))
    }

    pub(super) fn too_large() -> Self {
        Self::new(
            RefuseReason::TooLarge,
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::ResourceExhausted,
            format!(
                "expected at most {MESSAGE_BYTES_MAX} bytes in one request, also after \
                 decompression, and at most {RATIO_MAX} times what was compressed, found more: \
                 send smaller batches"
            ),
        )
    }

    pub(super) fn busy() -> Self {
        Self::new(
            RefuseReason::Busy,
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "no room in the queue: send again later",
        )
    }

    pub(super) fn rate_limited(wait: Duration) -> Self {
        let refusal = Self::new(
            RefuseReason::RateLimited,
            StatusCode::TOO_MANY_REQUESTS,
            Code::ResourceExhausted,
            "more than the rate that is taken here: send again later",
        );
        Self { wait: Some(wait), ..refusal }
    }

    pub(super) fn stopping() -> Self {
        Self::new(
            RefuseReason::Stopping,
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "the receiver is stopping: send again later",
        )
    }

    pub(super) fn too_slow() -> Self {
        Self::new(
            RefuseReason::TooSlow,
            StatusCode::REQUEST_TIMEOUT,
            Code::DeadlineExceeded,
            "expected a whole body in time, found one that came too slowly",
        )
    }

    pub(super) fn disconnected() -> Self {
        Self::new(
            RefuseReason::Disconnected,
            StatusCode::BAD_REQUEST,
            Code::Cancelled,
            "expected a whole body, found the end of the connection or broken framing",
        )
    }

    pub(super) fn media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            RefuseReason::MediaType,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::Unimplemented,
            message,
        )
    }

    pub(super) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RefuseReason::NotFound, StatusCode::NOT_FOUND, Code::Unimplemented, message)
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(
            RefuseReason::NotFound,
            StatusCode::METHOD_NOT_ALLOWED,
            Code::Unimplemented,
            "expected `POST`, found another method",
        )
    }

    pub(super) fn headers_too_large() -> Self {
        Self::new(
            RefuseReason::TooLarge,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Code::ResourceExhausted,
            "expected at most 16384 bytes of header fields, found more",
        )
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(
            RefuseReason::Unauthenticated,
            StatusCode::UNAUTHORIZED,
            Code::Unauthenticated,
            "expected a valid bearer token, found none or another",
        )
    }

    /// The same, told by gRPC's own status alone.
    pub(super) fn within_call(self) -> Self {
        Self { status: StatusCode::OK, ..self }
    }

    /// Whether the same request may be sent again.
    pub(super) fn is_retryable(&self) -> bool {
        use RefuseReason::{Busy, RateLimited, Stopping};
        matches!(self.reason, Busy | RateLimited | Stopping)
    }

    /// When it may be sent again, in whole milliseconds; `usual` is the listener's own time.
    fn delay(&self, usual: Duration) -> Duration {
        let ms = self.wait.unwrap_or(usual).as_nanos().div_ceil(1_000_000);
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// The same for `Retry-After`: whole seconds, at least one.
    pub(super) fn retry_after_s(&self, usual: Duration) -> u64 {
        (self.delay(usual).as_millis().div_ceil(1_000) as u64).max(1)
    }

    /// The `google.rpc.Status` message.
    pub(super) fn protobuf(&self, retry_after: Duration) -> Vec<u8> {
        let mut out = Vec::new();
        varint_field(&mut out, 1, self.code as u64);
        bytes_field(&mut out, 2, self.message.as_bytes());
        if self.is_bad_request {
            let mut violation = Vec::new();
            bytes_field(&mut violation, 1, b"body");
            bytes_field(&mut violation, 2, self.message.as_bytes());
            let mut detail = Vec::new();
            bytes_field(&mut detail, 1, &violation);
            bytes_field(&mut out, 3, &any("google.rpc.BadRequest", &detail));
        }
        if self.is_retryable() {
            let mut delay = Vec::new();
            let wait = self.delay(retry_after);
            varint_field(&mut delay, 1, wait.as_secs());
            varint_field(&mut delay, 2, u64::from(wait.subsec_nanos()));
            let mut detail = Vec::new();
            bytes_field(&mut detail, 1, &delay);
            bytes_field(&mut out, 3, &any("google.rpc.RetryInfo", &detail));
        }
        out
    }

    /// The `google.rpc.Status` message in JSON.
    pub(super) fn json(&self, retry_after: Duration) -> Vec<u8> {
        let mut details = Vec::new();
        if self.is_bad_request {
            details.push(serde_json::json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": "body", "description": self.message }],
            }));
        }
        if self.is_retryable() {
            details.push(serde_json::json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", self.delay(retry_after).as_secs_f64()),
            }));
        }
        let mut status = serde_json::json!({ "code": self.code as u64, "message": self.message });
        if !details.is_empty() {
            status["details"] = details.into();
        }
        status.to_string().into_bytes()
    }

    /// The header `grpc-status-details-bin`.
    pub(super) fn grpc_details(&self, retry_after: Duration) -> String {
        STANDARD_NO_PAD.encode(self.protobuf(retry_after))
    }
}

/// A request that was taken, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Success {
    /// Items that were not taken.
    pub(super) rejected: u64,
    /// Why.
    pub(super) message: Cow<'static, str>,
}

impl Success {
    fn is_partial(&self) -> bool {
        self.rejected > 0 || !self.message.is_empty()
    }

    /// The `Export…ServiceResponse` message; partial success has the same numbers in all three.
    pub(super) fn protobuf(&self) -> Bytes {
        let mut out = Vec::new();
        if self.is_partial() {
            let mut partial = Vec::new();
            varint_field(&mut partial, 1, self.rejected);
            bytes_field(&mut partial, 2, self.message.as_bytes());
            bytes_field(&mut out, 1, &partial);
        }
        Bytes::from(out)
    }

    /// The same in JSON.
    pub(super) fn json(&self, signal: Signal) -> Bytes {
        if !self.is_partial() {
            return Bytes::from_static(b"{}");
        }
        let name = match signal {
            Signal::Logs => "rejectedLogRecords",
            Signal::Metrics => "rejectedDataPoints",
            _ => "rejectedSpans",
        };
        let partial = serde_json::json!({
            "partialSuccess": { name: self.rejected.to_string(), "errorMessage": self.message },
        });
        Bytes::from(partial.to_string())
    }
}

fn any(name: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 1, format!("type.googleapis.com/{name}").as_bytes());
    bytes_field(&mut out, 2, message);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zero is a field's default and not written.
fn varint_field(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        varint(out, field << 3);
        varint(out, value);
    }
}

fn bytes_field(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}
