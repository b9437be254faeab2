//! The columns of one signal while a frame is decoded.
//!
//! Invariant: between rows, every column of a field holds exactly `rows` entries, one of an
//! attribute as many up to its last value: most attributes that are asked for are on few items.

use crate::model::{
    Batch, ByteRange, Cell, Column, Demand, Field, FieldKind, Interner, RawContext, RawHeads,
    RawRow, Symbol, Value,
};

use xxhash_rust::xxh3::xxh3_64;

use super::damage::Damage;
use super::item::Item;
use super::layout::{Layout, Level, Slot};

/// Symbols of the enumerations' members in the current symbol table.
pub(super) struct Members {
    kinds: Vec<Symbol>,
    linked_kinds: Vec<Symbol>,
    statuses: Vec<Symbol>,
    severities: Vec<Symbol>,
    metric_types: Vec<Symbol>,
    temporalities: Vec<Symbol>,
}

impl Members {
    /// Interns all members.
    pub(super) fn new(interner: &mut Interner) -> Self {
        let mut intern = |field: Field| match field.kind() {
            FieldKind::Enum(names) => names.iter().map(|name| interner.intern(name)).collect(),
            _ => Vec::new(),
        };
        Self {
            kinds: intern(Field::Kind),
            linked_kinds: intern(Field::LinkedKind),
            statuses: intern(Field::Status),
            severities: intern(Field::Severity),
            metric_types: intern(Field::MetricType),
            temporalities: intern(Field::Temporality),
        }
    }
}

/// Columns under way, and the values that resource and scope give to every row.
pub(super) struct Table {
    pub(super) layout: Layout,
    pub(super) rows: usize,
    /// Values that fit no cell.
    pub(super) heap: Vec<Value>,
    row: RowCells,
    pub(super) scope_name: Symbol,
    pub(super) scope_version: Symbol,
    columns: Vec<Column>,
    /// Identity of resource, scope and item: sums of their attributes' hashes, so that the order of
    /// attributes does not count.
    identity: [u64; 3],
    resource: Vec<Cell>,
    scope: Vec<Cell>,
    spare: Vec<Vec<Column>>,
    /// Where items lie, if anybody wants them again.
    raw: Option<RawTable>,
    /// Where items begin, if they are put in order with those of other signals.
    offsets: Option<Vec<u32>>,
}

/// Attribute slots of the row under way. Most are on few items: what a row has written is undone
/// for the next one.
struct RowCells {
    cells: Vec<Cell>,
    /// By slot: the rank of what is in it, highest where nothing is.
    ranks: Vec<u16>,
    /// Slots that the row may have filled, some of them twice.
    written: Vec<u16>,
    /// Slots that resource and scope fill.
    around: Vec<u16>,
    /// Whether resource or scope have changed since the last row.
    is_stale: bool,
}

impl RowCells {
    fn new(slots: usize) -> Self {
        Self {
            cells: vec![Cell::Null; slots],
            ranks: vec![u16::MAX; slots],
            written: Vec::new(),
            around: Vec::new(),
            is_stale: true,
        }
    }

    /// Forgets the row: its slots are those around it.
    #[inline]
    fn begin(&mut self, around: &[Cell]) {
        if self.is_stale {
            self.is_stale = false;
            self.cells.copy_from_slice(around);
            self.ranks.fill(u16::MAX);
            let filled = (0..).zip(around).filter(|(_, cell)| !matches!(cell, Cell::Null));
            self.around.clear();
            self.around.extend(filled.map(|(at, _): (u16, _)| at));
            self.written.clear();
            return;
        }
        if !self.written.is_empty() {
            for &at in &self.written {
                self.cells[usize::from(at)] = around[usize::from(at)];
                self.ranks[usize::from(at)] = u16::MAX;
            }
            self.written.clear();
        }
    }

