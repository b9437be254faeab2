//! Rows and transitions to bytes for other systems.
//!
//! A sink takes what the engine has decided; what it does with it (batches, retries, expiry) is
//! ruled by the wall clock and decides nothing. Names and shapes of rules come as plain
//! [`RuleShape`]s. Must not know: the dataflow, listeners, rule syntax.

pub mod pages;
pub mod prometheus;

use std::sync::Arc;

/// What a sink must know of a rule whose rows it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleShape {
    /// The rule's name.
    pub name: Arc<str>,
    /// Names of the key values of its rows.
    pub keys: Vec<Arc<str>>,
    /// Names of the selected values.
    pub values: Vec<Arc<str>>,
    /// By selected value: whether it counts items of windows that do not overlap and are said once,
    /// so that adding windows up gives a counter.
    pub counts: Vec<bool>,
    /// Distance between its windows' ends, nanoseconds; 0 where they have none in common.
    pub every_ns: i64,
}

/// What a sink must know of an alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertShape {
    /// The alert's name.
    pub name: Arc<str>,
    /// Its severity.
    pub severity: Option<Arc<str>>,
    /// Names of the key values of its instances.
    pub keys: Vec<Arc<str>>,
    /// Names of its labels.
    pub labels: Vec<Arc<str>>,
    /// Names of its annotations.
    pub annotations: Vec<Arc<str>>,
}

/// What rows and transitions mean, by rule id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A rule that makes rows.
    Rule(RuleShape),
    /// An alert.
    Alert(AlertShape),
}
