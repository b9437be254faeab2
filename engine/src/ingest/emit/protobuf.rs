//! Items that came as OTLP in protobuf.

use std::ops::Range;

use bytes::Bytes;

use super::{Contexts, Made};
use crate::model::{ByteRange, ItemContent, RawItems, Signal};
use crate::otlp::schema::METRIC_DATA;
use crate::otlp::wire::{Message, strict_fields};

/// Where the parts around items lie in the payload.
#[derive(Clone, Default)]
struct Around {
    resource: Part,
    resource_schema_url: Part,
    scope: Part,
    scope_schema_url: Part,
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
    let ranges = rows.iter().map(|row| raw.rows[*row as usize].range.len());
    // More than half of the payload leaves: then it may as well be kept whole.
    let keeps_payload = ranges.sum::<usize>() * 2 >= raw.payload.len();
    let mut contexts = Contexts::new(raw);
    let mut made = Made::default();
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let row = raw.rows[*row as usize];
        let around = contexts.get(row.context, || {
            let around = around(raw, row.context as usize, signal);
            if keeps_payload { around } else { around.detached(&raw.payload) }
        });
        let item = &raw.payload[row.range.indices()];
        let place = if signal == Signal::Metrics {
            Some(made.add(&around.shell.around(item)))
        } else if keeps_payload {
            None
        } else {
            Some(made.add(item))
        };
        places.push((place, row.context));
    }
    let made = made.finish();
    let content = |(row, (place, context)): (&u32, (Option<Range<usize>>, u32))| {
        let item = match place {
            Some(place) => made.slice(place),
            None => raw.payload.slice(raw.rows[*row as usize].range.indices()),
        };
        contexts.known(context).map(|around| around.content(&raw.payload, item))
    };
    rows.iter().zip(places).map(content).collect()
}

impl Part {
    fn bytes(&self, payload: &Bytes) -> Bytes {
        match self {
            Self::Lies(range) => payload.slice(range.clone()),
            Self::Made(bytes) => bytes.clone(),
        }
    }

    fn detached(self, payload: &Bytes) -> Self {
        match self {
            Self::Lies(range) => Self::Made(Bytes::copy_from_slice(&payload[range])),
            made @ Self::Made(_) => made,
        }
    }
}

impl Around {
    fn detached(self, payload: &Bytes) -> Self {
        Self {
            resource: self.resource.detached(payload),
            resource_schema_url: self.resource_schema_url.detached(payload),
            scope: self.scope.detached(payload),
            scope_schema_url: self.scope_schema_url.detached(payload),
            shell: self.shell,
        }
    }

    fn content(&self, payload: &Bytes, item: Bytes) -> ItemContent {
        ItemContent {
            resource: self.resource.bytes(payload),
            resource_schema_url: self.resource_schema_url.bytes(payload),
            scope: self.scope.bytes(payload),
            scope_schema_url: self.scope_schema_url.bytes(payload),
            item,
            append: Bytes::new(),
        }
    }
}

fn around(raw: &RawItems, context: usize, signal: Signal) -> Around {
    let context = raw.contexts[context];
    let (resource, resource_schema_url) = head(&raw.payload, context.resource);
    let (scope, scope_schema_url) = head(&raw.payload, context.scope);
    let shell = if signal == Signal::Metrics {
        Shell::of(&raw.payload[context.metric.indices()])
    } else {
        Shell::default()
    };
    Around { resource, resource_schema_url, scope, scope_schema_url, shell }
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
