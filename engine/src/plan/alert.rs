//! Alerts as the plan holds them: conditions over the rows of an aggregate.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use crate::model::RuleId;

/// What an alert does for a group that had a row and has none in the newest closed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoData {
    /// As if the condition were false.
    Resolve,
    /// As if the condition were true.
    Fire,
    /// The state stays.
    Keep,
}

/// An alert: one state machine a group. Columns of its expressions: the row's key values, then
/// its selected values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AlertRule {
    /// The rule whose rows it reads.
    pub source: RuleId,
    /// Names of the key values of its instances.
    pub key_names: Vec<Arc<str>>,
    /// (name, column of the source's rows) of what its transitions, read as rows, show of their
    /// evidence; these follow the key, `state` and `severity`.
    pub evidence: Vec<(Arc<str>, u32)>,
    /// Over the transitions of another alert: the columns that tell that one's instances apart.
    /// Each of them counts with its newest transition until the next.
    pub follows: Option<Vec<u32>>,
    /// Which rows it takes.
    pub filter: Option<Expr>,
    /// The condition.
    pub when: Expr,
    /// A firing alert resolves only where this holds, too.
    pub until: Option<Expr>,
    /// How long the condition must hold before firing, nanoseconds.
    pub for_ns: i64,
    /// How long it stays firing after the condition last held, nanoseconds.
    pub hold_ns: i64,
    /// What happens to a group without a row.
    pub no_data: NoData,
    /// Whether each row fires for itself and holds, whatever comes after it.
    pub is_per_item: bool,
    /// Whether the group of the keys beyond the limit alerts, too.
    pub with_other: bool,
    /// Severity as written.
    pub severity: Option<Arc<str>>,
    /// (name, value) of further labels.
    pub labels: Vec<(Arc<str>, Expr)>,
    /// (name, text) for people.
    pub annotations: Vec<(Arc<str>, Expr)>,
    /// Hash of the alert and what it reads: the identity of its state.
    pub hash: u64,
}
