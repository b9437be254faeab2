//! Routes, and the `to` of rules: what would go to which sink.

use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, DeclarationKind, Route};
use tailwater_engine::plan::{Plan, Route as PlanRoute};

use super::NotYet;
use super::expr::lower as lower_expr;
use super::stream::{Columns, Streams};

/// Checks that a route can be followed, and notes it.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    route: &Route,
) -> Result<(), Vec<NotYet>> {
    // What it reads is composed on a copy: where nothing is sent, nothing need be decoded.
    let mut scratch = plan.clone();
    match streams.rule(&route.input) {
        Some(rule) => {
            if let Some(filter) = &route.filter {
                lower_expr(filter, &mut Columns { rule: &scratch.rules[rule.0 as usize] })?;
            }
        }
        None => {
            let source = streams.compose(&mut scratch, &route.input, declaration.range)?;
            if let Some(filter) = &route.filter {
                source.lower(&mut scratch, streams, filter)?;
            }
        }
    }
    note(plan, &declaration.name, &route.to);
    Ok(())
}

/// Notes the sinks of a rule.
pub(super) fn of_rule(plan: &mut Plan, declaration: &Declaration) {
    let to = match &declaration.kind {
        DeclarationKind::Aggregate(rule) => &rule.to,
        DeclarationKind::Rows(rule) => &rule.to,
        DeclarationKind::Alert(rule) => &rule.to,
        DeclarationKind::Pattern(rule) => &rule.to,
        DeclarationKind::Stream(_) | DeclarationKind::Route(_) => return,
    };
    note(plan, &declaration.name, to);
}

fn note(plan: &mut Plan, name: &str, to: &[String]) {
    if !to.is_empty() {
        let to = to.iter().map(|sink| Arc::from(sink.as_str())).collect();
        plan.routes.push(PlanRoute { name: Arc::from(name), to });
    }
}
