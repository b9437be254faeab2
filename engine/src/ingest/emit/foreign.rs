//! Items that came in a format that is not OTLP: read once more, with everything that is in them,
//! and written as OTLP.
//!
//! The decoders know what each format's members mean; here they are asked for all of them. What
//! they have no field for is not in what leaves; links of Jaeger's spans are read from the
//! document.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;

use super::Made;
use super::message::{Parts, message};
use super::plain::PlainSpans;
use super::references::References;
use crate::ingest::decoder::{DecodeReport, Decoder};
use crate::ingest::flat::header_names;
use crate::limits::EMIT_KEYS_MAX;
use crate::model::{
    AttributePlace, Batch, ColumnSpec, Compression, DataFrame, Demand, Field, Interner, ItemAround,
    ItemContent, PayloadFormat, RawItems, Signal, SourceId, SourceSpec,
};

/// The items of some rows; `None` for one that reads otherwise when everything in it is read.
pub(super) fn emit(raw: &RawItems, signal: Signal, rows: &[u32]) -> Vec<Option<ItemContent>> {
    if matches!(raw.format, PayloadFormat::Jaeger | PayloadFormat::Zipkin) {
        // What stands around a span matters: the trace's processes, the other half of its id.
        let all = read(raw, signal, raw.payload.to_vec(), None).unwrap_or_default();
        // They lie where they lay, in their order.
        let find = |row: &u32| {
            let start = raw.rows[*row as usize].range.start;
            let at = all.binary_search_by_key(&start, |(start, _)| *start).ok()?;
            Some(all[at].1.clone())
        };
        return rows.iter().map(find).collect();
    }
    emit_together(&[(raw, rows.to_vec())], signal)
}

/// Whether the items of two batches can be read as those of one: lines that stand for themselves.
pub(super) fn reads_together(a: &RawItems, b: &RawItems) -> bool {
    let is_lines =
        |raw: &RawItems| matches!(raw.format, PayloadFormat::Ndjson | PayloadFormat::Lines);
    is_lines(a) && a.format == b.format && a.mapping == b.mapping
}

/// The items of some rows of batches that read together. Most lines of spans are ordinary ones and
/// written from their text; the others are read with everything in them.
pub(super) fn emit_together(
    parts: &[(&RawItems, Vec<u32>)],
    signal: Signal,
) -> Vec<Option<ItemContent>> {
    let mut made = written(parts, signal);
    let mut others: Vec<(&RawItems, Vec<u32>)> = Vec::new();
    let mut places = made.iter().enumerate();
    for (raw, rows) in parts {
        let of = rows.iter().zip(&mut places).filter(|(_, (_, content))| content.is_none());
        others.push((*raw, of.map(|(row, _)| *row).collect()));
    }
    others.retain(|part| !part.1.is_empty());
    if !others.is_empty() {
        let mut read = read_together(&others, signal).into_iter();
        let left = made.iter_mut().filter(|content| content.is_none());
        left.for_each(|content| *content = read.next().flatten());
    }
    made
}

/// The items that can be written from their text.
fn written(parts: &[(&RawItems, Vec<u32>)], signal: Signal) -> Vec<Option<ItemContent>> {
    let first = parts.first().map(|part| part.0);
    let mut plain = first
        .filter(|raw| signal == Signal::Spans && raw.format == PayloadFormat::Ndjson)
        .and_then(|raw| PlainSpans::new(raw.mapping.as_deref()));
    match &mut plain {
        None => vec![None; parts.iter().map(|part| part.1.len()).sum()],
        Some(spans) => {
            for (raw, rows) in parts {
                for row in rows {
                    spans.add(&raw.payload[raw.rows[*row as usize].range.indices()]);
                }
            }
            plain.map(PlainSpans::finish).unwrap_or_default()
        }
    }
}

/// The items of some rows, read with everything in them.
fn read_together(parts: &[(&RawItems, Vec<u32>)], signal: Signal) -> Vec<Option<ItemContent>> {
    let mut text = Vec::new();
    for (raw, rows) in parts {
        text.extend_from_slice(&payload_of(raw, rows));
    }
    let count = Some(parts.iter().map(|part| part.1.len()).sum());
    if let Some(all) = parts.first().and_then(|(raw, _)| read(raw, signal, text, count)) {
        return all.into_iter().map(|(_, content)| Some(content)).collect();
    }
    // Something in one of them: the others leave without it.
    match parts {
        [(raw, rows)] => {
            let alone = |row: &u32| {
                let mut one = read(raw, signal, payload_of(raw, &[*row]), Some(1))?;
                one.pop().map(|(_, content)| content)
            };
            rows.iter().map(alone).collect()
        }
        _ => {
            let by_itself = |part| read_together(std::slice::from_ref(part), signal);
            parts.iter().flat_map(by_itself).collect()
        }
    }
}

