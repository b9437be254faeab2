//! What every decoder writes to: tables, symbols and the tally of one frame.
//!
//! Invariant: an item is either a row (and counted as received) or set aside, never both.

use std::sync::Arc;

use crate::limits::{FRAME_ITEMS_MAX, SET_ASIDE_KEPT_MAX, VALUE_ITEMS_MAX};
use crate::model::{ByteRange, Cell, Field, Interner, RawContext, Signal, Symbol, Value};

use super::damage::{Damage, Reason};
use super::decoder::SenderSeen;
use super::item::Item;
use super::json::{Json, Text};
use super::layout::Level;
use super::table::{Members, Table};

/// Counts of one frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Items decoded, by signal.
    pub(super) received: [u64; Signal::ALL.len()],
    /// Items set aside.
    pub(super) damaged: u64,
    /// Spans that end before they start.
    pub(super) end_before_start: u64,
    /// The first items set aside.
    pub(super) set_aside: Vec<Damage>,
    /// (source name, time in ns) of the line protocol's heartbeats.
    pub(super) heartbeats: Vec<(Arc<str>, i64)>,
    /// The line protocol's senders, each run of lines from one as one entry.
    pub(super) senders: Vec<SenderSeen>,
}

/// A point to return to when what was written since has to be read again.
pub(super) struct Checkpoint {
    received: [u64; Signal::ALL.len()],
    damaged: u64,
    end_before_start: u64,
    set_aside: usize,
    tables: [(usize, usize); Signal::ALL.len()],
}

/// Tables, symbols and tally, for the time of one frame.
pub(super) struct Writer<'w> {
    pub(super) tables: &'w mut [Table],
    pub(super) interner: &'w mut Interner,
    pub(super) members: &'w Members,
    pub(super) tally: &'w mut Tally,
    /// Name of the source.
    pub(super) source: Symbol,
    /// Where the item under way lies in the payload.
    pub(super) range: ByteRange,
    /// Scratch for text with escapes.
    pub(super) scratch: &'w mut Vec<u8>,
}

