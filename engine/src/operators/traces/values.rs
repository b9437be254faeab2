//! Values that spans of open traces carry: each is held once, spans hold its number.
//!
//! A value lives at least as long as a span carries it: who carries what is found out when many
//! have come, not counted span by span. Numbers are local to a worker and a rule: they decide no
//! order and reach no result.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::limits::TRACE_VALUES_IDLE_MAX;
use crate::model::{Cell, Column, Value};
use crate::trace::LinkedKind;

/// The number of null.
pub(super) const NOTHING: u32 = 0;

/// A value.
#[derive(Debug, Default)]
struct Held {
    value: Value,
    hash: u64,
    /// What it means as the kind of a span.
    kind: LinkedKind,
}

/// The values of one rule on one worker.
#[derive(Debug)]
pub(super) struct Values {
    held: Vec<Held>,
    index: HashTable<u32>,
    free: Vec<u32>,
    hasher: FixedState,
    /// Values with which they are looked through again.
    sweep_at: usize,
    /// Changes when a number may mean another value.
    generation: u32,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            held: vec![Held::default()],
            index: HashTable::new(),
            free: Vec::new(),
            hasher: FixedState::with_seed(3),
            sweep_at: TRACE_VALUES_IDLE_MAX,
            generation: 0,
        }
    }
}

impl Values {
    /// The number of a value.
    pub(super) fn add(&mut self, value: Value) -> u32 {
        if value.is_null() {
            return NOTHING;
        }
        let hash = self.hash(&value);
        let held = &self.held;
        if let Some(&at) = self.index.find(hash, |&at| held[at as usize].value == value) {
            return at;
        }
        let kind = match &value {
            Value::Str(name) => LinkedKind::of_name(name),
            _ => LinkedKind::default(),
        };
        let at = self.free.pop().unwrap_or(self.held.len() as u32);
        let new = Held { value, hash, kind };
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

    /// Whether so many have come that it is time to find out who is carried.
    pub(super) fn wants_sweep(&self) -> bool {
        self.index.len() >= self.sweep_at
    }

    /// Forgets all values but those of some numbers.
    pub(super) fn sweep(&mut self, carried: impl Iterator<Item = u32>) {
        let mut is_carried = vec![false; self.held.len()];
        carried.for_each(|number| is_carried[number as usize] = true);
        let Self { held, index, free, .. } = self;
        index.retain(|&mut at| {
            if !is_carried[at as usize] {
                held[at as usize].value = Value::Null;
                free.push(at);
            }
            is_carried[at as usize]
        });
        self.sweep_at = self.index.len() * 2 + TRACE_VALUES_IDLE_MAX;
        self.generation += 1;
    }

    /// The value.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &Value {
        &self.held[number as usize].value
    }

    /// What the value means as the kind of a span.
    #[inline]
    pub(super) fn kind(&self, number: u32) -> LinkedKind {
        self.held[number as usize].kind
    }

    /// Changes when a number may mean another value.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }
}

/// Texts of a batch that are looked for at once: a power of two.
const RECENT: usize = 256;

/// Numbers the values of some rows of a column: by row its number, by number the first row that
/// has it. Now and then two texts that are in each other's way get a number more; values that are
/// no texts get a number each.
pub(super) fn distinct(column: &Column, rows: &[u32]) -> (Vec<u32>, Vec<u32>) {
    match column {
        Column::Symbols(symbols) => distinct_of(rows, |row| Some(symbols[row].0)),
        Column::Cells(cells) => distinct_of(rows, |row| match cells[row] {
            Cell::Str(symbol) => Some(symbol.0),
            Cell::Null => Some(NULL),
            _ => None,
        }),
        _ => distinct_of(rows, |_| None),
    }
}

/// Stands for null, which no symbol does: a table of symbols is far smaller.
const NULL: u32 = u32::MAX;

fn distinct_of(rows: &[u32], symbol_of: impl Fn(usize) -> Option<u32>) -> (Vec<u32>, Vec<u32>) {
    let (mut numbers, mut first) = (Vec::with_capacity(rows.len()), Vec::new());
    // By symbol: itself, and its number plus one.
    let mut recent = [(0, 0); RECENT];
    // A request is of one service, and most spans have no peer: most are like the one before.
    let mut last = None;
    for &row in rows {
        let symbol = symbol_of(row as usize);
        let Some(symbol) = symbol else {
            first.push(row);
            numbers.push(first.len() as u32 - 1);
            continue;
        };
        if let Some((of, number)) = last
            && of == symbol
        {
            numbers.push(number);
            continue;
        }
        let known = &mut recent[symbol as usize % RECENT];
        if known.1 == 0 || known.0 != symbol {
            first.push(row);
            *known = (symbol, first.len() as u32);
        }
        last = Some((symbol, known.1 - 1));
        numbers.push(known.1 - 1);
    }
    (numbers, first)
}
