//! Plain NDJSON: one object a line.
//!
//! Invariant: a damaged line never takes the next one with it: reading goes on after its own
//! line end. Most files repeat the same names in the same order, so that each name is first
//! compared with the one at its place in the last line.

use super::row::{Row, set_attribute};
use super::target::{Expected, FlatSource, Target};
use super::time::Unit;
use crate::ingest::cache_lines::byte_of_each_line;
use crate::ingest::damage::{Damage, Reason};
use crate::ingest::hex;
use crate::ingest::json::{Json, Members, Pattern, cell};
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::limits::FLAT_NAMES_MAX;
use crate::model::{ByteRange, Cell};

/// How far ahead a payload is read, and how much of it at once.
const READ_AHEAD_BYTES: usize = 512;

/// Decodes all lines of a payload; a damaged one is set aside.
pub(in crate::ingest) fn decode(payload: &[u8], source: &mut FlatSource, w: &mut Writer<'_>) {
    let mut json = Json::at(payload, 0);
    while !json.is_at_end() {
        let start = json.pos();
        read_ahead(payload, start);
        if let Err(damage) = line(&mut json, source, w) {
            let next = next_line(payload, start);
            w.set_aside(damage.before(next));
            json.seek(next);
        }
    }
}

/// Reads ahead a part of the payload as long as a line or so: another thread has written it, so
/// that what is read line by line would wait at each.
#[inline]
fn read_ahead(payload: &[u8], at: usize) {
    let ahead = payload.get(at + READ_AHEAD_BYTES..at + 2 * READ_AHEAD_BYTES).unwrap_or_default();
    std::hint::black_box(byte_of_each_line(ahead));
}

/// The start of the line after the one at `start`.
pub(in crate::ingest) fn next_line(payload: &[u8], start: usize) -> usize {
    memchr::memchr(b'\n', &payload[start..]).map_or(payload.len(), |end| start + end + 1)
}

#[inline]
fn line(json: &mut Json<'_>, source: &mut FlatSource, w: &mut Writer<'_>) -> Result<(), Damage> {
    if json.peek() != b'{' {
        return Err(json.damage(Reason::NotObject));
    }
    let (mut row, start) = (Row::begin(source, w), json.pos());
    object(json, &mut row, source, w)?;
    w.range = ByteRange::new(start, json.pos());
    json.end_of_line()?;
    row.finish(source, w)
}

/// Reads an object's members into a row.
#[inline]
pub(in crate::ingest) fn object(
    json: &mut Json<'_>,
    row: &mut Row,
    source: &mut FlatSource,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let mut members = json.object()?;
    let mut place = 0;
    while let Some(target) = next_target(json, &mut members, place, source, w)? {
        place += 1;
        value(json, target, row, source, w)?;
    }
    Ok(())
}

/// The target of the next member, with the cursor at its value.
#[inline]
fn next_target(
    json: &mut Json<'_>,
    members: &mut Members,
    place: usize,
    source: &mut FlatSource,
    w: &mut Writer<'_>,
) -> Result<Option<Target>, Damage> {
    if let Some(expected) = source.expected.get(place)
        && json.take_pattern(&expected.pattern)
    {
        *members = Members::Further;
        return Ok(Some(expected.target));
    }
    if !json.member(members)? {
        return Ok(None);
    }
    unexpected_name(json, place, source, w).map(Some)
}

#[cold]
fn unexpected_name(
    json: &mut Json<'_>,
    place: usize,
    source: &mut FlatSource,
    w: &mut Writer<'_>,
) -> Result<Target, Damage> {
    let key = json.name()?;
    let name = key.bytes()?;
    let target = source.target(&name, &w.table(source.signal).layout);
    if key.plain().is_some() && place <= source.expected.len() && place < FLAT_NAMES_MAX {
        let comma: &[u8] = if place == 0 { b"" } else { b"," };
        let pattern = Pattern::new(&[comma, b"\"", &name, b"\":"].concat());
        let expected = Expected { pattern, target };
        match source.expected.get_mut(place) {
            Some(known) => *known = expected,
            None => source.expected.push(expected),
        }
    }
    Ok(target)
}

#[inline]
fn value(
    json: &mut Json<'_>,
    target: Target,
    row: &mut Row,
    source: &FlatSource,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    match target {
        Target::Skip => json.skip(),
        Target::Start(unit)
        | Target::End(unit)
        | Target::Time(unit)
        | Target::Observed(unit)
        | Target::Duration(unit) => time(json, target, unit, row, source, w),
        Target::Attribute(index) => {
            let table = &mut w.tables[source.signal.index()];
            let cell = cell(json, w.interner, &mut table.heap, w.scratch)?;
            if cell != Cell::Null {
                set_attribute(index, cell, source, w);
            }
            Ok(())
        }
        Target::Any(field) => {
            let table = &mut w.tables[source.signal.index()];
            let cell = cell(json, w.interner, &mut table.heap, w.scratch)?;
            row.set_cell(field, cell, json.pos())
        }
        Target::Nested => nested(json, source, w),
        Target::TraceId if let Some(id) = id(json) => {
            row.item.trace_id = id;
            Ok(())
        }
        Target::SpanId if let Some(id) = id(json) => {
            row.item.span_id = id;
            Ok(())
        }
        Target::ParentId if let Some(id) = id(json) => {
            row.item.parent_id = id;
            Ok(())
        }
        Target::Kind
        | Target::Status
        | Target::Severity
        | Target::SeverityNumber
        | Target::Sampled
            if json.peek().is_ascii_digit() =>
        {
            let number = json.digits().map_or_else(|| json.integer(), Ok)?;
            row.set_number(target, number);
            Ok(())
        }
        _ => text(json, target, row, source, w),
    }
}

/// Passes over an id of all its digits, if one is next.
#[inline]
fn id<const N: usize>(json: &mut Json<'_>) -> Option<[u8; N]> {
    let id = hex::before_quote(json.ahead().strip_prefix(b"\"")?)?;
    json.seek(json.pos() + 2 * N + 2);
    Some(id)
}

/// The members of an object as attributes.
fn nested(json: &mut Json<'_>, source: &FlatSource, w: &mut Writer<'_>) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let key = key.bytes()?;
        let table = &mut w.tables[source.signal.index()];
        if !table.wants_attribute(Level::Flat, &key) {
            json.skip()?;
            continue;
        }
        let cell = cell(json, w.interner, &mut table.heap, w.scratch)?;
        w.set_attribute(source.signal, Level::Flat, &key, cell);
    }
    Ok(())
}

#[inline]
fn time(
    json: &mut Json<'_>,
    target: Target,
    unit: Unit,
    row: &mut Row,
    source: &FlatSource,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    match json.digits() {
        Some(value) => {
            row.set_time(target, unit.of_integer(value));
            Ok(())
        }
        None => text(json, target, row, source, w),
    }
}

/// A value as text: strings without their quotes, everything else as it stands.
fn text(
    json: &mut Json<'_>,
    target: Target,
    row: &mut Row,
    source: &FlatSource,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    match json.peek() {
        b'"' => {
            let text = json.text()?;
            row.set_text(target, &text.bytes()?, text.at(), source, w)
        }
        b'n' => json.skip(),
        _ => {
            let start = json.pos();
            json.skip()?;
            let raw = json.slice(start, json.pos());
            row.set_text(target, raw, start, source, w)
        }
    }
}
