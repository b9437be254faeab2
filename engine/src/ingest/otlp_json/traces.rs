//! Spans and their events in JSON.

use super::value::attributes;
use super::{Shape, contained, span_id, text, trace_id};
use crate::ingest::damage::Damage;
use crate::ingest::hex;
use crate::ingest::item::{Item, KINDS, STATUSES, member, time_ns};
use crate::ingest::json::{Json, Text};
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::model::{ByteRange, Cell, Field, Signal, Symbol};

pub(super) const SHAPE: Shape = Shape {
    resources: b"resourceSpans",
    signals: &[Signal::Spans, Signal::SpanEvents],
    scopes: b"scopeSpans",
    items: b"spans",
    item: span,
};

const KIND_NAMES: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const STATUS_NAMES: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

fn span(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    const SPANS: Signal = Signal::Spans;
    let mut item = Item::EMPTY;
    let (mut events, start) = (None, json.pos());
    w.table(SPANS).begin_row();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"traceId" => item.trace_id = trace_id(json)?,
            b"spanId" => item.span_id = span_id(json)?,
            b"parentSpanId" => item.parent_id = span_id(json)?,
            b"name" => name(json, w, &mut item)?,
            b"kind" => item.kind = member(json.enumeration(KIND_NAMES)?, KINDS),
            b"startTimeUnixNano" => item.start = time_ns(json.unsigned()?),
            b"endTimeUnixNano" => item.end = time_ns(json.unsigned()?),
            b"attributes" => attributes(json, Level::Item, SPANS, w)?,
            b"status" => status(json, w, &mut item)?,
            b"events" => {
                events = Some(*json);
                if w.wants_field(SPANS, Field::EventNames) {
                    item.body = texts(&mut json.clone(), b"name", w, own_text)?;
                }
                item.event_count = json.length()?;
            }
            b"links" => {
                if w.wants_field(SPANS, Field::LinkTraceIds) {
                    item.value = texts(&mut json.clone(), b"traceId", w, linked_trace)?;
                }
                item.link_count = json.length()?;
            }
            b"flags" => item.sampled = json.unsigned()? & 1 == 1,
            b"traceState" => item.trace_state = text(json, w, SPANS, Field::TraceState)?,
            _ => json.skip()?,
        }
    }
    w.range = ByteRange::new(start, json.pos());
    w.push_span(&mut item)?;
    match events {
        Some(mut json) if w.wants(Signal::SpanEvents) => span_events(&mut json, w, &item),
        _ => {
            w.count_events(&item);
            Ok(())
        }
    }
}

/// A list of one text of every element of an array.
fn texts(
    json: &mut Json<'_>,
    name: &[u8],
    w: &mut Writer<'_>,
    read: fn(&mut Writer<'_>, Text<'_>) -> Result<Symbol, Damage>,
) -> Result<Cell, Damage> {
    let mut list = Vec::new();
    let mut elements = json.array()?;
    while json.element(&mut elements)? {
        let mut found = Symbol::EMPTY;
        let mut members = json.object()?;
        while let Some(key) = json.key(&mut members)? {
            match &*key.bytes()? {
                key if key == name => found = read(w, json.text_or_null()?)?,
                _ => json.skip()?,
            }
        }
        w.add_text(&mut list, found, json.pos())?;
    }
    Ok(w.list(Signal::Spans, list))
}

fn own_text(w: &mut Writer<'_>, text: Text<'_>) -> Result<Symbol, Damage> {
    w.intern_text(text)
}

/// A trace id as it is said everywhere: in small hex digits.
fn linked_trace(w: &mut Writer<'_>, text: Text<'_>) -> Result<Symbol, Damage> {
    // Another text is none: a span is not set aside for what it links to.
    let id = hex::decode::<16>(&text.bytes()?);
    let digits = id.map_or_else(String::new, |id| hex::encode(&id));
    w.intern(digits.as_bytes(), text.at())
}

fn name(json: &mut Json<'_>, w: &mut Writer<'_>, item: &mut Item) -> Result<(), Damage> {
    let text = json.text_or_null()?;
    item.name = w.field_text(text, Signal::Spans, Field::Name)?;
    item.span_name = w.field_text(text, Signal::SpanEvents, Field::SpanName)?;
    Ok(())
}

fn status(json: &mut Json<'_>, w: &mut Writer<'_>, item: &mut Item) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"code" => item.status = member(json.enumeration(STATUS_NAMES)?, STATUSES),
            b"message" => {
                item.status_message = text(json, w, Signal::Spans, Field::StatusMessage)?;
            }
            _ => json.skip()?,
        }
    }
    Ok(())
}

fn span_events(json: &mut Json<'_>, w: &mut Writer<'_>, span: &Item) -> Result<(), Damage> {
    let mut members = json.array()?;
    while json.element(&mut members)? {
        contained(json, w, |json, w| span_event(json, w, span))?;
    }
    Ok(())
}

fn span_event(json: &mut Json<'_>, w: &mut Writer<'_>, span: &Item) -> Result<(), Damage> {
    const EVENTS: Signal = Signal::SpanEvents;
    let mut item = span.event(span.span_name);
    w.table(EVENTS).begin_row();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"timeUnixNano" => item.time = time_ns(json.unsigned()?),
            b"name" => item.name = text(json, w, EVENTS, Field::Name)?,
            b"attributes" => attributes(json, Level::Item, EVENTS, w)?,
            _ => json.skip()?,
        }
    }
    w.push(EVENTS, &item)
}
