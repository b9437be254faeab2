//! Documents of Jaeger's UI API: one trace, a list of traces, or an answer with `data`.
//!
//! Times are in microseconds. The span's process is its resource. The parent is the first
//! reference of kind `CHILD_OF` within the trace, else the first one within the trace, which the
//! span then only follows; all other references are links. The tags in which Jaeger keeps
//! OpenTelemetry's fields (`span.kind`, `error`, `otel.status_code`, …) set those fields and stay
//! attributes as well.

use super::damage::{Damage, Reason};
use super::hex;
use super::item::Item;
use super::json::{Json, cell};
use super::layout::Level;
use super::otlp_json::base64;
use super::writer::Writer;
use crate::model::{ByteRange, Cell, Field, Signal, Symbol};

/// The bit of a span's flags that says that it is sampled. Source: Jaeger's "Client Libraries",
/// "Propagation Format".
const SAMPLED: i64 = 1;

const SIGNALS: [Signal; 2] = [Signal::Spans, Signal::SpanEvents];

/// Decodes all traces of a payload; a damaged span is set aside.
pub(super) fn decode(payload: &[u8], w: &mut Writer<'_>) {
    let mut json = Json::at(payload, 0);
    while !json.is_at_end() {
        let result = match json.peek() {
            b'[' => traces(&mut json, w),
            _ => document(&mut json, w),
        };
        if let Err(damage) = result {
            return w.set_aside(damage);
        }
    }
}

fn traces(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let mut members = json.array()?;
    while json.element(&mut members)? {
        document(json, w)?;
    }
    Ok(())
}

/// An answer with `data`, or a trace itself. Processes may follow the spans that refer to them.
fn document(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let (mut spans, mut processes) = (None, Vec::new());
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"data" if json.peek() == b'[' => traces(json, w)?,
            b"spans" => {
                spans = Some(*json);
                json.skip()?;
            }
            b"processes" => {
                let mut entries = json.object()?;
                while let Some(id) = json.key(&mut entries)? {
                    processes.push((id.bytes()?, *json));
                    json.skip()?;
                }
            }
            _ => json.skip()?,
        }
    }
    let Some(mut json) = spans else {
        return Ok(());
    };
    let mut members = json.array()?;
    while json.element(&mut members)? {
        let (start, end) = extent(&mut json)?;
        w.range = ByteRange::new(start, end);
        let place = processes.iter();
        let mut source = Json::at(json.slice(0, end), start);
        let find = |id: &[u8]| place.clone().find(|(known, _)| **known == *id).map(|p| p.1);
        match span(&mut source, find, w) {
            Err(damage) if damage.reason.is_content() => w.set_aside(damage),
            other => other?,
        }
    }
    Ok(())
}

/// Where a value starts and ends; the cursor is then behind it.
fn extent(json: &mut Json<'_>) -> Result<(usize, usize), Damage> {
    json.peek();
    let start = json.pos();
    json.skip()?;
    Ok((start, json.pos()))
}

fn span<'a>(
    json: &mut Json<'a>,
    process_of: impl Fn(&[u8]) -> Option<Json<'a>>,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    const SPANS: Signal = Signal::Spans;
    let mut item = Item::EMPTY;
    let (mut duration_us, mut found) = (0, Parts::default());
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"traceID" => item.trace_id = json.text_or_null()?.id(hex::trace_id)?,
            b"spanID" => item.span_id = json.text_or_null()?.id(hex::span_id)?,
            b"parentSpanID" => item.parent_id = json.text_or_null()?.id(hex::span_id)?,
            b"operationName" => {
                let text = json.text_or_null()?;
                item.name = w.field_text(text, SPANS, Field::Name)?;
                item.span_name = w.field_text(text, Signal::SpanEvents, Field::SpanName)?;
            }
            b"startTime" => item.start = json.integer()?.saturating_mul(1_000),
            b"duration" => duration_us = json.integer()?,
            b"flags" => item.sampled = json.integer()? & SAMPLED == SAMPLED,
            b"references" => found.references = Some(json.passed()?),
            b"tags" => found.tags = Some(json.passed()?),
            b"logs" => found.logs = Some(json.passed()?),
            b"process" => found.process = Some(json.passed()?),
            b"processID" => {
                let text = json.text_or_null()?;
                let damage = Damage::new(text.at(), Reason::NoReference);
                found.process = Some(process_of(&text.bytes()?).ok_or(damage)?);
            }
            _ => json.skip()?,
        }
    }
    item.end = item.start.saturating_add(duration_us.saturating_mul(1_000));
    found.write(&mut item, w)
}

