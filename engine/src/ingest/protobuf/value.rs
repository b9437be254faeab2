//! OTLP's `AnyValue` and `KeyValue`: attributes into slots, values into cells.
//!
//! Invariant: a value nobody demands is passed over by its length and not looked into.

use std::sync::Arc;

use super::wire::{BYTES, FIXED64, VARINT, Wire, fields, tag};
use crate::ingest::damage::{Damage, Reason, push};
use crate::ingest::layout::Level;
use crate::ingest::table::Table;
use crate::limits::VALUE_DEPTH_MAX;
use crate::model::{Cell, Interner, Value};

const STRING: u32 = tag(1, BYTES);
const BOOL: u32 = tag(2, VARINT);
const INT: u32 = tag(3, VARINT);
const DOUBLE: u32 = tag(4, FIXED64);
const ARRAY: u32 = tag(5, BYTES);
const KVLIST: u32 = tag(6, BYTES);
const RAW: u32 = tag(7, BYTES);
const ANY_VALUE: u64 = fields([1, 2, 3, 4, 5, 6, 7]);

const KEY: u32 = tag(1, BYTES);
const VALUE: u32 = tag(2, BYTES);
const KEY_VALUE: u64 = fields([1, 2]);

const ITEMS: u32 = tag(1, BYTES);
const ITEMS_ONLY: u64 = fields([1]);

/// Reads one attribute into the slots that its key fills at this level.
#[inline]
pub(super) fn attribute(
    wire: Wire<'_>,
    level: Level,
    table: &mut Table,
    interner: &mut Interner,
) -> Result<(), Damage> {
    if !table.layout.identifies()
        && let Some(length) = wire.short_key()
        && !table.layout.keys(level).has_length(length)
    {
        return Ok(());
    }
    let (key, value) = key_value(wire)?;
    if table.layout.identifies()
        && let Some(value) = value
    {
        let value = self::value(value, 0)?;
        table.identify(level, key, &value);
    }
    match value {
        Some(value) => table.fill(level, key, |heap| any_value(value, interner, heap)),
        None => Ok(()),
    }
}

#[expect(
    clippy::inline_always,
    reason = "as a call it returns five words in memory, which costs 15 ns an attribute"
)]
#[inline(always)]
fn key_value(mut wire: Wire<'_>) -> Result<(&[u8], Option<Wire<'_>>), Damage> {
    let (mut key, mut value): (&[u8], _) = (&[], None);
    loop {
        match wire.tag()? {
            0 => return Ok((key, value)),
            KEY => key = wire.bytes()?,
            VALUE => value = Some(wire.message()?),
            other => wire.skip_unknown(other, KEY_VALUE)?,
        }
    }
}

/// Reads a value into a cell; bytes, lists and maps go to the heap.
#[inline]
pub(super) fn any_value(
    mut wire: Wire<'_>,
    interner: &mut Interner,
    heap: &mut Vec<Value>,
) -> Result<Cell, Damage> {
    let whole = wire;
    let mut cell = Cell::Null;
    loop {
        cell = match wire.tag()? {
            0 => return Ok(cell),
            STRING => {
                let text = wire.bytes()?;
                match interner.intern_bytes(text) {
                    Some(symbol) => Cell::Str(symbol),
                    None => return Err(wire.damage(Reason::NotUtf8)),
                }
            }
            INT => Cell::Int(wire.varint()? as i64),
            BOOL => Cell::Bool(wire.varint()? != 0),
            DOUBLE => Cell::Float(wire.double()?),
            ARRAY | KVLIST | RAW => {
                let value = value(whole, 0)?;
                heap.push(value);
                return Ok(Cell::Heap(heap.len() as u32 - 1));
            }
            other => {
                wire.skip_unknown(other, ANY_VALUE)?;
                cell
            }
        };
    }
}

/// Reads a value of any shape, owned.
fn value(mut wire: Wire<'_>, depth: usize) -> Result<Value, Damage> {
    if depth >= VALUE_DEPTH_MAX {
        return Err(wire.damage(Reason::TooDeep));
    }
    let mut found = Value::Null;
    loop {
        found = match wire.tag()? {
            0 => return Ok(found),
            STRING => Value::Str(text(&mut wire)?),
            INT => Value::Int(wire.varint()? as i64),
            BOOL => Value::Bool(wire.varint()? != 0),
            DOUBLE => Value::Float(wire.double()?),
            RAW => Value::Bytes(Arc::from(wire.bytes()?)),
            ARRAY => Value::List(list(wire.message()?, depth)?.into()),
            KVLIST => Value::map(map(wire.message()?, depth)?),
            other => {
                wire.skip_unknown(other, ANY_VALUE)?;
                found
            }
        };
    }
}

fn list(mut wire: Wire<'_>, depth: usize) -> Result<Vec<Value>, Damage> {
    let mut items = Vec::new();
    loop {
        match wire.tag()? {
            0 => return Ok(items),
            ITEMS => {
                let item = value(wire.message()?, depth + 1)?;
                push(&mut items, item, wire.pos())?;
            }
            other => wire.skip_unknown(other, ITEMS_ONLY)?,
        }
    }
}

fn map(mut wire: Wire<'_>, depth: usize) -> Result<Vec<(Arc<str>, Value)>, Damage> {
    let mut entries = Vec::new();
    loop {
        match wire.tag()? {
            0 => return Ok(entries),
            ITEMS => {
                let entry = wire.message()?;
                let (key, inner) = key_value(entry)?;
                let key = std::str::from_utf8(key)
                    .map_err(|_| entry.damage(Reason::NotUtf8))
                    .map(Arc::from)?;
                let inner = inner.map_or(Ok(Value::Null), |inner| value(inner, depth + 1))?;
                push(&mut entries, (key, inner), wire.pos())?;
            }
            other => wire.skip_unknown(other, ITEMS_ONLY)?,
        }
    }
}

fn text(wire: &mut Wire<'_>) -> Result<Arc<str>, Damage> {
    let bytes = wire.bytes()?;
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| wire.damage(Reason::NotUtf8))
}
