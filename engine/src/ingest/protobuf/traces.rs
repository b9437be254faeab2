//! Spans and their events.

use smallvec::SmallVec;

use super::envelope::Shape;
use super::value::attribute;
use super::wire::{BYTES, FIXED32, FIXED64, VARINT, Wire, fields, tag};
use crate::ingest::damage::{Damage, Reason};
use crate::ingest::hex;
use crate::ingest::item::{Item, KINDS, STATUSES, member, time_ns};
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::limits::FRAME_ITEMS_MAX;
use crate::model::{Field, Signal, Symbol, Value};

/// Trace requests.
pub(super) const SHAPE: Shape = Shape { signals: &[Signal::Spans, Signal::SpanEvents], item: span };

const TRACE_ID: u32 = tag(1, BYTES);
const SPAN_ID: u32 = tag(2, BYTES);
const TRACE_STATE: u32 = tag(3, BYTES);
const PARENT_ID: u32 = tag(4, BYTES);
const NAME: u32 = tag(5, BYTES);
const KIND: u32 = tag(6, VARINT);
const START: u32 = tag(7, FIXED64);
const END: u32 = tag(8, FIXED64);
const ATTRIBUTES: u32 = tag(9, BYTES);
const EVENTS: u32 = tag(11, BYTES);
const LINKS: u32 = tag(13, BYTES);
const STATUS: u32 = tag(15, BYTES);
const FLAGS: u32 = tag(16, FIXED32);
const SPAN: u64 = fields([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16]);

const STATUS_MESSAGE: u32 = tag(2, BYTES);
const STATUS_CODE: u32 = tag(3, VARINT);
const STATUS_FIELDS: u64 = fields([2, 3]);

const LINK_TRACE_ID: u32 = tag(1, BYTES);

const EVENT_TIME: u32 = tag(1, FIXED64);
const EVENT_NAME: u32 = tag(2, BYTES);
const EVENT_ATTRIBUTES: u32 = tag(3, BYTES);
const EVENT: u64 = fields([1, 2, 3]);

/// Reads a trace id: 16 bytes, or none. It goes straight to its place: a result of odd bytes is
/// copied at great cost (as in [`Damage`]).
#[inline]
pub(super) fn trace_id(wire: &mut Wire<'_>, id: &mut [u8; 16]) -> Result<(), Damage> {
    read_id(wire, id, Reason::TraceIdLength)
}

/// Reads a span id: 8 bytes, or none.
#[inline]
pub(super) fn span_id(wire: &mut Wire<'_>, id: &mut [u8; 8]) -> Result<(), Damage> {
    read_id(wire, id, Reason::SpanIdLength)
}

#[inline]
fn read_id<const N: usize>(
    wire: &mut Wire<'_>,
    id: &mut [u8; N],
    length: Reason,
) -> Result<(), Damage> {
    let bytes = wire.bytes()?;
    match <&[u8; N]>::try_from(bytes) {
        Ok(bytes) => *id = *bytes,
        Err(_) if bytes.is_empty() => *id = [0; N],
        Err(_) => return Err(wire.damage(length)),
    }
    Ok(())
}

/// A text field: interned if a rule reads it.
#[inline]
pub(super) fn text(
    wire: &mut Wire<'_>,
    w: &mut Writer<'_>,
    signal: Signal,
    field: Field,
) -> Result<Symbol, Damage> {
    let bytes = wire.bytes()?;
    if w.wants_field(signal, field) { w.intern(bytes, wire.pos()) } else { Ok(Symbol::EMPTY) }
}

