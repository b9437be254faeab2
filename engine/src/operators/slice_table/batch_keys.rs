//! The keys of a batch, found once for all tables that group by the same columns.
//!
//! Tables that differ in their filter only would gather, hash and look up the same keys for the
//! same rows. Here each (slice, key) gets a number, which it keeps from batch to batch; a table
//! then looks its slot up once a number, until one of its slots goes. Must not change which slots
//! are made, or when.

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{NO_SLOT, NewSlot, SliceTable, SlotInfo};
use crate::limits::{KEYS_NUMBERED_MAX, KEYS_SHARED_PAUSE_BATCHES};
use crate::model::{Batch, Cell, Column};
use crate::plan::eval::Selections;
use crate::plan::{Plan, Table};

/// The number of a row without a time.
const NO_KEY: u32 = u32::MAX;

/// The slot of a number that has not been looked up.
const UNKNOWN: u32 = u32::MAX - 1;

/// The keys of one batch, and of those before it.
pub(crate) struct BatchKeys {
    /// By row.
    numbers: Vec<u32>,
    /// Numbers that are new with this batch.
    fresh: usize,
    /// That of the table which they are of.
    generation: u64,
    /// By number: slice and hash.
    keys: Vec<(i64, u64)>,
    /// By number.
    words: Vec<u64>,
    arity: usize,
    index: HashTable<u32>,
    /// By table of the class.
    slots: Vec<KnownSlots>,
    /// The table at hand, in its class.
    table: usize,
    /// All rows of a batch.
    rows: Vec<u32>,
}

/// The slots of one table.
#[derive(Default)]
struct KnownSlots {
    /// The table's, when they were found.
    generation: u64,
    by_number: Vec<u32>,
}

/// The keys of one batch for the tables of one class.
#[derive(Default)]
struct Class {
    /// Its tables.
    tables: Vec<usize>,
    /// Whether the keys of the batch at hand are shared; `None` where nobody has asked.
    is_shared: Option<bool>,
    /// Batches for which they are not.
    pause: u32,
    keys: BatchKeys,
}

/// Which tables of a plan share their keys.
pub(crate) struct Sharing {
    /// By table: its class, where others are in it, too, and its place there.
    classes: Vec<Option<(u32, u32)>>,
    shared: Vec<Class>,
}

impl Sharing {
    pub(crate) fn new(plan: &Plan) -> Self {
        let like = |a: &Table, b: &Table| {
            (a.signal, a.timeline, &a.key, a.width_ns, a.offset_ns)
                == (b.signal, b.timeline, &b.key, b.width_ns, b.offset_ns)
        };
        let mut shared: Vec<Class> = Vec::new();
        let mut classes = vec![None; plan.tables.len()];
        for (index, table) in plan.tables.iter().enumerate() {
            let known = shared.iter().position(|class| like(&plan.tables[class.tables[0]], table));
            let class = known.unwrap_or_else(|| {
                shared.push(Class::default());
                shared.len() - 1
            });
            classes[index] = Some((class as u32, shared[class].tables.len() as u32));
            shared[class].tables.push(index);
            shared[class].keys.slots.push(KnownSlots::default());
        }
        let is_alone = |class: u32| shared[class as usize].tables.len() == 1;
        classes.iter_mut().for_each(|class| *class = class.filter(|(class, _)| !is_alone(*class)));
        Self { classes, shared }
    }

    /// A new batch comes.
    pub(crate) fn begin(&mut self) {
        self.shared.iter_mut().for_each(|class| class.is_shared = None);
    }

    /// The keys of a batch for a table; `None` where it looks for them itself.
    pub(crate) fn keys_of(
        &mut self,
        (plan, index): (&Plan, usize),
        filters: &Selections,
        (table, batch, times): (&mut SliceTable, &Batch, &[i64]),
    ) -> Option<&mut BatchKeys> {
        let (class, place) = self.classes[index]?;
        let class = &mut self.shared[class as usize];
        class.keys.table = place as usize;
        if class.is_shared.is_none() {
            let taken = |table: &usize| match plan.tables[*table].filter {
                Some(filter) => filters.of(filter).len(),
                None => batch.rows,
            };
            let taken: usize = class.tables.iter().map(taken).sum();
            let pays = class.pause == 0 && taken >= batch.rows * 2 && !table.has_heap_keys(batch);
            class.is_shared = Some(pays);
            class.pause = class.pause.saturating_sub(1);
            if pays {
                class.keys.fill(table, batch, times);
                if class.keys.fresh > batch.rows / 2 {
                    // Nearly every row has a key of its own.
                    class.pause = KEYS_SHARED_PAUSE_BATCHES;
                }
            }
        }
        (class.is_shared == Some(true)).then_some(&mut class.keys)
    }
}

