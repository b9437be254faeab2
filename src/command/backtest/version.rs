//! What one version of rules says about a recording, held for comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_engine::model::{AlertState, Row, RowKind, Transition, Value};
use tailwater_engine::plan::{Plan, RuleKind};

use crate::render::rows::{Said, alert, rule_of};

/// Rows of one version that are held; memory is some hundred bytes each.
pub(super) const ROWS_MAX: usize = 5_000_000;

/// A group: whether it is that of the keys beyond the limit, and its named key values.
pub(super) type Key = (bool, Vec<(Arc<str>, Value)>);

/// Where a row stands: start and end of its window (ns since the Unix epoch), group.
pub(super) type Place = (i64, i64, Key);

/// The rows of one rule.
#[derive(Default)]
pub(super) struct Rows {
    /// Names of the selected values.
    pub(super) columns: Vec<Arc<str>>,
    /// The values that each row had in the end.
    pub(super) rows: BTreeMap<Place, Vec<Value>>,
}

/// One time that an alert fired, nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Firing {
    /// When it began.
    pub(super) from_ns: i64,
    /// When it was resolved; `None` if it still fires at the end.
    pub(super) to_ns: Option<i64>,
}

/// Everything that one version says.
#[derive(Default)]
pub(super) struct Version {
    /// Of every rule that makes rows, by name.
    pub(super) rules: BTreeMap<String, Rows>,
    /// By name of the alert: each group's firings, in order of time.
    pub(super) alerts: BTreeMap<String, BTreeMap<Key, Vec<Firing>>>,
    /// Rows that it made; beyond [`ROWS_MAX`] they are counted only.
    pub(super) count: usize,
}

impl Version {
    /// Nothing yet, of every rule.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut version = Self::default();
        for rule in &plan.rules {
            let name = rule.name.to_string();
            if matches!(rule.kind, RuleKind::Alert(_)) {
                version.alerts.insert(name, BTreeMap::new());
            } else {
                let columns = rule.value_names().into_iter().cloned().collect();
                version.rules.insert(name, Rows { columns, rows: BTreeMap::new() });
            }
        }
        version
    }

    /// Takes what a run says, in order of time.
    pub(super) fn take(&mut self, plan: &Plan, said: Said<'_>) {
        match said {
            Said::Row(row) => self.row(plan, row),
            Said::Transition(transition) => self.transition(plan, transition),
        }
    }

    fn row(&mut self, plan: &Plan, row: &Row) {
        let (name, rule) = rule_of(plan, row.rule);
        let place = (row.start_ns, row.end_ns, key(row.is_other, rule.key_names(), &row.key));
        let Some(rows) = self.rules.get_mut(name) else { return };
        if row.kind == RowKind::Retraction {
            rows.rows.remove(&place);
            return;
        }
        self.count += 1;
        if self.count <= ROWS_MAX {
            rows.rows.insert(place, row.values.clone());
        }
    }

    fn transition(&mut self, plan: &Plan, transition: &Transition) {
        let (name, _, source) = alert(plan, transition.rule);
        let key = key(transition.is_other, source.key_names(), &transition.key);
        let Some(alert) = self.alerts.get_mut(name) else { return };
        let at_ns = transition.decision_ns;
        match transition.state {
            AlertState::Firing => {
                alert.entry(key).or_default().push(Firing { from_ns: at_ns, to_ns: None });
            }
            AlertState::Resolved => {
                if let Some(firing) = alert.get_mut(&key).and_then(|firings| firings.last_mut()) {
                    firing.to_ns = Some(at_ns);
                }
            }
            AlertState::Pending | AlertState::Inactive => {}
        }
    }
}

fn key(is_other: bool, names: &[Arc<str>], values: &[Value]) -> Key {
    let named = names.iter().cloned().zip(values.iter().cloned());
    (is_other, if is_other { Vec::new() } else { named.collect() })
}
