//! Which rows leave and what alerts ask of them, as rules write it.

use tailwater_engine::model::render::duration;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{AggregateRule, AlertRule, NoData, Plan, RuleKind};

use super::expression;

/// A line a rule that has conditions over its rows.
pub(super) fn conditions(plan: &Plan) -> Vec<String> {
    let rules = plan.rules.iter();
    let lines = rules.filter_map(|rule| match &rule.kind {
        RuleKind::Aggregate(of) => {
            let having = of.having.as_ref()?;
            let named = |at: u32| column(of, at);
            Some(format!("{} having {}", rule.name, expression(having, &named)))
        }
        RuleKind::Alert(alert) => Some(format!("alert {} {}", rule.name, asked(plan, alert))),
        _ => None,
    });
    lines.collect()
}

/// A column of an aggregate's conditions: keys, calls, values.
fn column(of: &AggregateRule, at: u32) -> String {
    let (keys, calls) = (of.key_names.len() as u32, of.calls.len() as u32);
    if let Some(key) = of.key_names.get(at as usize) {
        return key.to_string();
    }
    let named = match at.checked_sub(keys + calls) {
        Some(value) => of.values.get(value as usize),
        None => of.values.iter().find(|(_, expr)| *expr == Expr::Column(at)),
    };
    named.map_or_else(|| format!("call {}", at - keys + 1), |(name, _)| name.to_string())
}

fn asked(plan: &Plan, alert: &AlertRule) -> String {
    let source = &plan.rules[alert.source.0 as usize];
    let written = |expr: &Expr| expression(expr, &|at| source.column_name(at).to_string());
    let mut parts = Vec::new();
    let conditions = [("where", &alert.filter), ("until", &alert.until)];
    for (word, condition) in conditions {
        parts.extend(condition.as_ref().map(|condition| format!("{word} {}", written(condition))));
    }
    if !alert.is_per_item {
        parts.insert(usize::from(alert.filter.is_some()), format!("when {}", written(&alert.when)));
    }
    for (word, time_ns) in [("for", alert.for_ns), ("hold", alert.hold_ns)] {
        if time_ns > 0 {
            parts.push(format!("{word} {}", duration(time_ns)));
        }
    }
    parts.push(match alert.no_data {
        NoData::Resolve => "on no data resolve".to_owned(),
        NoData::Fire => "on no data fire".to_owned(),
        NoData::Keep => "on no data keep".to_owned(),
    });
    parts.join(" ")
}
