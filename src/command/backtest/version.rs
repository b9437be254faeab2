//! What one version of rules says about a recording, held for comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_engine::model::{
    AlertState, EmittedItem, ItemAround, ItemContent, Row, RowKind, Transition, Value,
};
use tailwater_engine::plan::{Plan, RuleKind};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::render::rows::{Said, alert, rule_of};

/// Rows of one version that are held; memory is some hundred bytes each.
pub(super) const ROWS_MAX: usize = 5_000_000;

/// Items of telemetry of one version that are held, some 30 bytes each.
pub(super) const ITEMS_MAX: usize = 20_000_000;

/// The items that a rule sends on: by a hash of what came, one of what was written onto it. Of 20
/// million items two look alike with a probability below 10^-23.
pub(super) type Items = BTreeMap<u128, u64>;

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
    /// Of every rule that sends telemetry on, by name.
    pub(super) items: BTreeMap<String, Items>,
    /// Items that it sent on; beyond [`ITEMS_MAX`] they are counted only.
    pub(super) item_count: usize,
    /// Rows that it made; beyond [`ROWS_MAX`] they are counted only.
    pub(super) count: usize,
}

impl Version {
    /// Nothing yet, of every rule.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut version = Self::default();
        for rule in &plan.rules {
            let name = rule.name.to_string();
            match rule.kind {
                RuleKind::Alert(_) => drop(version.alerts.insert(name, BTreeMap::new())),
                RuleKind::Route(_) | RuleKind::Sample(_) | RuleKind::Retrace(_) => {
                    drop(version.items.insert(name, Items::new()));
                }
                _ => {
                    let columns = rule.value_names().into_iter().cloned().collect();
                    version.rules.insert(name, Rows { columns, rows: BTreeMap::new() });
                }
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

    /// Takes telemetry that a run sends on.
    pub(super) fn take_items(&mut self, plan: &Plan, items: &[EmittedItem]) {
        for item in items {
            let (name, _) = rule_of(plan, item.rule);
            self.item_count += 1;
            if self.item_count <= ITEMS_MAX {
                let items = self.items.entry(name.to_owned()).or_default();
                items.insert(identity(&item.content), xxh3_64(&item.content.append));
            }
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

/// What came, wherever it stands in the log.
fn identity(content: &ItemContent) -> u128 {
    let ItemContent { around, item, append: _ } = content;
    let ItemAround { resource, resource_schema_url, scope, scope_schema_url } = &**around;
    let mut hasher = Xxh3::new();
    for part in [resource, resource_schema_url, scope, scope_schema_url, item] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest128()
}
