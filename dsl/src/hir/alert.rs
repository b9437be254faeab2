//! Alerts and routes.

use super::{Expr, SourceRef};

/// An alert: one state machine a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What it reads: rows, or items (then it fires per item and holds).
    pub input: SourceRef,
    /// Which rows or items it takes.
    pub filter: Option<Expr>,
    /// Columns that tell instances apart: `by`, else the group key of the rows.
    pub by: Vec<String>,
    /// Condition; `None` over items, where each one fires.
    pub when: Option<Expr>,
    /// Hysteresis: a firing alert resolves only where this holds.
    pub until: Option<Expr>,
    /// How long the condition must hold before firing, ns.
    pub for_ns: i64,
    /// How long it stays firing after the condition fails, ns.
    pub hold_ns: i64,
    /// What happens to a group without a row; `None` where unstated (`keep`).
    pub no_data: Option<NoData>,
    /// Severity as written.
    pub severity: Option<String>,
    /// Labels; values are texts, possibly `ExprKind::Template`.
    pub labels: Vec<(String, Expr)>,
    /// Annotations; as labels.
    pub annotations: Vec<(String, Expr)>,
    /// Whether each item or match fires for itself and is held.
    pub per_item: bool,
    /// Whether the overflow group `other` alerts too.
    pub with_other: bool,
    /// Names of sinks.
    pub to: Vec<String>,
}

/// What an alert does for a group that had a row and has none in the newest closed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoData {
    /// As if the condition were false.
    Resolve,
    /// As if the condition were true.
    Fire,
    /// The state stays.
    Keep,
}

/// Items or rows to sinks.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What it sends.
    pub input: SourceRef,
    /// Which of it.
    pub filter: Option<Expr>,
    /// Names of sinks.
    pub to: Vec<String>,
}