fn span(mut wire: Wire<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    const SPANS: Signal = Signal::Spans;
    let mut item = Item::EMPTY;
    let mut events: SmallVec<[Wire<'_>; 8]> = SmallVec::new();
    let wants_events = w.wants(Signal::SpanEvents);
    let wants_names = w.wants_field(SPANS, Field::EventNames);
    let wants_links = w.wants_field(SPANS, Field::LinkTraceIds);
    let (mut names, mut links) = (Vec::new(), Vec::new());
    w.range = wire.range();
    w.table(SPANS).begin_row();
    loop {
        match wire.tag()? {
            0 => break,
            TRACE_ID => trace_id(&mut wire, &mut item.trace_id)?,
            SPAN_ID => span_id(&mut wire, &mut item.span_id)?,
            PARENT_ID => span_id(&mut wire, &mut item.parent_id)?,
            NAME => item.name = name(&mut wire, w)?,
            KIND => item.kind = member(i64::from(wire.varint()? as i32), KINDS),
            START => item.start = time_ns(wire.fixed64()?),
            END => item.end = time_ns(wire.fixed64()?),
            ATTRIBUTES => {
                let table = &mut w.tables[SPANS.index()];
                attribute(wire.message()?, Level::Item, table, w.interner)?;
            }
            STATUS => status(wire.message()?, w, &mut item)?,
            EVENTS => {
                item.event_count += 1;
                let event = wire.message()?;
                if wants_names {
                    event_name(event, w, &mut names)?;
                }
                if wants_events {
                    if u64::from(item.event_count) > FRAME_ITEMS_MAX {
                        return Err(wire.damage(Reason::TooManyItems));
                    }
                    events.push(event);
                }
            }
            LINKS => {
                item.link_count += 1;
                let link = wire.message()?;
                if wants_links {
                    linked_trace(link, w, &mut links)?;
                }
            }
            TRACE_STATE => item.trace_state = text(&mut wire, w, SPANS, Field::TraceState)?,
            FLAGS => item.sampled = wire.fixed32()? & 1 == 1,
            other => wire.skip_unknown(other, SPAN)?,
        }
    }
    // Most have none: a cell that was written in parts is waited for when it is copied.
    if !names.is_empty() {
        item.body = w.list(SPANS, names);
    }
    if !links.is_empty() {
        item.value = w.list(SPANS, links);
    }
    w.push_span(&mut item)?;
    if !wants_events {
        w.count_events(&item);
    }
    for event in events {
        let result = span_event(event, w, &item);
        w.contain(result)?;
    }
    Ok(())
}

/// Adds the name of an event.
fn event_name(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    names: &mut Vec<Value>,
) -> Result<(), Damage> {
    let mut name = Symbol::EMPTY;
    loop {
        match wire.tag()? {
            0 => break,
            EVENT_NAME => name = { wire.bytes() }.and_then(|bytes| w.intern(bytes, wire.pos()))?,
            other => wire.skip(other)?,
        }
    }
    w.add_text(names, name, wire.pos())
}

/// Adds the trace that a link leads to.
fn linked_trace(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    links: &mut Vec<Value>,
) -> Result<(), Damage> {
    let mut id: &[u8] = &[];
    loop {
        match wire.tag()? {
            0 => break,
            LINK_TRACE_ID => id = wire.bytes()?,
            other => wire.skip(other)?,
        }
    }
    // An id of another length is none: a span is not set aside for what it links to.
    let digits = if id.len() == 16 { hex::encode(id) } else { String::new() };
    let id = w.intern(digits.as_bytes(), wire.pos())?;
    w.add_text(links, id, wire.pos())
}

/// A span's name: rules on its events may read it too.
#[inline]
fn name(wire: &mut Wire<'_>, w: &mut Writer<'_>) -> Result<Symbol, Damage> {
    let bytes = wire.bytes()?;
    if w.wants_field(Signal::Spans, Field::Name)
        || w.wants_field(Signal::SpanEvents, Field::SpanName)
    {
        w.intern(bytes, wire.pos())
    } else {
        Ok(Symbol::EMPTY)
    }
}

fn status(mut wire: Wire<'_>, w: &mut Writer<'_>, item: &mut Item) -> Result<(), Damage> {
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            STATUS_CODE => item.status = member(i64::from(wire.varint()? as i32), STATUSES),
            STATUS_MESSAGE => {
                item.status_message = text(&mut wire, w, Signal::Spans, Field::StatusMessage)?;
            }
            other => wire.skip_unknown(other, STATUS_FIELDS)?,
        }
    }
}

fn span_event(mut wire: Wire<'_>, w: &mut Writer<'_>, span: &Item) -> Result<(), Damage> {
    const EVENTS: Signal = Signal::SpanEvents;
    let mut item = span.event(span.name);
    w.table(EVENTS).begin_row();
    loop {
        match wire.tag()? {
            0 => break,
            EVENT_TIME => item.time = time_ns(wire.fixed64()?),
            EVENT_NAME => item.name = text(&mut wire, w, EVENTS, Field::Name)?,
            EVENT_ATTRIBUTES => {
                let table = &mut w.tables[EVENTS.index()];
                attribute(wire.message()?, Level::Item, table, w.interner)?;
            }
            other => wire.skip_unknown(other, EVENT)?,
        }
    }
    w.push(EVENTS, &item)
}
