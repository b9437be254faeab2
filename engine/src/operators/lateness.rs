//! Which items are late: for which windows, counted how, and where they go.
//!
//! An item is late iff the windows that it belongs to had closed at the watermark as of the row
//! before it.

use std::sync::Arc;

use super::apply::Apply;
use super::clock::UNSEEN;
use super::decode::PreparedBatch;
use super::late_leaving;
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::{RuleKind, Table, TableWindow};

/// The first slice that is not dead at a watermark.
pub(crate) fn live_from(table: &Table, watermark_ns: i64) -> i64 {
    first_after(table, &table.windows, watermark_ns, |slice| table.slice_dead_ns(slice))
}

/// The first slice all of whose windows are open at a watermark, or amended no more: rows of
/// earlier ones are looked at one by one.
pub(super) fn fresh_from(table: &Table, watermark_ns: i64) -> i64 {
    first_after(table, &table.windows, watermark_ns, |slice| table.slice_closed_ns(slice))
}

/// The first slice whose `end_ns` lies after a watermark, which is the end of one of the windows.
fn first_after(
    table: &Table,
    windows: &[TableWindow],
    watermark_ns: i64,
    end_ns: impl Fn(i64) -> i64,
) -> i64 {
    match watermark_ns {
        UNSEEN => i64::MIN,
        i64::MAX => i64::MAX,
        _ => {
            let longest_ns = windows.iter().map(|w| w.shape.reach_ns()).max().unwrap_or(0);
            let longest_ns = longest_ns.saturating_add(table.amend_slices() * table.width_ns);
            let mut slice = table.slice_of(watermark_ns.saturating_sub(longest_ns)) - 1;
            while end_ns(slice) <= watermark_ns {
                slice += 1;
            }
            slice
        }
    }
}

/// By window of a table: the first slice whose last window of that shape is still open.
pub(super) fn live_by_window(table: &Table, watermark_ns: i64) -> Vec<i64> {
    let amend_ns = table.amend_slices() * table.width_ns;
    let live_from = |window: &TableWindow| {
        first_after(table, std::slice::from_ref(window), watermark_ns, |slice| {
            let end_ns = window.shape.last_end_ns(table.slice_start_ns(slice), table.offset_ns);
            end_ns.saturating_add(amend_ns)
        })
    };
    table.windows.iter().map(live_from).collect()
}

impl Apply {
    /// Counts one row for every window of the table: used, or late where the window had closed.
    /// Returns whether it was late for any.
    pub(super) fn count_late(
        &mut self,
        table: &Table,
        windows: &[i64],
        slice: i64,
        (watermark_ns, behind_ns): (i64, i64),
    ) -> bool {
        let amends = table.amend_ns > 0 && table.slice_closed_ns(slice) <= watermark_ns;
        let mut is_late = false;
        for (window, live) in table.windows.iter().zip(windows) {
            let counts = &mut self.rules[window.rule.0 as usize];
            counts.taken += 1;
            if slice < *live {
                counts.late += 1;
                counts.worst_late_ns = counts.worst_late_ns.max(behind_ns);
                is_late = true;
            } else {
                counts.used += 1;
                counts.amended += u64::from(amends);
            }
        }
        is_late
    }

    /// Sends a late item to the rules that read a stream's late side.
    pub(super) fn late_row(
        &mut self,
        table: &Table,
        batch: &PreparedBatch,
        (row, time_ns): (u32, i64),
        watermark_ns: i64,
    ) {
        self.send_late(table.late, batch, (row, time_ns), watermark_ns);
    }

    /// Sends a late item to a rule, once.
    pub(super) fn send_late(
        &mut self,
        to: Option<RuleId>,
        batch: &PreparedBatch,
        (row, time_ns): (u32, i64),
        watermark_ns: i64,
    ) {
        if let Some((id, late)) = self.late_item(to, batch, (row, time_ns), watermark_ns)
            && self.late_rows.insert((id, row))
        {
            self.outgoing[self.worker].late.push(late);
        }
    }

    /// A late item as a row. Behind what is read of it stands its place in the log: an item may be
    /// late for several tables, which are closed on several workers, and is one item all the same.
    pub(super) fn late_item(
        &self,
        to: Option<RuleId>,
        batch: &PreparedBatch,
        (row, time_ns): (u32, i64),
        watermark_ns: i64,
    ) -> Option<(RuleId, Row)> {
        let id = to?;
        let RuleKind::Late(rule) = &self.plan.rules[id.0 as usize].kind else { return None };
        let batch = &batch.batch;
        let value = |(_, column): &(Arc<str>, u32)| {
            batch.value_at(&batch.columns[*column as usize], row as usize)
        };
        let whole = rule.is_whole.then(|| late_leaving::whole(batch, row));
        let place = [Value::Int(batch.frame_seq.cast_signed()), Value::Int(row.into())];
        let row = Row {
            rule: id,
            decision_ns: watermark_ns,
            start_ns: time_ns,
            end_ns: watermark_ns.saturating_add(1),
            kind: RowKind::Final,
            is_other: false,
            key: Arc::default(),
            values: rule.values.iter().map(value).chain(whole).chain(place).collect(),
        };
        Some((id, row))
    }
}

#[cfg(test)]
mod tests {
    use super::live_from;
    use crate::model::RuleId;
    use crate::plan::{Results, Table, TableWindow, WindowShape};

    const SECOND: i64 = 1_000_000_000;

    fn table(shape: WindowShape, width_s: i64, amend_s: i64) -> Table {
        Table {
            signal: 0,
            timeline: 0,
            filter: None,
            dedupe: None,
            key: Vec::new(),
            width_ns: width_s * SECOND,
            offset_ns: 0,
            accumulators: Vec::new(),
            windows: vec![TableWindow { shape, rule: RuleId(0), results: Results::Final }],
            groups_max: 2,
            amend_ns: amend_s * SECOND,
            late: None,
            hash: 0,
        }
    }

    #[test]
    fn the_slices_before_the_first_live_one_are_dead_and_no_others() {
        let session = WindowShape::Session { gap_ns: 3 * SECOND, max_ns: None };
        let sliding = WindowShape::Sliding { size_ns: 60 * SECOND, every_ns: 10 * SECOND };
        let cumulate = WindowShape::Cumulate { size_ns: 60 * SECOND, every_ns: 20 * SECOND };
        for (shape, width_s) in [(session, 3), (session, 1), (sliding, 10), (cumulate, 20)] {
            for amend_s in [0, 7] {
                let table = table(shape, width_s, amend_s);
                for watermark_ns in (0..200 * SECOND).step_by(SECOND as usize / 4) {
                    let first = live_from(&table, watermark_ns);
                    assert!(table.slice_dead_ns(first) > watermark_ns, "{shape:?} {width_s}");
                    assert!(table.slice_dead_ns(first - 1) <= watermark_ns, "{shape:?} {width_s}");
                }
            }
        }
    }
}