/// The text of some rows as a payload of its own.
fn payload_of(raw: &RawItems, rows: &[u32]) -> Vec<u8> {
    let mut text = Vec::new();
    if raw.format == PayloadFormat::Csv {
        let first = raw.rows.first().map_or(0, |row| row.range.start as usize);
        // The header ends where the first record may begin; damaged ones may stand between.
        let end = memchr::memchr(b'\n', &raw.payload[..first]).map_or(first, |end| end + 1);
        text.extend_from_slice(&raw.payload[..end]);
    }
    for row in rows {
        text.extend_from_slice(&raw.payload[raw.rows[*row as usize].range.indices()]);
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
    }
    text
}

/// Reads a payload with everything in it: where items begin, and what they are. `None` unless it
/// has so many items of the signal, where that is said.
pub(super) fn read(
    raw: &RawItems,
    signal: Signal,
    payload: Vec<u8>,
    items: Option<usize>,
) -> Option<Vec<(u32, ItemContent)>> {
    let mut keys = keys(raw.format, &payload)?;
    if let Some(mapping) = &raw.mapping {
        keys.extend(mapping.columns.iter().map(|(path, _)| path.to_string()));
    }
    let mut demand = demand(signal, &keys);
    demand.want_raw(signal);
    let spec = SourceSpec { name: Arc::from(""), has_arrival: false, mapping: raw.mapping.clone() };
    let mut decoder = Decoder::new(Arc::new(demand.clone()), Arc::from([spec]));
    let frame = DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format: raw.format,
        compression: Compression::None,
        payload: payload.into(),
        place: 0,
    };
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    decoder.decode(0, &frame, &Interner::shared(), &mut batches, &mut report);
    let of = |signal| batches.iter().find(|batch: &&Batch| batch.signal == signal);
    let batch = of(signal).filter(|batch| items.is_none_or(|items| batch.rows == items))?;
    let lies = &batch.raw.as_ref()?.rows;
    let is_flat = !matches!(raw.format, PayloadFormat::Jaeger | PayloadFormat::Zipkin);
    let parts = Parts::new(&demand, batch, is_flat);
    let events = of(Signal::SpanEvents).map(|batch| Parts::new(&demand, batch, false));
    if signal == Signal::Spans && parts.event_count() != events.as_ref().map_or(0, Parts::rows) {
        return None;
    }
    let references = match raw.format {
        PayloadFormat::Jaeger if parts.has_links() => References::read(&raw.payload),
        _ => References::default(),
    };
    let (mut made, mut places, mut next_event) = (Made::default(), Vec::new(), 0);
    for row in 0..batch.rows {
        let own = parts.events_of(row);
        let own_events = events.as_ref().map(|events| (events, next_event..next_event + own));
        let [resource, scope, item] = message(&parts, row, own_events, &references);
        next_event += own;
        places.push([made.add(&resource), made.add(&scope), made.add(&item)]);
    }
    let made = made.finish();
    let content = |[resource, scope, item]: [std::ops::Range<usize>; 3]| {
        let (resource, scope) = (made.slice(resource), made.slice(scope));
        let around = Arc::new(ItemAround { resource, scope, ..ItemAround::default() });
        ItemContent { around, item: made.slice(item), append: Bytes::new() }
    };
    let starts = lies.iter().map(|row| row.range.start);
    Some(starts.zip(places.into_iter().map(content)).collect())
}

/// Every field, and these attributes wherever they stand.
fn demand(signal: Signal, keys: &BTreeSet<String>) -> Demand {
    let mut demand = Demand::default();
    let signals = if signal == Signal::Spans {
        &[Signal::Spans, Signal::SpanEvents][..]
    } else {
        std::slice::from_ref(&signal)
    };
    for &signal in signals {
        demand.want(signal);
        for &field in Field::ALL {
            if field.is_of(signal) && field.has_path() && field != Field::Series {
                demand.column(signal, ColumnSpec::Field(field));
            }
        }
        for key in keys {
            for place in [AttributePlace::Item, AttributePlace::Resource] {
                demand.column(signal, ColumnSpec::Attribute { place, key: Arc::from(&**key) });
            }
        }
    }
    demand
}

/// Names that may be keys of attributes; `None` where there are too many.
fn keys(format: PayloadFormat, payload: &[u8]) -> Option<BTreeSet<String>> {
    let mut keys = BTreeSet::from(["peer.service".to_owned(), "service.name".to_owned()]);
    if format == PayloadFormat::Csv {
        let names = header_names(payload).into_iter();
        let names = names.map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned());
        keys.extend(names);
    } else {
        for document in serde_json::Deserializer::from_slice(payload).into_iter::<Json>() {
            names_in(&document.ok()?, &mut keys);
        }
    }
    (keys.len() <= EMIT_KEYS_MAX).then_some(keys)
}

/// Names of members, and what stands in members named `key`, as tags have it.
fn names_in(value: &Json, keys: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::String(text) if name == "key" => keys.extend([text.clone()]),
                    _ => {}
                }
                keys.extend([name.clone()]);
                names_in(value, keys);
            }
        }
        Json::Array(list) => list.iter().for_each(|value| names_in(value, keys)),
        _ => {}
    }
}
