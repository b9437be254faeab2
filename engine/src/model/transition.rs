//! Alert transitions: what changed, when, and the row that caused it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::row::{Row, RuleId};
use super::value::Value;

/// The state of an alert's instance after a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlertState {
    /// The condition no longer holds, and it had not fired.
    Inactive,
    /// The condition holds, but not for long enough yet.
    Pending,
    /// Firing.
    Firing,
    /// It fired and no longer does.
    Resolved,
}

impl AlertState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One transition of one instance of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The alert.
    pub rule: RuleId,
    /// When, in event time: the end of the window that decided it.
    pub decision_ns: i64,
    /// The state from then on.
    pub state: AlertState,
    /// Since when the condition has held (pending, firing), or when it began to (resolved).
    pub since_ns: i64,
    /// Group key values of the instance.
    pub key: Vec<Value>,
    /// Whether it is the group of the keys beyond the limit.
    pub is_other: bool,
    /// Values of the labels, in the rule's order.
    pub labels: Vec<Value>,
    /// Texts of the annotations, in the rule's order.
    pub annotations: Vec<Value>,
    /// The row that caused it; none where a row was missing.
    pub evidence: Option<Row>,
}

impl Transition {
    /// The order in which transitions leave: decision time, alert, key. Those of one instance at
    /// one time are equal: they come in their order.
    pub fn output_cmp(&self, other: &Self) -> Ordering {
        (self.decision_ns, self.rule, self.is_other)
            .cmp(&(other.decision_ns, other.rule, other.is_other))
            .then_with(|| self.key.cmp(&other.key))
    }
}
