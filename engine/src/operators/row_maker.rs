//! Rows from what groups accumulated.
//!
//! Knows the plan's rules; must not know when windows close.

use super::groups::GroupDelta;
use super::past::{Computing, Pasts};
use crate::aggregate::{Partial, PartsScratch, finish_parts};
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::eval::eval_row;
use crate::plan::{AggregateCall, AggregateRule};

/// Turns a group's partials into a row of a rule.
pub(crate) struct RowMaker<'a> {
    pub(crate) rule: &'a AggregateRule,
    pub(crate) id: RuleId,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    /// How far the window has been seen: rates are per second of that.
    pub(crate) until_ns: i64,
    pub(crate) kind: RowKind,
    pub(crate) decision_ns: i64,
}

/// Memory to make rows of parts in.
#[derive(Default)]
pub(crate) struct PartsWork {
    columns: Vec<Value>,
    scratch: PartsScratch,
}

impl RowMaker<'_> {
    /// The row of a group; `None` where `having` does not hold. `columns` is memory to work in.
    pub(crate) fn row(
        &self,
        group: &mut GroupDelta,
        pasts: &mut Pasts,
        columns: &mut Vec<Value>,
    ) -> Option<Row> {
        group.partials.iter_mut().for_each(Partial::seal);
        let finish = |call: &AggregateCall, length_ns| {
            group.partials[call.accumulator as usize].finish(&call.finisher, length_ns)
        };
        self.finished(group, finish, pasts, columns)
    }

    /// The row of a group from its sealed parts, which stay as they are.
    pub(crate) fn row_of_parts(
        &self,
        parts: &[&GroupDelta],
        pasts: &mut Pasts,
        work: &mut PartsWork,
    ) -> Option<Row> {
        let group = parts.first()?;
        let PartsWork { columns, scratch } = work;
        let finish = |call: &AggregateCall, length_ns| {
            let parts = parts.iter().map(|part| &part.partials[call.accumulator as usize]);
            finish_parts(parts, &call.finisher, length_ns, scratch)
        };
        self.finished(group, finish, pasts, columns)
    }

    fn finished(
        &self,
        group: &GroupDelta,
        mut finish: impl FnMut(&AggregateCall, i64) -> Value,
        pasts: &mut Pasts,
        columns: &mut Vec<Value>,
    ) -> Option<Row> {
        let rule = self.rule;
        let keys = rule.key_names.len();
        columns.clear();
        if group.is_other {
            columns.resize(keys, Value::Null);
        } else {
            columns.extend(group.key.iter().cloned());
        }
        let length_ns = self.until_ns - self.start_ns;
        columns.extend(rule.calls.iter().map(|call| finish(call, length_ns)));
        let computing = Computing {
            rule: self.id,
            values: &rule.values,
            pasts: &rule.pasts,
            decision_ns: self.decision_ns,
            is_final: self.kind == RowKind::Final,
        };
        pasts.compute(&computing, group.id(), columns);
        if let Some(having) = &rule.having
            && eval_row(having, columns) != Value::Bool(true)
        {
            return None;
        }
        let mut columns = columns.drain(..);
        // Rows may wait by the million: their vectors have no room to spare.
        let mut key = Vec::with_capacity(keys);
        key.extend(columns.by_ref().take(keys));
        let mut values = Vec::with_capacity(rule.values.len());
        values.extend(columns.skip(rule.calls.len()).take(rule.values.len()));
        Some(Row {
            rule: self.id,
            decision_ns: self.decision_ns,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            kind: self.kind,
            is_other: group.is_other,
            key,
            values,
        })
    }
}