/// The parts of a span that are read after it, in the order in which they depend on each other.
#[derive(Default)]
struct Parts<'a> {
    references: Option<Json<'a>>,
    tags: Option<Json<'a>>,
    logs: Option<Json<'a>>,
    process: Option<Json<'a>>,
}

impl Parts<'_> {
    fn write(self, item: &mut Item, w: &mut Writer<'_>) -> Result<(), Damage> {
        for signal in SIGNALS {
            w.table(signal).begin_resource();
        }
        if let Some(mut json) = self.process {
            process(&mut json, w)?;
        }
        if let Some(mut json) = self.references {
            references(&mut json, item, w)?;
        }
        for signal in SIGNALS {
            w.table(signal).begin_scope();
        }
        w.table(Signal::Spans).begin_row();
        if let Some(mut json) = self.tags {
            tags(&mut json, item, w)?;
        }
        let logs = self.logs;
        if let Some(mut json) = logs {
            if w.wants_field(Signal::Spans, Field::EventNames) {
                item.body = w.event_names(&mut json.clone(), event_name)?;
            }
            item.event_count = json.length()?;
        }
        w.push_span(item)?;
        match logs {
            Some(mut json) if w.wants(Signal::SpanEvents) => events(&mut json, item, w),
            _ => {
                w.count_events(item);
                Ok(())
            }
        }
    }
}

fn references(json: &mut Json<'_>, item: &mut Item, w: &mut Writer<'_>) -> Result<(), Damage> {
    let again = *json;
    let (mut child_of, mut other, mut count) = (None, None, 0);
    let mut members = json.array()?;
    while json.element(&mut members)? {
        let (is_child, trace_id, span_id) = reference(json)?;
        if trace_id == item.trace_id {
            let slot = if is_child { &mut child_of } else { &mut other };
            slot.get_or_insert((count, span_id));
        }
        count += 1;
    }
    let parent = child_of.or(other);
    item.link_count += count - u32::from(parent.is_some());
    item.parent_id = parent.map_or(item.parent_id, |(_, span_id)| span_id);
    item.follows = child_of.is_none() && other.is_some();
    let mut links = Vec::new();
    if w.wants_field(Signal::Spans, Field::LinkTraceIds) {
        let (mut json, mut at) = (again, 0);
        let mut members = json.array()?;
        while json.element(&mut members)? {
            let (_, trace_id, _) = reference(&mut json)?;
            if parent.is_none_or(|(parent, _)| parent != at) {
                let id = w.intern(hex::encode(&trace_id).as_bytes(), json.pos())?;
                w.add_text(&mut links, id, json.pos())?;
            }
            at += 1;
        }
    }
    item.value = w.list(Signal::Spans, links);
    Ok(())
}

/// Whether a reference is that of a child to its parent, and what it refers to.
fn reference(json: &mut Json<'_>) -> Result<(bool, [u8; 16], [u8; 8]), Damage> {
    let (mut is_child, mut trace_id, mut span_id) = (false, [0; 16], [0; 8]);
    let mut fields = json.object()?;
    while let Some(key) = json.key(&mut fields)? {
        match &*key.bytes()? {
            b"refType" => is_child = &*json.text_or_null()?.bytes()? == b"CHILD_OF",
            b"traceID" => trace_id = json.text_or_null()?.id(hex::trace_id)?,
            b"spanID" => span_id = json.text_or_null()?.id(hex::span_id)?,
            _ => json.skip()?,
        }
    }
    Ok((is_child, trace_id, span_id))
}

fn process(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"serviceName" => {
                let text = json.text_or_null()?;
                for signal in SIGNALS {
                    if w.table(signal).wants_attribute(Level::Resource, b"service.name") {
                        let cell = Cell::Str(w.intern_text(text)?);
                        w.table(signal).set_attribute(Level::Resource, b"service.name", cell);
                    }
                }
            }
            b"tags" => {
                let start = json.pos();
                for signal in SIGNALS {
                    json.seek(start);
                    key_values(json, |key, value| set(key, value, signal, Level::Resource, w))?;
                }
            }
            _ => json.skip()?,
        }
    }
    Ok(())
}

/// A tag's type and the cursor at its value.
#[derive(Clone, Copy)]
struct Tagged<'a> {
    kind: Kind,
    json: Json<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Int,
    Float,
    Binary,
}

