//! Expectations against what the rules said.

use std::sync::Arc;

use tailwater_dsl::hir::duration_text;
use tailwater_dsl::hir::{AlertState, Expect, ExpectKind, Literal, Moment, Program, SourceRef};
use tailwater_engine::model::{AlertState as State, Row, Transition, Value};
use tailwater_engine::plan::eval::eval_row;
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{Plan, RuleKind};

use super::sampled::{sampled_words, verdicts};
use super::{Failure, Said, TEST_START_NS};
use crate::lower::literal;

/// Rows or transitions shown beside a failed expectation.
const FOUND_SHOWN_MAX: usize = 5;

/// The failure of an expectation; `None` if it is met.
pub(super) fn check(
    program: &Program,
    plan: &Plan,
    said: &Said,
    expect: &Expect,
) -> Option<Failure> {
    let name = &name_of(program, &expect.rule);
    let index = || plan.rules.iter().position(|rule| *rule.name == **name);
    let (found, matching) = match expect.kind {
        ExpectKind::Row => rows(plan, index()?, said, expect),
        ExpectKind::Alert(state) => transitions(plan, index()?, said, expect, state),
        ExpectKind::Sample { is_kept } => verdicts(plan, name, said, expect, is_kept),
    };
    let is_met = match (expect.none, expect.count) {
        (true, _) => matching == 0,
        (false, Some(count)) => matching as u64 == count,
        (false, None) => matching > 0,
    };
    if is_met {
        return None;
    }
    let found_count = found.len();
    let found = found.into_iter().take(FOUND_SHOWN_MAX).collect();
    Some(Failure { range: expect.range, expected: words(name, expect), found, found_count })
}

/// What the source is called that an expectation names.
/// The rule that an expectation is about.
pub(super) fn name_of(program: &Program, source: &SourceRef) -> String {
    match source {
        SourceRef::Catalog(name) => name.clone(),
        SourceRef::Declaration(id)
        | SourceRef::Late(id)
        | SourceRef::Duplicates(id)
        | SourceRef::Timeout(id) => program.declaration(*id).name.clone(),
        SourceRef::Outcome(id, outcome) => {
            format!("{}.{}", program.declaration(*id).name, outcome.word())
        }
        SourceRef::TracePart(id, part) => {
            format!("{}.{}", program.declaration(*id).name, part.name())
        }
    }
}

fn words(name: &str, expect: &Expect) -> String {
    let what = match expect.kind {
        ExpectKind::Row => format!("a row of `{name}`"),
        ExpectKind::Alert(Some(state)) => format!("`{name}` {}", word(state)),
        ExpectKind::Alert(None) => format!("a transition of `{name}`"),
        ExpectKind::Sample { is_kept } => sampled_words(name, is_kept, expect),
    };
    let when = match expect.moment {
        None => String::new(),
        Some(Moment::At(ns)) => format!(" at {}", duration_text(ns)),
        Some(Moment::By(ns)) => format!(" by {}", duration_text(ns)),
        Some(Moment::Before(ns)) => format!(" before {}", duration_text(ns)),
        Some(Moment::After(ns)) => format!(" after {}", duration_text(ns)),
    };
    let how_many = match (expect.none, expect.count) {
        (true, _) => "none: ".to_owned(),
        (false, Some(1)) => "once: ".to_owned(),
        (false, Some(count)) => format!("{count} times: "),
        (false, None) => String::new(),
    };
    format!("{how_many}{what}{when}")
}

fn word(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    }
}

pub(super) fn is_then(moment: Option<Moment>, at_ns: i64) -> bool {
    let at_ns = at_ns.saturating_sub(TEST_START_NS);
    match moment {
        None => true,
        Some(Moment::At(ns)) => at_ns == ns,
        Some(Moment::By(ns)) => at_ns <= ns,
        Some(Moment::Before(ns)) => at_ns < ns,
        Some(Moment::After(ns)) => at_ns > ns,
    }
}

