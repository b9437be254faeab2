//! A message from JSON to protobuf.
//!
//! Invariant: a message that [`super::write_json`] wrote says the same. Source: OTLP 1.11, "JSON
//! Protobuf Encoding".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json};

use super::schema::{Kind, Member, Schema};
use super::wire::{Message, zigzag};

/// A JSON object as a message; `None` where a member is not what the schema says.
pub(crate) fn from_json(schema: &Schema, object: &Map<String, Json>) -> Option<Message> {
    let mut out = Message::default();
    for (name, value) in object {
        let Some(member) = schema.named(name) else { continue };
        match value {
            Json::Null => {}
            Json::Array(list) if member.is_repeated && member.kind.is_packable() => {
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
