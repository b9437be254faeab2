//! Items that came as OTLP in JSON: the same messages in protobuf.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::protobuf::Shell;
use super::{Contexts, Made};
use crate::ingest::damage::Damage;
use crate::ingest::json::Json;
use crate::model::{ByteRange, ItemAround, ItemContent, RawContext, RawItems, Signal};
use crate::otlp::from_json;
use crate::otlp::schema::{RESOURCE, SCOPE, Schema};

/// What stands around items, in protobuf.
#[derive(Clone)]
struct Around {
    heads: Arc<ItemAround>,
    shell: Shell,
    /// How the metric's points are read.
    point: Option<&'static Schema>,
}

/// The items of some rows; one that JSON's own rules forbid (half a character, say) cannot leave.
pub(super) fn emit(raw: &RawItems, signal: Signal, rows: &[u32]) -> Vec<Option<ItemContent>> {
    let mut contexts = Contexts::new(raw);
    let mut made = Made::default();
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let row = raw.rows[*row as usize];
        let around =
            contexts.get(row.context, || around(raw, raw.contexts[row.context as usize], signal));
        let item = around.as_ref().and_then(|around| {
            let schema = around.point.or_else(|| Schema::of_item(signal))?;
            let object: Map<String, Value> =
                serde_json::from_slice(&raw.payload[row.range.indices()]).ok()?;
            let message = from_json(schema, &object)?;
            let place = match around.point {
                Some(_) => made.add(&around.shell.around(message.as_bytes())),
                None => made.add(message.as_bytes()),
            };
            Some((place, Arc::clone(&around.heads)))
        });
        places.push(item);
    }
    let made = made.finish();
    let item = |found: Option<(std::ops::Range<usize>, Arc<ItemAround>)>| {
        let append = Bytes::new();
        found.map(|(place, around)| ItemContent { around, item: made.slice(place), append })
    };
    places.into_iter().map(item).collect()
}

fn around(raw: &RawItems, context: RawContext, signal: Signal) -> Option<Around> {
    let (resource, resource_schema_url) = head(raw, context.resource, b"resource", &RESOURCE)?;
    let (scope, scope_schema_url) = head(raw, context.scope, b"scope", &SCOPE)?;
    let heads = ItemAround { resource, resource_schema_url, scope, scope_schema_url };
    let heads = Arc::new(heads);
    if signal != Signal::Metrics {
        return Some(Around { heads, shell: Shell::default(), point: None });
    }
    let schema = Schema::of_item(signal)?;
    let object = without_points(raw, context.metric).ok()?;
    let (data, _) = object.iter().find(|(_, value)| value.is_object())?;
    let point = schema.named(data)?.inside()?.named("dataPoints")?.inside()?;
    let shell = Shell::of(from_json(schema, &object)?.as_bytes());
    Some(Around { heads, shell, point: Some(point) })
}

/// The head of a group of items as a message, and its schema.
fn head(
    raw: &RawItems,
    group: ByteRange,
    name: &[u8],
    schema: &'static Schema,
) -> Option<(Bytes, Bytes)> {
    let mut json = Json::at(&raw.payload, group.start as usize);
    let (mut head, mut url) = (Bytes::new(), Bytes::new());
    let mut members = json.object().ok()?;
    while let Some(key) = json.key(&mut members).ok()? {
        match &*key.bytes().ok()? {
            b"schemaUrl" => {
                url = Bytes::copy_from_slice(json.text_or_null().ok()?.string().ok()?.as_bytes());
            }
            known if known == name => {
                let start = json.pos();
                json.skip().ok()?;
                let value = serde_json::from_slice(json.slice(start, json.pos())).ok()?;
                head = match value {
                    Value::Object(object) => from_json(schema, &object)?.finish(),
                    _ => Bytes::new(),
                };
            }
            _ => json.skip().ok()?,
        }
    }
    Some((head, url))
}

/// A metric's members, and those of its data, but for the points.
fn without_points(raw: &RawItems, metric: ByteRange) -> Result<Map<String, Value>, Damage> {
    let mut json = Json::at(&raw.payload, metric.start as usize);
    let mut out = Map::new();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let name = key.string()?.into_owned();
        let value = if json.peek() == b'{' {
            let mut data = Map::new();
            let mut inside = json.object()?;
            while let Some(key) = json.key(&mut inside)? {
                let name = key.string()?.into_owned();
                let value = value(&mut json)?;
                if name != "dataPoints" {
                    data.insert(name, value);
                }
            }
            Value::Object(data)
        } else {
            value(&mut json)?
        };
        out.insert(name, value);
    }
    Ok(out)
}

/// A value; `null` where it cannot be read or is a list.
fn value(json: &mut Json<'_>) -> Result<Value, Damage> {
    json.peek();
    let start = json.pos();
    json.skip()?;
    let text = json.slice(start, json.pos());
    if text.first() == Some(&b'[') && text.len() > METADATA_BYTES_MAX {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(text).unwrap_or_default())
}

/// Bytes of a list in a metric beside its points (its metadata) that are looked at.
const METADATA_BYTES_MAX: usize = 64 * 1024;
