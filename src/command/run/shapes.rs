//! What sinks must know of the rules of a plan.

use std::sync::Arc;

use tailwater_engine::aggregate::Finisher;
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    AggregateRule, AlertRule, Plan, Results, Rule, RuleKind, WindowShape,
};
use tailwater_engine::sink::{AlertShape, RuleShape, Shape};

/// The shapes of all rules, by id.
pub(super) fn shapes(plan: &Plan) -> Arc<[Shape]> {
    (0..plan.rules.len()).map(|index| shape(plan, RuleId(index as u32))).collect()
}

fn shape(plan: &Plan, id: RuleId) -> Shape {
    let rule = &plan.rules[id.0 as usize];
    match &rule.kind {
        RuleKind::Alert(alert) => Shape::Alert(of_alert(plan, rule, alert)),
        kind => {
            let values: Vec<Arc<str>> = rule.value_names().into_iter().cloned().collect();
            let whole = |finisher| match kind {
                RuleKind::Aggregate(aggregate) if adds_up(plan, id) => of(aggregate, finisher),
                _ => vec![false; values.len()],
            };
            Shape::Rule(RuleShape {
                name: Arc::clone(&rule.name),
                keys: rule.key_names().to_vec(),
                counts: whole(Finisher::Count),
                sums: whole(Finisher::Sum),
                histograms: whole(Finisher::Histogram),
                values,
                every_ns: plan.grid_of(id).map_or(0, |(every_ns, _)| every_ns),
            })
        }
    }
}

fn of_alert(plan: &Plan, rule: &Rule, alert: &AlertRule) -> AlertShape {
    let names =
        |texts: &[(Arc<str>, Expr)]| texts.iter().map(|(name, _)| Arc::clone(name)).collect();
    AlertShape {
        name: Arc::clone(&rule.name),
        severity: alert.severity.clone(),
        keys: plan.rules[alert.source.0 as usize].key_names().to_vec(),
        labels: names(&alert.labels),
        annotations: names(&alert.annotations),
    }
}

/// Whether a rule's windows do not overlap and are said once.
fn adds_up(plan: &Plan, id: RuleId) -> bool {
    let tables = plan.tables.iter().chain(plan.row_tables.iter().map(|rows| &rows.table));
    let mut windows = tables.flat_map(|table| table.windows.iter().map(move |w| (w, table)));
    windows.any(|(window, table)| {
        let is_tumbling = match window.shape {
            WindowShape::Sliding { size_ns, every_ns } => size_ns == every_ns,
            WindowShape::Session { .. } | WindowShape::Count { .. } => true,
            WindowShape::Cumulate { .. } => false,
        };
        let is_once = window.results == Results::Final && table.amend_ns == 0;
        window.rule == id && is_tumbling && is_once
    })
}

/// By selected value: whether it is what a finisher gives, and nothing else is made of it.
fn of(rule: &AggregateRule, finisher: Finisher) -> Vec<bool> {
    let keys = rule.key_names.len();
    let is_so = |(_, expr): &(Arc<str>, Expr)| match expr {
        Expr::Column(column) => {
            let call = (*column as usize).checked_sub(keys).and_then(|at| rule.calls.get(at));
            call.is_some_and(|call| call.finisher == finisher)
        }
        _ => false,
    };
    // What `having` leaves out is missing from the sum: then it counts nothing that has a meaning.
    if rule.having.is_some() {
        return vec![false; rule.values.len()];
    }
    rule.values.iter().map(is_so).collect()
}
