//! Hints of the summary: what a surprising result probably comes from.

use std::fmt::Write as _;
use std::sync::Arc;

use tailwater_dsl::diagnostic::suggest::{aside, nearest};
use tailwater_engine::model::{ColumnSpec, Ledger, Row, Signal};
use tailwater_engine::plan::{Plan, RuleKind, Table};
use tailwater_engine::runtime::RuleCounts;

/// Attributes that are usual enough to be what a misspelt one meant (OpenTelemetry's semantic
/// conventions, present and earlier names).
const USUAL_ATTRIBUTES: [&str; 36] = [
    "client.address",
    "container.name",
    "db.collection.name",
    "db.name",
    "db.namespace",
    "db.operation",
    "db.operation.name",
    "db.system",
    "db.system.name",
    "deployment.environment",
    "deployment.environment.name",
    "error.type",
    "event.name",
    "exception.type",
    "host.name",
    "http.method",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "http.status_code",
    "http.target",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.pod.name",
    "messaging.destination.name",
    "messaging.operation.type",
    "messaging.system",
    "rpc.method",
    "rpc.service",
    "rpc.system",
    "server.address",
    "service.instance.id",
    "service.name",
    "service.namespace",
    "service.version",
    "url.path",
];

/// What of each rule's key was ever there.
pub(super) struct KeysSeen {
    plan: Arc<Plan>,
    /// By rule and key value: whether a row had one.
    seen: Vec<Vec<bool>>,
}

impl KeysSeen {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let seen = plan.rules.iter().map(|rule| vec![false; rule.key_names().len()]).collect();
        Self { plan, seen }
    }

    pub(super) fn take(&mut self, row: &Row) {
        let seen = &mut self.seen[row.rule.0 as usize];
        for (seen, value) in seen.iter_mut().zip(row.key.iter()) {
            *seen |= !value.is_null();
        }
    }

    /// Attributes by which a rule groups and that no item had.
    pub(super) fn hints(&self, rule: usize) -> Vec<String> {
        let Some(table) = table_of(&self.plan, rule) else { return Vec::new() };
        let signal = &self.plan.signals[table.signal as usize];
        let missing = table.key.iter().zip(&self.seen[rule]).filter(|(_, seen)| !**seen);
        let attributes =
            missing.filter_map(|(column, _)| match signal.columns.get(*column as usize) {
                Some(ColumnSpec::Attribute { key, .. }) => Some(key),
                _ => None,
            });
        attributes
            .map(|key| {
                let is_usual = USUAL_ATTRIBUTES.contains(&&**key);
                let near = nearest(key, USUAL_ATTRIBUTES).filter(|_| !is_usual);
                format!("no item that came into a row has the attribute `{key}`{}", aside(near))
            })
            .collect()
    }
}

/// The table that an aggregate over telemetry reads.
fn table_of(plan: &Plan, rule: usize) -> Option<&Table> {
    let is_own = |table: &&Table| table.windows.iter().any(|w| w.rule.0 as usize == rule);
    plan.tables.iter().find(is_own)
}

/// Why nothing came out: no rule took an item.
pub(super) fn nothing_taken(plan: &Plan, ledger: &Ledger, rules: &[RuleCounts]) -> Option<String> {
    if rules.iter().any(|counts| counts.taken > 0) || plan.tables.is_empty() {
        return None;
    }
    let received = |signal: Signal| ledger.signals[signal.index()].received;
    if Signal::ALL.into_iter().all(|signal| received(signal) == 0) {
        return Some("the input holds no telemetry".to_owned());
    }
    let mut text = String::new();
    for (index, rule) in plan.rules.iter().enumerate() {
        let Some(table) = table_of(plan, index) else { continue };
        if !matches!(rule.kind, RuleKind::Aggregate(_)) {
            continue;
        }
        let signal = plan.signals[table.signal as usize].signal;
        if received(signal) == 0 {
            let _ =
                write!(text, "`{}` reads {}, and the input has none; ", rule.name, signal.name());
        } else {
            let _ = write!(text, "the `where` of `{}` let no item through; ", rule.name);
        }
        if text.len() > HINT_BYTES_MAX {
            break;
        }
    }
    let text = text.trim_end_matches("; ");
    (!text.is_empty()).then(|| text.to_owned())
}

/// Length from which on a hint takes no further rule.
const HINT_BYTES_MAX: usize = 300;
