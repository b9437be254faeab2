//! Rows from what groups accumulated.
//!
//! Knows the plan's rules; must not know when windows close.

use std::sync::Arc;

use super::groups::{GroupDelta, GroupId};
use super::past::{Computing, Pasts};
use super::slice_index::GroupParts;
use crate::aggregate::{Partial, PartsScratch};
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::eval::eval_row;
use crate::plan::expr::Expr;
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
        self.finished((&group.key, group.id()), finish, pasts, columns)
    }

    /// The row of a group from its sealed parts, which stay as they are.
    pub(crate) fn row_of_parts(
        &self,
        parts: &GroupParts<'_>,
        pasts: &mut Pasts,
        work: &mut PartsWork,
    ) -> Option<Row> {
        let PartsWork { columns, scratch } = work;
        let finish = |call: &AggregateCall, length_ns| parts.finish(call, length_ns, scratch);
        self.finished((parts.key, parts.id), finish, pasts, columns)
    }

    fn finished(
        &self,
        (key, id): (&Arc<[Value]>, GroupId),
        mut finish: impl FnMut(&AggregateCall, i64) -> Value,
        pasts: &mut Pasts,
        columns: &mut Vec<Value>,
    ) -> Option<Row> {
        let rule = self.rule;
        let keys = rule.key_names.len();
        let length_ns = self.until_ns - self.start_ns;
        if self.says_calls() {
            // Rows may wait by the million: their vectors have no room to spare.
            let mut values = Vec::with_capacity(rule.values.len());
            values.extend(rule.calls.iter().map(|call| finish(call, length_ns)));
            return Some(self.row_with((key, id), values));
        }
        columns.clear();
        if id.1 {
            columns.resize(keys, Value::Null);
        } else {
            columns.extend(key.iter().cloned());
        }
        columns.extend(rule.calls.iter().map(|call| finish(call, length_ns)));
        let computing = Computing {
            rule: self.id,
            values: &rule.values,
            pasts: &rule.pasts,
            decision_ns: self.decision_ns,
            is_final: self.kind == RowKind::Final,
        };
        pasts.compute(&computing, id, columns);
        if let Some(having) = &rule.having
            && eval_row(having, columns) != Value::Bool(true)
        {
            return None;
        }
        let mut values = Vec::with_capacity(rule.values.len());
        let from = keys + rule.calls.len();
        values.extend(columns.drain(from..).take(rule.values.len()));
        Some(self.row_with((key, id), values))
    }

    /// Whether the values of a row are the results of its calls, one by one.
    fn says_calls(&self) -> bool {
        let AggregateRule { key_names, values, calls, pasts, having, .. } = self.rule;
        let mut columns = key_names.len() as u32..;
        having.is_none()
            && pasts.is_empty()
            && values.len() == calls.len()
            && values.iter().all(|(_, value)| match value {
                Expr::Column(column) => columns.next() == Some(*column),
                _ => false,
            })
    }

    fn row_with(&self, (key, id): (&Arc<[Value]>, GroupId), values: Vec<Value>) -> Row {
        let is_other = id.1;
        let key = if is_other {
            self.rule.key_names.iter().map(|_| Value::Null).collect()
        } else {
            Arc::clone(key)
        };
        Row {
            rule: self.id,
            decision_ns: self.decision_ns,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            kind: self.kind,
            is_other,
            key,
            values,
        }
    }
}