    #[inline]
    fn set(&mut self, Slot { at, rank }: Slot, cell: Cell) {
        let known = &mut self.ranks[usize::from(at)];
        let is_empty = || matches!(cell, Cell::Null | Cell::Str(Symbol::EMPTY));
        if rank == 0 || (rank <= *known && !is_empty()) {
            *known = rank;
            self.cells[usize::from(at)] = cell;
            self.written.push(at);
        }
    }
}

/// Where items lie, under way.
#[derive(Default)]
pub(super) struct RawTable {
    pub(super) rows: Vec<RawRow>,
    pub(super) contexts: Vec<RawContext>,
    now: RawContext,
    /// Whether the last of the contexts is the one of now.
    is_noted: bool,
}

impl RawTable {
    fn push(&mut self, range: ByteRange) {
        if !self.is_noted {
            self.is_noted = true;
            self.contexts.push(self.now);
        }
        self.rows.push(RawRow { range, context: self.contexts.len() as u32 - 1 });
    }
}

/// Batches whose memory is kept for reuse, per signal, however large they are.
const SPARE_MAX: usize = 8;

/// Rows of batches whose memory is kept beyond these: an epoch of small frames has more of them.
const SPARE_ROWS_MAX: usize = 32_768;

impl Table {
    /// An empty table for a signal's demand.
    pub(super) fn new(layout: Layout, demand: &Demand) -> Self {
        let slots = layout.attributes.len();
        Self {
            columns: layout.columns(demand),
            raw: demand.wants_raw(layout.signal).then(RawTable::default),
            offsets: demand.wants_offsets(layout.signal).then(Vec::new),
            layout,
            rows: 0,
            heap: Vec::new(),
            row: RowCells::new(slots),
            resource: vec![Cell::Null; slots],
            scope: vec![Cell::Null; slots],
            scope_name: Symbol::EMPTY,
            scope_version: Symbol::EMPTY,
            identity: [0; 3],
            spare: Vec::new(),
        }
    }

    /// Forgets resource and scope.
    pub(super) fn begin_resource(&mut self) {
        self.resource.fill(Cell::Null);
        self.identity = [0; 3];
        self.begin_scope();
    }

    /// Forgets the scope, keeping the resource.
    pub(super) fn begin_scope(&mut self) {
        self.scope.copy_from_slice(&self.resource);
        self.row.is_stale = true;
        self.identity[1..].fill(0);
        self.scope_name = Symbol::EMPTY;
        self.scope_version = Symbol::EMPTY;
    }

    /// Starts a row: its attributes are the scope's and resource's until its own are set.
    #[inline]
    pub(super) fn begin_row(&mut self) {
        self.row.begin(&self.scope);
        self.identity[2] = 0;
    }

    /// Lets an attribute count for the identity of the series; one without a value does not.
    pub(super) fn identify(&mut self, level: Level, key: &[u8], value: &Value) {
        if value.is_null() {
            return;
        }
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
        bytes.extend_from_slice(key);
        value.encode_key(&mut bytes);
        let at = match level {
            Level::Resource => 0,
            Level::Scope => 1,
            Level::Item | Level::Flat => 2,
        };
        self.identity[at] = self.identity[at].wrapping_add(xxh3_64(&bytes));
    }

    /// The identity of the series of the row under way.
    fn series(&self) -> i64 {
        let [resource, scope, item] = self.identity;
        let bytes: Vec<u8> =
            [resource, scope, item].iter().flat_map(|part| part.to_be_bytes()).collect();
        xxh3_64(&bytes) as i64
    }

    /// Sets an attribute of a level, if anybody reads it.
    pub(super) fn set_attribute(&mut self, level: Level, key: &[u8], cell: Cell) {
        let found = self.fill(level, key, |_| Ok(cell));
        debug_assert!(found.is_ok(), "a cell at hand has no damage");
    }

