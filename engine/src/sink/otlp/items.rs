//! Items that leave as they came, as requests: grouped by resource and scope again.
//!
//! Invariant: groups stand in the order of their first items, and items in their own order.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::weight;
use super::wire::Encoding;
use crate::model::{EmittedItem, ItemContent, Signal};
use crate::otlp::request::{Grouped, request};
use crate::otlp::schema::{RESOURCE, SCOPE, Schema};
use crate::otlp::to_json;
use crate::sink::Shape;
use crate::sink::push::{Encode, Said};

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
    let mut left_out = 0;
    let mut resources = Vec::new();
    for ((resource, resource_schema), scopes) in Grouped::new(items).resources {
        let mut groups = Vec::new();
        for ((scope, scope_schema), items) in scopes {
            let own: Vec<Json> = items.iter().filter_map(|item| item_json(signal, item)).collect();
            left_out += items.len() - own.len();
            let mut group = head_json("scope", &SCOPE, scope, scope_schema);
            group.insert(member.to_owned(), Json::Array(own));
            groups.push(Json::Object(group));
        }
        let mut group = head_json("resource", &RESOURCE, resource, resource_schema);
        group.insert(of_scopes.to_owned(), Json::Array(groups));
        resources.push(Json::Object(group));
    }
    let body = Bytes::from(json!({ of_resources: resources }).to_string());
    ItemRequest { signal, body, items: items.len() - left_out, left_out }
}

/// An item as JSON; `None` where its bytes are damaged.
fn item_json(signal: Signal, item: &ItemContent) -> Option<Json> {
    let schema = Schema::of_item(signal)?;
    let object = if item.append.is_empty() {
        to_json(schema, &item.item)
    } else {
        to_json(schema, &[&item.item[..], &item.append].concat())
    };
    object.map(Json::Object)
}

/// Resource or scope; one that is damaged is left out, its items stay.
fn head_json(
    name: &str,
    schema: &'static Schema,
    head: &[u8],
    schema_url: &[u8],
) -> Map<String, Json> {
    let mut group = Map::new();
    if !head.is_empty() {
        let head = to_json(schema, head).unwrap_or_default();
        group.insert(name.to_owned(), Json::Object(head));
    }
    if !schema_url.is_empty() {
        let url = String::from_utf8_lossy(schema_url).into_owned();
        group.insert("schemaUrl".to_owned(), json!(url));
    }
    group
}
