//! Rules as the plan holds them: how rows are made and what they look like.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use crate::aggregate::Finisher;

/// One rule of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in the rule files, with the pack's prefix where imported.
    pub name: Arc<str>,
    /// What it does.
    pub kind: RuleKind,
}

/// Kinds of rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleKind {
    /// Rows from windows and groups.
    Aggregate(AggregateRule),
    /// Alerts over the rows of an aggregate.
    Alert(super::AlertRule),
}

/// One aggregate call of a rule: an accumulator of its table and how to read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Index among the table's accumulators.
    pub accumulator: u32,
    /// How the result is made from it.
    pub finisher: Finisher,
}

/// When a rule says its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Results {
    /// Once, when the window has closed.
    Final,
    /// Also in between, every so many nanoseconds of event time.
    Every(i64),
    /// As withdrawals and replacements.
    Changes,
}

/// An aggregate: what its rows hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateRule {
    /// Names of the key values, in the order of `by`.
    pub key_names: Vec<Arc<str>>,
    /// The aggregate calls.
    pub calls: Vec<AggregateCall>,
    /// (name, expression) of every selected value. Columns of the expressions: the key values,
    /// then the calls' results, then the selected values before this one.
    pub values: Vec<(Arc<str>, Expr)>,
    /// Which rows leave; columns as for values, all of them.
    pub having: Option<Expr>,
    /// When results are said.
    pub results: Results,
}