    /// Fills the slots of an attribute with a cell, which is made only if anybody reads it.
    ///
    /// # Errors
    /// As making the cell.
    #[inline]
    pub(super) fn fill(
        &mut self,
        level: Level,
        key: &[u8],
        cell: impl FnOnce(&mut Vec<Value>) -> Result<Cell, Damage>,
    ) -> Result<(), Damage> {
        let slots = self.layout.keys(level).find(key);
        if slots.is_empty() {
            return Ok(());
        }
        let cell = cell(&mut self.heap)?;
        if matches!(cell, Cell::Null) {
            return Ok(());
        }
        let around = match level {
            Level::Item | Level::Flat => {
                slots.iter().for_each(|slot| self.row.set(*slot, cell));
                return Ok(());
            }
            Level::Resource => &mut self.resource,
            Level::Scope => &mut self.scope,
        };
        slots.iter().for_each(|slot| around[usize::from(slot.at)] = cell);
        self.row.is_stale = true;
        Ok(())
    }

    /// Sets slots of the row under way.
    #[inline]
    pub(super) fn set_slots(&mut self, slots: &[Slot], cell: Cell) {
        slots.iter().for_each(|slot| self.row.set(*slot, cell));
    }

    /// Whether anybody reads this attribute at a level.
    pub(super) fn wants_attribute(&self, level: Level, key: &[u8]) -> bool {
        self.layout.identifies() || !self.layout.keys(level).find(key).is_empty()
    }

    /// How many contexts of items there are so far.
    pub(super) fn contexts(&self) -> usize {
        self.raw.as_ref().map_or(0, |raw| raw.contexts.len())
    }

    /// Says where the heads of the contexts from one on lie.
    pub(super) fn set_heads(&mut self, from: usize, heads: RawHeads) {
        let contexts = self.raw.as_mut().and_then(|raw| raw.contexts.get_mut(from..));
        contexts.into_iter().flatten().for_each(|context| context.heads = Some(heads));
    }

    /// Says where the message lies that holds the next items' resource, scope or metric.
    #[inline]
    pub(super) fn around(&mut self, set: impl FnOnce(&mut RawContext)) {
        if let Some(raw) = &mut self.raw {
            set(&mut raw.now);
            raw.is_noted = false;
        }
    }

    /// Writes the item, which lies at a range of the payload, as the next row.
    #[inline]
    pub(super) fn push(
        &mut self,
        item: &Item,
        range: ByteRange,
        source: Symbol,
        members: &Members,
    ) {
        if let Some(raw) = &mut self.raw {
            raw.push(range);
        }
        if let Some(offsets) = &mut self.offsets {
            offsets.push(range.start);
        }
        let scope = (self.scope_name, self.scope_version);
        let series = if self.layout.identifies() { self.series() } else { 0 };
        for &(field, column) in &self.layout.fields {
            let about = (source, series);
            push_field(&mut self.columns[column], field, item, about, scope, members);
        }
        for filled in [&self.row.around, &self.row.written] {
            for &at in filled {
                let at = usize::from(at);
                let cell = &self.row.cells[at]; // copied as a whole, not by its parts
                if !matches!(cell, Cell::Null)
                    && let Column::Cells(cells) = &mut self.columns[self.layout.attributes[at]]
                    && cells.len() <= self.rows
                {
                    if cells.len() < self.rows {
                        cells.resize(self.rows, Cell::Null);
                    }
                    cells.push(*cell);
                }
            }
        }
        self.rows += 1;
    }

    /// Removes the rows after the first `rows` and the heap values after the first `heap`.
    pub(super) fn truncate(&mut self, rows: usize, heap: usize) {
        self.rows = rows;
        self.heap.truncate(heap);
        if let Some(raw) = &mut self.raw {
            raw.rows.truncate(rows);
        }
        if let Some(offsets) = &mut self.offsets {
            offsets.truncate(rows);
        }
        for column in &mut self.columns {
            match column {
                Column::Times(v) | Column::Durations(v) | Column::Ints(v) => v.truncate(rows),
                Column::Ids16(v) => v.truncate(rows),
                Column::Ids8(v) => v.truncate(rows),
                Column::Symbols(v) => v.truncate(rows),
                Column::Bools(v) => v.truncate(rows),
                Column::Cells(v) => v.truncate(rows),
            }
        }
    }

