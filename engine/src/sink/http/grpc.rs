//! Unary calls of gRPC over what sends HTTP/2: framing, deadline, status.
//!
//! Sources: "gRPC over HTTP2"; "HTTP to gRPC Status Code Mapping"; OTLP 1.11, "OTLP/gRPC
//! Response", "Failures" and "Throttling" for which codes may be sent again; `google.rpc.Status`
//! and `RetryInfo` of googleapis.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::Collected;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::response::Parts;

use super::ending::{Ending, Kind, with_causes};
use crate::otlp::wire::{field, fields};
use crate::sink::counts::Failure;
use crate::sink::trouble::plain;

/// What `Content-Type` says of every call.
pub(super) const CONTENT_TYPE: &str = "application/grpc+proto";

/// A flag and a length stand before a message.
const PREFIX_BYTES: usize = 5;

/// Binary values may come with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

const UNKNOWN: u32 = 2;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNAUTHENTICATED: u32 = 16;

/// Headers of every call.
pub(super) fn call_headers(
    encoding: Option<&'static str>,
    timeout: Duration,
    headers: &mut HeaderMap,
) {
    let ms = timeout.as_millis().clamp(1, 99_999_999);
    let timeout = HeaderValue::try_from(format!("{ms}m")).expect("digits are header text");
    headers.insert(HeaderName::from_static("grpc-timeout"), timeout);
    // Answers are small: they are wanted as they are.
    let identity = HeaderValue::from_static("identity");
    headers.insert(HeaderName::from_static("grpc-accept-encoding"), identity);
    if let Some(encoding) = encoding {
        let name = HeaderName::from_static("grpc-encoding");
        headers.insert(name, HeaderValue::from_static(encoding));
    }
}

/// A message with its prefix.
pub(super) fn framed(message: &[u8], is_packed: bool) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(u8::from(is_packed));
    framed.put_u32(message.len() as u32);
    framed.extend_from_slice(message);
    framed.freeze()
}

/// What a whole answer means.
pub(super) fn judge(head: &Parts, body: Collected<Bytes>) -> Ending {
    if head.status != 200 {
        return of_http(head.status.as_u16());
    }
    // An answer without a message has its status among the headers.
    let trailers = body.trailers();
    let status = trailers.and_then(status).or_else(|| status(&head.headers));
    let from = trailers.filter(|trailers| status_of(trailers).is_some()).unwrap_or(&head.headers);
    let Some(code) = status else {
        let text = "it answered without a `grpc-status`".to_owned();
        return Ending { kind: Kind::Refused(Failure::Broken), text };
    };
    if code == 0 {
        return Ending::taken(message(&body.to_bytes()));
    }
    let told = from.get("grpc-message").map(|value| decoded(value.as_bytes())).unwrap_or_default();
    let wait = from.get("grpc-status-details-bin").and_then(retry_info);
    of_code(code, &told, wait)
}

/// What an answer means that broke off, or is too long.
pub(super) fn without_end(
    head: &Parts,
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> Ending {
    if head.status != 200 {
        return of_http(head.status.as_u16());
    }
    let text = with_causes(error);
    if error.is::<http_body_util::LengthLimitError>() {
        return Ending { kind: Kind::Refused(Failure::Broken), text };
    }
    Ending::again(Failure::Broken, text)
}

fn status_of(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get("grpc-status")
}

fn status(headers: &HeaderMap) -> Option<u32> {
    status_of(headers)
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()))
        // One that is there and cannot be read is no success.
        .map(|code| code.unwrap_or(UNKNOWN))
}

/// The message of an answer; nothing where there is none, or where it is not whole.
fn message(body: &Bytes) -> Bytes {
    let Some((prefix, rest)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Bytes::new();
    };
    let [flag, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length) as usize;
    if flag == 0 && length == rest.len() { body.slice(PREFIX_BYTES..) } else { Bytes::new() }
}

/// What an answer means that is none of gRPC, as from a proxy between.
fn of_http(status: u16) -> Ending {
    let code = match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    };
    of_code(code, &format!("status {status} of HTTP"), None)
}

fn of_code(code: u32, told: &str, wait: Option<Duration>) -> Ending {
    let name = NAMES.get(code as usize).copied().unwrap_or("an unknown status");
    let separator = if told.is_empty() { "" } else { ": " };
    let text = format!("it answered {name}{separator}{}", plain(told));
    let kind = match code {
        RESOURCE_EXHAUSTED if wait.is_none() => Kind::Refused(Failure::Refused),
        // CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE,
        // DATA_LOSS
        1 | 4 | 8 | 10 | 11 | 14 | 15 => Kind::Again(Failure::Busy, wait),
        PERMISSION_DENIED | UNAUTHENTICATED => Kind::Refused(Failure::Denied),
        _ => Kind::Refused(Failure::Refused),
    };
    Ending { kind, text }
}

