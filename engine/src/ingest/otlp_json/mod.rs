//! OTLP/JSON requests, one a line or as documents one after another.
//!
//! Invariant: the same data gives the same batch as in protobuf. Names are lowerCamelCase, ids
//! hexadecimal, 64-bit integers strings or numbers, unknown members ignored; `null` is a
//! member's default. Source: OTLP 1.11, "JSON Protobuf Encoding".

mod logs;
mod metrics;
mod traces;
mod value;

use super::damage::{Damage, Reason};
use super::json::{Json, Text};
use super::layout::Level;
use super::writer::Writer;
use crate::model::{Field, Signal, Symbol};
use value::attributes;

pub(super) use value::{base64, base64_bytes};

/// What differs between the three kinds of request.
struct Shape {
    /// The member that holds the resources.
    resources: &'static [u8],
    /// The signals that a request of this shape fills.
    signals: &'static [Signal],
    /// The member that holds the scopes.
    scopes: &'static [u8],
    /// The member that holds the items.
    items: &'static [u8],
    /// Decodes one item.
    item: fn(&mut Json<'_>, &mut Writer<'_>) -> Result<(), Damage>,
}

/// Decodes all requests of a payload. What is damaged is set aside, and reading goes on at the
/// next line that starts an object.
pub(super) fn decode(payload: &[u8], w: &mut Writer<'_>) {
    let mut json = Json::at(payload, 0);
    while !json.is_at_end() {
        let start = json.pos();
        if let Err(damage) = document(&mut json, w) {
            let next = memchr::memmem::find(&payload[start..], b"\n{");
            let next = next.map_or(payload.len(), |offset| start + offset + 1);
            w.set_aside(damage.before(next));
            json.seek(next);
        }
    }
}

/// Decodes one request of a known signal whose damaged items are set aside. No member at all is
/// an empty request.
///
/// # Errors
/// Damage that ends the request, text after it, or items of another signal.
pub(super) fn decode_whole(
    payload: &[u8],
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let shape = match signal {
        Signal::Logs => &logs::SHAPE,
        Signal::Metrics => &metrics::SHAPE,
        _ => &traces::SHAPE,
    };
    let mut json = Json::at(payload, 0);
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let at = json.pos();
        let name = &*key.bytes()?;
        if name == shape.resources {
            resource_groups(&mut json, w, shape)?;
        } else if SHAPES.iter().any(|other| name == other.resources) {
            if json.length()? > 0 {
                return Err(Damage::new(at, Reason::OtherSignal));
            }
        } else {
            json.skip()?;
        }
    }
    if json.is_at_end() { Ok(()) } else { Err(json.damage(Reason::TrailingData)) }
}

const SHAPES: [&Shape; 3] = [&traces::SHAPE, &logs::SHAPE, &metrics::SHAPE];

fn resource_groups(json: &mut Json<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    let mut groups = json.array()?;
    while json.element(&mut groups)? {
        contained(json, w, |json, w| resource_group(json, w, shape))?;
    }
    Ok(())
}

fn document(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let start = json.pos();
    let mut is_request = false;
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let name = &*key.bytes()?;
        match SHAPES.iter().find(|shape| name == shape.resources) {
            Some(shape) => {
                is_request = true;
                resource_groups(json, w, shape)?;
            }
            None => json.skip()?,
        }
    }
    if !is_request {
        w.set_aside(Damage::new(start, Reason::NoRequest));
    }
    Ok(())
}

