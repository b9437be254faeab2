//! What is written onto an item that is kept: fields appended to its protobuf.
//!
//! A message may be appended to: of a field that is not repeated the last one counts, of a repeated
//! one each. So a kept item leaves as the bytes it came in, and a few more. Source: the protobuf
//! encoding guide, and opentelemetry-proto: `Span` (`trace_state` 3, `attributes` 9), `LogRecord`
//! (`attributes` 6).

use super::{Threshold, rewrite_tracestate};

const SPAN_TRACE_STATE: u8 = 3;
const SPAN_ATTRIBUTES: u8 = 9;
const LOG_ATTRIBUTES: u8 = 6;

/// The fields of a kept span: its tracestate with the threshold, where that changes it, and an
/// attribute (key, value), where one is asked for. `None` as threshold takes `th` away: what was
/// not kept by chance alone stands for no known number of others.
pub fn stamp_span(
    trace_state: &str,
    threshold: Option<Threshold>,
    attribute: Option<(&str, &str)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let written = rewrite_tracestate(trace_state, threshold);
    if written != trace_state {
        delimited(SPAN_TRACE_STATE, written.as_bytes(), &mut out);
    }
    if let Some(pair) = attribute {
        delimited(SPAN_ATTRIBUTES, &key_value(pair), &mut out);
    }
    out
}

/// The fields of a kept log record, which has no tracestate: attributes alone.
pub fn stamp_log(attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for pair in attributes {
        delimited(LOG_ATTRIBUTES, &key_value(*pair), &mut out);
    }
    out
}

/// A `KeyValue` with a `string_value`.
fn key_value((key, value): (&str, &str)) -> Vec<u8> {
    let (mut any, mut out) = (Vec::new(), Vec::new());
    delimited(1, value.as_bytes(), &mut any);
    delimited(1, key.as_bytes(), &mut out);
    delimited(2, &any, &mut out);
    out
}

fn delimited(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}
