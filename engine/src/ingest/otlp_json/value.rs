//! `AnyValue` and attribute lists in JSON.

use std::sync::Arc;

use crate::ingest::damage::{Damage, Reason, push};
use crate::ingest::json::{Json, Text};
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::limits::VALUE_DEPTH_MAX;
use crate::model::{Cell, Signal, Value};

/// Reads a list of attributes into the slots that their keys fill at this level.
pub(super) fn attributes(
    json: &mut Json<'_>,
    level: Level,
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let layout = &w.table(signal).layout;
    if layout.keys(level).is_empty() && !layout.identifies() {
        return json.skip();
    }
    let mut members = json.array()?;
    while json.element(&mut members)? {
        attribute(json, level, signal, w)?;
    }
    Ok(())
}

fn attribute(
    json: &mut Json<'_>,
    level: Level,
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let start = *json;
    if usual_attribute(json, level, signal, w)? {
        return Ok(());
    }
    *json = start;
    if let (Some(key), Some(mut value)) = key_value(json)? {
        let key = key.bytes()?;
        if w.table(signal).wants_attribute(level, &key) {
            let cell = any_value(&mut value, signal, w)?;
            w.set_attribute(signal, level, &key, cell);
        }
    }
    Ok(())
}

/// Reads an attribute written as nearly all are: the key first, no spaces, nothing else. `false`
/// if it is not; it must then be read again.
fn usual_attribute(
    json: &mut Json<'_>,
    level: Level,
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<bool, Damage> {
    if !json.take(b"{\"key\":\"") {
        return Ok(false);
    }
    json.seek(json.pos() - 1);
    let (Some(key), true) = (json.text()?.plain(), json.take(b",\"value\":")) else {
        return Ok(false);
    };
    if !w.table(signal).wants_attribute(level, key) {
        json.skip()?;
        return Ok(json.take(b"}"));
    }
    let cell = any_value(json, signal, w)?;
    if !json.take(b"}") {
        return Ok(false);
    }
    w.set_attribute(signal, level, key, cell);
    Ok(true)
}

/// The key, and a cursor at the value.
type KeyValue<'a> = (Option<Text<'a>>, Option<Json<'a>>);

fn key_value<'a>(json: &mut Json<'a>) -> Result<KeyValue<'a>, Damage> {
    let (mut key, mut value) = (None, None);
    let mut members = json.object()?;
    while let Some(member) = json.key(&mut members)? {
        match &*member.bytes()? {
            b"key" => key = Some(json.text_or_null()?),
            b"value" => {
                value = Some(*json);
                json.skip()?;
            }
            _ => json.skip()?,
        }
    }
    Ok((key, value))
}

/// Reads a value into a cell; bytes, lists and maps go to the heap of the signal's table.
pub(super) fn any_value(
    json: &mut Json<'_>,
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<Cell, Damage> {
    let start = json.pos();
    let mut cell = Cell::Null;
    let mut members = json.object()?;
    while let Some(member) = json.key(&mut members)? {
        match &*member.bytes()? {
            b"stringValue" if json.null() => {}
            b"stringValue" => cell = Cell::Str(w.intern_text(json.text()?)?),
            b"boolValue" => cell = Cell::Bool(json.boolean()?),
            b"intValue" => cell = Cell::Int(json.integer()?),
            b"doubleValue" => cell = Cell::Float(json.float()?),
            b"bytesValue" | b"arrayValue" | b"kvlistValue" => {
                json.seek(start);
                let value = value(json, 0)?;
                let heap = &mut w.table(signal).heap;
                heap.push(value);
                return Ok(Cell::Heap(heap.len() as u32 - 1));
            }
            _ => json.skip()?,
        }
    }
    Ok(cell)
}

fn value(json: &mut Json<'_>, depth: usize) -> Result<Value, Damage> {
    if depth >= VALUE_DEPTH_MAX {
        return Err(json.damage(Reason::TooDeep));
    }
    let mut found = Value::Null;
    let mut members = json.object()?;
    while let Some(member) = json.key(&mut members)? {
        found = match &*member.bytes()? {
            b"stringValue" => Value::Str(Arc::from(&*json.text_or_null()?.string()?)),
            b"boolValue" => Value::Bool(json.boolean()?),
            b"intValue" => Value::Int(json.integer()?),
            b"doubleValue" => Value::Float(json.float()?),
            b"bytesValue" => base64(json.text_or_null()?)?,
            b"arrayValue" => list(json, depth)?,
            b"kvlistValue" => map(json, depth)?,
            _ => {
                json.skip()?;
                found
            }
        };
    }
    Ok(found)
}

fn list(json: &mut Json<'_>, depth: usize) -> Result<Value, Damage> {
    Ok(Value::List(values(json, |json| value(json, depth + 1))?.into()))
}

fn map(json: &mut Json<'_>, depth: usize) -> Result<Value, Damage> {
    let entries = values(json, |json| {
        let (key, inner) = key_value(json)?;
        let key = key.map_or(Ok("".into()), |key| key.string())?;
        let inner = inner.map_or(Ok(Value::Null), |mut at| value(&mut at, depth + 1))?;
        Ok((Arc::from(&*key), inner))
    })?;
    Ok(Value::map(entries))
}

/// The member `values` of a list or of a map.
fn values<T>(
    json: &mut Json<'_>,
    mut read: impl FnMut(&mut Json<'_>) -> Result<T, Damage>,
) -> Result<Vec<T>, Damage> {
    let mut values = Vec::new();
    let mut members = json.object()?;
    while let Some(member) = json.key(&mut members)? {
        if &*member.bytes()? != b"values" {
            json.skip()?;
            continue;
        }
        let mut elements = json.array()?;
        while json.element(&mut elements)? {
            let value = read(json)?;
            push(&mut values, value, json.pos())?;
        }
    }
    Ok(values)
}

pub(in crate::ingest) fn base64(text: Text<'_>) -> Result<Value, Damage> {
    let bytes = base64_bytes(&text.bytes()?);
    let bytes = bytes.ok_or_else(|| Damage::new(text.at(), Reason::NotBase64))?;
    Ok(Value::Bytes(bytes.into()))
}

/// The bytes that a text in base64 stands for, padded or not.
pub(in crate::ingest) fn base64_bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let unpadded = digits.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(unpadded * 3 / 4);
    for group in digits[..unpadded].chunks(4) {
        let mut bits = 0_u32;
        for &digit in group {
            bits = bits << 6 | u32::from(base64_digit(digit)?);
        }
        if group.len() == 1 {
            return None;
        }
        bits <<= 6 * (4 - group.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(out)
}

/// Of the standard alphabet or the one for URLs; proto3 JSON accepts both.
fn base64_digit(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
