//! Whether rows stand in the order in which they leave, without comparing them.
//!
//! A window says its rows in the order of their keys; where windows come one after the other, by
//! decision, rule and start, there is nothing to sort. Comparing two rows of one window means to
//! compare their keys, which were 4 % of what many windows over the same keys cost.

use crate::model::{Row, RuleId};

/// What is known of the order of some rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowOrder {
    /// Rows that are those of windows noted here.
    seen: usize,
    /// The last window: decision, rule, start.
    last: Option<(i64, RuleId, i64)>,
    is_broken: bool,
}

impl RowOrder {
    /// Notes that the rows from a place on are those of one window, in the order of their keys.
    pub(crate) fn window(&mut self, from: usize, rows: &[Row]) {
        let Some(first) = rows.get(from) else { return };
        let window = (first.decision_ns, first.rule, first.start_ns);
        self.is_broken |= from != self.seen || self.last.is_some_and(|last| last >= window);
        self.last = Some(window);
        self.seen = rows.len();
    }

    /// Puts the rows in their order.
    pub(crate) fn sort(&self, rows: &mut [Row]) {
        if self.is_broken || self.seen != rows.len() {
            rows.sort_by(Row::output_cmp);
        }
        debug_assert!(rows.is_sorted_by(|a, b| a.output_cmp(b).is_le()));
    }
}
