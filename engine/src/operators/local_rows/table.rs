//! One aggregate's slices of rows on the worker that makes them.

use std::sync::Arc;

use super::recent::{RecentSlots, ShortKey};
use super::{LocalGroup, LocalKey, LocalRowsState, LocalSlices, RowCells, counting};
use crate::aggregate::Partial;
use crate::limits::LOCAL_GROUPS_MAX;
use crate::model::{Batch, Cell, Symbols};
use crate::operators::accumulate::{Buffers, accumulate};
use crate::operators::apply::boundary;
use crate::operators::clock::UNSEEN;
use crate::operators::close::Closed;
use crate::operators::decode::PreparedBatch;
use crate::operators::groups::GroupDelta;
use crate::operators::held::{Looks, tell_bytes};
use crate::operators::slice_table::{NewSlot, SliceTable};
use crate::plan::Table;
use crate::self_metrics::{EngineGauges, Holder};

/// The slices of one table.
pub(super) struct LocalTable {
    /// Index among the plan's row tables.
    index: u32,
    table: Arc<Table>,
    slots: SliceTable,
    buffers: Buffers,
    /// Groups of a snapshot, by slice; they leave with the slice.
    restored: Vec<(i64, GroupDelta)>,
    /// Keys on their way.
    keys: Vec<LocalKey>,
    /// By slot of a key that is new: where its first row is being looked for.
    marks: Vec<u32>,
    by_row: Option<ByRow>,
    looks: Looks,
}

/// Rows whose group is found as they come.
struct ByRow {
    /// Places of the key's columns.
    key: Vec<usize>,
    /// The slice of the rows at hand.
    slice: i64,
    recent: RecentSlots,
    /// The table's, when recent slots were found.
    generation: u64,
    /// By row.
    slots: Vec<u32>,
    new_slots: Vec<NewSlot>,
    cells: Vec<Cell>,
}

impl ByRow {
    fn new(key: Vec<usize>) -> Self {
        Self {
            key,
            slice: 0,
            recent: RecentSlots::default(),
            generation: 0,
            slots: Vec::new(),
            new_slots: Vec::new(),
            cells: Vec::new(),
        }
    }
}

impl LocalTable {
    /// The table of an index; the places of its key's columns, where groups are found row by row.
    pub(super) fn new(
        (index, key_by_row): (usize, Option<Vec<usize>>),
        table: &Table,
        symbols: &Symbols,
        restored: &LocalRowsState,
    ) -> Self {
        let own = restored.iter().filter(|(hash, _, _)| *hash == table.hash);
        let restored = own.map(|(_, slice, group)| (*slice, group.clone())).collect();
        let table = counting(table);
        Self {
            index: index as u32,
            slots: SliceTable::new(Arc::clone(&table), Symbols::clone(symbols)),
            table,
            buffers: Buffers::default(),
            restored,
            keys: Vec::new(),
            marks: Vec::new(),
            by_row: key_by_row.map(ByRow::new),
            looks: Looks::default(),
        }
    }

    /// The rows that follow count at a time.
    pub(super) fn begin(&mut self, time_ns: i64) {
        let Some(by_row) = &mut self.by_row else { return };
        by_row.slice = self.table.slice_of(time_ns);
        if by_row.generation != self.slots.generation() {
            by_row.generation = self.slots.generation();
            by_row.recent.clear();
        }
    }

    /// Forgets what numbers in keys mean.
    pub(super) fn forget_recent(&mut self) {
        self.by_row.iter_mut().for_each(|by_row| by_row.recent.clear());
    }

    /// Finds the group of the next row by what it has in columns.
    #[inline]
    pub(super) fn find(&mut self, batch: &mut Batch, of: &mut impl RowCells) {
        let Some(by_row) = &mut self.by_row else { return };
        let (mut key, mut is_short) = (ShortKey::default(), true);
        for (part, &at) in key.iter_mut().zip(&by_row.key) {
            match of.short(at, batch) {
                Some(short) => *part = short,
                None => is_short = false,
            }
        }
        if is_short && let Some(slot) = by_row.recent.get(&key, by_row.slice) {
            by_row.slots.push(slot);
            return;
        }
        by_row.cells.clear();
        by_row.cells.extend(by_row.key.iter().map(|&at| of.cell(at, batch)));
        let at = (by_row.slice, by_row.slots.len() as u32);
        let slot = self.slots.locate_row(batch, at, &by_row.cells, &mut by_row.new_slots);
        by_row.slots.push(slot);
        if is_short {
            by_row.recent.insert(key, by_row.slice, slot);
        }
    }