/// Percent-encoding, undone; what is not encoded as it should be stays as it is.
fn decoded(text: &[u8]) -> String {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, tail @ ..]) if digit(high).zip(digit(low)).is_some() => {
                let value = digit(high).zip(digit(low)).map_or(0, |(high, low)| high << 4 | low);
                bytes.push(value as u8);
                rest = tail;
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The pause that a `RetryInfo` among the details asks for.
fn retry_info(details: &HeaderValue) -> Option<Duration> {
    let status = BASE64.decode(details.as_bytes()).ok()?;
    // Status { details = 3: Any { type_url = 1, value = 2: RetryInfo { retry_delay = 1 } } }
    let is_retry_info =
        |any: &&[u8]| field(any, 1).is_some_and(|(_, url)| url.ends_with(b"/google.rpc.RetryInfo"));
    let any = fields(&status).filter(|field| field.0 == 3).map(|field| field.2);
    let info = any.into_iter().find(is_retry_info)?;
    let (_, info) = field(info, 2).unwrap_or_default();
    let (_, delay) = field(info, 1).unwrap_or_default();
    let seconds = field(delay, 1).map_or(0, |(number, _)| number as i64).max(0);
    let nanos = field(delay, 2).map_or(0, |(number, _)| number as i64).clamp(0, 999_999_999);
    let seconds = seconds.unsigned_abs().min(u64::from(u32::MAX));
    Some(Duration::new(seconds, nanos as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(status: u16, headers: &[(&'static str, &str)]) -> Parts {
        let mut response = hyper::Response::new(());
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        response.into_parts().0
    }

    fn judged(status: u16, headers: &[(&'static str, &str)]) -> Kind {
        let empty = http_body_util::BodyExt::collect(http_body_util::Empty::<Bytes>::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Ok(body) = runtime.block_on(empty);
        judge(&parts(status, headers), body).kind
    }

    /// `Status { code: 8, details: [Any { RetryInfo { 3.5 s } }] }`
    fn details() -> String {
        let delay = [8, 3, 16, 0x80, 0xca, 0xb5, 0xee, 0x01];
        let info = [&[10, delay.len() as u8], &delay[..]].concat();
        let url = b"type.googleapis.com/google.rpc.RetryInfo";
        let any = [&[10, url.len() as u8], &url[..], &[18, info.len() as u8], &info].concat();
        let status = [&[8, 8, 26, any.len() as u8], &any[..]].concat();
        BASE64.encode(status)
    }

    #[test]
    fn codes_are_sent_again_or_not_as_otlp_has_it() {
        for code in 0_u32..=17 {
            let text = code.to_string();
            let kind = judged(200, &[("grpc-status", &text)]);
            let is_again = matches!(kind, Kind::Again(..));
            assert_eq!(is_again, [1, 4, 10, 11, 14, 15].contains(&code), "{code}: {kind:?}");
            assert_eq!(matches!(kind, Kind::Taken(_)), code == 0, "{code}: {kind:?}");
        }
        let details = details();
        let with = |code| [("grpc-status", code), ("grpc-status-details-bin", &*details)];
        let wait = Some(Duration::from_millis(3_500));
        assert_eq!(judged(200, &with("8")), Kind::Again(Failure::Busy, wait));
        assert_eq!(judged(200, &with("14")), Kind::Again(Failure::Busy, wait));
        assert_eq!(judged(200, &with("3")), Kind::Refused(Failure::Refused));
        let unpadded = details.trim_end_matches('=').to_owned();
        let with = [("grpc-status", "8"), ("grpc-status-details-bin", &*unpadded)];
        assert_eq!(judged(200, &with), Kind::Again(Failure::Busy, wait));
    }

    #[test]
    fn an_answer_that_is_none_of_grpc_is_taken_by_its_http_status() {
        for (status, is_again) in
            [(200, false), (404, false), (429, true), (503, true), (500, false)]
        {
            let kind = judged(status, &[]);
            assert_eq!(matches!(kind, Kind::Again(..)), is_again, "{status}: {kind:?}");
            assert!(!matches!(kind, Kind::Taken(_)), "{status}");
        }
        assert_eq!(judged(200, &[("grpc-status", "x")]), Kind::Refused(Failure::Refused));
    }

    #[test]
    fn messages_are_percent_decoded_and_junk_among_details_says_nothing() {
        assert_eq!(decoded(b"a%20b%C3%A9%zz%4"), "a bé%zz%4");
        for junk in ["", "!!", "AAAA", "CAg", "////", "GgA="] {
            assert_eq!(retry_info(&HeaderValue::from_static(junk)), None, "{junk}");
        }
    }

    #[test]
    fn a_message_has_its_length_before_it() {
        assert_eq!(framed(b"abc", true), Bytes::from_static(b"\x01\0\0\0\x03abc"));
        assert_eq!(message(&framed(b"abc", false)), "abc");
        assert_eq!(message(&framed(b"abc", true)), "");
        assert_eq!(message(&Bytes::from_static(b"\0\0\0\0\x09abc")), "");
    }
}
