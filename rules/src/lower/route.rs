//! Routes, and the `to` of rules: what would go to which sink.

use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, DeclarationKind, Outcome, Route};
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::{
    Plan, Route as PlanRoute, RouteRule, RoutedFrom, RowRoute, Rule, RuleKind, RulePlace,
};

use super::expr::lower as lower_expr;
use super::row_names::Columns;
use super::stream::{Composed, Origin, Streams, both, timeline};
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
    let source = streams.compose(plan, &route.input, declaration.range)?;
    let own =
        route.filter.as_ref().map(|filter| source.lower(plan, streams, filter)).transpose()?;
    let condition = both(source.condition.clone(), own);
    let (signal, from, place) = match source.signal() {
        Some(signal) => {
            let filter = condition.map(|condition| source.filter(plan, condition));
            let timeline = timeline(plan, &source, signal);
            plan.signals[signal as usize].raw = true;
            let place = RulePlace { timelines: vec![timeline], ..RulePlace::default() };
            (signal, RoutedFrom::Items { filter, dedupe: source.dedupe, timeline }, place)
        }
        None => {
            let late = leaving(plan, &source);
            let (rule, signal, place) =
                late.ok_or_else(|| not_yet("`route` of these items", declaration.range))?;
            (signal, RoutedFrom::Late { rule, filter: condition }, place)
        }
    };
    plan.rules.push(Rule {
        name: Arc::from(&*declaration.name),
        kind: RuleKind::Route(RouteRule { signal, from }),
        place,
    });
    Ok(())
}

/// The rule of late items, their signal, and the place of a rule that lets them leave; whole
/// items travel with its rows from now on. `None` where a source gives something else.
pub(super) fn leaving(plan: &mut Plan, source: &Composed) -> Option<(RuleId, u32, RulePlace)> {
    let Origin::Rows(input) = source.origin else { return None };
    let id = plan.row_inputs[input as usize].rule;
    let rule = &mut plan.rules[id.0 as usize];
    let place = RulePlace { level: rule.place.level + 1, is_hidden: false, ..rule.place.clone() };
    let RuleKind::Late(late) = &mut rule.kind else { return None };
    late.is_whole = true;
    plan.signals[late.signal as usize].raw = true;
    Some((id, late.signal, place))
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
