//! An aggregate's table over rows, whole on one worker.
//!
//! Rows come in the order of their decision and are never late: a rule that reads rules takes
//! them once the watermark has passed. One row at a time becomes a group of its own; the rest is
//! what windows over telemetry do. Of rows that are aggregated where they are made only partials
//! come.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accumulate::{Buffers, accumulate};
use super::alert::Alert;
use super::applied::{KeyedEvent, RuleCounts, SliceDelta};
use super::clock::UNSEEN;
use super::close::Closed;
use super::decode::PreparedBatch;
use super::groups::GroupDelta;
use super::held::{Looks, tell_bytes, tell_groups};
use super::key_limit::KeyLimit;
use super::local_rows::{LocalGroup, LocalSlices};
use super::slice_table::SliceTable;
use super::windows::{Closing, Windows, WindowsState};
use crate::model::{Batch, Cell, Column, Interner, Row, Signal, SourceId, Symbols};
use crate::plan::eval::{Evaluator, FilterIndex};
use crate::plan::{Plan, RowInput, RowTable, RuleKind, Table};
use crate::self_metrics::{EngineGauges, Holder};

/// What a snapshot holds of a table over rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RowTableState {
    windows: WindowsState,
    limit: KeyLimit,
    taken: u64,
}

/// One table over rows.
pub(crate) struct RowTableWindows {
    /// Index among the plan's row tables.
    index: usize,
    windows: Windows,
    limit: KeyLimit,
    slots: SliceTable,
    symbols: Symbols,
    evaluator: Evaluator,
    filters: FilterIndex,
    buffers: Buffers,
    /// Whether its rows are aggregated where they are made.
    is_local: bool,
    /// Whether its rows are late items.
    is_of_late: bool,
    /// That of the last step.
    watermark_ns: i64,
    /// Rows taken so far: their place.
    taken: u64,
    looks: Looks,
}

impl RowTableWindows {
    pub(crate) fn new(
        plan: &Plan,
        index: usize,
        watermark_ns: i64,
        restored: RowTableState,
    ) -> Self {
        let RowTable { input, table } = &plan.row_tables[index];
        let input = &plan.row_inputs[*input as usize];
        let symbols = Interner::shared();
        Self {
            index,
            windows: Windows::new(table, watermark_ns, restored.windows),
            limit: restored.limit,
            slots: SliceTable::new(Arc::new(table.clone()), Symbols::clone(&symbols)),
            symbols,
            evaluator: Evaluator::default(),
            filters: FilterIndex::new(&input.filters),
            buffers: Buffers::default(),
            is_local: plan.is_aggregated_where_made(&plan.row_tables[index]),
            is_of_late: matches!(plan.rules[input.rule.0 as usize].kind, RuleKind::Late(_)),
            watermark_ns,
            taken: restored.taken,
            looks: Looks::default(),
        }
    }

    /// Tells what it holds on a worker.
    pub(crate) fn tell(&mut self, table: &Table, gauges: &EngineGauges, worker: usize) {
        let bytes = self.windows.held_bytes(&mut self.looks);
        tell_bytes(gauges, table, (Holder::Rows, worker), bytes);
        tell_groups(gauges, table, self.limit.open_at(table, self.watermark_ns));
    }

