//! The row of a batch that holds every field, as messages of OTLP.
//!
//! Invariant: what OTLP has a field for stands there and not among the attributes; nothing of a row
//! is lost that OTLP has a place for. Knows batches, not the bytes that they came from.

use std::collections::BTreeMap;
use std::ops::Range;

use super::references::References;
use crate::model::{AttributePlace, Batch, ColumnSpec, Demand, Field, FieldKind, Signal, Value};
use crate::otlp::dropped::{ATTRIBUTES_DROPPED, EVENTS_DROPPED, LINKS_DROPPED, is_dropped_count};
use crate::otlp::wire::Message;

/// A batch by field and attribute.
pub(super) struct Parts<'a> {
    batch: &'a Batch,
    fields: BTreeMap<Field, usize>,
    /// (place, key, column).
    attributes: Vec<(AttributePlace, &'a str, usize)>,
    /// Whether rows know no resource: then both places give the same.
    is_flat: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(demand: &'a Demand, batch: &'a Batch, is_flat: bool) -> Self {
        let (mut fields, mut attributes) = (BTreeMap::new(), Vec::new());
        for (column, spec) in demand.columns(batch.signal).iter().enumerate() {
            match spec {
                ColumnSpec::Field(field) => drop(fields.insert(*field, column)),
                ColumnSpec::Attribute { place, key } => attributes.push((*place, &**key, column)),
                ColumnSpec::FirstAttribute(_) => {} // of others that are here
            }
        }
        Self { batch, fields, attributes, is_flat }
    }

    pub(super) fn rows(&self) -> usize {
        self.batch.rows
    }

    /// Events of one span.
    pub(super) fn events_of(&self, row: usize) -> usize {
        match self.value(Field::EventCount, row) {
            Value::Int(count) => usize::try_from(count).unwrap_or(0),
            _ => 0,
        }
    }

    /// Events of all spans.
    pub(super) fn event_count(&self) -> usize {
        (0..self.rows()).map(|row| self.events_of(row)).sum()
    }

    /// Whether any span has links.
    pub(super) fn has_links(&self) -> bool {
        (0..self.rows()).any(|row| matches!(self.value(Field::LinkCount, row), Value::Int(1..)))
    }

    fn value(&self, field: Field, row: usize) -> Value {
        let column = self.fields.get(&field).and_then(|column| self.batch.columns.get(*column));
        column.map_or(Value::Null, |column| self.batch.value_at(column, row))
    }

    fn attribute(&self, column: usize, row: usize) -> Value {
        let column = self.batch.columns.get(column);
        column.map_or(Value::Null, |column| self.batch.value_at(column, row))
    }

    /// Attributes of the item, and of its resource. A flat row knows no resource: what says of what
    /// service it is belongs there.
    fn attributes(&self, row: usize) -> [BTreeMap<&'a str, Value>; 2] {
        let (mut item, mut resource) = (BTreeMap::new(), BTreeMap::new());
        for (place, key, column) in &self.attributes {
            let value = self.attribute(*column, row);
            match place {
                _ if value.is_null() => {}
                AttributePlace::Resource => drop(resource.insert(*key, value)),
                _ => drop(item.insert(*key, value)),
            }
        }
        if self.is_flat {
            resource.retain(|key, _| key.starts_with("service."));
            item.retain(|key, _| !key.starts_with("service."));
        }
        [item, resource]
    }
}

