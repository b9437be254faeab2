//! Applying the events of tables off the grid: with the watermark as of the row before each.

use std::sync::Arc;

use super::accumulate::accumulate;
use super::applied::{KeyedEvent, owner};
use super::apply::{Apply, TableRows};
use super::clock::UNSEEN;
use super::decode::LocalState;
use super::lateness::live_from;
use super::slice_table::NO_SLOT;
use super::walk::Walk;

impl Apply {
    /// Takes the events of a table off the grid with the watermark as of the row before each:
    /// those ahead of it join their slice, whatever their order; the others leave one by one,
    /// for the closing stage to place. With `needs_order` all of them do.
    pub(super) fn keyed_events(
        &mut self,
        of: TableRows<'_>,
        walk: &mut Walk<'_>,
        needs_order: bool,
        local: &mut LocalState,
    ) {
        for (at, &row) in of.rows.rows.iter().enumerate() {
            self.walk_to(row, walk);
            let time_ns = walk.times[row as usize];
            if time_ns == 0 || walk.is_ahead(row) {
                continue;
            }
            if needs_order || time_ns <= walk.watermark_ns {
                self.single_event(of, at, walk, local);
            } else {
                self.segment(of, at..at + 1, (walk, UNSEEN), local);
            }
        }
    }

    /// Sends one event as a group of its own.
    fn single_event(
        &mut self,
        TableRows { at, rows }: TableRows<'_>,
        index: usize,
        walk: &Walk<'_>,
        local: &mut LocalState,
    ) {
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[rows.table as usize];
        let (row, slot) = (rows.rows[index], rows.slots[index]);
        let time_ns = walk.times[row as usize];
        for window in &table.windows {
            self.rules[window.rule.0 as usize].taken += 1;
        }
        let state = &mut local.tables[rows.table as usize];
        // In a dead slice nobody decided on the key: it can still join an open session of its
        // own, and is late otherwise.
        let is_dead = table.slice_of(time_ns) < live_from(table, walk.watermark_ns);
        let is_other = !is_dead && slot != NO_SLOT && state.is_refused(slot);
        let single = state.single_slot();
        let mut buffers = std::mem::take(&mut self.buffers);
        buffers.rows.clear();
        buffers.slots.clear();
        buffers.rows.push(row);
        buffers.slots.push(single);
        accumulate(table, at.batch, walk.times, at.frame.seq, state, &mut buffers);
        self.buffers = buffers;
        let group = state.take_single(single, (&at.batch.batch, row), is_other, time_ns);
        let is_behind = time_ns <= walk.watermark_ns;
        let late = is_behind
            .then(|| self.late_item(table.late, at.batch, (row, time_ns), walk.watermark_ns));
        let worker = owner(&group, self.outgoing.len());
        self.outgoing[worker].events.push(KeyedEvent {
            table: rows.table,
            time_ns,
            source: walk.source.0,
            seq: at.frame.seq,
            row,
            watermark_ns: walk.watermark_ns,
            group,
            late: late.flatten().map(|(_, row)| Box::new(row)),
        });
    }
}
