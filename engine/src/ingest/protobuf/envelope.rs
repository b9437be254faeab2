//! What the three requests share: Request → Resource… → Scope… → items.
//!
//! Invariant: resource and scope apply to all their items wherever they stand on the wire. The
//! resource is looked for first (its parent has few fields); a scope is expected before its
//! items, and where it comes later the items are read again.

use super::value::attribute;
use super::wire::{BYTES, Wire, fields, tag};
use crate::ingest::damage::Damage;
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::model::{Field, Signal};

/// What differs between the requests.
pub(super) struct Shape {
    /// The signals that a request of this shape fills.
    pub(super) signals: &'static [Signal],
    /// Decodes one item (a span, a record, a metric with its points).
    pub(super) item: fn(Wire<'_>, &mut Writer<'_>) -> Result<(), Damage>,
}

const FIRST: u32 = tag(1, BYTES);
const SECOND: u32 = tag(2, BYTES);
const REQUEST: u64 = fields([1]);
const GROUP: u64 = fields([1, 2, 3]);

const SCOPE_NAME: u32 = tag(1, BYTES);
const SCOPE_VERSION: u32 = tag(2, BYTES);
const SCOPE_ATTRIBUTES: u32 = tag(3, BYTES);
const SCOPE: u64 = fields([1, 2, 3]);
const SCHEMA_URL: u32 = tag(3, BYTES);

/// Decodes a request.
pub(super) fn request(mut wire: Wire<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            FIRST => {
                let result = resource_group(wire.message()?, w, shape);
                w.contain(result)?;
            }
            other => wire.skip_unknown(other, REQUEST)?,
        }
    }
}

fn resource_group(wire: Wire<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    for &signal in shape.signals {
        w.table(signal).begin_resource();
    }
    w.around(shape.signals, |raw| raw.resource = wire.range());
    let mut scan = wire;
    loop {
        match scan.tag()? {
            0 => break,
            FIRST => resource(scan.message()?, w, shape)?,
            other => scan.skip(other)?,
        }
    }
    let mut scan = wire;
    loop {
        match scan.tag()? {
            0 => return Ok(()),
            SECOND => {
                let result = scope_group(scan.message()?, w, shape);
                w.contain(result)?;
            }
            FIRST | SCHEMA_URL => scan.skip(FIRST)?,
            other => scan.skip_unknown(other, GROUP)?,
        }
    }
}

fn resource(mut wire: Wire<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            FIRST => attribute_of(wire.message()?, Level::Resource, w, shape)?,
            other => wire.skip_unknown(other, REQUEST)?,
        }
    }
}

fn attribute_of(
    wire: Wire<'_>,
    level: Level,
    w: &mut Writer<'_>,
    shape: &Shape,
) -> Result<(), Damage> {
    for &signal in shape.signals {
        let table = &mut w.tables[signal.index()];
        attribute(wire, level, table, w.interner)?;
    }
    Ok(())
}

fn scope_group(wire: Wire<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    for &signal in shape.signals {
        w.table(signal).begin_scope();
    }
    w.around(shape.signals, |raw| raw.scope = wire.range());
    let checkpoint = w.checkpoint();
    if items(wire, w, shape, false)? {
        return Ok(());
    }
    w.roll_back(&checkpoint);
    let mut scan = wire;
    loop {
        match scan.tag()? {
            0 => break,
            FIRST => scope(scan.message()?, w, shape)?,
            other => scan.skip(other)?,
        }
    }
    items(wire, w, shape, true).map(drop)
}

/// Decodes a scope's items; `false` as soon as the scope turns up after the first of them.
fn items(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    shape: &Shape,
    scope_is_known: bool,
) -> Result<bool, Damage> {
    let mut any = false;
    loop {
        match wire.tag()? {
            0 => return Ok(true),
            SECOND => {
                any = true;
                let result = (shape.item)(wire.message()?, w);
                w.contain(result)?;
            }
            FIRST if scope_is_known => wire.skip(FIRST)?,
            FIRST if any => return Ok(false),
            FIRST => scope(wire.message()?, w, shape)?,
            SCHEMA_URL => wire.skip(SCHEMA_URL)?,
            other => wire.skip_unknown(other, GROUP)?,
        }
    }
}

fn scope(mut wire: Wire<'_>, w: &mut Writer<'_>, shape: &Shape) -> Result<(), Damage> {
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            SCOPE_NAME => scope_text(&mut wire, w, shape, Field::ScopeName)?,
            SCOPE_VERSION => scope_text(&mut wire, w, shape, Field::ScopeVersion)?,
            SCOPE_ATTRIBUTES => attribute_of(wire.message()?, Level::Scope, w, shape)?,
            other => wire.skip_unknown(other, SCOPE)?,
        }
    }
}

fn scope_text(
    wire: &mut Wire<'_>,
    w: &mut Writer<'_>,
    shape: &Shape,
    field: Field,
) -> Result<(), Damage> {
    let text = wire.bytes()?;
    for &signal in shape.signals {
        if w.wants_field(signal, field) {
            let symbol = w.intern(text, wire.pos())?;
            let table = w.table(signal);
            match field {
                Field::ScopeName => table.scope_name = symbol,
                _ => table.scope_version = symbol,
            }
        }
    }
    Ok(())
}