impl Default for BatchKeys {
    fn default() -> Self {
        Self {
            numbers: Vec::new(),
            fresh: 0,
            generation: 0,
            keys: Vec::new(),
            words: Vec::new(),
            arity: 0,
            index: HashTable::new(),
            slots: Vec::new(),
            table: 0,
            rows: Vec::new(),
        }
    }
}

impl BatchKeys {
    /// Numbers the keys of a batch; `table` is any of those that share them.
    fn fill(&mut self, table: &mut SliceTable, batch: &Batch, times: &[i64]) {
        self.rows.clear();
        self.rows.extend(0..batch.rows as u32);
        table.gather(batch, &self.rows);
        let gathered = std::mem::take(&mut table.scratch);
        self.arity = table.arity;
        self.numbers.clear();
        if self.generation != table.generation || self.keys.len() > KEYS_NUMBERED_MAX {
            self.generation = table.generation;
            self.keys.clear();
            self.words.clear();
            self.index.clear();
            self.slots.iter_mut().for_each(|slots| slots.by_number.clear());
        }
        let known = self.keys.len();
        let (mut span, mut slice) = (0..0i64, 0);
        for (row, &time) in times.iter().enumerate() {
            if time == 0 {
                self.numbers.push(NO_KEY);
                continue;
            }
            if !span.contains(&time) {
                slice = table.plan.slice_of(time);
                let start_ns = table.plan.slice_start_ns(slice);
                span = start_ns..start_ns.saturating_add(table.plan.width_ns);
            }
            let words = &gathered[row * self.arity..(row + 1) * self.arity];
            let number = self.number(slice, words, &table.hasher);
            self.numbers.push(number);
        }
        self.fresh = self.keys.len() - known;
        table.scratch = gathered;
        table.scratch.clear();
    }

    fn number(&mut self, slice: i64, words: &[u64], hasher: &FixedState) -> u32 {
        let hash = SliceTable::hash_words(hasher, words);
        let (keys, all, arity) = (&mut self.keys, &mut self.words, self.arity);
        let is_it = |&number: &u32| {
            let at = number as usize * arity;
            keys[number as usize] == (slice, hash) && all[at..at + arity].iter().eq(words)
        };
        if let Some(&number) = self.index.find(hash, is_it) {
            return number;
        }
        let number = keys.len() as u32;
        keys.push((slice, hash));
        all.extend_from_slice(words);
        self.index.insert_unique(hash, number, |&number| keys[number as usize].1);
        number
    }
}

impl SliceTable {
    /// Whether a key of a batch is held by value, in each table for itself.
    fn has_heap_keys(&self, batch: &Batch) -> bool {
        let is_heap = |cell: &Cell| matches!(cell, Cell::Heap(_));
        let has_heap = |column: &u32| match &batch.columns[*column as usize] {
            Column::Cells(cells) => cells.iter().any(is_heap),
            _ => false,
        };
        !batch.heap.is_empty() && self.plan.key.iter().any(has_heap)
    }

    /// What is known of the slots of all rows, instead of those that are new.
    pub(crate) fn all_slots(&self, (rows, slots): (&[u32], &[u32]), out: &mut Vec<NewSlot>) {
        let of = |row, slot| {
            let SlotInfo { slice, key_hash, .. } = self.info[slot as usize];
            NewSlot { slot, slice, key_hash, row }
        };
        let known = rows.iter().zip(slots).filter(|(_, slot)| **slot != NO_SLOT);
        *out = known.map(|(&row, &slot)| of(row, slot)).collect();
    }

    /// As [`SliceTable::locate`], for keys that have numbers.
    pub(crate) fn locate_known(
        &mut self,
        batch: &Batch,
        keys: &mut BatchKeys,
        (rows, live_from): (&[u32], i64),
        (slots, new_slots): (&mut Vec<u32>, &mut Vec<NewSlot>),
    ) -> i64 {
        self.learn_kinds(batch);
        let known = &mut keys.slots[keys.table];
        if known.generation != self.generation {
            known.generation = self.generation;
            known.by_number.clear();
        }
        known.by_number.resize(keys.keys.len(), UNKNOWN);
        let mut lowest = i64::MAX;
        slots.reserve(rows.len());
        for &row in rows {
            let number = keys.numbers[row as usize];
            if number == NO_KEY {
                slots.push(NO_SLOT);
                continue;
            }
            let at = number as usize;
            let (slice, hash) = keys.keys[at];
            lowest = lowest.min(slice);
            if slice < live_from {
                slots.push(NO_SLOT);
                continue;
            }
            let mut slot = known.by_number[at];
            if slot == UNKNOWN {
                let words = &keys.words[at * keys.arity..(at + 1) * keys.arity];
                slot = self.slot_of((slice, row), (words, hash), new_slots);
                known.by_number[at] = slot;
            }
            slots.push(slot);
        }
        lowest
    }
}
