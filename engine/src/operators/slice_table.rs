//! A worker's part of a slice table: keys found by hash, one slot a (slice, key), accumulators as
//! columns over slots.
//!
//! Slots are handed out while an epoch is prepared (facts) and filled when it is applied. In
//! between, an earlier epoch may kill the slice: rows of a dead slice are late and never reach
//! their slot, so a slot can be reused at once.

mod batch_keys;
mod open;
mod renewal;
mod row_keys;

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use xxhash_rust::xxh3::xxh3_128;

use super::group_key::{HeapKeys, KeyKind, cell_words, key_hash};
use super::groups::GroupDelta;
use crate::aggregate::{Accumulators, Partial};
use crate::model::{Batch, Column, Symbols, Value};
use crate::plan::Table;

pub(crate) use batch_keys::Sharing;
use open::{OpenSlices, Slice};

/// A row without a slot: no time, or its slice is dead already.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// The span of no event.
const EMPTY_SPAN: (i64, i64) = (i64::MAX, i64::MIN);

/// What is known of a slot; packed, as a million of them are held. Its hash in the index is made
/// from its words where the index grows: held, it was 8 bytes a slot.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed(2))]
pub(super) struct SlotInfo {
    slice: i64,
    /// The identity of its key on every worker.
    key_hash: u128,
    is_dirty: bool,
    /// Its key was not admitted: rows go to the slice's `other` slot.
    is_refused: bool,
}

impl SlotInfo {
    fn new(slice: i64) -> Self {
        Self { slice, key_hash: 0, is_dirty: false, is_refused: false }
    }
}

/// A slot made while an epoch was prepared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewSlot {
    pub(crate) slot: u32,
    pub(crate) slice: i64,
    pub(crate) key_hash: u128,
    pub(crate) row: u32,
}

/// One worker's part of one table.
pub(crate) struct SliceTable {
    plan: Arc<Table>,
    hasher: FixedState,
    kinds: Vec<KeyKind>,
    arity: usize,
    slices: OpenSlices,
    pub(super) info: Vec<SlotInfo>,
    pub(super) words: Vec<u64>,
    free: Vec<u32>,
    heap: HeapKeys,
    symbols: Symbols,
    pub(crate) accumulators: Vec<Accumulators>,
    /// By slot, tables off the grid only: times of the first and the last event.
    spans_ns: Vec<(i64, i64)>,
    has_refused: bool,
    /// Refused slots, free again once the epoch with that number has been applied.
    retired: Vec<(u64, u32)>,
    scratch: Vec<u64>,
    encoded: Vec<u8>,
    /// Another one whenever a slot goes, or a key is written otherwise.
    generation: u64,
}

impl SliceTable {
    pub(crate) fn new(plan: Arc<Table>, symbols: Symbols) -> Self {
        let accumulators = plan.accumulators.iter().map(|a| Accumulators::new(&a.kind)).collect();
        Self {
            plan,
            hasher: FixedState::with_seed(1),
            kinds: Vec::new(),
            arity: 0,
            slices: OpenSlices::default(),
            info: Vec::new(),
            words: Vec::new(),
            free: Vec::new(),
            heap: HeapKeys::default(),
            symbols,
            accumulators,
            spans_ns: Vec::new(),
            has_refused: false,
            retired: Vec::new(),
            scratch: Vec::new(),
            encoded: Vec::new(),
            generation: 0,
        }
    }

    /// Finds or makes the slot of every row in `rows`; appends to `slots` in step with `rows`.
    /// Rows without a time and rows of slices before `live_from` get [`NO_SLOT`]. Returns the
    /// smallest slice seen.
    pub(crate) fn locate(
        &mut self,
        batch: &Batch,
        times: &[i64],
        rows: &[u32],
        live_from: i64,
        slots: &mut Vec<u32>,
        new_slots: &mut Vec<NewSlot>,
    ) -> i64 {
        self.gather(batch, rows);
        let words = std::mem::take(&mut self.scratch);
        let (mut lowest, mut span, mut slice) = (i64::MAX, 0..0i64, 0);
        slots.reserve(rows.len());
        for (position, &row) in rows.iter().enumerate() {
            let time = times[row as usize];
            if time == 0 {
                slots.push(NO_SLOT);
                continue;
            }
            if !span.contains(&time) {
                slice = self.plan.slice_of(time);
                let start_ns = self.plan.slice_start_ns(slice);
                span = start_ns..start_ns.saturating_add(self.plan.width_ns);
                lowest = lowest.min(slice);
            }
            if slice < live_from {
                slots.push(NO_SLOT);
                continue;
            }
            let key = &words[position * self.arity..(position + 1) * self.arity];
            let hash = Self::hash_words(&self.hasher, key);
            slots.push(self.slot_of((slice, row), (key, hash), new_slots));
        }
        self.scratch = words;
        self.scratch.clear();
        lowest
    }

