//! Routes: what goes to which sinks, and which items leave as they came.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::eval::eval_row;
use super::expr::Expr;
use super::rule::RuleKind;
use crate::model::{Row, RowKind, RuleId, Transition, Value};

/// Rows, transitions or items on their way to sinks, by name. Who runs the engine knows the sinks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The rule, or the route itself.
    pub name: Arc<str>,
    /// Names of sinks.
    pub to: Vec<Arc<str>>,
    /// What it reads, where it is a route of rows or transitions.
    pub rows: Option<RowRoute>,
}

/// Rows or transitions of a rule that go somewhere beside where the rule itself sends them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowRoute {
    /// The rule.
    pub rule: RuleId,
    /// What must hold; columns as rules that read its rows see them.
    pub filter: Option<Expr>,
}

impl RowRoute {
    /// Whether it takes a row.
    pub fn takes_row(&self, row: &Row) -> bool {
        let holds = |filter: &Expr| eval_row(filter, &row.columns()) == Value::Bool(true);
        row.rule == self.rule && self.filter.as_ref().is_none_or(holds)
    }

    /// Whether it takes a transition.
    pub fn takes_transition(&self, plan: &Plan, transition: &Transition) -> bool {
        transition.rule == self.rule
            && (self.filter.is_none() || self.takes_row(&plan.transition_row(transition)))
    }
}

impl Plan {
    /// A transition as the rules that read it see it: from when its condition began to hold, to its
    /// decision.
    pub fn transition_row(&self, transition: &Transition) -> Row {
        let mut values = vec![Value::str(transition.state.word()), Value::Null];
        if let RuleKind::Alert(alert) = &self.rules[transition.rule.0 as usize].kind {
            values[1] = alert.severity.as_deref().map_or(Value::Null, Value::str);
            let columns = transition.evidence.as_ref().map(Row::columns).unwrap_or_default();
            let shown = alert.evidence.iter().map(|(_, at)| columns.get(*at as usize).cloned());
            values.extend(shown.map(Option::unwrap_or_default));
        }
        Row {
            rule: transition.rule,
            decision_ns: transition.decision_ns,
            start_ns: transition.since_ns,
            end_ns: transition.decision_ns,
            kind: RowKind::Final,
            is_other: transition.is_other,
            key: Arc::from(&transition.key[..]),
            values,
        }
    }
}

/// Items that leave for sinks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteRule {
    /// Index of the signal's plan, which keeps where items lie.
    pub signal: u32,
    /// Which of its items.
    pub from: RoutedFrom,
}

/// Which items a route takes of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RoutedFrom {
    /// Items as they come.
    Items {
        /// Index of the filter that an item must pass.
        filter: Option<u32>,
        /// Index of the removal of duplicates before it.
        dedupe: Option<u32>,
        /// Index of the timeline that its items count by. No item is late for it: it has no
        /// windows.
        timeline: u32,
    },
    /// Late items of a stream, as rules find them late.
    Late {
        /// The rule that takes them.
        rule: RuleId,
        /// Which of them, over the columns of its rows.
        filter: Option<Expr>,
    },
}
