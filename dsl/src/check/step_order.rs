//! Steps that a pattern has and an expression cannot name, and steps that no match ever takes.

use super::Checker;
use super::pattern_steps::Body;
use super::scope::broken;
use super::step::Steps;
use crate::ast::{Element, PatternBody, Sequence, Step};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, LaneStep, MatchMode, PatternSymbol};
use crate::text_range::TextRange;

/// Why a step has no value where it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Later,
    /// One of several, or in any order: they do not see one another.
    Beside,
    /// It must not come, or only ends a match.
    NoPart,
}

/// A step that cannot be named.
#[derive(Debug, Clone)]
pub(super) struct HiddenStep {
    name: String,
    range: TextRange,
    why: Why,
}

/// The steps of a pattern that an expression at some place cannot name, whatever it can.
pub(super) fn hidden_at(body: &PatternBody, at: Option<TextRange>) -> Vec<HiddenStep> {
    let mut hidden = Vec::new();
    let mut add = |step: &Step, why| {
        if let Some(name) = &step.name {
            hidden.push(HiddenStep { name: name.text.clone(), range: name.range, why });
        }
    };
    let absences = body.sequence.links.iter().filter_map(|link| match &link.element {
        Element::Absence(absence) => Some(&absence.0),
        _ => None,
    });
    absences.chain(body.guards.iter().map(|g| &g.step)).for_each(|step| add(step, Why::NoPart));
    if let Some(at) = at {
        body.sequence.steps(&mut |step| {
            let why =
                if is_beside(&body.sequence, at, step.range) { Why::Beside } else { Why::Later };
            add(step, why);
        });
    }
    hidden
}

/// Whether two steps are of one element in which steps do not see one another.
fn is_beside(sequence: &Sequence, a: TextRange, b: TextRange) -> bool {
    let holds = |range: TextRange, of: TextRange| range.start <= of.start && of.end <= range.end;
    let both = |range: TextRange| holds(range, a) && holds(range, b);
    let Some(link) = sequence.links.iter().find(|link| both(link.range)) else { return false };
    match &link.element {
        Element::Branches(branches) => {
            let whole = branches.iter().find(|branch| {
                let (mut first, mut second) = (false, false);
                branch.steps(&mut |step| {
                    first |= holds(step.range, a);
                    second |= holds(step.range, b);
                });
                first && second
            });
            whole.is_none_or(|branch| is_beside(branch, a, b))
        }
        _ => true,
    }
}

impl HiddenStep {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Checker<'_> {
    /// Reports a path that begins with a step which has no value here.
    pub(super) fn hidden_step(
        &mut self,
        path: &str,
        range: TextRange,
        steps: &Steps,
    ) -> Option<Expr> {
        let head = path.split('.').next().unwrap_or(path);
        let hidden = steps.hidden.iter().find(|hidden| hidden.name == head)?.clone();
        let (message, label, help) = match hidden.why {
            Why::Later => (
                format!("`{head}` comes later: its event is not known here"),
                "comes behind",
                format!("compare in `{head}`: a step sees its own event and those of steps before it"),
            ),
            Why::Beside => (
                format!("`{head}` does not come before this step"),
                "stands beside",
                "steps of `or` and `any order` do not see one another: compare in a step behind them"
                    .to_owned(),
            ),
            Why::NoPart => (
                format!("`{head}` is no part of a match, so it has no values"),
                "is what must not come, or ends a match",
                "name a step that comes".to_owned(),
            ),
        };
        let diagnostic = Diagnostic::new(codes::STEP_VALUE, range, message);
        self.report(diagnostic.because(hidden.range, label).help(help));
        Some(broken(range))
    }

    /// Warns of steps at the beginning that may be left out: the match without them is tighter.
    pub(super) fn lint_never_taken(&mut self, body: &PatternBody, mode: MatchMode, found: &Body) {
        if !matches!(mode, MatchMode::One { .. }) || found.lead.is_some() {
            return;
        }
        let mut never: Vec<usize> = Vec::new();
        for lane in &found.lanes {
            let optional = lane.iter().take_while(|step| step.min == 0);
            for (at, step) in optional.enumerate() {
                let is_named = names_step(&lane[at + 1..], &found.symbols, step.symbol);
                if !is_named && !never.contains(&step.symbol) {
                    never.push(step.symbol);
                }
            }
        }
        for symbol in never {
            let name = &found.symbols[symbol].name;
            let mut quantity = None;
            body.sequence.steps(&mut |step| {
                if step.name.as_ref().is_some_and(|own| own.text == *name) {
                    quantity = step.quantity.as_ref().map(|quantity| quantity.range);
                }
            });
            let Some(range) = quantity else { continue };
            let message = format!("no match ever has `{name}`");
            let help = format!(
                "write `{name}:` if it must come; `match each` also says the matches that begin \
                 with it"
            );
            self.report(
                Diagnostic::new(codes::NEVER_TAKEN, range, message)
                    .label("may be left out, at the beginning")
                    .note(
                        "of the matches that an event completes `match one` says the one that \
                         began last: the one without it",
                    )
                    .help(help)
                    .guess(range, ""),
            );
        }
    }
}

/// Whether the condition of a step names another one: it cannot hold without it.
fn names_step(steps: &[LaneStep], symbols: &[PatternSymbol], symbol: usize) -> bool {
    steps.iter().filter_map(|step| symbols[step.symbol].filter.as_ref()).any(|filter| {
        let mut is_named = false;
        filter.walk(&mut |expr| {
            is_named |= matches!(expr.kind, ExprKind::Step { symbol: of, .. } if of == symbol);
        });
        is_named
    })
}
