//! OTLP in protobuf.
//!
//! Source: opentelemetry-proto 1.11: `common/v1`, `metrics/v1`, `logs/v1`, `collector/*/v1`.

use bytes::Bytes;

use super::wire::{Head, Kind, Number, Place, Record};
use crate::model::{ExponentialBuckets, HistogramPoint, Value};
use crate::otlp::wire::{Message, field, fields};
use crate::sink::exemplar::Exemplar;
use crate::sink::prometheus::label_text;

/// `KeyValue`s as the field that holds them in points and records alike, but for its number.
pub(super) fn attributes<'a>(pairs: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<u8> {
    let mut all = Vec::new();
    for (key, value) in pairs {
        all.extend_from_slice(key_value(key, value).with_length().as_bytes());
    }
    all
}

/// Encoded attributes under the number of a field.
fn with_attributes(message: &mut Message, number: u8, mut attributes: &[u8]) {
    let tag = number << 3 | 2;
    while !attributes.is_empty() {
        let (length, prefix) = length(attributes);
        let (one, rest) = attributes.split_at(prefix + length);
        message.append(&[tag]);
        message.append(one);
        attributes = rest;
    }
}

/// A length that was written here, and the bytes that it takes.
fn length(encoded: &[u8]) -> (usize, usize) {
    let mut length = 0;
    for (index, byte) in encoded.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (index * 7);
        if byte & 0x80 == 0 {
            return (length, index + 1);
        }
    }
    (0, encoded.len())
}

/// What has no kind of its own in OTLP is text.
fn key_value(key: &str, value: &Value) -> Message {
    let mut any = Message::default();
    match value {
        Value::Bool(is_so) => any.varint(2, u64::from(*is_so)),
        Value::Int(number) | Value::Size(number) => any.varint(3, *number as u64),
        Value::Float(number) | Value::Ratio(number) => any.double(4, *number),
        Value::Str(text) => any.text(1, text),
        other => any.text(1, &label_text(other)),
    }
    let mut pair = Message::default();
    pair.text(1, key);
    pair.message(2, &any);
    pair
}

fn exemplar(exemplar: &Exemplar) -> Message {
    let mut out = Message::default();
    out.fixed(2, exemplar.time_ns as u64);
    out.double(3, exemplar.value);
    if let Some(span_id) = &exemplar.span_id {
        out.delimited(4, span_id);
    }
    out.delimited(5, &exemplar.trace_id);
    out
}

fn append(point: &Message, points: &mut Vec<u8>) {
    let mut field = Message::default();
    field.message(1, point);
    points.extend_from_slice(field.as_bytes());
}

/// `NumberDataPoint`.
pub(super) fn number(place: &Place<'_>, number: &Number, points: &mut Vec<u8>) {
    let mut point = Message::default();
    point.fixed(2, place.start_ns as u64);
    point.fixed(3, place.time_ns as u64);
    match number {
        Number::Int(number) => point.fixed(6, *number as u64),
        Number::Double(number) => point.double(4, *number),
    }
    place.exemplars.iter().for_each(|one| point.message(5, &exemplar(one)));
    with_attributes(&mut point, 7, place.attributes);
    append(&point, points);
}

/// `HistogramDataPoint` or `ExponentialHistogramDataPoint`.
pub(super) fn histogram(place: &Place<'_>, held: &HistogramPoint, points: &mut Vec<u8>) {
    let mut point = Message::default();
    point.fixed(2, place.start_ns as u64);
    point.fixed(3, place.time_ns as u64);
    point.fixed(4, held.count);
    if let Some(sum) = held.sum {
        point.double(5, sum);
    }
    let (exemplar_field, attributes_field, min_field) = match &held.exponential {
        Some(buckets) => {
            exponential(buckets, &mut point);
            (11, 1, 12)
        }
        None => {
            point.packed_fixed(6, held.counts.iter().copied());
            point.packed_fixed(7, held.bounds.iter().map(|bound| bound.to_bits()));
            (8, 9, 11)
        }
    };
    place.exemplars.iter().for_each(|one| point.message(exemplar_field, &exemplar(one)));
    for (number, extreme) in [(min_field, held.min), (min_field + 1, held.max)] {
        if let Some(extreme) = extreme {
            point.double(number, extreme);
        }
    }
    with_attributes(&mut point, attributes_field, place.attributes);
    append(&point, points);
}

fn exponential(buckets: &ExponentialBuckets, point: &mut Message) {
    point.zigzag(6, i64::from(buckets.scale));
    point.fixed(7, buckets.zero_count);
    for (number, offset, counts) in [
        (8, buckets.positive_offset, &buckets.positive),
        (9, buckets.negative_offset, &buckets.negative),
    ] {
        let mut side = Message::default();
        side.zigzag(1, i64::from(offset));
        side.packed(2, counts.iter().copied());
        point.message(number, &side);
    }
    point.double(14, buckets.zero_threshold);
}

/// `Metric`.
pub(super) fn metric(head: &Head<'_>, points: &[u8], metrics: &mut Vec<u8>) {
    let mut data = Message::default();
    data.append(points);
    let number = match head.kind {
        Kind::Gauge => 5,
        Kind::Sum(temporality, is_monotonic) => {
            data.varint(2, temporality.number());
            data.varint(3, u64::from(is_monotonic));
            7
        }
        Kind::Histogram(temporality) => {
            data.varint(2, temporality.number());
            9
        }
        Kind::Exponential(temporality) => {
            data.varint(2, temporality.number());
            10
        }
    };
    let mut metric = Message::default();
    metric.text(1, head.name);
    metric.text(2, head.description);
    metric.text(3, head.unit);
    metric.message(number, &data);
    let mut field = Message::default();
    field.message(2, &metric);
    metrics.extend_from_slice(field.as_bytes());
}

/// `LogRecord`.
pub(super) fn record(record: &Record<'_>, records: &mut Vec<u8>) {
    let mut out = Message::default();
    out.fixed(1, record.time_ns as u64);
    out.varint(2, record.severity.0);
    out.text(3, record.severity.1);
    let mut body = Message::default();
    body.text(1, &record.body);
    out.message(5, &body);
    for (key, value) in record.attributes {
        out.message(6, &key_value(key, value));
    }
    out.fixed(11, record.time_ns as u64);
    out.text(12, record.event);
    let mut field = Message::default();
    field.message(2, &out);
    records.extend_from_slice(field.as_bytes());
}

/// `ResourceMetrics` or `ResourceLogs` around what a scope holds, as a whole request. The numbers
/// of the fields are the same.
pub(super) fn request(encoded: &[u8]) -> Bytes {
    let mut scope = Message::default();
    scope.text(1, "tailwater");
    scope.text(2, env!("CARGO_PKG_VERSION"));
    let mut scoped = Message::default();
    scoped.message(1, &scope);
    scoped.append(encoded);
    let mut resource = Message::default();
    resource.message(1, &key_value("service.name", &Value::str("tailwater")));
    let mut of_resource = Message::default();
    of_resource.message(1, &resource);
    of_resource.message(2, &scoped);
    let mut request = Message::default();
    request.message(1, &of_resource);
    request.finish()
}

/// `ExportMetricsPartialSuccess` or that of logs, which have the same numbers.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    let (_, partial) = field(answer, 1)?;
    let (mut rejected, mut text) = (0, String::new());
    for (field, number, bytes) in fields(partial) {
        match field {
            // An `int64`; less than nothing is nothing.
            1 => rejected = (number as i64).max(0).unsigned_abs(),
            2 => text = String::from_utf8_lossy(bytes).into_owned(),
            _ => {}
        }
    }
    Some((rejected, text))
}
