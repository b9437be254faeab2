//! Why an alert did what it did: of each of its instances the rows and the states, in order.
//!
//! Nothing is looked up again: rows and transitions are gathered as they leave the engine, and a
//! condition is shown with the values of the very row that it was decided by.

mod json;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::diagnostic::suggest::{aside, listed, nearest};
use tailwater_engine::model::{AlertState, Row, RowKind, RuleId, Transition, Value};
use tailwater_engine::plan::eval::eval_row;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{AlertRule, Plan, Rule, RuleKind};
use tailwater_rules::explain::expression;

use super::TableStyle;
use super::rows::{Said, alert, rule_of};
use super::table::one_line;
use crate::args::Format;
use crate::exit::Usage;
use crate::output::{Output, WriteFailed};

/// Rows without a transition that are held, over all instances; further ones are counted only.
const ROWS_HELD_MAX: usize = 1_000_000;

/// Alerts named in one message at most.
const ALERTS_SHOWN_MAX: usize = 20;

/// A row that an instance saw, a change of its state, or both.
struct Step {
    time_ns: i64,
    row: Option<Row>,
    transition: Option<Transition>,
    /// The state from then on.
    state: AlertState,
}

/// One instance: the group of one key.
struct Instance {
    steps: Vec<Step>,
    state: AlertState,
    /// Since when the condition has held, while pending or firing.
    since_ns: i64,
}

/// (whether it is the group beyond the limit, key).
type Group = (bool, Vec<Value>);

/// What is gathered about one alert.
pub(crate) struct Why {
    plan: Arc<Plan>,
    alert: RuleId,
    source: RuleId,
    instances: BTreeMap<Group, Instance>,
    /// Of each group the end of the last window that had a row.
    ends: BTreeMap<Group, i64>,
    /// Rows of the source that the alert looked at, and those of them where the condition held.
    seen: u64,
    held: u64,
    /// Rows beyond [`ROWS_HELD_MAX`].
    dropped: u64,
    rows: usize,
    /// End of the last window that was said.
    last_ns: i64,
}

/// An alert's expression about one row.
struct Condition {
    /// As the rule writes it, each column followed by its value.
    text: String,
    /// Columns that it reads, with their values.
    values: Vec<(Arc<str>, Value)>,
    /// `None` is unknown: a value is missing.
    holds: Option<bool>,
}

impl Why {
    /// Gathers what concerns an alert.
    ///
    /// # Errors
    /// If the plan has no alert of that name.
    pub(crate) fn new(plan: Arc<Plan>, name: &str) -> Result<Self, Usage> {
        let is_alert = |rule: &RuleKind| matches!(rule, RuleKind::Alert(_));
        let found = plan.rules.iter().position(|rule| *rule.name == *name);
        let alerts = || {
            let alerts = plan.rules.iter().filter(|rule| is_alert(&rule.kind));
            alerts.map(|rule| &*rule.name)
        };
        let Some(index) = found.filter(|&index| is_alert(&plan.rules[index].kind)) else {
            let what = if found.is_some() { "is no alert" } else { "is no rule" };
            let near = aside(nearest(name, alerts()));
            let known = match alerts().count() {
                0 => "the rules hold no alert".to_owned(),
                _ => format!("alerts: {}", listed(alerts(), ALERTS_SHOWN_MAX)),
            };
            return Err(Usage(format!("`{name}` {what}{near} ({known})")));
        };
        let id = RuleId(index as u32);
        let source = alert(&plan, id).1.source;
        Ok(Self {
            plan,
            alert: id,
            source,
            instances: BTreeMap::new(),
            ends: BTreeMap::new(),
            seen: 0,
            held: 0,
            dropped: 0,
            rows: 0,
            last_ns: i64::MIN,
        })
    }

    /// Takes what a run says, in order of time; a row comes before the transition that it causes.
    pub(crate) fn take(&mut self, said: Said<'_>) {
        match said {
            Said::Row(row) => self.last_ns = self.last_ns.max(row.end_ns),
            Said::Transition(one) => self.last_ns = self.last_ns.max(one.decision_ns),
        }
        match said {
            // An alert acts when a window ends: rows of `results every` before that are no reason.
            Said::Row(row)
                if row.rule == self.source
                    && row.kind != RowKind::Retraction
                    && row.decision_ns >= row.end_ns =>
            {
                self.row(row);
            }
            Said::Transition(transition) if transition.rule == self.alert => {
                self.transition(transition);
            }
            _ => {}
        }
    }

