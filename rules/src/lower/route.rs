//! Routes, and the `to` of rules: what would go to which sink.

use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, DeclarationKind, Outcome, Route};
use tailwater_engine::model::{RuleId, Signal};
use tailwater_engine::plan::{
    Plan, Route as PlanRoute, RouteRule, RowRoute, Rule, RuleKind, RulePlace,
};

use super::expr::lower as lower_expr;
use super::row_names::Columns;
use super::stream::{Streams, both, timeline};
use super::{NotYet, not_yet};

/// Puts a route into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    route: &Route,
) -> Result<(), Vec<NotYet>> {
    let rows = match streams.rule(&route.input) {
        Some(rule) => Some(rows(plan, rule, declaration, route)?),
        None => {
            items(plan, streams, declaration, route)?;
            None
        }
    };
    note(plan, &declaration.name, &route.to, rows);
    Ok(())
}

/// A route of what a rule says.
fn rows(
    plan: &Plan,
    id: RuleId,
    declaration: &Declaration,
    route: &Route,
) -> Result<RowRoute, Vec<NotYet>> {
    let rule = &plan.rules[id.0 as usize];
    if rule.place.is_hidden {
        return Err(not_yet("`route` of rows that only rules read", declaration.range));
    }
    let filter = route.filter.as_ref().map(|filter| lower_expr(filter, &mut Columns { rule }));
    Ok(RowRoute { rule: id, filter: filter.transpose()? })
}

/// A route of telemetry: its items leave as they came.
fn items(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    route: &Route,
) -> Result<(), Vec<NotYet>> {
    let range = declaration.range;
    let source = streams.compose(plan, &route.input, range)?;
    let Some(index) = source.signal() else {
        return Err(not_yet("`route` of late items", range));
    };
    let signal = plan.signals[index as usize].signal;
    if !matches!(signal, Signal::Spans | Signal::Logs | Signal::Metrics) {
        let what = format!("`route` of {}, which OTLP has no message for,", signal.name());
        return Err(not_yet(&what, range));
    }
    let own =
        route.filter.as_ref().map(|filter| source.lower(plan, streams, filter)).transpose()?;
    let condition = both(source.condition.clone(), own);
    let filter = condition.map(|condition| source.filter(plan, condition));
    let timeline = timeline(plan, &source, index);
    plan.signals[index as usize].raw = true;
    plan.rules.push(Rule {
        name: Arc::from(&*declaration.name),
        kind: RuleKind::Route(RouteRule { signal: index, filter, dedupe: source.dedupe, timeline }),
        place: RulePlace { timelines: vec![timeline], ..RulePlace::default() },
    });
    Ok(())
}

/// Notes the sinks of a rule.
pub(super) fn of_rule(plan: &mut Plan, declaration: &Declaration) {
    let to = match &declaration.kind {
        DeclarationKind::Aggregate(rule) => &rule.to,
        DeclarationKind::Rows(rule) => &rule.to,
        DeclarationKind::Alert(rule) => &rule.to,
        DeclarationKind::Pattern(rule) => &rule.to,
        DeclarationKind::Retrace(rule) => &rule.to,
        DeclarationKind::Correlate(rule) => {
            let matched = format!("{}.{}", declaration.name, Outcome::Matched.word());
            return note(plan, &matched, &rule.to, None);
        }
        DeclarationKind::Stream(_)
        | DeclarationKind::Traces(_)
        | DeclarationKind::Route(_)
        | DeclarationKind::Redact(_)
        | DeclarationKind::Sample(_) => return,
    };
    note(plan, &declaration.name, to, None);
}

pub(super) fn note(plan: &mut Plan, name: &str, to: &[String], rows: Option<RowRoute>) {
    if !to.is_empty() {
        let to = to.iter().map(|sink| Arc::from(sink.as_str())).collect();
        plan.routes.push(PlanRoute { name: Arc::from(name), to, rows });
    }
}
