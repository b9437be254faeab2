//! Items that a rule takes one by one as they are applied, counted, and when each was decided.
//!
//! An item's decision time is how far event time had come with it, which never goes back along the
//! log: what leaves by it is in log order, whatever the cut into epochs.

use super::apply::Apply;
use super::placed::Placed;
use crate::model::RuleId;

/// Which items a rule takes of a signal.
#[derive(Clone, Copy)]
pub(super) struct Taking {
    pub(super) rule: RuleId,
    pub(super) filter: Option<u32>,
    pub(super) dedupe: Option<u32>,
    pub(super) timeline: u32,
}

/// What it took of one batch.
pub(super) struct Taken<'a> {
    /// In log order.
    pub(super) rows: Vec<u32>,
    pub(super) times: &'a [i64],
    ahead: &'a [u32],
    bound_ns: i64,
    top_ns: i64,
    next: u32,
}

impl Taken<'_> {
    fn is_timed(&self, row: u32) -> bool {
        is_timed(self.times, self.ahead, row)
    }

    /// The decision time of a row; rows are asked about in log order.
    pub(super) fn decision_ns(&mut self, row: u32) -> i64 {
        while self.next <= row {
            let time_ns = self.times[self.next as usize];
            if self.is_timed(self.next) && time_ns <= self.bound_ns {
                self.top_ns = self.top_ns.max(time_ns);
            }
            self.next += 1;
        }
        self.top_ns.max(0)
    }
}

fn is_timed(times: &[i64], ahead: &[u32], row: u32) -> bool {
    times[row as usize] != 0 && ahead.binary_search(&row).is_err()
}

impl Apply {
    /// Takes and counts the rows of a batch; `None` where there are none.
    pub(super) fn take<'a>(&mut self, taking: Taking, at: Placed<'a>) -> Option<Taken<'a>> {
        let line = &self.plan.timelines[taking.timeline as usize];
        let times = at.times(&self.plan, line)?;
        let ahead = at.ahead(line);
        let mut rows: Vec<u32> = match taking.filter {
            Some(filter) => at.batch.filters.of(filter).to_vec(),
            None => (0..at.batch.batch.rows as u32).collect(),
        };
        rows.retain(|row| is_timed(times, ahead, *row)); // the ledger counts the others
        let all = rows.len() as u64;
        if let Some(dedupe) = taking.dedupe {
            rows.retain(|row| at.passes(&self.plan.dedupes, dedupe, *row));
        }
        let taken = rows.len() as u64;
        // What is no duplicate is none of the items of a stream of duplicates.
        let duplicates = if self.plan.is_of_duplicates(taking.dedupe) { 0 } else { all - taken };
        let counts = &mut self.rules[taking.rule.0 as usize];
        counts.taken += taken + duplicates;
        counts.duplicates += duplicates;
        counts.used += rows.len() as u64;
        let bound_ns = at.bound_ns();
        let top_ns = self.clock.top(taking.timeline as usize, line);
        (!rows.is_empty()).then_some(Taken { rows, times, ahead, bound_ns, top_ns, next: 0 })
    }

    /// Counts an item of a rule that looks at them one by one; whether it is no duplicate.
    pub(super) fn is_new(
        &mut self,
        rule: RuleId,
        dedupe: Option<u32>,
        at: Placed<'_>,
        row: u32,
    ) -> bool {
        let counts = &mut self.rules[rule.0 as usize];
        if dedupe.is_none_or(|dedupe| at.passes(&self.plan.dedupes, dedupe, row)) {
            counts.taken += 1;
            return true;
        }
        // What is no duplicate is none of the items of a stream of duplicates.
        let counted = u64::from(!self.plan.is_of_duplicates(dedupe));
        counts.taken += counted;
        counts.duplicates += counted;
        false
    }
}
