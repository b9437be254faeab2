//! Zipkin v2 spans: a JSON list, or several.
//!
//! Ids are padded on the left, times are in microseconds, all tags are text. A server that shares
//! its client's span id (`shared`) keeps it, because its own children refer to it; where the
//! client's half is in the same payload, that half gets an id derived from both ids and becomes
//! the server's parent, so that span ids are unique as in OpenTelemetry.
//! Source: the Zipkin v2 API; the mapping of names follows OpenTelemetry's Zipkin exporter.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::damage::Damage;
use super::hex;
use super::item::Item;
use super::json::Json;
use super::layout::Level;
use super::writer::Writer;
use crate::model::{ByteRange, Cell, Field, Signal, Symbol};

/// A span's identity: trace id and span id.
type Identity = ([u8; 16], [u8; 8]);

/// Decodes all spans of a payload; a damaged one is set aside.
pub(super) fn decode(payload: &[u8], w: &mut Writer<'_>) {
    let halves = Halves::find(payload);
    let mut json = Json::at(payload, 0);
    while !json.is_at_end() {
        if let Err(damage) = list(&mut json, &halves, w) {
            return w.set_aside(damage);
        }
    }
}

fn list(json: &mut Json<'_>, halves: &Halves, w: &mut Writer<'_>) -> Result<(), Damage> {
    let mut members = json.array()?;
    while json.element(&mut members)? {
        let start = json.pos();
        match span(json, halves, w) {
            Err(damage) if damage.reason.is_content() => {
                w.set_aside(damage);
                json.seek(start);
                json.skip()?;
            }
            other => other?,
        }
    }
    Ok(())
}

/// Which identities two spans share, as client and server.
struct Halves {
    /// Sorted.
    shared: Vec<Identity>,
}

impl Halves {
    fn find(payload: &[u8]) -> Self {
        let (mut shared, mut own) = (Vec::new(), Vec::new());
        let mut json = Json::at(payload, 0);
        // Damage ends the search early; the second pass reports it.
        while let Ok(mut members) = json.array() {
            while let Ok(true) = json.element(&mut members) {
                match identity(&mut json) {
                    Ok((identity, true)) => shared.push(identity),
                    Ok((identity, false)) => own.push(identity),
                    Err(_) => break,
                }
            }
            if json.is_at_end() {
                break;
            }
        }
        own.sort_unstable();
        shared.retain(|identity| own.binary_search(identity).is_ok());
        shared.sort_unstable();
        Self { shared }
    }

    fn contains(&self, identity: &Identity) -> bool {
        self.shared.binary_search(identity).is_ok()
    }
}

fn identity(json: &mut Json<'_>) -> Result<(Identity, bool), Damage> {
    let (mut trace_id, mut span_id, mut is_shared) = ([0; 16], [0; 8], false);
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"traceId" => trace_id = json.text_or_null()?.id(hex::trace_id)?,
            b"id" => span_id = json.text_or_null()?.id(hex::span_id)?,
            b"shared" => is_shared = json.boolean()?,
            _ => json.skip()?,
        }
    }
    Ok(((trace_id, span_id), is_shared))
}

/// The span id of the client's half of a shared span.
fn client_id((trace_id, span_id): &Identity) -> [u8; 8] {
    let mut both = [0; 24];
    both[..16].copy_from_slice(trace_id);
    both[16..].copy_from_slice(span_id);
    xxh3_64(&both).max(1).to_be_bytes()
}

fn span(json: &mut Json<'_>, halves: &Halves, w: &mut Writer<'_>) -> Result<(), Damage> {
    const SPANS: Signal = Signal::Spans;
    let mut item = Item::EMPTY;
    let (mut duration_us, mut is_shared) = (0, false);
    let (mut local, mut remote, mut own, mut annotations) = (None, None, None, None);
    json.peek();
    let start = json.pos();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"traceId" => item.trace_id = json.text_or_null()?.id(hex::trace_id)?,
            b"id" => item.span_id = json.text_or_null()?.id(hex::span_id)?,
            b"parentId" => item.parent_id = json.text_or_null()?.id(hex::span_id)?,
            b"name" => {
                let text = json.text_or_null()?;
                item.name = w.field_text(text, SPANS, Field::Name)?;
                item.span_name = w.field_text(text, Signal::SpanEvents, Field::SpanName)?;
            }
            b"kind" => item.kind = kind(&json.text_or_null()?.bytes()?),
            b"timestamp" => item.start = json.integer()?.saturating_mul(1_000),
            b"duration" => duration_us = json.integer()?,
            b"shared" => is_shared = json.boolean()?,
            // The only flag that a span keeps; it implies that the trace is sampled (B3, "Debug Flag").
            b"debug" => item.sampled = json.boolean()?,
            b"localEndpoint" => local = Some(json.passed()?),
            b"remoteEndpoint" => remote = Some(json.passed()?),
            b"tags" => own = Some(json.passed()?),
            b"annotations" => {
                annotations = Some(*json);
                if w.wants_field(SPANS, Field::EventNames) {
                    item.body = w.event_names(&mut json.clone(), event_name)?;
                }
                item.event_count = json.length()?;
            }
            _ => json.skip()?,
        }
    }
    w.range = ByteRange::new(start, json.pos());
    item.end = item.start.saturating_add(duration_us.saturating_mul(1_000));
    begin(local, w)?;
    if let Some(mut json) = remote {
        endpoint(&mut json, b"peer.service", Level::Item, Signal::Spans, w)?;
    }
    if let Some(mut json) = own {
        tags(&mut json, &mut item, w)?;
    }
    let identity = (item.trace_id, item.span_id);
    if halves.contains(&identity) {
        let client = client_id(&identity);
        let renamed = if is_shared { &mut item.parent_id } else { &mut item.span_id };
        *renamed = client;
    }
    w.push_span(&mut item)?;
    match annotations {
        Some(mut json) if w.wants(Signal::SpanEvents) => events(&mut json, &item, w),
        _ => {
            w.count_events(&item);
            Ok(())
        }
    }
}

