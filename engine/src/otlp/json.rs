//! A message from protobuf to JSON and back.
//!
//! Invariant: a message that is read back says the same; what the schema does not know is left out
//! in JSON. Source: OTLP 1.11, "JSON Protobuf Encoding".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};

use super::schema::{Kind, Member, Schema};
use super::wire::{Message, strict_fields, zigzag};
use crate::limits::ITEM_DEPTH_MAX;

/// A message as a JSON object; `None` where its bytes are damaged or nest too deep.
pub(crate) fn to_json(schema: &Schema, message: &[u8]) -> Option<Map<String, Json>> {
    object(schema, message, 0)
}

fn object(schema: &Schema, message: &[u8], depth: usize) -> Option<Map<String, Json>> {
    if depth >= ITEM_DEPTH_MAX {
        return None;
    }
    let mut out = Map::new();
    for field in strict_fields(message) {
        let (number, wire_type, value, bytes) = field?;
        let Some(member) = schema.member(number) else { continue };
        if member.is_repeated {
            let list = out.entry(member.name).or_insert_with(|| Json::Array(Vec::new()));
            let Json::Array(list) = list else { continue };
            if wire_type == 2 && is_packable(member.kind) {
                packed(member.kind, bytes, list)?;
            } else {
                list.push(scalar(member.kind, wire_type, value, bytes, depth)?);
            }
            continue;
        }
        let value = scalar(member.kind, wire_type, value, bytes, depth)?;
        if schema.is_choice {
            out.clear();
        }
        merge(&mut out, member.name, value);
    }
    Some(out)
}

/// Sets a member; a message that is there already is added to.
fn merge(out: &mut Map<String, Json>, name: &str, value: Json) {
    match (out.get_mut(name), value) {
        (Some(Json::Object(known)), Json::Object(more)) => {
            for (name, value) in more {
                match (known.get_mut(&name), value) {
                    (Some(Json::Array(list)), Json::Array(more)) => list.extend(more),
                    (_, value) => merge(known, &name, value),
                }
            }
        }
        (_, value) => drop(out.insert(name.to_owned(), value)),
    }
}

fn is_packable(kind: Kind) -> bool {
    !matches!(kind, Kind::Text | Kind::Bytes | Kind::Id | Kind::Message(_))
}

fn packed(kind: Kind, mut bytes: &[u8], list: &mut Vec<Json>) -> Option<()> {
    while !bytes.is_empty() {
        let value;
        if matches!(kind, Kind::Fixed64 | Kind::Sfixed64 | Kind::Double) {
            let (eight, rest) = bytes.split_first_chunk::<8>()?;
            (value, bytes) = (u64::from_le_bytes(*eight), rest);
        } else {
            value = super::wire::read_varint(&mut bytes)?;
        }
        list.push(number(kind, value));
    }
    Some(())
}

/// One value; of eight or four bytes they are little-endian.
fn scalar(kind: Kind, wire_type: u64, value: u64, bytes: &[u8], depth: usize) -> Option<Json> {
    let expected = match kind {
        Kind::Text | Kind::Bytes | Kind::Id | Kind::Message(_) => 2,
        Kind::Fixed32 => 5,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => 1,
        _ => 0,
    };
    if wire_type != expected {
        return None;
    }
    Some(match kind {
        Kind::Text => json!(std::str::from_utf8(bytes).ok()?),
        Kind::Bytes => json!(BASE64.encode(bytes)),
        Kind::Id => json!(hex(bytes)),
        Kind::Message(schema) => Json::Object(object(schema, bytes, depth + 1)?),
        Kind::Fixed32 => json!(u32::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            number(kind, u64::from_le_bytes(bytes.try_into().ok()?))
        }
        _ => number(kind, value),
    })
}

fn number(kind: Kind, bits: u64) -> Json {
    match kind {
        Kind::Bool => json!(bits != 0),
        Kind::Int32 => json!(bits as i32),
        Kind::Sint32 => json!((bits as u32 >> 1) as i32 ^ -((bits & 1) as i32)),
        Kind::Int64 | Kind::Sfixed64 => json!((bits as i64).to_string()),
        Kind::Uint64 | Kind::Fixed64 => json!(bits.to_string()),
        Kind::Double => double(f64::from_bits(bits)),
        _ => json!(bits as u32),
    }
}

fn double(number: f64) -> Json {
    match number {
        _ if number.is_nan() => json!("NaN"),
        _ if number.is_infinite() => json!(if number > 0.0 { "Infinity" } else { "-Infinity" }),
        _ => json!(number),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A JSON object as a message; `None` where a member is not what the schema says.
pub(crate) fn from_json(schema: &Schema, object: &Map<String, Json>) -> Option<Message> {
    let mut out = Message::default();
    for (name, value) in object {
        let Some(member) = schema.named(name) else { continue };
        match value {
            Json::Null => {}
            Json::Array(list) if member.is_repeated && is_packable(member.kind) => {
                let bits: Option<Vec<u64>> =
                    list.iter().map(|value| bits(member.kind, value)).collect();
                if matches!(member.kind, Kind::Fixed64 | Kind::Sfixed64 | Kind::Double) {
                    out.packed_fixed(member.number as u32, bits?);
                } else {
                    out.packed(member.number as u32, bits?);
                }
            }
            Json::Array(list) if member.is_repeated => {
                for value in list {
                    put(member, value, &mut out)?;
                }
            }
            value => put(member, value, &mut out)?,
        }
    }
    Some(out)
}

fn put(member: &Member, value: &Json, out: &mut Message) -> Option<()> {
    let number = member.number as u32;
    match member.kind {
        Kind::Text => out.text(number, value.as_str()?),
        Kind::Bytes => out.delimited(number, &base64(value.as_str()?)?),
        Kind::Id => out.delimited(number, &unhex(value.as_str()?)?),
        Kind::Message(schema) => match value {
            // An element of a list, or a value, may be null: an empty message.
            Json::Null => out.message(number, &Message::default()),
            value => out.message(number, &from_json(schema, value.as_object()?)?),
        },
        Kind::Fixed32 => out.fixed32(number, bits(member.kind, value)? as u32),
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            out.fixed(number, bits(member.kind, value)?);
        }
        kind => out.varint(number, bits(kind, value)?),
    }
    Some(())
}

/// A number as it stands in protobuf; the name of an enumeration's member by its place.
fn bits(kind: Kind, value: &Json) -> Option<u64> {
    match kind {
        Kind::Bool => value.as_bool().map(u64::from),
        Kind::Double => {
            let number = match value {
                Json::String(text) => match text.as_str() {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    text => text.parse().ok()?,
                },
                value => value.as_f64()?,
            };
            Some(number.to_bits())
        }
        Kind::Sint32 => signed(value).map(zigzag),
        Kind::Int32 => {
            let named = value.as_str().and_then(super::schema::enumeration);
            named.or_else(|| signed(value)).map(|number| number as u64)
        }
        Kind::Int64 | Kind::Sfixed64 => signed(value).map(|number| number as u64),
        _ => match value {
            Json::String(text) => text.parse().ok(),
            value => value.as_u64().or_else(|| value.as_f64().map(|number| number as u64)),
        },
    }
}

fn signed(value: &Json) -> Option<i64> {
    match value {
        Json::String(text) => text.parse().ok(),
        value => value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok().or_else(|| {
        let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).ok()
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|two| Some(digit(two[0])? << 4 | digit(two[1])?)).collect()
}
