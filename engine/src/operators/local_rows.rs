//! Rows that only aggregates read, aggregated on the worker that makes them.
//!
//! What traces say, a row a trace or an edge, would travel row by row to the worker of each
//! aggregate that reads it. Here rows are columns, and go into slices as items of telemetry do;
//! partials leave for the aggregate when slices end. Keys new to a slice are told at once, with
//! the place that their first row has among the rows of all workers, so that a limit of groups
//! admits the keys that it would admit of rows.
//!
//! Invariant: an aggregate says what it would say of the rows. Must not know what rows are of.

mod recent;
mod table;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::close::Closed;
use super::decode::PreparedBatch;
use super::groups::GroupDelta;
use crate::aggregate::AccumulatorKind;
use crate::model::{Batch, Cell, Column, Interner, RuleId, Signal, SourceId, Symbols};
use crate::plan::eval::{Evaluator, FilterIndex, Selections};
use crate::plan::{Plan, ROW_KEY_FROM, RowInput, RowTable, Table};
use crate::self_metrics::EngineGauges;
use recent::KEY_BY_ROW_COLUMNS_MAX;
use table::LocalTable;

pub(crate) use recent::{SharedTexts, short_of};

/// What a row has in its columns behind the trace's id, by their place there.
pub(crate) trait RowCells {
    /// A number that only equal values of the rule's rows have, until recent groups are forgotten;
    /// `None` for what has none.
    fn short(&mut self, at: usize, batch: &mut Batch) -> Option<u32>;

    /// The value, as a cell of a batch.
    fn cell(&mut self, at: usize, batch: &mut Batch) -> Cell;

    /// Adds the value to a column of cells.
    #[inline]
    fn push(&mut self, at: usize, batch: &mut Batch, column: usize) {
        let cell = self.cell(at, batch);
        push_cell(batch, column, cell);
    }
}

/// Adds a cell to a column of cells.
#[inline]
pub(crate) fn push_cell(batch: &mut Batch, column: usize, cell: Cell) {
    if let Column::Cells(cells) = &mut batch.columns[column] {
        cells.push(cell);
    }
}

/// Groups of slices that have not ended, as a snapshot holds them: (table hash, slice, group).
pub(crate) type LocalRowsState = Vec<(u64, i64, GroupDelta)>;

/// The place of a row among those of its rule, as [`crate::model::Row::output_cmp`] orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RowOrder {
    decision_ns: i64,
    start_ns: i64,
    trace_id: [u8; 16],
    place: u32,
}

/// A key that a worker's slice has not had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LocalKey {
    /// Its first row.
    pub(crate) order: RowOrder,
    pub(crate) slice: i64,
    pub(crate) key_hash: u128,
}

/// What one group of an ended slice holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalGroup {
    pub(crate) slice: i64,
    /// Rows in it.
    pub(crate) rows: u64,
    pub(crate) group: GroupDelta,
}

/// What a worker tells an aggregate at the end of an epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalSlices {
    /// Index among the plan's row tables.
    pub(crate) table: u32,
    pub(crate) keys: Vec<LocalKey>,
    /// In the order of slices.
    pub(crate) groups: Vec<LocalGroup>,
}

/// What rows are of: a trace that has closed.
struct RowSource {
    decision_ns: i64,
    start_ns: i64,
    trace_id: [u8; 16],
    first_row: u32,
}

/// The rows of one rule on one worker, and the tables that take them.
pub(crate) struct LocalRows {
    /// Index among the plan's row inputs.
    input: usize,
    batch: Batch,
    /// Columns of the batch, without computed ones.
    columns: usize,
    /// Which columns behind the trace's id are filled, by their place there.
    filled: Vec<usize>,
    /// Which columns up to the trace's id are filled.
    of_trace: Vec<usize>,
    times_ns: Vec<i64>,
    sources: Vec<RowSource>,
    /// By row.
    source_of: Vec<u32>,
    evaluator: Evaluator,
    filters: FilterIndex,
    tables: Vec<LocalTable>,
    /// How often symbols were replaced.
    generation: u32,
}

/// Whether any rule reads the rows of a rule one by one.
pub(crate) fn is_read_by_row(plan: &Plan, rule: RuleId) -> bool {
    let mut locals = plan.row_tables.iter().filter(|rows| plan.is_aggregated_where_made(rows));
    let local: Vec<RuleId> =
        locals.by_ref().flat_map(|rows| &rows.table.windows).map(|window| window.rule).collect();
    let readers = plan.rules.iter().enumerate().filter(|(_, of)| of.inputs().contains(&rule));
    readers.map(|(index, _)| RuleId(index as u32)).any(|reader| !local.contains(&reader))
}

