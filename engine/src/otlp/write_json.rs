//! A message from protobuf to JSON, written as it is read.
//!
//! Members stand in the order of their schema, whatever the order of the fields; what the schema
//! does not know is left out. With a tree of values between the two a replay took more
//! than three times as long over the items that it wrote. Source: OTLP 1.11, "JSON Protobuf
//! Encoding".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use smallvec::SmallVec;

use super::schema::{Kind, Schema};
use super::wire::{StrictField, read_varint, strict_fields};
use crate::limits::ITEM_DEPTH_MAX;

/// A field, behind its place in the schema.
type Placed<'a> = (usize, StrictField<'a>);

/// Writes a message, given in parts, as a JSON object. `None` where its bytes are damaged or nest
/// too deep; what was written of it is then taken back.
pub(crate) fn write_json(schema: &Schema, parts: &[&[u8]], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let written = object(schema, parts, 0, out);
    if written.is_none() {
        out.truncate(start);
    }
    written
}

/// Writes text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text can be written to memory");
}

fn object(schema: &Schema, parts: &[&[u8]], depth: usize, out: &mut Vec<u8>) -> Option<()> {
    if depth >= ITEM_DEPTH_MAX {
        return None;
    }
    let mut fields: SmallVec<[Placed<'_>; 16]> = SmallVec::new();
    for field in parts.iter().flat_map(|part| strict_fields(part)) {
        let field = field?;
        if let Some(place) = schema.place(field.0) {
            fields.push((place, field));
        }
    }
    if schema.is_choice {
        fields.drain(..fields.len().saturating_sub(1));
    }
    if !fields.is_sorted_by_key(|field| field.0) {
        fields.sort_by_key(|field| field.0);
    }
    out.push(b'{');
    for (index, alike) in fields.chunk_by(|a, b| a.0 == b.0).enumerate() {
        let member = &schema.members[alike[0].0];
        comma(index, out);
        name(member.name, out);
        match member.kind {
            _ if member.is_repeated => list(member.kind, alike, depth, out)?,
            Kind::Message(schema) => inside(schema, alike, depth, out)?,
            kind => scalar(kind, &alike.last()?.1, depth, out)?,
        }
    }
    out.push(b'}');
    Some(())
}

/// A comma before all but the first.
pub(crate) fn comma(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// A member's name, one that needs no escapes, and what stands behind it.
pub(crate) fn name(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A message; one that comes several times is their sum, as protobuf has it.
fn inside(schema: &Schema, fields: &[Placed<'_>], depth: usize, out: &mut Vec<u8>) -> Option<()> {
    let parts = fields.iter().map(|(_, field)| (field.1 == 2).then_some(field.3));
    let parts: Option<SmallVec<[&[u8]; 2]>> = parts.collect();
    object(schema, &parts?, depth + 1, out)
}

fn list(kind: Kind, fields: &[Placed<'_>], depth: usize, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'[');
    let first = out.len();
    for (_, field) in fields {
        if field.1 == 2 && kind.is_packable() {
            packed(kind, field.3, first, out)?;
        } else {
            comma(out.len() - first, out);
            scalar(kind, field, depth, out)?;
        }
    }
    out.push(b']');
    Some(())
}

fn packed(kind: Kind, mut bytes: &[u8], first: usize, out: &mut Vec<u8>) -> Option<()> {
    while !bytes.is_empty() {
        let value;
        if matches!(kind, Kind::Fixed64 | Kind::Sfixed64 | Kind::Double) {
            let (eight, rest) = bytes.split_first_chunk::<8>()?;
            (value, bytes) = (u64::from_le_bytes(*eight), rest);
        } else {
            value = read_varint(&mut bytes)?;
        }
        comma(out.len() - first, out);
        number(kind, value, out);
    }
    Some(())
}

/// One value; of eight or four bytes they are little-endian.
fn scalar(
    kind: Kind,
    (_, wire_type, value, bytes): &StrictField<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    let expected = match kind {
        Kind::Text | Kind::Bytes | Kind::Id | Kind::Message(_) => 2,
        Kind::Fixed32 => 5,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => 1,
        _ => 0,
    };
    if *wire_type != expected {
        return None;
    }
    match kind {
        Kind::Text => write_text(std::str::from_utf8(bytes).ok()?, out),
        Kind::Bytes => write_text(&BASE64.encode(bytes), out),
        Kind::Id => hex(bytes, out),
        Kind::Message(schema) => object(schema, &[*bytes], depth + 1, out)?,
        Kind::Fixed32 => number(kind, u32::from_le_bytes((*bytes).try_into().ok()?).into(), out),
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            number(kind, u64::from_le_bytes((*bytes).try_into().ok()?), out);
        }
        _ => number(kind, *value, out),
    }
    Some(())
}

fn number(kind: Kind, bits: u64, out: &mut Vec<u8>) {
    match kind {
        Kind::Bool => plain(&(bits != 0), out),
        Kind::Int32 => plain(&(bits as i32), out),
        Kind::Sint32 => plain(&((bits as u32 >> 1) as i32 ^ -((bits & 1) as i32)), out),
        Kind::Int64 | Kind::Sfixed64 => quoted(|out| plain(&(bits as i64), out), out),
        Kind::Uint64 | Kind::Fixed64 => quoted(|out| plain(&bits, out), out),
        Kind::Double => double(f64::from_bits(bits), out),
        _ => plain(&(bits as u32), out),
    }
}

/// A number or a truth value as JSON has it.
fn plain(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a number can be written to memory");
}

fn quoted(write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn double(number: f64, out: &mut Vec<u8>) {
    match number {
        _ if number.is_nan() => write_text("NaN", out),
        f64::INFINITY => write_text("Infinity", out),
        f64::NEG_INFINITY => write_text("-Infinity", out),
        _ => plain(&number, out),
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    quoted(|out| out.extend(bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)])), out);
}

#[cfg(test)]
mod tests {
    use super::super::schema::Schema;
    use super::super::wire::Message;
    use super::write_json;
    use crate::model::Signal;

    fn written(parts: &[&[u8]]) -> Option<String> {
        let schema = Schema::of_item(Signal::Spans).unwrap();
        let mut out = b"before ".to_vec();
        let is_written = write_json(schema, parts, &mut out).is_some();
        assert!(is_written || out == b"before ", "what was written is taken back");
        is_written.then(|| String::from_utf8(out[7..].to_vec()).unwrap())
    }

    #[test]
    fn fields_in_any_order_and_of_several_parts_are_one_message() {
        let (mut first, mut second) = (Message::default(), Message::default());
        let (mut status, mut code) = (Message::default(), Message::default());
        status.text(2, "no \"room\"");
        code.varint(3, 2);
        first.text(5, "old");
        first.message(15, &status);
        first.varint(99, 7);
        second.message(15, &code);
        second.text(5, "new");
        let json = r#"{"name":"new","status":{"message":"no \"room\"","code":2}}"#;
        assert_eq!(written(&[first.as_bytes(), second.as_bytes()]).as_deref(), Some(json));
    }

    #[test]
    fn of_a_choice_the_last_counts() {
        let (mut span, mut pair, mut value) =
            (Message::default(), Message::default(), Message::default());
        value.text(1, "seven");
        value.varint(3, 7);
        pair.text(1, "n");
        pair.message(2, &value);
        span.message(9, &pair);
        let json = r#"{"attributes":[{"key":"n","value":{"intValue":"7"}}]}"#;
        assert_eq!(written(&[span.as_bytes()]).as_deref(), Some(json));
    }

    #[test]
    fn damage_anywhere_leaves_nothing() {
        let mut span = Message::default();
        span.text(5, "whole");
        span.delimited(15, b"\x12\x05cut");
        assert_eq!(written(&[span.as_bytes()]), None);
    }
}