/// Resource, scope and item of a row; a span with its events and links.
pub(super) fn message(
    parts: &Parts<'_>,
    row: usize,
    events: Option<(&Parts<'_>, Range<usize>)>,
    references: &References,
) -> [Vec<u8>; 3] {
    let [own, mut around] = parts.attributes(row);
    if let (false, name @ Value::Str(_)) =
        (around.contains_key("service.name"), parts.value(Field::Source, row))
        && name != Value::str("")
    {
        around.insert("service.name", name);
    }
    let (mut resource, mut scope) = (Message::default(), Message::default());
    around.iter().for_each(|(key, value)| attribute(1, key, value, &mut resource));
    text(1, &parts.value(Field::ScopeName, row), &mut scope);
    text(2, &parts.value(Field::ScopeVersion, row), &mut scope);
    let item = match parts.batch.signal {
        Signal::Spans => span(parts, row, &own, events, references),
        Signal::Metrics => metric(parts, row, &own),
        _ => record(parts, row, &own),
    };
    [resource, scope, item].map(|message| message.as_bytes().to_vec())
}

type Attributes<'a> = BTreeMap<&'a str, Value>;

fn span(
    parts: &Parts<'_>,
    row: usize,
    own: &Attributes<'_>,
    events: Option<(&Parts<'_>, Range<usize>)>,
    references: &References,
) -> Message {
    let value = |field| parts.value(field, row);
    let mut out = Message::default();
    id(1, &value(Field::TraceId), &mut out);
    id(2, &value(Field::SpanId), &mut out);
    text(3, &value(Field::TraceState), &mut out);
    id(4, &value(Field::ParentId), &mut out);
    text(5, &value(Field::Name), &mut out);
    member(6, Field::Kind, &value(Field::Kind), &mut out);
    time(7, &value(Field::Start), &mut out);
    time(8, &value(Field::End), &mut out);
    attributes(9, own, &mut out);
    count(10, dropped(own, ATTRIBUTES_DROPPED), &mut out);
    if let Some((events, rows)) = events {
        for row in rows {
            let mut event = Message::default();
            time(1, &events.value(Field::Time, row), &mut event);
            text(2, &events.value(Field::Name, row), &mut event);
            let [own, _] = events.attributes(row);
            own.iter().for_each(|(key, value)| attribute(3, key, value, &mut event));
            out.message(11, &event);
        }
    }
    count(12, dropped(own, EVENTS_DROPPED), &mut out);
    let mut links_lost = dropped(own, LINKS_DROPPED);
    if let Value::Int(links @ 1..) = value(Field::LinkCount) {
        let written = match (value(Field::TraceId), value(Field::SpanId)) {
            (Value::Bytes(trace_id), Value::Bytes(span_id)) => {
                references.write(&trace_id, &span_id, &mut out)
            }
            _ => 0,
        };
        links_lost += (links - written).max(0) as u64;
    }
    count(14, links_lost, &mut out);
    let mut status = Message::default();
    text(2, &value(Field::StatusMessage), &mut status);
    member(3, Field::Status, &value(Field::Status), &mut status);
    if !status.as_bytes().is_empty() {
        out.message(15, &status);
    }
    if value(Field::Sampled) == Value::Bool(true) {
        out.fixed32(16, 1);
    }
    out
}

/// How many of something an item of another format says were dropped of it.
fn dropped(own: &Attributes<'_>, key: &str) -> u64 {
    own.get(key).and_then(dropped_count).unwrap_or(0)
}

fn dropped_count(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Int(number) => u32::try_from(*number).ok(),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    };
    number.map(u64::from)
}

fn count(field: u32, count: u64, out: &mut Message) {
    if count > 0 {
        out.varint(field, count.min(u32::MAX.into()));
    }
}

/// An item's own attributes, without those that OTLP has fields for.
fn attributes(field: u32, own: &Attributes<'_>, out: &mut Message) {
    let is_field = |key: &str, value: &Value| {
        is_dropped_count(key.as_bytes()) && dropped_count(value).is_some()
    };
    let left = own.iter().filter(|(key, value)| !is_field(key, value));
    left.for_each(|(key, value)| attribute(field, key, value, out));
}

fn record(parts: &Parts<'_>, row: usize, own: &Attributes<'_>) -> Message {
    let value = |field| parts.value(field, row);
    let mut out = Message::default();
    time(1, &value(Field::Time), &mut out);
    if let Value::Int(number @ 1..) = value(Field::SeverityNumber) {
        out.varint(2, number as u64);
    }
    text(3, &value(Field::SeverityText), &mut out);
    let body = value(Field::Body);
    if !body.is_null() {
        out.message(5, &any(&body));
    }
    attributes(6, own, &mut out);
    count(7, dropped(own, ATTRIBUTES_DROPPED), &mut out);
    id(9, &value(Field::TraceId), &mut out);
    id(10, &value(Field::SpanId), &mut out);
    time(11, &value(Field::ObservedTime), &mut out);
    text(12, &value(Field::EventName), &mut out);
    out
}

/// A gauge, or a sum where the type says so, with one point.
fn metric(parts: &Parts<'_>, row: usize, own: &Attributes<'_>) -> Message {
    let value = |field| parts.value(field, row);
    let mut point = Message::default();
    time(2, &value(Field::Start), &mut point);
    time(3, &value(Field::Time), &mut point);
    match value(Field::MetricValue) {
        Value::Int(number) => point.fixed(6, number as u64),
        other => match other.as_f64() {
            Some(number) => point.double(4, number),
            // There is no value, as the flag says.
            None => point.varint(8, 1),
        },
    }
    own.iter().for_each(|(key, value)| attribute(7, key, value, &mut point));
    let mut data = Message::default();
    data.message(1, &point);
    let is_sum = value(Field::MetricType) == Value::str("sum");
    if is_sum {
        member(2, Field::Temporality, &value(Field::Temporality), &mut data);
        data.varint(3, u64::from(value(Field::Monotonic) == Value::Bool(true)));
    }
    let mut out = Message::default();
    text(1, &value(Field::Name), &mut out);
    text(3, &value(Field::Unit), &mut out);
    out.message(if is_sum { 7 } else { 5 }, &data);
    out
}

fn text(number: u32, value: &Value, out: &mut Message) {
    if let Value::Str(text) = value
        && !text.is_empty()
    {
        out.text(number, text);
    }
}

fn id(number: u32, value: &Value, out: &mut Message) {
    if let Value::Bytes(bytes) = value {
        out.delimited(number, bytes);
    }
}

fn time(number: u32, value: &Value, out: &mut Message) {
    if let Value::Time(time_ns) = value {
        out.fixed(number, *time_ns as u64);
    }
}

/// A member of an enumeration by its place, which is OTLP's number; the first is its default.
fn member(number: u32, field: Field, value: &Value, out: &mut Message) {
    let FieldKind::Enum(names) = field.kind() else { return };
    let Value::Str(name) = value else { return };
    if let Some(at @ 1..) = names.iter().position(|known| **known == **name) {
        out.varint(number, at as u64);
    }
}

pub(super) fn attribute(number: u32, key: &str, value: &Value, out: &mut Message) {
    let mut pair = Message::default();
    pair.text(1, key);
    pair.message(2, &any(value));
    out.message(number, &pair);
}

/// `AnyValue`. Values that were read from text nest no deeper than the decoder lets them.
fn any(value: &Value) -> Message {
    let mut out = Message::default();
    match value {
        Value::Null | Value::Histogram(_) => {}
        Value::Bool(is_so) => out.varint(2, u64::from(*is_so)),
        Value::Int(number)
        | Value::Duration(number)
        | Value::Time(number)
        | Value::Size(number) => out.varint(3, *number as u64),
        Value::Float(number) | Value::Ratio(number) => out.double(4, *number),
        Value::Str(text) => out.text(1, text),
        Value::Bytes(bytes) => out.delimited(7, bytes),
        Value::List(items) => {
            let mut list = Message::default();
            items.iter().for_each(|item| list.message(1, &any(item)));
            out.message(5, &list);
        }
        Value::Map(entries) => {
            let mut map = Message::default();
            entries.iter().for_each(|(key, value)| attribute(1, key, value, &mut map));
            out.message(6, &map);
        }
    }
    out
}
