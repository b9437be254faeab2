//! Spans said again under other ids: what a derived trace needs of a span, and its new bytes.
//!
//! Everything that is not an id stays as it came, in its bytes. Field numbers: opentelemetry-proto,
//! `Span`: `trace_id` 1, `span_id` 2, `trace_state` 3, `parent_span_id` 4, `name` 5, `kind` 6,
//! start 7, end 8, `attributes` 9, `links` 13, `status` 15, `flags` 16.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::wire::{Message, field, fields, strict_fields};
use crate::model::{ItemAround, ItemContent, Value};

/// Bits of `flags` that a derived span has: sampled, and a trace id that is random in W3C's sense.
const FLAGS: u32 = 3;
/// `SPAN_KIND_INTERNAL`.
const KIND_INTERNAL: u64 = 1;
/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;
/// Depth of values that are written into an attribute.
const VALUE_DEPTH_MAX: usize = 16;

/// Ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SpanIds {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

/// What a derived trace must know of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanHead {
    pub(crate) ids: SpanIds,
    /// All zeros where it has no parent.
    pub(crate) parent: [u8; 8],
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) is_error: bool,
}

impl SpanHead {
    /// Reads it; `None` where the span has no ids of the right length, or is damaged.
    pub(crate) fn read(span: &[u8]) -> Option<Self> {
        let (mut trace, mut own, mut parent) = (None, None, [0; 8]);
        let (mut start_ns, mut end_ns, mut status) = (0, 0, 0);
        for field in strict_fields(span) {
            let (number, _, _, bytes) = field?;
            match number {
                1 => trace = <[u8; 16]>::try_from(bytes).ok(),
                2 => own = <[u8; 8]>::try_from(bytes).ok(),
                4 => parent = <[u8; 8]>::try_from(bytes).unwrap_or_default(),
                7 => start_ns = u64::from_le_bytes(bytes.try_into().ok()?),
                8 => end_ns = u64::from_le_bytes(bytes.try_into().ok()?),
                15 => {
                    let code = fields(bytes).filter(|(number, ..)| *number == 3).last();
                    status = code.map_or(0, |(_, value, _)| value);
                }
                _ => {}
            }
        }
        let ids = SpanIds { trace: trace?, span: own? };
        let is_error = status == STATUS_ERROR;
        Some(Self { ids, parent, start_ns, end_ns, is_error })
    }
}

/// A span under other ids, with a link to where it came from.
pub(crate) fn derived(
    span: &[u8],
    ids: SpanIds,
    parent: [u8; 8],
    trace_state: &str,
) -> Option<Bytes> {
    let original = SpanHead::read(span)?.ids;
    let mut out = head(ids, Some(parent), trace_state);
    for field in strict_fields(span) {
        let field = field?;
        if !matches!(field.0, 1..=4 | 16) {
            out.field(&field);
        }
    }
    let mut link = Message::default();
    link.delimited(1, &original.trace);
    link.delimited(2, &original.span);
    out.message(13, &link);
    out.fixed32(16, FLAGS);
    Some(out.finish())
}

/// What the root of a derived trace says.
pub(crate) struct RootSpan<'a> {
    pub(crate) ids: SpanIds,
    pub(crate) trace_state: &'a str,
    pub(crate) name: &'a str,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) is_error: bool,
    pub(crate) attributes: &'a [(Arc<str>, Value)],
}

/// A root span.
pub(crate) fn root(root: &RootSpan<'_>) -> Bytes {
    let mut out = head(root.ids, None, root.trace_state);
    out.text(5, root.name);
    out.varint(6, KIND_INTERNAL);
    out.fixed(7, root.start_ns);
    out.fixed(8, root.end_ns);
    for (key, value) in root.attributes.iter().filter(|(_, value)| !value.is_null()) {
        let mut pair = Message::default();
        pair.text(1, key);
        pair.message(2, &any_value(value, 0));
        out.message(9, &pair);
    }
    if root.is_error {
        let mut status = Message::default();
        status.varint(3, STATUS_ERROR);
        out.message(15, &status);
    }
    out.fixed32(16, FLAGS);
    out.finish()
}

fn head(ids: SpanIds, parent: Option<[u8; 8]>, trace_state: &str) -> Message {
    let mut out = Message::default();
    out.delimited(1, &ids.trace);
    out.delimited(2, &ids.span);
    if !trace_state.is_empty() {
        out.text(3, trace_state);
    }
    if let Some(parent) = parent {
        out.delimited(4, &parent);
    }
    out
}

