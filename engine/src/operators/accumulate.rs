//! Rows into the accumulators of a table.

use super::decode::PreparedBatch;
use super::slice_table::SliceTable;
use crate::aggregate::OrderColumn;
use crate::model::Column;
use crate::plan::Table;

/// Rows and their slots on the way into accumulators.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(super) rows: Vec<u32>,
    pub(super) slots: Vec<u32>,
    filtered_rows: Vec<u32>,
    filtered_slots: Vec<u32>,
}

impl Buffers {
    /// Holds one row.
    pub(crate) fn set(&mut self, row: u32, slot: u32) {
        self.rows.clear();
        self.slots.clear();
        self.rows.push(row);
        self.slots.push(slot);
    }
}

/// Adds the buffered rows to the accumulators of a table.
pub(crate) fn accumulate(
    table: &Table,
    batch: &PreparedBatch,
    times: &[i64],
    frame_seq: u64,
    state: &mut SliceTable,
    buffers: &mut Buffers,
) {
    let order = OrderColumn { times, source: batch.batch.source.0, frame_seq };
    for (spec, accumulator) in table.accumulators.iter().zip(&mut state.accumulators) {
        let columns = &batch.batch.columns;
        let arguments: Vec<&Column> =
            spec.arguments.iter().map(|&column| &columns[column as usize]).collect();
        let Some(filter) = spec.filter else {
            accumulator.update(&buffers.rows, &buffers.slots, &arguments, &batch.batch, &order);
            continue;
        };
        let wanted = batch.filters.of(filter);
        buffers.filtered_rows.clear();
        buffers.filtered_slots.clear();
        let mut at = 0;
        for (&row, &slot) in buffers.rows.iter().zip(&buffers.slots) {
            while at < wanted.len() && wanted[at] < row {
                at += 1;
            }
            if at < wanted.len() && wanted[at] == row {
                buffers.filtered_rows.push(row);
                buffers.filtered_slots.push(slot);
            }
        }
        let (rows, slots) = (&buffers.filtered_rows, &buffers.filtered_slots);
        accumulator.update(rows, slots, &arguments, &batch.batch, &order);
    }
}