    /// The slot of a key in a slice; notes it where it is new.
    fn slot_of(
        &mut self,
        (slice, row): (i64, u32),
        (key, hash): (&[u64], u64),
        new_slots: &mut Vec<NewSlot>,
    ) -> u32 {
        let (slot, is_new) = self.slot(slice, key, hash);
        if is_new {
            let key_hash = self.key_hash(slot);
            self.info[slot as usize].key_hash = key_hash;
            new_slots.push(NewSlot { slot, slice, key_hash, row });
        }
        slot
    }

    /// Finds out how the key columns are written into words.
    fn learn_kinds(&mut self, batch: &Batch) {
        if self.kinds.is_empty() {
            let kind = |&c: &u32| KeyKind::of(&batch.columns[c as usize]);
            self.kinds = self.plan.key.iter().map(kind).collect();
            self.arity = self.kinds.iter().map(|kind| kind.words()).sum();
        }
    }

    /// Writes the key words of the rows, row by row, into the scratch buffer.
    fn gather(&mut self, batch: &Batch, rows: &[u32]) {
        self.learn_kinds(batch);
        let key = Arc::clone(&self.plan);
        let arity = self.arity;
        self.scratch.clear();
        self.scratch.resize(rows.len() * arity, 0);
        let mut at = 0;
        for (&column, kind) in key.key.iter().zip(&self.kinds) {
            let out = self.scratch.iter_mut().skip(at).step_by(arity.max(1));
            let rows = rows.iter().map(|&row| row as usize);
            match &batch.columns[column as usize] {
                Column::Symbols(v) => {
                    out.zip(rows).for_each(|(word, row)| *word = u64::from(v[row].0));
                }
                Column::Times(v) | Column::Durations(v) | Column::Ints(v) => {
                    out.zip(rows).for_each(|(word, row)| *word = v[row] as u64);
                }
                Column::Bools(v) => out.zip(rows).for_each(|(word, row)| *word = v[row].into()),
                Column::Ids8(v) => {
                    out.zip(rows).for_each(|(word, row)| *word = u64::from_be_bytes(v[row]));
                }
                Column::Ids16(v) => {
                    for (position, row) in rows.enumerate() {
                        let id = u128::from_be_bytes(v[row]);
                        self.scratch[position * arity + at] = (id >> 64) as u64;
                        self.scratch[position * arity + at + 1] = id as u64;
                    }
                }
                Column::Cells(v) => {
                    for (position, row) in rows.enumerate() {
                        let [first, second] = cell_words(v[row], batch, &mut self.heap);
                        // As a whole the copy would wait for its halves.
                        self.scratch[position * arity + at] = first;
                        self.scratch[position * arity + at + 1] = second;
                    }
                }
            }
            at += kind.words();
        }
    }

    fn hash_words(hasher: &FixedState, words: &[u64]) -> u64 {
        match words {
            [] => 0,
            [word] => hasher.hash_one(*word),
            [a, b] => hasher.hash_one((*a, *b)),
            words => hasher.hash_one(words),
        }
    }

    fn slot(&mut self, slice: i64, key: &[u64], hash: u64) -> (u32, bool) {
        let arity = self.arity;
        let open = self.slices.open(slice);
        let words = &self.words;
        let found = open.index.find(hash, |&slot| {
            let at = slot as usize * arity;
            words[at..at + arity].iter().eq(key) // `==` is a call, for two words or so
        });
        if let Some(&slot) = found {
            return (slot, false);
        }
        let info = SlotInfo::new(slice);
        let slot = match self.free.pop() {
            Some(slot) => {
                let at = slot as usize * arity;
                self.words[at..at + arity].copy_from_slice(key);
                self.info[slot as usize] = info;
                slot
            }
            None => {
                self.words.extend_from_slice(key);
                self.info.push(info);
                (self.info.len() - 1) as u32
            }
        };
        let (hasher, words) = (&self.hasher, &self.words);
        let hash_of = |&slot: &u32| {
            let at = slot as usize * arity;
            Self::hash_words(hasher, &words[at..at + arity])
        };
        open.index.insert_unique(hash, slot, hash_of);
        open.slots.push(slot);
        for accumulator in &mut self.accumulators {
            accumulator.ensure_slots(self.info.len());
        }
        (slot, true)
    }