fn kind(name: &[u8]) -> u8 {
    match name {
        b"SERVER" => 2,
        b"CLIENT" => 3,
        b"PRODUCER" => 4,
        b"CONSUMER" => 5,
        _ => 0,
    }
}

/// Starts the row with the service that the span belongs to.
fn begin(local: Option<Json<'_>>, w: &mut Writer<'_>) -> Result<(), Damage> {
    for signal in [Signal::Spans, Signal::SpanEvents] {
        w.table(signal).begin_resource();
        if let Some(mut json) = local {
            endpoint(&mut json, b"service.name", Level::Resource, signal, w)?;
        }
        w.table(signal).begin_scope();
        w.table(signal).begin_row();
    }
    Ok(())
}

/// An endpoint's service name as an attribute.
fn endpoint(
    json: &mut Json<'_>,
    attribute: &[u8],
    level: Level,
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        if &*key.bytes()? != b"serviceName" {
            json.skip()?;
            continue;
        }
        let text = json.text_or_null()?;
        if w.table(signal).wants_attribute(level, attribute) {
            let cell = Cell::Str(w.intern_text(text)?);
            w.table(signal).set_attribute(level, attribute, cell);
        }
    }
    Ok(())
}

fn tags(json: &mut Json<'_>, item: &mut Item, w: &mut Writer<'_>) -> Result<(), Damage> {
    const SPANS: Signal = Signal::Spans;
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let key = key.bytes()?;
        let text = json.text_or_null()?;
        match &*key {
            b"error" => {
                let value = text.bytes()?;
                if *value != *b"false" {
                    item.status = 2;
                }
                if !matches!(&*value, b"" | b"true" | b"false") {
                    item.status_message = w.field_text(text, SPANS, Field::StatusMessage)?;
                }
            }
            b"otel.status_code" => {
                item.status = match &*text.bytes()? {
                    b"OK" => 1,
                    b"ERROR" => 2,
                    _ => item.status,
                };
            }
            _ => {}
        }
        if w.table(SPANS).wants_attribute(Level::Item, &key) {
            let cell = Cell::Str(w.intern_text(text)?);
            w.table(SPANS).set_attribute(Level::Item, &key, cell);
        }
    }
    Ok(())
}

/// The name of an event of a span.
fn event_name(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<Symbol, Damage> {
    let mut name = Symbol::EMPTY;
    let mut fields = json.object()?;
    while let Some(key) = json.key(&mut fields)? {
        match &*key.bytes()? {
            b"value" => name = w.intern_text(json.text_or_null()?)?,
            _ => json.skip()?,
        }
    }
    Ok(name)
}

fn events(json: &mut Json<'_>, span: &Item, w: &mut Writer<'_>) -> Result<(), Damage> {
    const EVENTS: Signal = Signal::SpanEvents;
    let mut bad: SmallVec<[Damage; 2]> = SmallVec::new();
    let mut members = json.array()?;
    while json.element(&mut members)? {
        let mut item = span.event(span.span_name);
        w.table(EVENTS).begin_row();
        let mut fields = json.object()?;
        let mut name = None;
        while let Some(key) = json.key(&mut fields)? {
            match &*key.bytes()? {
                b"timestamp" => item.time = json.integer()?.saturating_mul(1_000),
                b"value" => name = Some(json.text_or_null()?),
                _ => json.skip()?,
            }
        }
        match name.map(|name| w.field_text(name, EVENTS, Field::Name)) {
            Some(Err(damage)) => {
                bad.push(damage);
                continue;
            }
            Some(Ok(name)) => item.name = name,
            None => {}
        }
        w.push(EVENTS, &item)?;
    }
    for damage in bad {
        w.set_aside(damage);
    }
    Ok(())
}
