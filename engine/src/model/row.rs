//! Output rows: what a rule says about a window and a group.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::value::Value;

/// A rule by its place in the plan.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RuleId(pub u32);

/// What a row is to the rows before it, in the order in which they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RowKind {
    /// The withdrawal of an earlier row.
    Retraction,
    /// A result so far; the revision counts from 1 within a window and group.
    Revision(u32),
    /// The result, once.
    Final,
}

/// One output row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// The rule that says it.
    pub rule: RuleId,
    /// When it was decided, in event time: nanoseconds since the Unix epoch.
    pub decision_ns: i64,
    /// Start of the window, inclusive.
    pub start_ns: i64,
    /// End of the window, exclusive.
    pub end_ns: i64,
    /// Final, revision or retraction.
    pub kind: RowKind,
    /// Whether this is the row of the groups beyond the limit; its key values are all null.
    pub is_other: bool,
    /// Group key values, in the order of `by`; shared by the rows of a group.
    pub key: Arc<[Value]>,
    /// Selected values, in the order of `select`.
    pub values: Vec<Value>,
}

impl Row {
    /// The columns of the row as rules that read it see them: start and end of the window, key
    /// values, selected values.
    pub fn columns(&self) -> Vec<Value> {
        let window = [Value::Time(self.start_ns), Value::Time(self.end_ns)];
        window.into_iter().chain(self.key.iter().chain(&self.values).cloned()).collect()
    }

    /// The order in which rows leave: decision time, rule, window, key, kind.
    pub fn output_cmp(&self, other: &Self) -> Ordering {
        (self.decision_ns, self.rule, self.start_ns, self.is_other)
            .cmp(&(other.decision_ns, other.rule, other.start_ns, other.is_other))
            .then_with(|| self.key.cmp(&other.key))
            .then_with(|| self.kind.cmp(&other.kind))
    }
}