/// The columns of rows that an input's tables read; keys that are found row by row are not among
/// them.
fn columns_read<'a>(input: &RowInput, tables: impl Iterator<Item = &'a Table>) -> Vec<usize> {
    let mut is_read = vec![false; input.columns as usize + input.computed.len()];
    let mut read = |column: u32| is_read[column as usize] = true;
    input.computed.iter().chain(&input.filters).for_each(|expr| expr.columns(&mut read));
    for table in tables {
        let arguments = table.accumulators.iter().flat_map(|accumulator| &accumulator.arguments);
        arguments.for_each(|column| read(*column));
        if key_by_row(input, table).is_none() {
            table.key.iter().for_each(|column| read(*column));
        }
    }
    is_read.truncate(input.columns as usize);
    (0..is_read.len()).filter(|column| is_read[*column]).collect()
}

/// The columns of a table's key, by their place behind the trace's id, where the group of a row is
/// known as soon as the row is: all rows count, and the key is of columns that rows have.
fn key_by_row(input: &RowInput, table: &Table) -> Option<Vec<usize>> {
    let place = |column: &u32| {
        let place = (*column as usize).checked_sub(FIRST_VALUE)?;
        (*column < input.columns).then_some(place)
    };
    let is_short = table.filter.is_none() && table.key.len() <= KEY_BY_ROW_COLUMNS_MAX;
    if is_short { table.key.iter().map(place).collect() } else { None }
}

impl LocalRows {
    /// What takes the rows of a rule; `None` where no aggregate takes them so.
    pub(crate) fn of(plan: &Plan, rule: RuleId, restored: &LocalRowsState) -> Option<Self> {
        let is_own = |rows: &&RowTable| {
            plan.row_inputs[rows.input as usize].rule == rule && plan.is_aggregated_where_made(rows)
        };
        let own = || plan.row_tables.iter().filter(is_own);
        let input = own().next()?.input as usize;
        let (symbols, spec) = (Interner::shared(), &plan.row_inputs[input]);
        let table = |(index, rows): (usize, &RowTable)| {
            let key = key_by_row(spec, &rows.table);
            is_own(&rows).then(|| LocalTable::new((index, key), &rows.table, &symbols, restored))
        };
        let tables = plan.row_tables.iter().enumerate().filter_map(table).collect();
        let read = columns_read(spec, own().map(|rows| &rows.table));
        let (of_trace, filled) = read.into_iter().partition(|column| *column < FIRST_VALUE);
        Some(Self {
            input,
            columns: spec.columns as usize,
            filled: Vec::into_iter(filled).map(|column: usize| column - FIRST_VALUE).collect(),
            of_trace,
            batch: Batch {
                signal: Signal::Spans, // not read: a batch of rows has no signal
                source: SourceId(0),
                frame_seq: 0,
                rows: 0,
                stands_for: 1,
                columns: (0..spec.columns).map(empty_column).collect(),
                heap: Vec::new(),
                symbols,
                offsets: Vec::new(),
                raw: None,
            },
            times_ns: Vec::new(),
            sources: Vec::new(),
            source_of: Vec::new(),
            evaluator: Evaluator::default(),
            filters: FilterIndex::new(&spec.filters),
            tables,
            generation: 0,
        })
    }

    /// The rows that follow are of this trace, in their order.
    pub(crate) fn begin(&mut self, decision_ns: i64, start_ns: i64, trace_id: [u8; 16]) {
        let first_row = self.batch.rows as u32;
        self.sources.push(RowSource { decision_ns, start_ns, trace_id, first_row });
        let time_ns = time_of(decision_ns);
        self.tables.iter_mut().for_each(|table| table.begin(time_ns));
    }

    /// Changes when cells of texts made before stand for nothing any more.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Forgets what numbers in keys mean.
    pub(crate) fn forget_recent(&mut self) {
        self.tables.iter_mut().for_each(LocalTable::forget_recent);
    }

    /// Adds a row.
    #[inline]
    pub(crate) fn row(&mut self, of: &mut impl RowCells) {
        let Some(source) = self.sources.last() else { return };
        for table in &mut self.tables {
            table.find(&mut self.batch, of);
        }
        for &at in &self.filled {
            of.push(at, &mut self.batch, at + FIRST_VALUE);
        }
        for &at in &self.of_trace {
            match &mut self.batch.columns[at] {
                Column::Cells(cells) => {
                    let bound_ns = if at == 0 { source.start_ns } else { source.decision_ns };
                    cells.push(Cell::Time(bound_ns));
                }
                Column::Ids16(ids) => ids.push(source.trace_id),
                _ => {}
            }
        }
        self.times_ns.push(time_of(source.decision_ns));
        self.source_of.push(self.sources.len() as u32 - 1);
        self.batch.rows += 1;
    }

