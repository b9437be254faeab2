//! Times of one trace by operation: what a service and name cost it, on the critical path and off.
//!
//! Invariant: inclusive times count a moment once, however often an operation is below itself. An
//! operation is any number that the caller gives it.

use super::critical_path::CriticalPath;
use super::forest::Forest;

/// What one operation has of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OperationTime {
    /// The operation, as the caller numbers it.
    pub operation: u32,
    /// Spans of the operation.
    pub spans: u64,
    /// Nanoseconds of the critical path in its own spans.
    pub exclusive_ns: i64,
    /// Nanoseconds of the critical path in its spans or below them.
    pub inclusive_ns: i64,
    /// Nanoseconds of its spans in which no child of theirs ran, on the path or not.
    pub self_ns: i64,
}

/// Sums times by operation; keeps its memory between traces.
#[derive(Debug, Clone, Default)]
pub struct OperationTimes {
    rows: Vec<OperationTime>,
    /// Place of each operation in `rows` plus one, and where its outermost open span ends.
    known: Vec<(u32, u32)>,
}

impl OperationTimes {
    /// The sums of a trace, in the order in which operations first occur in it. `operations` has
    /// one small number a span: a table as long as the highest is held.
    ///
    /// # Panics
    /// If there are fewer operations than spans.
    pub fn sum(
        &mut self,
        forest: &Forest,
        path: &CriticalPath,
        operations: &[u32],
    ) -> &[OperationTime] {
        let highest = operations.iter().max().map_or(0, |&operation| operation as usize + 1);
        self.rows.clear();
        self.known.clear();
        self.known.resize(highest, (0, 0));
        for (place, &span) in (0..).zip(forest.preorder()) {
            let operation = operations[span as usize];
            let (row, covered_to) = &mut self.known[operation as usize];
            if *row == 0 {
                self.rows.push(OperationTime { operation, ..OperationTime::default() });
                *row = self.rows.len() as u32;
            }
            let sums = &mut self.rows[*row as usize - 1];
            sums.spans += 1;
            sums.exclusive_ns = sums.exclusive_ns.saturating_add(path.exclusive_ns(span));
            sums.self_ns = sums.self_ns.saturating_add(path.self_ns(span));
            if place >= *covered_to {
                sums.inclusive_ns = sums.inclusive_ns.saturating_add(path.inclusive_ns(span));
                *covered_to = place + forest.size(span);
            }
        }
        &self.rows
    }
}
