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
use crate::model::{ByteRange, Field, RawHeads, Signal};

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

/// The first field of a group of items, and its schema.
#[derive(Clone, Copy, Default)]
struct Head {
    message: ByteRange,
    schema_url: ByteRange,
    messages: u32,
}

impl Head {
    fn saw_message(&mut self, range: ByteRange) {
        self.message = range;
        self.messages += 1;
    }

    /// Whether it lies in one piece.
    fn is_whole(self) -> bool {
        self.messages < 2
    }
}

/// Passes over a schema; where it lies.
fn schema_url(wire: &mut Wire<'_>) -> Result<ByteRange, Damage> {
    Ok(wire.message()?.range())
}

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
    let (mut scan, mut head) = (wire, Head::default());
    loop {
        match scan.tag()? {
            0 => break,
            FIRST => {
                let message = scan.message()?;
                head.saw_message(message.range());
                resource(message, w, shape)?;
            }
            SCHEMA_URL => head.schema_url = schema_url(&mut scan)?,
            other => scan.skip(other)?,
        }
    }
    let mut scan = wire;
    loop {
        match scan.tag()? {
            0 => return Ok(()),
            SECOND => {
                let result = scope_group(scan.message()?, head, w, shape);
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

fn scope_group(
    wire: Wire<'_>,
    around: Head,
    w: &mut Writer<'_>,
    shape: &Shape,
) -> Result<(), Damage> {
    for &signal in shape.signals {
        w.table(signal).begin_scope();
    }
    w.around(shape.signals, |raw| raw.scope = wire.range());
    // Of all signals of a shape only the first is one whose items are said again.
    let signal = shape.signals[0];
    let (checkpoint, contexts) = (w.checkpoint(), w.table(signal).contexts());
    let mut head = Head::default();
    if !items(wire, &mut head, w, shape, false)? {
        w.roll_back(&checkpoint);
        let mut scan = wire;
        loop {
            match scan.tag()? {
                0 => break,
                FIRST => scope(scan.message()?, w, shape)?,
                other => scan.skip(other)?,
            }
        }
        head = Head::default();
        items(wire, &mut head, w, shape, true)?;
    }
    if around.is_whole() && head.is_whole() {
        let heads = RawHeads {
            resource: around.message,
            resource_schema_url: around.schema_url,
            scope: head.message,
            scope_schema_url: head.schema_url,
        };
        w.table(signal).set_heads(contexts, heads);
    }
    Ok(())
}

/// Decodes a scope's items; `false` as soon as the scope turns up after the first of them.
fn items(
    mut wire: Wire<'_>,
    head: &mut Head,
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
            FIRST if any && !scope_is_known => return Ok(false),
            FIRST => {
                let message = wire.message()?;
                head.saw_message(message.range());
                if !scope_is_known {
                    scope(message, w, shape)?;
                }
            }
            SCHEMA_URL => head.schema_url = schema_url(&mut wire)?,
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
