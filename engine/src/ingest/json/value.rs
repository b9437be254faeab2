//! Plain JSON values as cells and owned values.

use std::sync::Arc;

use super::Json;
use super::number::{float_of, integer_of};
use crate::ingest::damage::{Damage, Reason, push};
use crate::limits::VALUE_DEPTH_MAX;
use crate::model::{Cell, Interner, Value};

/// Reads one value into a cell; lists and maps go to the heap.
pub(in crate::ingest) fn cell(
    json: &mut Json<'_>,
    interner: &mut Interner,
    heap: &mut Vec<Value>,
    scratch: &mut Vec<u8>,
) -> Result<Cell, Damage> {
    Ok(match json.peek() {
        b'"' => {
            let text = json.text()?;
            let symbol = match text.plain() {
                Some(plain) => interner.intern_bytes(plain),
                None => {
                    scratch.clear();
                    text.unescape(scratch)?;
                    interner.intern_bytes(scratch)
                }
            };
            Cell::Str(symbol.ok_or_else(|| Damage::new(text.at(), Reason::NotUtf8))?)
        }
        b'{' | b'[' => {
            heap.push(owned(json, 0)?);
            Cell::Heap(heap.len() as u32 - 1)
        }
        b't' | b'f' => Cell::Bool(json.boolean()?),
        b'n' if json.take(b"null") => Cell::Null,
        _ => match number(json)? {
            Value::Int(value) => Cell::Int(value),
            Value::Float(value) => Cell::Float(value),
            _ => Cell::Null,
        },
    })
}

/// A number is an integer where it is written as one and fits, else a float.
fn number(json: &mut Json<'_>) -> Result<Value, Damage> {
    let at = json.pos();
    let token = json.number_token()?;
    let is_plain = !token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if is_plain && let Some(value) = integer_of(token) {
        return Ok(Value::Int(value));
    }
    float_of(token).map(Value::Float).ok_or_else(|| Damage::new(at, Reason::BadNumber))
}

/// Reads one value of any shape, owned.
pub(in crate::ingest) fn owned(json: &mut Json<'_>, depth: usize) -> Result<Value, Damage> {
    if depth >= VALUE_DEPTH_MAX {
        return Err(json.damage(Reason::TooDeep));
    }
    Ok(match json.peek() {
        b'"' => Value::Str(Arc::from(&*json.text()?.string()?)),
        b'{' => {
            let (mut members, mut entries) = (json.object()?, Vec::new());
            while let Some(key) = json.key(&mut members)? {
                let key = Arc::from(&*key.string()?);
                let entry = (key, owned(json, depth + 1)?);
                push(&mut entries, entry, json.pos())?;
            }
            Value::map(entries)
        }
        b'[' => {
            let (mut members, mut items) = (json.array()?, Vec::new());
            while json.element(&mut members)? {
                let item = owned(json, depth + 1)?;
                push(&mut items, item, json.pos())?;
            }
            Value::List(items.into())
        }
        b't' | b'f' => Value::Bool(json.boolean()?),
        b'n' if json.take(b"null") => Value::Null,
        _ => number(json)?,
    })
}
