//! What is written onto an item that is kept: fields appended to its protobuf.
//!
//! A message may be appended to: of a field that is not repeated the last one counts, of a repeated
//! one each. So a kept item leaves as the bytes it came in, and a few more. Source: the protobuf
//! encoding guide, and opentelemetry-proto: `Span` (`trace_state` 3, `attributes` 9), `LogRecord`
//! (`attributes` 6). Of attributes each key may stand once: what is written anew is taken out
//! before.

use bytes::Bytes;
use memchr::memmem;

use super::{Arrived, Randomness, Reading, Threshold, rewrite_tracestate};
use crate::model::Signal;
use crate::otlp::wire::{Message, field, fields, strict_fields};

const SPAN_TRACE_STATE: u8 = 3;
const SPAN_ATTRIBUTES: u8 = 9;
const LOG_ATTRIBUTES: u8 = 6;

/// The attribute of log records that carries a threshold, as the Collector's probabilistic sampler
/// writes it.
pub const THRESHOLD_KEY: &str = "sampling.threshold";

/// The attribute of log records that states randomness, as the same sampler writes it.
pub const RANDOMNESS_KEY: &str = "sampling.randomness";

/// What a log record in protobuf says about sampling.
pub fn read_log(item: &[u8]) -> Arrived {
    let mut arrived = Arrived { reading: Reading::Absent, threshold: None, randomness: None };
    for (number, _, pair) in fields(item) {
        if number != u64::from(LOG_ATTRIBUTES) {
            continue;
        }
        let key = field(pair, 1).map_or(&[][..], |(_, key)| key);
        let value = field(pair, 2).and_then(|(_, any)| field(any, 1)).map(|(_, text)| text);
        let value = std::str::from_utf8(value.unwrap_or_default()).unwrap_or_default();
        if key == THRESHOLD_KEY.as_bytes() {
            arrived.threshold = arrived.threshold.or_else(|| Threshold::from_hex(value));
        } else if key == RANDOMNESS_KEY.as_bytes() {
            arrived.randomness = arrived.randomness.or_else(|| Randomness::from_hex(value));
        }
    }
    arrived
}

/// The item without attributes of these keys; `None` where it has none of them, or cannot be read.
pub fn without_attributes(item: &[u8], signal: Signal, keys: &[&str]) -> Option<Bytes> {
    let own = match signal {
        Signal::Spans => SPAN_ATTRIBUTES,
        Signal::Logs => LOG_ATTRIBUTES,
        _ => return None,
    };
    if keys.iter().all(|key| memmem::find(item, key.as_bytes()).is_none()) {
        return None;
    }
    let (mut left, mut is_less) = (Message::with_capacity(item.len()), false);
    for part in strict_fields(item) {
        let part = part?;
        let is_asked = |key: &[u8]| keys.iter().any(|asked| asked.as_bytes() == key);
        let is_own = part.0 == u64::from(own) && part.1 == 2;
        if is_own && is_asked(field(part.3, 1).map_or(&[][..], |(_, key)| key)) {
            is_less = true;
        } else {
            left.field(&part);
        }
    }
    is_less.then(|| left.finish())
}

/// The fields of a kept span: its tracestate with the threshold, where that changes it, and with
/// randomness that it does not state itself, and an attribute (key, value), where one is asked for.
/// `None` as threshold takes `th` away: what was not kept by chance alone stands for no known
/// number of others.
pub fn stamp_span(
    trace_state: &str,
    (threshold, randomness): (Option<Threshold>, Option<Randomness>),
    attribute: Option<(&str, &str)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let written = rewrite_tracestate(trace_state, threshold, randomness);
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