fn is_equal(value: &Value, expected: &Literal) -> bool {
    let expected = literal(expected);
    if expected.is_null() {
        return value.is_null();
    }
    let compare = Expr::binary(BinaryOp::Eq, Expr::Const(value.clone()), Expr::Const(expected));
    eval_row(&compare, &[]) == Value::Bool(true)
}

/// Whether every expected value is among the named ones and equal.
fn fits<'a>(named: &[(&'a str, &'a Value)], expected: &[(String, Literal)]) -> bool {
    expected.iter().all(|(name, literal)| {
        named.iter().any(|(known, value)| *known == name.as_str() && is_equal(value, literal))
    })
}

/// The names of a rule's columns: key values, then selected values.
fn columns(plan: &Plan, rule: usize) -> Vec<&str> {
    match &plan.rules[rule].kind {
        RuleKind::Alert(alert) => columns(plan, alert.source.0 as usize),
        _ => plan.rules[rule].column_names().into_iter().map(|name| &**name).collect(),
    }
}

fn named<'a>(names: &[&'a str], row: &'a Row) -> Vec<(&'a str, &'a Value)> {
    names.iter().copied().zip(row.key.iter().chain(&row.values)).collect()
}

fn line(at_ns: i64, what: &str, named: &[(&str, &Value)]) -> String {
    let at = duration_text(at_ns.saturating_sub(TEST_START_NS));
    let values: Vec<String> =
        named.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{at}  {what}{{{}}}", values.join(", "))
}

fn rows(plan: &Plan, rule: usize, said: &Said, expect: &Expect) -> (Vec<String>, usize) {
    let names = columns(plan, rule);
    let (mut found, mut matching) = (Vec::new(), 0);
    for row in said.rows.iter().filter(|row| row.rule.0 as usize == rule) {
        let named = named(&names, row);
        matching += usize::from(is_then(expect.moment, row.end_ns) && fits(&named, &expect.values));
        found.push(line(row.end_ns, "", &named));
    }
    (found, matching)
}

fn transitions(
    plan: &Plan,
    rule: usize,
    said: &Said,
    expect: &Expect,
    state: Option<AlertState>,
) -> (Vec<String>, usize) {
    let RuleKind::Alert(alert) = &plan.rules[rule].kind else { return (Vec::new(), 0) };
    let keys = columns(plan, rule);
    let labels: Vec<&Arc<str>> = alert.labels.iter().map(|(name, _)| name).collect();
    let (mut found, mut matching) = (Vec::new(), 0);
    let own: Vec<&Transition> =
        said.transitions.iter().filter(|t| t.rule.0 as usize == rule).collect();
    for (index, transition) in own.iter().enumerate() {
        let mut named: Vec<(&str, &Value)> =
            keys.iter().copied().zip(transition.key.iter()).collect();
        named.extend(labels.iter().map(|name| &***name).zip(&transition.labels));
        let is_state = state.is_none_or(|state| word(state) == transition.state.word());
        let is_time = match expect.moment {
            Some(Moment::At(ns)) => is_in_force(&own, index, ns),
            moment => is_then(moment, transition.decision_ns),
        };
        matching += usize::from(is_state && is_time && fits(&named, &expect.values));
        found.push(line(transition.decision_ns, &format!("{} ", transition.state.word()), &named));
    }
    (found, matching)
}

/// Whether a transition is its instance's last one up to a time: its state is the one in force.
fn is_in_force(own: &[&Transition], index: usize, at_ns: i64) -> bool {
    let is_by = |t: &Transition| t.decision_ns.saturating_sub(TEST_START_NS) <= at_ns;
    let this = own[index];
    let same = |t: &Transition| t.key == this.key && t.is_other == this.is_other;
    is_by(this)
        && !own[index + 1..].iter().any(|later| same(later) && is_by(later))
        && this.state != State::Inactive
}