    /// Adds the rows that the table takes. Returns the slots that were made for them.
    pub(super) fn take(
        &mut self,
        prepared: &PreparedBatch,
        times_ns: &[i64],
        out: &mut Closed,
    ) -> Vec<NewSlot> {
        let (buffers, mut new_slots) = (&mut self.buffers, Vec::new());
        buffers.rows.clear();
        buffers.slots.clear();
        match self.table.filter {
            Some(filter) => buffers.rows.extend_from_slice(prepared.filters.of(filter)),
            None => buffers.rows.extend(0..prepared.batch.rows as u32),
        }
        let (rows, slots) = (&buffers.rows, &mut buffers.slots);
        if let Some(by_row) = &mut self.by_row {
            std::mem::swap(slots, &mut by_row.slots);
            std::mem::swap(&mut new_slots, &mut by_row.new_slots);
        } else {
            self.slots.locate(&prepared.batch, times_ns, rows, i64::MIN, slots, &mut new_slots);
        }
        self.slots.redirect(slots); // marks them as changed
        for window in &self.table.windows {
            let counts = &mut out.rules[window.rule.0 as usize];
            counts.taken += rows.len() as u64;
            counts.used += rows.len() as u64;
        }
        accumulate(&self.table, prepared, times_ns, 0, &mut self.slots, buffers);
        new_slots
    }

    /// The first row of each new slot by a place, with slice and key.
    pub(super) fn first_rows(
        &mut self,
        new_slots: &[NewSlot],
        place: impl Fn(u32) -> (u32, u32),
    ) -> Vec<(u32, i64, u128)> {
        let highest = new_slots.iter().map(|new| new.slot).max().unwrap_or(0);
        let room = self.marks.len().max(highest as usize + 1);
        self.marks.resize(room, 0);
        for (mark, new) in (1..).zip(new_slots) {
            self.marks[new.slot as usize] = mark;
        }
        let mut first: Vec<_> = new_slots.iter().map(|new| place(new.row)).collect();
        for (&row, &slot) in self.buffers.rows.iter().zip(&self.buffers.slots) {
            if let Some(&mark @ 1..) = self.marks.get(slot as usize) {
                let known = &mut first[mark as usize - 1];
                *known = place(row).min(*known);
            }
        }
        new_slots.iter().for_each(|new| self.marks[new.slot as usize] = 0);
        let key = |((_, row), new): ((u32, u32), &NewSlot)| (row, new.slice, new.key_hash);
        first.into_iter().zip(new_slots).map(key).collect()
    }

    /// Keys leave at the end of the epoch.
    pub(super) fn tell(&mut self, keys: impl Iterator<Item = LocalKey>) {
        self.keys.extend(keys);
    }

    /// What leaves at the end of an epoch: the slices that have ended; all of them where somebody
    /// hears of every change, or where there is no more room.
    pub(super) fn leave(&mut self, watermark_ns: i64) -> Option<LocalSlices> {
        let is_full = self.slots.open() > LOCAL_GROUPS_MAX;
        let end = if watermark_ns == i64::MAX || self.table.says_changes() || is_full {
            i64::MAX
        } else if watermark_ns == UNSEEN {
            i64::MIN
        } else {
            boundary(&self.table, watermark_ns)
        };
        let mut left: Vec<(i64, GroupDelta)> = Vec::new();
        for (slice, groups) in self.slots.flush(end, end) {
            left.extend(groups.into_iter().map(|group| (slice, group)));
        }
        left.extend(self.restored.extract_if(.., |(slice, _)| *slice < end));
        if left.is_empty() && self.keys.is_empty() {
            return None;
        }
        left.sort_by_key(|(slice, _)| *slice);
        let groups = left.into_iter().map(|(slice, mut group)| {
            let rows = match group.partials.pop() {
                Some(Partial::Count(rows)) => rows,
                _ => 0,
            };
            LocalGroup { slice, rows, group }
        });
        let groups = groups.collect();
        Some(LocalSlices { table: self.index, keys: std::mem::take(&mut self.keys), groups })
    }

    /// Moves to a new table of symbols.
    pub(super) fn adopt(&mut self, symbols: &Symbols) {
        self.slots.adopt(symbols);
    }

    pub(super) fn tell_bytes(&mut self, gauges: &EngineGauges, worker: usize) {
        let bytes = self.slots.held_bytes(&mut self.looks);
        tell_bytes(gauges, &self.table, (Holder::Windows, worker), bytes);
    }

    pub(super) fn state(&self) -> impl Iterator<Item = (u64, i64, GroupDelta)> {
        let held = self.slots.read().into_iter();
        let held = held.flat_map(|(slice, groups)| groups.into_iter().map(move |g| (slice, g)));
        let all = held.chain(self.restored.iter().cloned());
        all.map(|(slice, group)| (self.table.hash, slice, group))
    }
}