    fn row(&mut self, row: &Row) {
        let rule = self.rule();
        if row.is_other && !rule.with_other {
            return;
        }
        let columns = row.columns();
        let is_true = |expr: &Expr| eval_row(expr, &columns) == Value::Bool(true);
        if rule.filter.as_ref().is_some_and(|filter| !is_true(filter)) {
            return;
        }
        let holds = is_true(&rule.when);
        let group = (row.is_other, row.key.to_vec());
        // The alert acts on the first row of a window; a later revision does not move it.
        match self.ends.get_mut(&group) {
            Some(end_ns) if row.end_ns <= *end_ns => return,
            Some(end_ns) => *end_ns = row.end_ns,
            None => {
                self.ends.insert(group.clone(), row.end_ns);
            }
        }
        self.seen += 1;
        self.held += u64::from(holds);
        let state = self.instances.get(&group).map(|instance| instance.state);
        let is_quiet = state.is_none_or(|state| !is_active(state));
        if is_quiet && !holds {
            return;
        }
        if self.rows == ROWS_HELD_MAX {
            self.dropped += 1;
            return;
        }
        self.rows += 1;
        let instance = self.instances.entry(group).or_insert_with(Instance::new);
        let (time_ns, state) = (row.decision_ns, instance.state);
        let step = Step { time_ns, row: Some(row.clone()), transition: None, state };
        instance.steps.push(step);
    }

    fn transition(&mut self, transition: &Transition) {
        let group = (transition.is_other, transition.key.clone());
        let instance = self.instances.entry(group).or_insert_with(Instance::new);
        instance.state = transition.state;
        let own = instance
            .steps
            .iter()
            .rposition(|step| step.time_ns == transition.decision_ns && step.transition.is_none());
        let at = own.unwrap_or_else(|| {
            instance.steps.push(Step {
                time_ns: transition.decision_ns,
                row: transition.evidence.clone(),
                transition: None,
                state: transition.state,
            });
            instance.steps.len() - 1
        });
        instance.steps[at].state = transition.state;
        instance.steps[at].transition = Some(transition.clone());
        if is_active(transition.state) {
            instance.since_ns = transition.since_ns;
        }
    }

    /// Writes what was gathered; `shows` chooses by the start and the end of what a step is about.
    pub(crate) fn write(
        &self,
        format: Format,
        style: TableStyle,
        shows: &dyn Fn(i64, i64) -> bool,
        output: &mut Output,
    ) -> Result<(), WriteFailed> {
        let mut out = String::new();
        match format {
            Format::Jsonl => self.json(shows, &mut out),
            _ => self.text(style, shows, &mut out),
        }
        output.text(&out)
    }

    fn rule(&self) -> &AlertRule {
        alert(&self.plan, self.alert).1
    }

    fn source(&self) -> (&str, &Rule) {
        rule_of(&self.plan, self.source)
    }

    fn column(&self, index: u32) -> Arc<str> {
        self.source().1.column_name(index)
    }

    /// A condition as the rule writes it.
    fn written(&self, expr: &Expr) -> String {
        expression(expr, &|index| self.column(index).to_string())
    }

    /// A condition about a row.
    fn condition(&self, expr: &Expr, row: &Row) -> Condition {
        let columns = row.columns();
        let value = |index: u32| columns.get(index as usize).cloned().unwrap_or_default();
        let mut values: Vec<(Arc<str>, Value)> = Vec::new();
        expr.columns(&mut |index| {
            let name = self.column(index);
            if values.iter().all(|(known, _)| *known != name) {
                values.push((name, value(index)));
            }
        });
        let text = expression(expr, &|index| {
            format!("{} ({})", self.column(index), one_line(&value(index)))
        });
        let holds = match eval_row(expr, &columns) {
            Value::Bool(holds) => Some(holds),
            _ => None,
        };
        Condition { text, values, holds }
    }
}

impl Instance {
    fn new() -> Self {
        Self { steps: Vec::new(), state: AlertState::Inactive, since_ns: 0 }
    }
}

fn is_active(state: AlertState) -> bool {
    matches!(state, AlertState::Pending | AlertState::Firing)
}

/// How long the condition had held when a step was decided, nanoseconds. `pending_ns`: since when
/// the instance was pending, which the end of that state does not say itself.
fn held_ns(transition: &Transition, pending_ns: Option<i64>) -> i64 {
    let since_ns = match transition.state {
        AlertState::Inactive => pending_ns.unwrap_or(transition.since_ns),
        _ => transition.since_ns,
    };
    transition.decision_ns.saturating_sub(since_ns)
}
