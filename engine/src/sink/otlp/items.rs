//! Items that leave as they came, as requests: grouped by resource and scope again.
//!
//! Invariant: groups stand in the order of their first items, and items in their own order.

use std::sync::Arc;

use bytes::Bytes;

use super::weight;
use super::wire::Encoding;
use crate::model::{EmittedItem, ItemContent, Signal};
use crate::otlp::request::{Grouped, request};
use crate::otlp::schema::{RESOURCE, SCOPE, Schema};
use crate::otlp::write_json::{comma, name, write_json, write_text};
use crate::sink::Shape;
use crate::sink::push::{Encode, Said};

/// Bytes of JSON for a byte of protobuf, about.
const JSON_OVER_PROTOBUF: usize = 3;

/// One request of one signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRequest {
    /// Spans, logs or metrics.
    pub signal: Signal,
    /// `ExportTraceServiceRequest` and the like.
    pub body: Bytes,
    /// Items in it.
    pub items: usize,
    /// Items that are not in it, because the encoding has no form for them.
    pub left_out: usize,
}

/// Items as requests, one for each signal that they have.
pub fn item_requests(encoding: Encoding, items: &[&EmittedItem]) -> Vec<ItemRequest> {
    let of_signal = |signal| {
        let own: Vec<&ItemContent> =
            items.iter().filter(|item| item.signal == signal).map(|item| &item.content).collect();
        (!own.is_empty()).then(|| match encoding {
            Encoding::Protobuf => {
                ItemRequest { signal, body: request(&own), items: own.len(), left_out: 0 }
            }
            Encoding::Json => json(signal, &own),
        })
    };
    [Signal::Spans, Signal::Logs, Signal::Metrics].into_iter().filter_map(of_signal).collect()
}

/// The items of one signal among what was said, as a request.
pub(super) fn items_of(encoding: Encoding, signal: Signal, batch: &[Said]) -> Option<ItemRequest> {
    let own = batch.iter().filter_map(|said| match said {
        Said::Item(item) if item.signal == signal => Some(&**item),
        _ => None,
    });
    item_requests(encoding, &own.collect::<Vec<&EmittedItem>>()).pop()
}

/// Two requests of one signal as one: what rules made, and items as they came.
pub(super) fn joined(
    encoding: Encoding,
    own: Option<Bytes>,
    items: Option<ItemRequest>,
) -> Option<Bytes> {
    let items = items.filter(|items| items.items > 0).map(|items| items.body);
    let (own, items) = match (own, items) {
        (Some(own), Some(items)) => (own, items),
        (own, items) => return own.or(items),
    };
    Some(match encoding {
        // A message behind another adds its groups.
        Encoding::Protobuf => Bytes::from([own, items].concat()),
        // Both are an object with one member, a list: `{"resourceLogs":[…]}`.
        Encoding::Json => {
            let list = items.iter().position(|byte| *byte == b'[').map_or(items.len(), |at| at + 1);
            let mut out = own[..own.len().saturating_sub(2)].to_vec();
            out.push(b',');
            out.extend_from_slice(&items[list..]);
            Bytes::from(out)
        }
    })
}

/// Encodes spans as they came, as `ExportTraceServiceRequest`.
pub struct Spans {
    encoding: Encoding,
    shapes: Arc<[Shape]>,
    left_out: usize,
}

impl Spans {
    /// Shapes are by rule id.
    pub fn with(encoding: Encoding, shapes: Arc<[Shape]>) -> Self {
        Self { encoding, shapes, left_out: 0 }
    }
}

impl Encode for Spans {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let items = items_of(self.encoding, Signal::Spans, batch);
        self.left_out = items.as_ref().map_or(0, |items| items.left_out);
        Some((self.encoding.content_type(), joined(self.encoding, None, items)?))
    }

    fn left_out(&self) -> usize {
        self.left_out
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        self.encoding.partial_success(answer)
    }

    fn weight(&self, said: &Said) -> usize {
        weight::of(&self.shapes, said)
    }

    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

fn json(signal: Signal, items: &[&ItemContent]) -> ItemRequest {
    let (of_resources, of_scopes, member) = match signal {
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
        _ => ("resourceSpans", "scopeSpans", "spans"),
    };
    let bytes: usize = items.iter().map(|item| item.item_len()).sum();
    let mut out = Vec::with_capacity(JSON_OVER_PROTOBUF * bytes);
    let mut left_out = 0;
    out.push(b'{');
    list(of_resources, &mut out);
    for (index, ((resource, url), scopes)) in Grouped::new(items).resources.iter().enumerate() {
        comma(index, &mut out);
        out.push(b'{');
        head("resource", &RESOURCE, (resource, url), &mut out);
        list(of_scopes, &mut out);
        for (index, ((scope, url), items)) in scopes.iter().enumerate() {
            comma(index, &mut out);
            out.push(b'{');
            head("scope", &SCOPE, (scope, url), &mut out);
            list(member, &mut out);
            left_out += elements(signal, items, &mut out);
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
    ItemRequest { signal, body: Bytes::from(out), items: items.len() - left_out, left_out }
}

/// The name of a list, and its begin.
fn list(of: &str, out: &mut Vec<u8>) {
    name(of, out);
    out.push(b'[');
}

/// The items of a list; how many are left out, as their bytes are damaged.
fn elements(signal: Signal, items: &[&ItemContent], out: &mut Vec<u8>) -> usize {
    let Some(schema) = Schema::of_item(signal) else { return items.len() };
    let (start, mut left_out) = (out.len(), 0);
    for item in items {
        let before = out.len();
        comma(before - start, out);
        if write_json(schema, &[&item.item, &item.append], out).is_none() {
            out.truncate(before);
            left_out += 1;
        }
    }
    left_out
}

/// Resource or scope, with what goes between it and what follows; one that is damaged is left
/// empty, its items stay.
fn head(of: &str, schema: &'static Schema, (head, url): (&[u8], &[u8]), out: &mut Vec<u8>) {
    if !head.is_empty() {
        name(of, out);
        if write_json(schema, &[head], out).is_none() {
            out.extend_from_slice(b"{}");
        }
        out.push(b',');
    }
    if !url.is_empty() {
        name("schemaUrl", out);
        write_text(&String::from_utf8_lossy(url), out);
        out.push(b',');
    }
}