/// Runs a decoder on one value; bad content sets the value aside and passes over it.
fn contained(
    json: &mut Json<'_>,
    w: &mut Writer<'_>,
    decode: impl FnOnce(&mut Json<'_>, &mut Writer<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let start = json.pos();
    match decode(json, w) {
        Err(damage) if damage.reason.is_content() => {
            w.set_aside(damage);
            json.seek(start);
            json.skip()
        }
        other => other,
    }
}

fn resource_group(json: &mut Json<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    for &signal in shape.signals {
        w.table(signal).begin_resource();
    }
    w.around(shape.signals, |raw| raw.resource = json.rest());
    two_passes(
        json,
        w,
        |json, w, is_known| {
            let (mut members, mut any) = (json.object()?, false);
            while let Some(key) = json.key(&mut members)? {
                match &*key.bytes()? {
                    b"resource" if is_known => json.skip()?,
                    b"resource" if any => return Ok(false),
                    b"resource" => resource(json, w, shape)?,
                    name if name == shape.scopes => {
                        let mut groups = json.array()?;
                        while json.element(&mut groups)? {
                            any = true;
                            contained(json, w, |json, w| scope_group(json, w, shape))?;
                        }
                    }
                    _ => json.skip()?,
                }
            }
            Ok(true)
        },
        |json, w| find_member(json, b"resource", |json| resource(json, w, shape)),
    )
}

fn scope_group(json: &mut Json<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    for &signal in shape.signals {
        w.table(signal).begin_scope();
    }
    w.around(shape.signals, |raw| raw.scope = json.rest());
    two_passes(
        json,
        w,
        |json, w, is_known| {
            let (mut members, mut any) = (json.object()?, false);
            while let Some(key) = json.key(&mut members)? {
                match &*key.bytes()? {
                    b"scope" if is_known => json.skip()?,
                    b"scope" if any => return Ok(false),
                    b"scope" => scope(json, w, shape)?,
                    name if name == shape.items => {
                        let mut items = json.array()?;
                        while json.element(&mut items)? {
                            any = true;
                            contained(json, w, shape.item)?;
                        }
                    }
                    _ => json.skip()?,
                }
            }
            Ok(true)
        },
        |json, w| find_member(json, b"scope", |json| scope(json, w, shape)),
    )
}

/// Reads an object whose header member normally precedes its items. Where the header turns up
/// after them, what was written is undone, the header read alone, and the items once more.
fn two_passes(
    json: &mut Json<'_>,
    w: &mut Writer<'_>,
    read: impl Fn(&mut Json<'_>, &mut Writer<'_>, bool) -> Result<bool, Damage>,
    header: impl FnOnce(&mut Json<'_>, &mut Writer<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let start = json.pos();
    let checkpoint = w.checkpoint();
    if read(json, w, false)? {
        return Ok(());
    }
    w.roll_back(&checkpoint);
    json.seek(start);
    header(json, w)?;
    json.seek(start);
    read(json, w, true).map(drop)
}

fn find_member(
    json: &mut Json<'_>,
    name: &[u8],
    mut read: impl FnMut(&mut Json<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        if &*key.bytes()? == name {
            read(json)?;
        } else {
            json.skip()?;
        }
    }
    Ok(())
}

fn resource(json: &mut Json<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"attributes" => header_attributes(json, Level::Resource, w, shape)?,
            _ => json.skip()?,
        }
    }
    Ok(())
}

fn scope(json: &mut Json<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"name" => scope_text(json, w, shape, Field::ScopeName)?,
            b"version" => scope_text(json, w, shape, Field::ScopeVersion)?,
            b"attributes" => header_attributes(json, Level::Scope, w, shape)?,
            _ => json.skip()?,
        }
    }
    Ok(())
}

fn header_attributes(
    json: &mut Json<'_>,
    level: Level,
    w: &mut Writer<'_>,
    shape: &Shape,
) -> Result<(), Damage> {
    let start = json.pos();
    for &signal in shape.signals {
        json.seek(start);
        attributes(json, level, signal, w)?;
    }
    Ok(())
}

fn scope_text(
    json: &mut Json<'_>,
    w: &mut Writer<'_>,
    shape: &Shape,
    field: Field,
) -> Result<(), Damage> {
    let text = json.text_or_null()?;
    for &signal in shape.signals {
        let symbol = w.field_text(text, signal, field)?;
        let table = w.table(signal);
        match field {
            Field::ScopeName => table.scope_name = symbol,
            _ => table.scope_version = symbol,
        }
    }
    Ok(())
}

/// A text member: interned if a rule reads it.
fn text(
    json: &mut Json<'_>,
    w: &mut Writer<'_>,
    signal: Signal,
    field: Field,
) -> Result<Symbol, Damage> {
    let text: Text<'_> = json.text_or_null()?;
    w.field_text(text, signal, field)
}

/// A trace id in hexadecimal digits of any case; absent and empty ones are all zero.
fn trace_id(json: &mut Json<'_>) -> Result<[u8; 16], Damage> {
    id(json, Reason::TraceIdLength)
}

/// A span id, as [`trace_id`].
fn span_id(json: &mut Json<'_>) -> Result<[u8; 8], Damage> {
    id(json, Reason::SpanIdLength)
}

fn id<const N: usize>(json: &mut Json<'_>, length: Reason) -> Result<[u8; N], Damage> {
    let text = json.text_or_null()?;
    let digits = text.bytes()?;
    if digits.is_empty() {
        return Ok([0; N]);
    }
    if digits.len() != 2 * N {
        return Err(Damage::new(text.at(), length));
    }
    super::hex::decode(&digits).ok_or_else(|| Damage::new(text.at(), Reason::NotHex))
}