/// Calls back for every (key, value) of a list of tags or log fields.
fn key_values<'a>(
    json: &mut Json<'a>,
    mut found: impl FnMut(&[u8], Tagged<'a>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let mut members = json.array()?;
    while json.element(&mut members)? {
        let (mut name, mut kind, mut value) = (None, Kind::Plain, None);
        let mut fields = json.object()?;
        while let Some(key) = json.key(&mut fields)? {
            match &*key.bytes()? {
                b"key" => name = Some(json.text_or_null()?),
                b"type" => {
                    kind = match &*json.text_or_null()?.bytes()? {
                        b"int64" => Kind::Int,
                        b"float64" => Kind::Float,
                        b"binary" => Kind::Binary,
                        _ => Kind::Plain,
                    }
                }
                b"value" => value = Some(json.passed()?),
                _ => json.skip()?,
            }
        }
        if let (Some(name), Some(json)) = (name, value) {
            found(&name.bytes()?, Tagged { kind, json })?;
        }
    }
    Ok(())
}

fn set(
    key: &[u8],
    mut value: Tagged<'_>,
    signal: Signal,
    level: Level,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let table = &mut w.tables[signal.index()];
    if !table.wants_attribute(level, key) {
        return Ok(());
    }
    let cell = match value.kind {
        Kind::Int => Cell::Int(value.json.integer()?),
        Kind::Float => Cell::Float(value.json.float()?),
        Kind::Binary => {
            table.heap.push(base64(value.json.text_or_null()?)?);
            Cell::Heap(table.heap.len() as u32 - 1)
        }
        Kind::Plain => cell(&mut value.json, w.interner, &mut table.heap, w.scratch)?,
    };
    table.set_attribute(level, key, cell);
    Ok(())
}

fn tags(json: &mut Json<'_>, item: &mut Item, w: &mut Writer<'_>) -> Result<(), Damage> {
    key_values(json, |key, value| {
        field_of_tag(key, value, item, w)?;
        set(key, value, Signal::Spans, Level::Item, w)
    })
}

fn field_of_tag(
    key: &[u8],
    value: Tagged<'_>,
    item: &mut Item,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let mut json = value.json;
    match (key, json.peek()) {
        (b"error", b't') => item.status = 2,
        (b"error", b'"') if &*json.text()?.bytes()? == b"true" => item.status = 2,
        (b"span.kind", b'"') => {
            item.kind = match &*json.text()?.bytes()? {
                b"internal" => 1,
                b"server" => 2,
                b"client" => 3,
                b"producer" => 4,
                b"consumer" => 5,
                _ => 0,
            };
        }
        (b"otel.status_code", b'"') => {
            item.status = match &*json.text()?.bytes()? {
                b"OK" => 1,
                b"ERROR" => 2,
                _ => item.status,
            };
        }
        (b"otel.status_description", b'"') => {
            item.status_message =
                w.field_text(json.text()?, Signal::Spans, Field::StatusMessage)?;
        }
        (b"w3c.tracestate", b'"') => {
            item.trace_state = w.field_text(json.text()?, Signal::Spans, Field::TraceState)?;
        }
        (b"otel.scope.name" | b"otel.library.name", b'"') => {
            let text = json.text()?;
            for signal in SIGNALS {
                w.table(signal).scope_name = w.field_text(text, signal, Field::ScopeName)?;
            }
        }
        (b"otel.scope.version" | b"otel.library.version", b'"') => {
            let text = json.text()?;
            for signal in SIGNALS {
                w.table(signal).scope_version = w.field_text(text, signal, Field::ScopeVersion)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The name of an event of a span: its field `event`.
fn event_name(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<Symbol, Damage> {
    let mut name = Symbol::EMPTY;
    let mut fields = json.object()?;
    while let Some(key) = json.key(&mut fields)? {
        match &*key.bytes()? {
            b"fields" => key_values(json, |key, mut value| {
                if key == b"event" && value.json.peek() == b'"' {
                    let text = { value.json }.text()?;
                    name = w.intern_text(text)?;
                }
                Ok(())
            })?,
            _ => json.skip()?,
        }
    }
    Ok(name)
}

fn events(json: &mut Json<'_>, span: &Item, w: &mut Writer<'_>) -> Result<(), Damage> {
    const EVENTS: Signal = Signal::SpanEvents;
    let mut members = json.array()?;
    while json.element(&mut members)? {
        let mut item = span.event(span.span_name);
        w.table(EVENTS).begin_row();
        let mut fields = json.object()?;
        while let Some(key) = json.key(&mut fields)? {
            match &*key.bytes()? {
                b"timestamp" => item.time = json.integer()?.saturating_mul(1_000),
                b"fields" => key_values(json, |key, mut value| {
                    if key == b"event" && value.json.peek() == b'"' {
                        let text = { value.json }.text()?;
                        item.name = w.field_text(text, EVENTS, Field::Name)?;
                    }
                    set(key, value, EVENTS, Level::Item, w)
                })?,
                _ => json.skip()?,
            }
        }
        w.push(EVENTS, &item)?;
    }
    Ok(())
}