    /// The key values behind a slot.
    fn key(&self, slot: u32) -> Arc<[Value]> {
        let at = slot as usize * self.arity;
        let mut words = &self.words[at..at + self.arity];
        let symbols = self.symbols.borrow();
        let value = |kind: &KeyKind| {
            let (mine, rest) = words.split_at(kind.words());
            words = rest;
            kind.value(mine, &symbols, &self.heap)
        };
        self.kinds.iter().map(value).collect()
    }

    /// The identity of a slot's key, without making its values.
    fn key_hash(&mut self, slot: u32) -> u128 {
        let at = slot as usize * self.arity;
        let mut words = &self.words[at..at + self.arity];
        self.encoded.clear();
        let symbols = self.symbols.borrow();
        for kind in &self.kinds {
            let (mine, rest) = words.split_at(kind.words());
            words = rest;
            kind.encode(mine, &symbols, &self.heap, &mut self.encoded);
        }
        xxh3_128(&self.encoded)
    }

    /// The slot that takes the rows of refused keys in a slice.
    fn other_slot(&mut self, slice: i64) -> u32 {
        let open = self.slices.open(slice);
        if let Some(slot) = open.other {
            return slot;
        }
        let info = SlotInfo::new(slice);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.words.extend(std::iter::repeat_n(0, self.arity));
            self.info.push(info);
            (self.info.len() - 1) as u32
        });
        self.info[slot as usize] = info;
        self.slices.open(slice).other = Some(slot);
        for accumulator in &mut self.accumulators {
            accumulator.ensure_slots(self.info.len());
        }
        slot
    }

    /// Takes refused keys out of the index; their slots send rows to `other` until `epoch`, the
    /// last one that may know the slots, has been applied.
    pub(crate) fn refuse(&mut self, slots: &[u32], epoch: u64) {
        self.has_refused |= !slots.is_empty();
        self.generation += u64::from(!slots.is_empty());
        let mut slices = BTreeSet::new();
        for &slot in slots {
            if self.info[slot as usize].is_refused {
                continue; // duplicates ask again
            }
            let slice = self.info[slot as usize].slice;
            let at = slot as usize * self.arity;
            let hash = Self::hash_words(&self.hasher, &self.words[at..at + self.arity]);
            self.info[slot as usize].is_refused = true;
            if let Some(open) = self.slices.get_mut(slice) {
                if let Ok(entry) = open.index.find_entry(hash, |&known| known == slot) {
                    entry.remove();
                }
                slices.insert(slice);
            }
            self.retired.push((epoch, slot));
        }
        for slice in slices {
            // Once for all of them: one by one a million keys took 50 s.
            if let Some(open) = self.slices.get_mut(slice) {
                let info = &self.info;
                open.slots.retain(|&known| !info[known as usize].is_refused);
            }
        }
    }

    /// Frees the refused slots that no epoch after `applied` can know.
    pub(crate) fn release(&mut self, applied: u64) {
        if self.has_refused {
            let free = &mut self.free;
            self.retired.retain(|&(epoch, slot)| {
                let keep = epoch > applied;
                if !keep {
                    free.push(slot);
                }
                keep
            });
            self.has_refused = !self.retired.is_empty();
        }
    }

    /// Maps slots of refused keys to their slice's `other`, and marks all as dirty. Returns how
    /// many rows went to `other`.
    pub(crate) fn redirect(&mut self, slots: &mut [u32]) -> u64 {
        let mut redirected = 0;
        for slot in slots.iter_mut() {
            let info = self.info[*slot as usize];
            if info.is_refused {
                *slot = self.other_slot(info.slice);
                redirected += 1;
            }
            self.info[*slot as usize].is_dirty = true;
        }
        redirected
    }

    /// Takes everything accumulated in slices that begin before `before`, by slice; slots of
    /// slices below `live_from` are freed.
    pub(crate) fn flush(&mut self, before: i64, live_from: i64) -> Vec<(i64, Vec<GroupDelta>)> {
        let ended = self.slices.before(before);
        let mut flushed = Vec::new();
        for slice in ended {
            let groups = self.take_slice(slice);
            if !groups.is_empty() {
                flushed.push((slice, groups));
            }
            if slice < live_from
                && let Some(dead) = self.slices.remove(slice)
            {
                self.free.extend(dead.slots.iter().chain(&dead.other));
                self.generation += 1;
            }
        }
        if self.slices.is_empty() {
            self.heap.values.clear();
        }
        flushed
    }

    fn take_slice(&mut self, slice: i64) -> Vec<GroupDelta> {
        let Some(open) = self.slices.get(slice) else {
            return Vec::new();
        };
        let other = open.other;
        let slots: Vec<u32> = open.slots.iter().copied().chain(other).collect();
        let mut groups = Vec::with_capacity(slots.len());
        for slot in slots {
            if !std::mem::take(&mut self.info[slot as usize].is_dirty) {
                continue;
            }
            let partials = self.accumulators.iter_mut().map(|a| a.take(slot)).collect();
            groups.push(self.delta(slot, Some(slot) == other, partials));
            if let Some(span) = self.spans_ns.get_mut(slot as usize) {
                *span = EMPTY_SPAN;
            }
        }
        groups
    }

    /// Notes the times of events of a table off the grid.
    pub(crate) fn extend_spans(&mut self, rows: &[u32], slots: &[u32], times: &[i64]) {
        self.spans_ns.resize(self.info.len(), EMPTY_SPAN);
        for (&row, &slot) in rows.iter().zip(slots) {
            let (time, span) = (times[row as usize], &mut self.spans_ns[slot as usize]);
            *span = (span.0.min(time), span.1.max(time));
        }
    }

    /// A slot outside every slice, for events that leave one by one.
    pub(crate) fn single_slot(&mut self) -> u32 {
        let info = SlotInfo::new(i64::MAX);
        if let Some(slot) = self.free.pop() {
            self.info[slot as usize] = info;
            return slot;
        }
        self.words.extend(std::iter::repeat_n(0, self.arity));
        self.info.push(info);
        for accumulator in &mut self.accumulators {
            accumulator.ensure_slots(self.info.len());
        }
        (self.info.len() - 1) as u32
    }

    /// Takes what a single slot holds as an event of its own, and frees it. The key is read from
    /// the batch: the slot that the row was given may belong to another key by now.
    pub(crate) fn take_single(
        &mut self,
        single: u32,
        (batch, row): (&Batch, u32),
        is_other: bool,
        time_ns: i64,
    ) -> GroupDelta {
        let partials = self.accumulators.iter_mut().map(|a| a.take(single)).collect();
        self.free.push(single);
        let value = |&c: &u32| batch.value_at(&batch.columns[c as usize], row as usize);
        let key: Arc<[Value]> =
            if is_other { Arc::default() } else { self.plan.key.iter().map(value).collect() };
        let key_hash = if is_other { 0 } else { key_hash(&key) };
        GroupDelta { key_hash, key, is_other, span_ns: (time_ns, time_ns), partials }
    }

    /// Whether the key of a slot was refused in its slice.
    pub(crate) fn is_refused(&self, slot: u32) -> bool {
        self.info[slot as usize].is_refused
    }

    fn delta(&self, slot: u32, is_other: bool, partials: Vec<Partial>) -> GroupDelta {
        let span_ns = self.spans_ns.get(slot as usize).copied().unwrap_or(EMPTY_SPAN);
        let key = if is_other { Arc::default() } else { self.key(slot) };
        let key_hash = if is_other { 0 } else { self.info[slot as usize].key_hash };
        GroupDelta { key_hash, key, is_other, span_ns, partials }
    }

    /// Keys of all slices.
    pub(crate) fn open(&self) -> usize {
        self.slices.iter().map(|(_, slice)| slice.slots.len()).sum()
    }

    /// Everything accumulated and not yet flushed, by slice, left in place.
    pub(crate) fn read(&self) -> Vec<(i64, Vec<GroupDelta>)> {
        let read = |(slice, open): (i64, &Slice)| {
            let slots = open.slots.iter().copied().chain(open.other);
            let dirty = slots.filter(|&slot| self.info[slot as usize].is_dirty);
            let delta = |slot| {
                let partials = self.accumulators.iter().map(|a| a.read(slot)).collect();
                self.delta(slot, Some(slot) == open.other, partials)
            };
            (slice, dirty.map(delta).collect::<Vec<_>>())
        };
        self.slices.iter().map(read).filter(|(_, groups)| !groups.is_empty()).collect()
    }
}
