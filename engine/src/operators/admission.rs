//! Which new keys limited tables admit, decided key by key in log order: a place is free again as
//! soon as the watermark has passed the last window of its key, wherever an epoch ends.

use super::facts::NewKey;
use super::key_limit::KeyLimit;
use super::row_clock::{RowClock, RowPlace};
use crate::plan::Plan;

/// The keys of an epoch that tables have not seen before, in log order.
#[derive(Default)]
pub(super) struct NewKeys {
    keys: Vec<NewKey>,
    next: usize,
}

/// Keys that go to `other`: (table, slice, key hash).
pub(super) type Refused = Vec<(u32, i64, u128)>;

impl NewKeys {
    pub(super) fn new(mut keys: Vec<NewKey>) -> Self {
        keys.sort_unstable();
        Self { keys, next: 0 }
    }

    /// Admits the keys of one frame, before it moves the clock. Of a table of duplicates, only
    /// those of rows that are some.
    pub(super) fn admit(
        &mut self,
        plan: &Plan,
        (seq, time): (u64, &RowClock<'_>),
        limits: &mut [KeyLimit],
        is_of_table: impl Fn(&NewKey) -> bool,
        refused: &mut Refused,
    ) {
        while let Some(key) = self.keys.get(self.next).filter(|key| key.seq <= seq) {
            self.next += 1;
            if !is_of_table(key) {
                continue;
            }
            let (table, limit) =
                (&plan.tables[key.table as usize], &mut limits[key.table as usize]);
            let at = table.timeline as usize;
            let place = RowPlace { row: key.row, top_ns: key.top_ns };
            let watermark_ns = time.before(at, &plan.timelines[at], place);
            if table.slice_dead_ns(key.slice) <= watermark_ns {
                continue; // reported or not, as the worker happened to know: no decision
            }
            limit.free(table, watermark_ns);
            if !limit.admit(table, key.slice, key.key_hash) {
                refused.push((key.table, key.slice, key.key_hash));
            }
        }
    }
}