/// `AnyValue`: times and quantities as whole numbers in nanoseconds and bytes.
fn any_value(value: &Value, depth: usize) -> Message {
    let mut out = Message::default();
    match value {
        Value::Null | Value::Histogram(_) => {}
        Value::Bool(held) => out.varint(2, u64::from(*held)),
        Value::Int(held) | Value::Duration(held) | Value::Time(held) | Value::Size(held) => {
            out.varint(3, *held as u64);
        }
        Value::Float(held) | Value::Ratio(held) => out.double(4, *held),
        Value::Str(text) => out.text(1, text),
        Value::Bytes(bytes) => out.delimited(7, bytes),
        Value::List(items) => {
            let mut list = Message::default();
            for item in items.iter().filter(|_| depth < VALUE_DEPTH_MAX) {
                list.message(1, &any_value(item, depth + 1));
            }
            out.message(5, &list);
        }
        Value::Map(entries) => {
            let mut list = Message::default();
            for (key, value) in entries.iter().filter(|_| depth < VALUE_DEPTH_MAX) {
                let mut pair = Message::default();
                pair.text(1, key);
                pair.message(2, &any_value(value, depth + 1));
                list.message(1, &pair);
            }
            out.message(6, &list);
        }
    }
    out
}

/// An item with all that stands around it in one value, as it travels with rows.
pub(crate) fn packed(content: &ItemContent) -> Value {
    let mut out = Message::default();
    let around = [
        &content.around.resource,
        &content.around.resource_schema_url,
        &content.around.scope,
        &content.around.scope_schema_url,
    ];
    for (number, part) in (1..).zip(around) {
        if !part.is_empty() {
            out.delimited(number, part);
        }
    }
    out.pieces(5, &[&content.item, &content.append]);
    Value::Bytes(Arc::from(out.as_bytes()))
}

/// The item again; empty where the value is none.
pub(crate) fn unpacked(packed: &[u8]) -> ItemContent {
    let part = |number| {
        let found = field(packed, number);
        found.map_or(Bytes::new(), |(_, bytes)| Bytes::copy_from_slice(bytes))
    };
    let around = ItemAround {
        resource: part(1),
        resource_schema_url: part(2),
        scope: part(3),
        scope_schema_url: part(4),
    };
    ItemContent { around: Arc::new(around), item: part(5), append: Bytes::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> Message {
        let mut span = Message::default();
        span.delimited(1, &[7; 16]);
        span.delimited(2, &[8; 8]);
        span.text(3, "vendor=1");
        span.delimited(4, &[9; 8]);
        span.text(5, "GET /");
        span.fixed(7, 11);
        span.fixed(8, 12);
        let mut status = Message::default();
        status.varint(3, STATUS_ERROR);
        span.message(15, &status);
        span.fixed32(16, 257);
        span.text(77, "of a later version");
        span
    }

    #[test]
    fn ids_are_new_and_all_else_stays() {
        let original = span();
        let ids = SpanIds { trace: [1; 16], span: [2; 8] };
        let new = derived(original.as_bytes(), ids, [3; 8], "ot=th:8").unwrap();
        let head = SpanHead::read(&new).unwrap();
        assert_eq!((head.ids, head.parent), (ids, [3; 8]));
        assert_eq!((head.start_ns, head.end_ns, head.is_error), (11, 12, true));
        assert_eq!(field(&new, 3).unwrap().1, b"ot=th:8");
        assert_eq!(field(&new, 77).unwrap().1, b"of a later version");
        let (_, link) = field(&new, 13).unwrap();
        assert_eq!(
            (field(link, 1).unwrap().1, field(link, 2).unwrap().1),
            (&[7; 16][..], &[8; 8][..])
        );
        for number in [1, 2, 3, 4, 16] {
            assert_eq!(fields(&new).filter(|field| field.0 == number).count(), 1, "{number}");
        }
    }

    #[test]
    fn damaged_spans_and_spans_without_ids_are_none() {
        let whole = span();
        for end in 0..whole.as_bytes().len() {
            let cut = &whole.as_bytes()[..end];
            if let Some(head) = SpanHead::read(cut) {
                assert_eq!(head.ids.trace, [7; 16], "cut at {end}");
            }
        }
        assert_eq!(SpanHead::read(&[]), None);
        let mut short = Message::default();
        short.delimited(1, &[7; 3]);
        short.delimited(2, &[8; 8]);
        assert_eq!(SpanHead::read(short.as_bytes()), None);
    }

    #[test]
    fn a_packed_item_comes_out_whole() {
        let around = ItemAround {
            resource: Bytes::from_static(b"r"),
            scope_schema_url: Bytes::from_static(b"s"),
            ..ItemAround::default()
        };
        let content = ItemContent {
            around: Arc::new(around),
            item: Bytes::from_static(b"it"),
            append: Bytes::from_static(b"em"),
        };
        let Value::Bytes(bytes) = packed(&content) else { panic!("bytes") };
        let again = unpacked(&bytes);
        assert_eq!(&again.item[..], b"item");
        assert_eq!(again.around, content.around);
    }
}