    /// Aggregates the rows of an epoch; what ended by the watermark leaves.
    pub(crate) fn step(&mut self, plan: &Plan, watermark_ns: i64, out: &mut Closed) {
        if self.batch.rows > 0 {
            let input = &plan.row_inputs[self.input];
            let filters =
                self.evaluator.derive(&input.computed, &mut self.filters, &mut self.batch);
            let prepared = self.prepared(filters);
            let ranks = &mut None;
            for table in &mut self.tables {
                let taken = table.take(&prepared, &self.times_ns, out);
                if !taken.is_empty() {
                    let ranks = ranks.get_or_insert_with(|| ranks_of(&self.sources));
                    let place = |row: u32| (ranks[self.source_of[row as usize] as usize], row);
                    let first = table.first_rows(&taken, place);
                    let key = |(row, slice, key_hash): (u32, i64, u128)| {
                        let source = &self.sources[self.source_of[row as usize] as usize];
                        let order = RowOrder {
                            decision_ns: source.decision_ns,
                            start_ns: source.start_ns,
                            trace_id: source.trace_id,
                            place: row - source.first_row,
                        };
                        LocalKey { order, slice, key_hash }
                    };
                    table.tell(first.into_iter().map(key));
                }
            }
            self.clear(prepared.batch);
        }
        for table in &mut self.tables {
            out.local.extend(table.leave(watermark_ns));
        }
    }

    /// The batch on its way into tables; the one left behind is a shell.
    fn prepared(&mut self, filters: Selections) -> PreparedBatch {
        let shell = Batch {
            columns: Vec::new(),
            heap: Vec::new(),
            symbols: Symbols::clone(&self.batch.symbols),
            offsets: Vec::new(),
            raw: None,
            ..self.batch
        };
        let batch = std::mem::replace(&mut self.batch, shell);
        PreparedBatch { batch, filters, tables: Vec::new() }
    }

    /// Makes room for the next epoch, in the memory of the last.
    fn clear(&mut self, mut batch: Batch) {
        batch.rows = 0;
        batch.heap.clear();
        batch.columns.truncate(self.columns);
        for column in &mut batch.columns {
            match column {
                Column::Cells(cells) => cells.clear(),
                Column::Ids16(ids) => ids.clear(),
                _ => {}
            }
        }
        self.times_ns.clear();
        self.sources.clear();
        self.source_of.clear();
        if batch.symbols.borrow().is_full() {
            batch.symbols = Interner::shared();
            self.tables.iter_mut().for_each(|table| table.adopt(&batch.symbols));
            self.generation += 1;
        }
        self.batch = batch;
    }

    /// Tells what is held on a worker.
    pub(crate) fn tell(&mut self, gauges: &EngineGauges, worker: usize) {
        self.tables.iter_mut().for_each(|table| table.tell_bytes(gauges, worker));
    }

    /// What a snapshot holds.
    pub(crate) fn state(&self) -> LocalRowsState {
        self.tables.iter().flat_map(LocalTable::state).collect()
    }
}

/// Columns of a row up to the trace's id.
const FIRST_VALUE: usize = ROW_KEY_FROM as usize + 1;

/// When a row of a trace counts: it ends before the moment that its end names, and 0 is no time in
/// a batch.
fn time_of(decision_ns: i64) -> i64 {
    let time_ns = decision_ns.saturating_sub(1);
    if time_ns == 0 { 1 } else { time_ns }
}

fn empty_column(at: u32) -> Column {
    if at == ROW_KEY_FROM { Column::Ids16(Vec::new()) } else { Column::Cells(Vec::new()) }
}

/// By source: its place among all of them.
fn ranks_of(sources: &[RowSource]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..sources.len() as u32).collect();
    order.sort_unstable_by_key(|&at| {
        let source = &sources[at as usize];
        (source.decision_ns, source.start_ns, source.trace_id)
    });
    let mut ranks = vec![0; sources.len()];
    (0..).zip(order).for_each(|(rank, at): (u32, u32)| ranks[at as usize] = rank);
    ranks
}

/// The part of a state whose groups fulfil a condition on the hash of their key.
pub(crate) fn part(state: &LocalRowsState, is_mine: impl Fn(u128) -> bool) -> LocalRowsState {
    state.iter().filter(|(_, _, group)| is_mine(group.key_hash)).cloned().collect()
}

/// A table that counts the rows of each group beside what it accumulates.
fn counting(table: &Table) -> Arc<Table> {
    let mut table = table.clone();
    table.accumulators.push(crate::plan::TableAccumulator {
        kind: AccumulatorKind::Count,
        arguments: Vec::new(),
        filter: None,
    });
    Arc::new(table)
}