    /// Index among the plan's row tables.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn state(&self) -> RowTableState {
        let (windows, limit) = (self.windows.state(), self.limit.clone());
        RowTableState { windows, limit, taken: self.taken }
    }

    /// Takes rows in their order, then closes windows.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        (rows, local): (&[&Row], Vec<LocalSlices>),
        (watermark_ns, top_ns): (i64, i64),
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        self.watermark_ns = watermark_ns;
        let row_table = &plan.row_tables[self.index];
        let table = &row_table.table;
        let input = &plan.row_inputs[row_table.input as usize];
        let closing = Closing { plan, table, watermark_ns, top_ns };
        let keyed = Closing { watermark_ns: self.passed_ns(watermark_ns), ..closing };
        let (mut deltas, mut events) = (Vec::new(), Vec::new());
        if self.is_local {
            self.take_local(table, local, &mut deltas, out);
        } else if !rows.is_empty() {
            let mut counts = RuleCounts::default();
            for (time_ns, group) in self.groups((input, table), rows, &mut counts) {
                self.taken += 1;
                if table.keyed_shape().is_some() {
                    events.push(self.event(time_ns, group));
                } else {
                    let slice = table.slice_of(time_ns);
                    let boundary = slice.saturating_add(1);
                    let (table, groups) = (self.index as u32, vec![group]);
                    deltas.push(SliceDelta { table, boundary, slice, groups });
                }
            }
            for window in &table.windows {
                out.rules[window.rule.0 as usize].merge(&counts);
            }
        }
        if table.keyed_shape().is_some() {
            let arriving = (deltas, events);
            self.windows.close_keyed(&keyed, arriving, alerts, &mut Vec::new(), out);
        } else {
            self.windows.close(&closing, deltas, alerts, out);
        }
        let symbols = self.symbols.borrow().is_full();
        if symbols {
            self.symbols = Interner::shared();
            self.slots = SliceTable::new(Arc::new(table.clone()), Symbols::clone(&self.symbols));
        }
    }

    /// Up to when no row is missing, for windows that take them in order. Late items count at the
    /// watermark that they came behind: until it moves on, there may be more of them.
    fn passed_ns(&self, watermark_ns: i64) -> i64 {
        let is_moving = watermark_ns != UNSEEN && watermark_ns != i64::MAX;
        watermark_ns - i64::from(self.is_of_late && is_moving)
    }

    /// Takes what workers have aggregated of its rows. Keys are admitted in the order of the first
    /// rows that have them, those of a slice before what the slice holds.
    fn take_local(
        &mut self,
        table: &Table,
        local: Vec<LocalSlices>,
        deltas: &mut Vec<SliceDelta>,
        out: &mut Closed,
    ) {
        let (mut keys, mut groups) = (Vec::new(), Vec::new());
        for told in local {
            keys.extend(told.keys);
            groups.extend(told.groups);
        }
        keys.sort_unstable();
        groups.sort_by_key(|group| group.slice);
        let mut groups = groups.into_iter().peekable();
        let mut to_other = 0;
        let mut admit = |limit: &mut KeyLimit, LocalGroup { slice, rows, mut group }| {
            if !limit.admit(table, slice, group.key_hash) {
                group = GroupDelta { key_hash: 0, key: Arc::default(), is_other: true, ..group };
                to_other += rows;
            }
            let boundary = slice.saturating_add(1);
            deltas.push(SliceDelta {
                table: self.index as u32,
                boundary,
                slice,
                groups: vec![group],
            });
        };
        for key in keys {
            while let Some(ended) = groups.next_if(|group| group.slice < key.slice) {
                admit(&mut self.limit, ended);
            }
            self.limit.free(table, table.slice_start_ns(key.slice));
            self.limit.admit(table, key.slice, key.key_hash);
        }
        groups.for_each(|ended| admit(&mut self.limit, ended));
        for window in &table.windows {
            out.rules[window.rule.0 as usize].to_other += to_other;
        }
    }

    fn event(&self, time_ns: i64, group: GroupDelta) -> KeyedEvent {
        KeyedEvent {
            table: self.index as u32,
            time_ns,
            source: 0,
            seq: self.taken,
            row: 0,
            watermark_ns: i64::MIN,
            group,
            late: None,
        }
    }

    /// Every row that the table takes, with its time, as a group of its own.
    fn groups(
        &mut self,
        (input, table): (&RowInput, &Table),
        rows: &[&Row],
        counts: &mut RuleCounts,
    ) -> Vec<(i64, GroupDelta)> {
        let times: Vec<i64> = rows.iter().map(|row| input.time.of(row)).collect();
        let prepared = self.prepare(input, rows);
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let taken = table.filter.map_or(&all[..], |filter| prepared.filters.of(filter));
        let mut groups = Vec::with_capacity(taken.len());
        let is_keyed = table.keyed_shape().is_some();
        for &row in taken {
            let time_ns = times[row as usize];
            let slot = self.slots.single_slot();
            self.buffers.set(row, slot);
            accumulate(table, &prepared, &times, self.taken, &mut self.slots, &mut self.buffers);
            let mut group = self.slots.take_single(slot, (&prepared.batch, row), false, time_ns);
            let slice = table.slice_of(time_ns);
            self.limit.free(table, table.slice_start_ns(slice));
            // What has no key there has none here.
            let of = rows[row as usize];
            let is_key = |column: &u32| input.reads_key(*column, of.key.len() as u32);
            let is_other = of.is_other && table.key.iter().any(is_key);
            if is_other || !self.limit.admit(table, slice, group.key_hash) {
                group = GroupDelta { key_hash: 0, key: Arc::default(), is_other: true, ..group };
                counts.to_other += 1;
            }
            counts.taken += 1;
            counts.used += u64::from(!is_keyed);
            groups.push((time_ns, group));
        }
        groups
    }

    /// Rows as a batch, with computed columns and filters.
    fn prepare(&mut self, input: &RowInput, rows: &[&Row]) -> PreparedBatch {
        let mut batch = Batch {
            signal: Signal::Spans, // not read: a batch of rows has no signal
            source: SourceId(0),
            frame_seq: self.taken,
            rows: rows.len(),
            stands_for: 1,
            columns: Vec::new(),
            heap: Vec::new(),
            symbols: Symbols::clone(&self.symbols),
            offsets: Vec::new(),
            raw: None,
        };
        let mut columns: Vec<Vec<Cell>> = vec![Vec::new(); input.columns as usize];
        for row in rows {
            let mut values = row.columns().into_iter();
            for column in &mut columns {
                column.push(batch.cell(values.next().unwrap_or_default()));
            }
        }
        batch.columns = columns.into_iter().map(Column::Cells).collect();
        let filters = self.evaluator.derive(&input.computed, &mut self.filters, &mut batch);
        PreparedBatch { batch, filters, tables: Vec::new() }
    }
}
