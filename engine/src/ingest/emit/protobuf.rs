//! Items that came as OTLP in protobuf.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{Contexts, Made};
use crate::model::{ByteRange, ItemAround, ItemContent, RawItems, Signal};
use crate::otlp::schema::METRIC_DATA;
use crate::otlp::wire::{Message, strict_fields};

/// What stands around items.
struct Around {
    heads: Arc<ItemAround>,
    shell: Shell,
}

/// A part of the payload, or one that had to be put together.
#[derive(Clone)]
enum Part {
    Lies(Range<usize>),
    Made(Bytes),
}

impl Default for Part {
    fn default() -> Self {
        Self::Lies(0..0)
    }
}

/// The items of some rows.
pub(super) fn emit(raw: &RawItems, signal: Signal, rows: &[u32]) -> Vec<Option<ItemContent>> {
    let bytes: usize = rows.iter().map(|row| raw.rows[*row as usize].range.len()).sum();
    // More than half of the payload leaves: then it may as well be kept whole.
    let keeps_payload = bytes * 2 >= raw.payload.len();
    let is_copied = signal != Signal::Metrics && !keeps_payload;
    let mut contexts = Contexts::new(raw);
    let mut made = Made::with_capacity(if is_copied { bytes } else { 0 });
    let mut shells = Vec::new();
    for row in rows {
        let row = raw.rows[*row as usize];
        let around = contexts.get(row.context, || around(raw, row.context, signal, keeps_payload));
        let item = &raw.payload[row.range.indices()];
        if signal == Signal::Metrics {
            shells.push(made.add(&around.shell.around(item)));
        } else if is_copied {
            made.add(item);
        }
    }
    let made = made.finish();
    let (mut shells, mut copied) = (shells.into_iter(), 0);
    let content = |row: &u32| {
        let row = raw.rows[*row as usize];
        let item = match shells.next() {
            Some(place) => made.slice(place),
            None if is_copied => {
                let start = copied;
                copied += row.range.len();
                made.slice(start..copied)
            }
            None => raw.payload.slice(row.range.indices()),
        };
        let around = Arc::clone(&contexts.known(row.context)?.heads);
        Some(ItemContent { around, item, append: Bytes::new() })
    };
    rows.iter().map(content).collect()
}

impl Part {
    fn bytes<'a>(&'a self, payload: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Lies(range) => &payload[range.clone()],
            Self::Made(bytes) => bytes,
        }
    }
}

/// The heads of groups, as slices of the payload or of one copy of them.
fn heads(parts: [Part; 4], payload: &Bytes, keeps_payload: bool) -> ItemAround {
    let mut made = Made::default();
    let [resource, resource_schema_url, scope, scope_schema_url] = if keeps_payload {
        parts.map(|part| match part {
            Part::Lies(range) => payload.slice(range),
            Part::Made(bytes) => bytes,
        })
    } else {
        let places = parts.map(|part| made.add(part.bytes(payload)));
        let made = made.finish();
        places.map(|place| made.slice(place))
    };
    ItemAround { resource, resource_schema_url, scope, scope_schema_url }
}

fn around(raw: &RawItems, context: u32, signal: Signal, keeps_payload: bool) -> Around {
    let context = raw.contexts[context as usize];
    let lies = |range: ByteRange| Part::Lies(range.indices());
    let parts = match context.heads {
        Some(heads) => [
            lies(heads.resource),
            lies(heads.resource_schema_url),
            lies(heads.scope),
            lies(heads.scope_schema_url),
        ],
        None => {
            let (resource, resource_schema_url) = head(&raw.payload, context.resource);
            let (scope, scope_schema_url) = head(&raw.payload, context.scope);
            [resource, resource_schema_url, scope, scope_schema_url]
        }
    };
    let shell = if signal == Signal::Metrics {
        Shell::of(&raw.payload[context.metric.indices()])
    } else {
        Shell::default()
    };
    Around { heads: Arc::new(heads(parts, &raw.payload, keeps_payload)), shell }
}

/// The first field of a group of items, and its schema. The decoder has read the group before: it
/// is whole. A message that stands there in pieces is one by being put together.
fn head(payload: &Bytes, group: ByteRange) -> (Part, Part) {
    let bytes = &payload[group.indices()];
    let (mut heads, mut schema) = (Vec::new(), Part::default());
    for (number, wire_type, _, field) in strict_fields(bytes).map_while(|field| field) {
        // Where a field lies in the payload: it is a part of it.
        let start = field.as_ptr() as usize - bytes.as_ptr() as usize + group.start as usize;
        match (number, wire_type) {
            (1, 2) => heads.push(start..start + field.len()),
            (3, 2) => schema = Part::Lies(start..start + field.len()),
            _ => {}
        }
    }
    let head = match heads.as_slice() {
        [] => Part::default(),
        [one] => Part::Lies(one.clone()),
        several => {
            let parts: Vec<&[u8]> = several.iter().map(|range| &payload[range.clone()]).collect();
            Part::Made(Bytes::from(parts.concat()))
        }
    };
    (head, schema)
}

/// A metric without its points.
#[derive(Debug, Clone, Default)]
pub(super) struct Shell {
    /// Name, unit and so on.
    head: Vec<u8>,
    /// The field that holds points, and what it says beside them.
    data: Option<(u32, Vec<u8>)>,
}

impl Shell {
    /// What a metric says of all its points.
    pub(super) fn of(metric: &[u8]) -> Self {
        let (mut head, mut data) = (Message::default(), None);
        for field in strict_fields(metric).map_while(|field| field) {
            let (number, _, _, bytes) = field;
            if !METRIC_DATA.contains(&number) {
                head.field(&field);
                continue;
            }
            let mut rest = Message::default();
            for field in strict_fields(bytes).map_while(|field| field) {
                if field.0 != 1 {
                    rest.field(&field);
                }
            }
            data = Some((number as u32, rest.as_bytes().to_vec()));
        }
        Self { head: head.as_bytes().to_vec(), data }
    }

    /// The metric with one point.
    pub(super) fn around(&self, point: &[u8]) -> Vec<u8> {
        let mut metric = Message::default();
        metric.append(&self.head);
        if let Some((number, rest)) = &self.data {
            let mut data = Message::default();
            data.delimited(1, point);
            data.append(rest);
            metric.message(*number, &data);
        }
        metric.as_bytes().to_vec()
    }
}