impl Writer<'_> {
    /// Sets an attribute of a level, and lets it count for the series where that is asked for.
    pub(super) fn set_attribute(&mut self, signal: Signal, level: Level, key: &[u8], cell: Cell) {
        let table = &mut self.tables[signal.index()];
        if table.layout.identifies() {
            let value = match cell {
                Cell::Str(symbol) => Value::Str(Arc::clone(self.interner.resolve(symbol))),
                Cell::Heap(at) => table.heap[at as usize].clone(),
                Cell::Bool(value) => Value::Bool(value),
                Cell::Int(value) => Value::Int(value),
                Cell::Float(value) => Value::Float(value),
                _ => Value::Null,
            };
            table.identify(level, key, &value);
        }
        table.set_attribute(level, key, cell);
    }

    /// The table of a signal.
    #[inline]
    pub(super) fn table(&mut self, signal: Signal) -> &mut Table {
        &mut self.tables[signal.index()]
    }

    /// Says where the message lies that holds the next items' resource, scope or metric.
    #[inline]
    pub(super) fn around(&mut self, signals: &[Signal], set: impl Fn(&mut RawContext)) {
        for &signal in signals {
            self.table(signal).around(&set);
        }
    }

    /// Whether any rule reads the signal.
    #[inline]
    pub(super) fn wants(&self, signal: Signal) -> bool {
        self.tables[signal.index()].layout.wanted
    }

    /// Whether a rule reads this field of the signal.
    #[inline]
    pub(super) fn wants_field(&self, signal: Signal, field: Field) -> bool {
        self.tables[signal.index()].layout.wants(field)
    }

    /// Writes an item that is not a span.
    ///
    /// # Errors
    /// [`Reason::TooManyItems`] beyond [`FRAME_ITEMS_MAX`].
    #[inline]
    pub(super) fn push(&mut self, signal: Signal, item: &Item) -> Result<(), Damage> {
        let received = &mut self.tally.received[signal.index()];
        if *received >= FRAME_ITEMS_MAX {
            return Err(Damage::new(0, Reason::TooManyItems));
        }
        *received += 1;
        let table = &mut self.tables[signal.index()];
        if table.layout.wanted {
            table.push(item, self.range, self.source, self.members);
        }
        Ok(())
    }

    /// Writes a span; an end before the start is counted and moved to the start.
    ///
    /// # Errors
    /// As [`Writer::push`].
    #[inline]
    pub(super) fn push_span(&mut self, item: &mut Item) -> Result<(), Damage> {
        let is_inverted = item.end < item.start;
        item.end = item.end.max(item.start);
        self.push(Signal::Spans, item)?;
        self.tally.end_before_start += u64::from(is_inverted);
        Ok(())
    }

    /// Counts events that are passed over because nobody reads them.
    pub(super) fn count_events(&mut self, item: &Item) {
        self.tally.received[Signal::SpanEvents.index()] += u64::from(item.event_count);
    }

    /// The symbol of a text, where it is UTF-8.
    ///
    /// # Errors
    /// [`Reason::NotUtf8`] at `at` otherwise.
    #[inline]
    pub(super) fn intern(&mut self, text: &[u8], at: usize) -> Result<Symbol, Damage> {
        self.interner.intern_bytes(text).ok_or_else(|| Damage::new(at, Reason::NotUtf8))
    }

    /// Adds a text to a list under way.
    ///
    /// # Errors
    /// [`Reason::TooManyItems`] beyond [`VALUE_ITEMS_MAX`].
    pub(super) fn add_text(
        &mut self,
        list: &mut Vec<Value>,
        text: Symbol,
        at: usize,
    ) -> Result<(), Damage> {
        if list.len() >= VALUE_ITEMS_MAX {
            return Err(Damage::new(at, Reason::TooManyItems));
        }
        list.push(Value::Str(Arc::clone(self.interner.resolve(text))));
        Ok(())
    }

    /// The names of a span's events as a list, each read from its event.
    ///
    /// # Errors
    /// Those of reading; [`Reason::TooManyItems`] as for [`Writer::add_text`].
    pub(super) fn event_names(
        &mut self,
        json: &mut Json<'_>,
        read: fn(&mut Json<'_>, &mut Self) -> Result<Symbol, Damage>,
    ) -> Result<Cell, Damage> {
        let mut names = Vec::new();
        let mut events = json.array()?;
        while json.element(&mut events)? {
            let name = read(json, self)?;
            self.add_text(&mut names, name, json.pos())?;
        }
        Ok(self.list(Signal::Spans, names))
    }

    /// A list as a cell of a signal; null where it is empty.
    pub(super) fn list(&mut self, signal: Signal, list: Vec<Value>) -> Cell {
        if list.is_empty() {
            return Cell::Null;
        }
        let heap = &mut self.table(signal).heap;
        heap.push(Value::List(list.into()));
        Cell::Heap(heap.len() as u32 - 1)
    }

    /// The symbol of a JSON string.
    ///
    /// # Errors
    /// A bad escape, or text that is not UTF-8.
    #[inline]
    pub(super) fn intern_text(&mut self, text: Text<'_>) -> Result<Symbol, Damage> {
        match text.plain() {
            Some(plain) => self.intern(plain, text.at()),
            None => {
                self.scratch.clear();
                text.unescape(self.scratch)?;
                self.interner
                    .intern_bytes(self.scratch)
                    .ok_or_else(|| Damage::new(text.at(), Reason::NotUtf8))
            }
        }
    }

    /// The symbol of a JSON string for a field, if a rule reads the field.
    ///
    /// # Errors
    /// As [`Writer::intern_text`].
    #[inline]
    pub(super) fn field_text(
        &mut self,
        text: Text<'_>,
        signal: Signal,
        field: Field,
    ) -> Result<Symbol, Damage> {
        if self.wants_field(signal, field) { self.intern_text(text) } else { Ok(Symbol::EMPTY) }
    }

    /// Counts an item that cannot be decoded and keeps its place.
    #[cold]
    pub(super) fn set_aside(&mut self, damage: Damage) {
        self.tally.damaged += 1;
        if self.tally.set_aside.len() < SET_ASIDE_KEPT_MAX {
            self.tally.set_aside.push(damage);
        }
    }

    /// Sets a bad item aside and goes on; passes on damage to the payload around it.
    ///
    /// # Errors
    /// The damage, where nothing after it can be read.
    #[inline]
    pub(super) fn contain(&mut self, result: Result<(), Damage>) -> Result<(), Damage> {
        match result {
            Err(damage) if damage.reason.is_content() => {
                self.set_aside(damage);
                Ok(())
            }
            other => other,
        }
    }

    /// Where the writing stands.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let mut tables = [(0, 0); Signal::ALL.len()];
        for (mark, table) in tables.iter_mut().zip(self.tables.iter()) {
            *mark = (table.rows, table.heap.len());
        }
        Checkpoint {
            received: self.tally.received,
            damaged: self.tally.damaged,
            end_before_start: self.tally.end_before_start,
            set_aside: self.tally.set_aside.len(),
            tables,
        }
    }

    /// Undoes the items written and set aside since the checkpoint.
    #[cold]
    pub(super) fn roll_back(&mut self, checkpoint: &Checkpoint) {
        for (&(rows, heap), table) in checkpoint.tables.iter().zip(self.tables.iter_mut()) {
            table.truncate(rows, heap);
        }
        self.tally.received = checkpoint.received;
        self.tally.damaged = checkpoint.damaged;
        self.tally.end_before_start = checkpoint.end_before_start;
        self.tally.set_aside.truncate(checkpoint.set_aside);
    }
}
