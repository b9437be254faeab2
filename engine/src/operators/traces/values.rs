//! Values that spans of open traces carry: each is held once, spans hold its number.
//!
//! A value lives as long as a span carries it. Numbers are local to a worker and a rule: they
//! decide no order and reach no result.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::model::{Cell, Column, Value};
use crate::trace::SpanKind;

/// The number of null.
pub(super) const NOTHING: u32 = 0;

/// A value and who carries it.
#[derive(Debug, Default)]
struct Held {
    value: Value,
    hash: u64,
    uses: u32,
    /// What it means as the kind of a span.
    kind: SpanKind,
    /// Told apart from the value that had its number before.
    version: u32,
}

/// The values of one rule on one worker.
#[derive(Debug)]
pub(super) struct Values {
    held: Vec<Held>,
    index: HashTable<u32>,
    free: Vec<u32>,
    hasher: FixedState,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            held: vec![Held::default()],
            index: HashTable::new(),
            free: Vec::new(),
            hasher: FixedState::with_seed(3),
        }
    }
}

impl Values {
    /// The number of a value, which is carried once more.
    pub(super) fn add(&mut self, value: Value) -> u32 {
        if value.is_null() {
            return NOTHING;
        }
        let hash = self.hash(&value);
        let held = &self.held;
        if let Some(&at) = self.index.find(hash, |&at| held[at as usize].value == value) {
            self.held[at as usize].uses += 1;
            return at;
        }
        let kind = match &value {
            Value::Str(name) => SpanKind::of_name(name),
            _ => SpanKind::default(),
        };
        let at = self.free.pop().unwrap_or(self.held.len() as u32);
        let version = self.held.get(at as usize).map_or(0, |held| held.version.wrapping_add(1));
        let new = Held { value, hash, uses: 1, kind, version };
        match self.held.get_mut(at as usize) {
            Some(old) => *old = new,
            None => self.held.push(new),
        }
        let held = &self.held;
        self.index.insert_unique(hash, at, |&at| held[at as usize].hash);
        at
    }

    fn hash(&self, value: &Value) -> u64 {
        if let Value::Str(text) = value {
            return self.hasher.hash_one(text.as_bytes());
        }
        let mut bytes = Vec::new();
        value.encode_key(&mut bytes);
        self.hasher.hash_one(&bytes[..])
    }

    /// A span more carries it.
    #[inline]
    pub(super) fn retain(&mut self, number: u32) {
        if number != NOTHING {
            self.held[number as usize].uses += 1;
        }
    }

    /// A span less carries it.
    #[inline]
    pub(super) fn release(&mut self, number: u32) {
        if number == NOTHING {
            return;
        }
        let held = &mut self.held[number as usize];
        held.uses -= 1;
        if held.uses == 0 {
            self.forget(number);
        }
    }

    #[cold]
    fn forget(&mut self, number: u32) {
        let held = &mut self.held[number as usize];
        held.value = Value::Null;
        if let Ok(entry) = self.index.find_entry(held.hash, |&at| at == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    /// The value.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &Value {
        &self.held[number as usize].value
    }

    /// What the value means as the kind of a span.
    #[inline]
    pub(super) fn kind(&self, number: u32) -> SpanKind {
        self.held[number as usize].kind
    }

    /// Changes when a number means another value.
    #[inline]
    pub(super) fn version(&self, number: u32) -> u32 {
        self.held[number as usize].version
    }
}

/// Texts of a batch that are looked for at once: a power of two.
const RECENT: usize = 256;

/// Numbers the values of some rows of a column: by row its number, by number the first row that
/// has it. Now and then two texts that are in each other's way get a number more; values that are
/// no texts get a number each.
pub(super) fn distinct(column: &Column, rows: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut numbers, mut first, mut null) = (Vec::with_capacity(rows.len()), Vec::new(), None);
    let mut recent = [(u32::MAX, 0); RECENT];
    for &row in rows {
        let mut new = || {
            first.push(row);
            first.len() as u32 - 1
        };
        let symbol = match column {
            Column::Symbols(symbols) => Some(symbols[row as usize].0),
            Column::Cells(cells) => match cells[row as usize] {
                Cell::Str(symbol) => Some(symbol.0),
                Cell::Null => {
                    numbers.push(*null.get_or_insert_with(new));
                    continue;
                }
                _ => None,
            },
            _ => None,
        };
        let Some(symbol) = symbol else {
            numbers.push(new());
            continue;
        };
        let known = &mut recent[symbol as usize % RECENT];
        if known.0 != symbol {
            *known = (symbol, new());
        }
        numbers.push(known.1);
    }
    (numbers, first)
}
