//! The rows of `rows` rules from the rows that they read.
//!
//! Must not know when rows come, nor who reads what is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::feeds::PairChange;
use super::group_key::key_hash;
use super::past::{Computing, Pasts};
use super::said_values::{SaidValues, Saying};
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::RowsRule;
use crate::plan::eval::eval_row;

/// What `rows` rules remember of the rows before.
pub(super) struct Memory {
    pub(super) pasts: Pasts,
    pub(super) said: SaidValues,
    /// Rows whose values had to be forgotten.
    pub(super) forgotten: u64,
}

/// A rule, and whether it reads count windows.
pub(super) type Reader = (RuleId, bool);

/// A row from a row.
pub(super) fn mapped(id: Reader, rule: &RowsRule, row: &Row, memory: &mut Memory) -> Option<Row> {
    let columns = row.columns();
    let takes = rule.filter.as_ref().is_none_or(|f| eval_row(f, &columns) == Value::Bool(true));
    takes.then(|| selected(id, rule, (row, None), columns, memory))
}

/// The rows behind the changes of pairs: what one loses and gains in an epoch is a revision.
pub(super) fn related<'a>(
    id: Reader,
    rule: &RowsRule,
    pairs: impl Iterator<Item = &'a PairChange>,
    memory: &mut Memory,
) -> Vec<Row> {
    let mut counts: BTreeMap<(&Row, &Option<Row>), isize> = BTreeMap::new();
    for pair in pairs {
        *counts.entry((&pair.left, &pair.right)).or_default() += pair.diff;
    }
    // In the order of their decision: a row's past is what was decided before it.
    let mut found: Vec<(Row, Option<&Row>, isize)> = Vec::new();
    for ((left, right), count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let right = right.as_ref();
        let right_ns = right.map_or(i64::MIN, |row| row.decision_ns);
        let kind = match (left.kind, right.map_or(RowKind::Final, |row| row.kind)) {
            (RowKind::Revision(a), RowKind::Revision(b)) => RowKind::Revision(a + b - 1),
            (RowKind::Revision(a), _) | (_, RowKind::Revision(a)) => RowKind::Revision(a),
            _ => RowKind::Final,
        };
        let decision_ns = left.decision_ns.max(right_ns);
        found.push((Row { decision_ns, kind, ..left.clone() }, right, count));
    }
    found.sort_by(|a, b| a.0.output_cmp(&b.0));
    let (lost, gained): (Vec<_>, Vec<_>) = found.into_iter().partition(|(.., count)| *count < 0);
    let mut made = |row: &Row, right: Option<&Row>| {
        let mut columns = row.columns();
        columns.extend(right.into_iter().flat_map(Row::columns));
        selected(id, rule, (row, right), columns, memory)
    };
    let (mut gone, mut rows) = (Vec::new(), Vec::new());
    for (row, right, count) in lost {
        let row = Row { kind: RowKind::Retraction, ..row };
        gone.extend((count..0).map(|_| made(&row, right)));
    }
    for (row, right, count) in gained {
        rows.extend((0..count).map(|_| made(&row, right)));
    }
    let same = |a: &Row, b: &Row| (a.start_ns, a.end_ns, &a.key) == (b.start_ns, b.end_ns, &b.key);
    for row in gone {
        if !rows.iter().any(|new| same(new, &row) && new.is_other == row.is_other) {
            rows.push(row);
        }
    }
    rows
}

fn selected(
    (id, is_counted): Reader,
    rule: &RowsRule,
    (row, joined): (&Row, Option<&Row>),
    mut columns: Vec<Value>,
    memory: &mut Memory,
) -> Row {
    let key: Arc<[Value]> = rule.key.iter().map(|expr| eval_row(expr, &columns)).collect();
    let judges = !rule.pasts.is_empty();
    let saying = judges.then(|| Saying::new((id, is_counted), (row, joined), &columns));
    if let (RowKind::Retraction, Some(saying)) = (row.kind, &saying)
        && let Some(values) = memory.said.withdraw(saying)
    {
        return Row { rule: id, key, values, ..row.clone() };
    }
    let from = columns.len();
    let computing = Computing {
        rule: id,
        values: &rule.values,
        pasts: &rule.pasts,
        decision_ns: row.decision_ns,
        is_final: row.kind == RowKind::Final,
    };
    memory.pasts.compute(&computing, (key_hash(&key), row.is_other), &mut columns);
    columns.truncate(from + rule.values.len());
    let values = columns.split_off(from);
    if let (RowKind::Revision(_) | RowKind::Final, Some(saying)) = (row.kind, &saying) {
        memory.forgotten += memory.said.note(saying, &values);
    }
    Row { rule: id, key, values, ..row.clone() }
}