    /// Takes the rows out: their number, columns and heap. The table is empty afterwards.
    pub(super) fn take(&mut self, demand: &Demand) -> (usize, Vec<Column>, Vec<Value>) {
        for &column in &self.layout.attributes {
            if let Column::Cells(cells) = &mut self.columns[column] {
                cells.resize(self.rows, Cell::Null);
            }
        }
        let fresh = self.spare.pop().unwrap_or_else(|| self.layout.columns(demand));
        (
            std::mem::take(&mut self.rows),
            std::mem::replace(&mut self.columns, fresh),
            std::mem::take(&mut self.heap),
        )
    }

    /// Whether it notes where items lie.
    pub(super) fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Takes out where the rows' items lie.
    pub(super) fn take_raw(&mut self) -> Option<RawTable> {
        let raw = self.raw.as_mut()?;
        // The next frame mostly has as many.
        let rows = Vec::with_capacity(raw.rows.len());
        Some(std::mem::replace(raw, RawTable { rows, ..RawTable::default() }))
    }

    /// Takes out where the rows' items begin, if that was asked for.
    pub(super) fn take_offsets(&mut self) -> Vec<u32> {
        self.offsets.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Keeps a batch's memory for later frames.
    pub(super) fn recycle(&mut self, batch: Batch) {
        let mut columns = batch.columns;
        let spare = self.spare.len();
        let has_room = spare < SPARE_MAX || (spare + 1) * batch.rows <= SPARE_ROWS_MAX;
        if has_room && columns.len() == self.columns.len() {
            columns.iter_mut().for_each(Column::clear);
            self.spare.push(columns);
        }
    }
}

#[inline]
fn push_field(
    column: &mut Column,
    field: Field,
    item: &Item,
    (source, series): (Symbol, i64),
    (scope_name, scope_version): (Symbol, Symbol),
    members: &Members,
) {
    match column {
        Column::Times(v) => v.push(match field {
            Field::Start => item.start,
            Field::End => item.end,
            Field::ObservedTime => item.observed,
            _ => item.time,
        }),
        Column::Durations(v) => v.push(item.duration_ns()),
        Column::Ids16(v) => v.push(item.trace_id),
        Column::Ids8(v) => v.push(match field {
            Field::ParentId => item.parent_id,
            _ => item.span_id,
        }),
        Column::Ints(v) => v.push(match field {
            Field::EventCount => i64::from(item.event_count),
            Field::LinkCount => i64::from(item.link_count),
            Field::Series => series,
            _ => i64::from(item.severity_number),
        }),
        Column::Bools(v) => v.push(match field {
            Field::Sampled => item.sampled,
            _ => item.monotonic,
        }),
        Column::Symbols(v) => v.push(match field {
            Field::ScopeName => scope_name,
            Field::ScopeVersion => scope_version,
            Field::Source if item.source == Symbol::EMPTY => source,
            _ => symbol_of(field, item, members),
        }),
        Column::Cells(v) => v.push(match field {
            Field::Body | Field::EventNames => item.body,
            Field::Percent => item.percent,
            Field::Cpu => item.cpu,
            Field::Memory => item.memory,
            Field::Disk => item.disk,
            Field::Network => item.network,
            _ => item.value,
        }),
    }
}

#[inline]
fn symbol_of(field: Field, item: &Item, members: &Members) -> Symbol {
    match field {
        Field::Kind => members.kinds[item.kind as usize],
        Field::LinkedKind => members.linked_kinds[item.linked_kind()],
        Field::Status => members.statuses[item.status as usize],
        Field::Severity => members.severities[item.severity()],
        Field::MetricType => members.metric_types[item.metric_type as usize],
        Field::Temporality => members.temporalities[item.temporality as usize],
        Field::SpanName => item.span_name,
        Field::StatusMessage => item.status_message,
        Field::TraceState => item.trace_state,
        Field::SeverityText => item.severity_text,
        Field::EventName => item.event_name,
        Field::Unit => item.unit,
        Field::JobId => item.job_id,
        Field::JobStatus => item.job_status,
        Field::Source => item.source,
        _ => item.name,
    }
}
