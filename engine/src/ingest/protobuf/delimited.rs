//! The Collector's file exporter: requests, each preceded by its length as big-endian u32.
//!
//! Which signal a request has is not written down. It shows in the first item: a metric has a
//! name where a span has its trace id and a record its time, and so on. Invariant: a request
//! without any item fits all three and is read as traces.

use super::wire::{Wire, tag};
use crate::ingest::damage::{Damage, Reason};
use crate::ingest::writer::Writer;
use crate::model::PayloadFormat;

/// Decodes all requests of a payload; a damaged one is set aside and the rest goes on.
pub(in crate::ingest) fn decode(payload: &[u8], w: &mut Writer<'_>) {
    let mut pos = 0;
    while pos < payload.len() {
        let length = payload
            .get(pos..pos + 4)
            .map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")) as usize);
        let Some(end) = length.map(|length| pos + 4 + length).filter(|&end| end <= payload.len())
        else {
            w.set_aside(Damage::new(pos, Reason::Truncated));
            return;
        };
        let wire = Wire::within(payload, pos + 4, end);
        let result = match signal_of(wire) {
            Some(format) => super::decode_request(wire, format, w),
            None => Err(Damage::new(pos, Reason::UnknownMessage)),
        };
        if let Err(damage) = result {
            w.set_aside(damage);
        }
        pos = end;
    }
}

/// The kind of request that a payload is; `None` if it is no request.
pub(in crate::ingest) fn signal_of_payload(payload: &[u8]) -> Option<PayloadFormat> {
    signal_of(Wire::new(payload))
}

/// The kind of request that a message is, by the first item in it; `None` if it is no request.
fn signal_of(wire: Wire<'_>) -> Option<PayloadFormat> {
    let mut request = wire;
    let mut is_otlp = true;
    while let Ok(found) = request.tag() {
        if found == 0 {
            break;
        }
        if found != tag(1, super::wire::BYTES) {
            is_otlp &= request.skip(found).is_ok();
            if !is_otlp {
                return None;
            }
            continue;
        }
        let group = request.message().ok()?;
        if let Guess::Break(format) = signal_of_group(group)? {
            return Some(format);
        }
    }
    Some(PayloadFormat::OtlpTraces)
}

/// What one part of a message says of its signal.
type Guess = std::ops::ControlFlow<PayloadFormat>;

fn signal_of_group(mut group: Wire<'_>) -> Option<Guess> {
    loop {
        match group.tag().ok()? {
            0 => return Some(Guess::Continue(())),
            found if found == tag(2, super::wire::BYTES) => {
                let mut scope = group.message().ok()?;
                loop {
                    match scope.tag().ok()? {
                        0 => break,
                        found if found == tag(2, super::wire::BYTES) => {
                            let item = scope.message().ok()?;
                            if let Guess::Break(format) = signal_of_item(item)? {
                                return Some(Guess::Break(format));
                            }
                        }
                        found => scope.skip(found).ok()?,
                    }
                }
            }
            found => group.skip(found).ok()?,
        }
    }
}

/// Which of the three an item is: every field that is present must fit.
fn signal_of_item(mut item: Wire<'_>) -> Option<Guess> {
    let is_text = |mut ahead: Wire<'_>, wire_type| {
        wire_type == 2 && ahead.bytes().is_ok_and(|name| std::str::from_utf8(name).is_ok())
    };
    let (mut span, mut record, mut metric) = (true, true, true);
    let mut is_empty = true;
    loop {
        let found = item.tag().ok()?;
        if found == 0 {
            break;
        }
        is_empty = false;
        let (field, wire_type) = (found >> 3, found & 7);
        let length = (wire_type == 2)
            .then_some(item)
            .and_then(|mut ahead| ahead.bytes().ok().map(<[u8]>::len));
        span &= match field {
            1 => matches!(length, Some(0 | 16)),
            2 | 4 => matches!(length, Some(0 | 8)),
            3 | 5 | 9 | 11 | 13 | 15 => wire_type == 2,
            6 | 10 | 12 | 14 => wire_type == 0,
            7 | 8 => wire_type == 1,
            16 => wire_type == 5,
            _ => true,
        };
        record &= match field {
            1 | 11 => wire_type == 1,
            2 | 7 => wire_type == 0,
            3 | 5 | 6 | 12 => wire_type == 2,
            8 => wire_type == 5,
            9 => matches!(length, Some(0 | 16)),
            10 => matches!(length, Some(0 | 8)),
            _ => true,
        };
        metric &= match field {
            1 => is_text(item, wire_type),
            2 | 3 | 5 | 7 | 9 | 10 | 11 | 12 => wire_type == 2,
            _ => true,
        };
        item.skip(found).ok()?;
    }
    if is_empty {
        return Some(Guess::Continue(()));
    }
    // A metric named with 16 letters looks like a span without times; spans have times.
    match (span, record, metric) {
        (_, _, true) => Some(Guess::Break(PayloadFormat::OtlpMetrics)),
        (true, _, _) => Some(Guess::Break(PayloadFormat::OtlpTraces)),
        (_, true, _) => Some(Guess::Break(PayloadFormat::OtlpLogs)),
        _ => None,
    }
}
