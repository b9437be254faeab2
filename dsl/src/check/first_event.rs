//! Steps whose condition asks for an event before the first one: no event can be the first.
//!
//! Knows what is surely null when a step has taken nothing; never what a condition comes to.

use super::Checker;
use super::pattern_steps::Body;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{BinaryOp, Expr, ExprKind, StepPick, UnaryOp};
use crate::text_range::TextRange;

/// What is never true at the first event of a step: the comparison, and what is null in it.
type Never = (TextRange, TextRange);

impl Checker<'_> {
    /// Warns of steps that compare with the event before, and say nothing of the first.
    pub(super) fn lint_first_event(&mut self, found: &Body) {
        for (symbol, of) in found.symbols.iter().enumerate() {
            let Some((whole, null)) = of.filter.as_ref().and_then(|f| never_true(f, symbol)) else {
                continue;
            };
            let message = format!("no event can be the first of `{}`", of.name);
            let null_text = self.text_at(null).unwrap_or("prev(…)").to_owned();
            self.report(
                Diagnostic::new(codes::NEVER_TAKEN, null, message)
                    .label("null at the first event")
                    .note("a comparison with null is never true")
                    .help("say that the first one may come, or give it a value: `?? …`")
                    .guess(whole.at_start(), format!("({null_text} == null or "))
                    .guess(whole.at_end(), ")"),
            );
        }
    }
}

/// What makes a condition never true at the first event of a step.
fn never_true(expr: &Expr, symbol: usize) -> Option<Never> {
    match &expr.kind {
        ExprKind::Binary(BinaryOp::And, a, b) => {
            never_true(a, symbol).or_else(|| never_true(b, symbol))
        }
        ExprKind::Binary(BinaryOp::Or, a, b) => {
            let both = never_true(a, symbol).zip(never_true(b, symbol));
            both.map(|(first, _)| (expr.range, first.1))
        }
        _ => null_in(expr, symbol).map(|null| (expr.range, null)),
    }
}

/// What makes a value surely null then.
fn null_in(expr: &Expr, symbol: usize) -> Option<TextRange> {
    match &expr.kind {
        // The sum and the number of no events are values.
        ExprKind::Step { symbol: of, pick, .. } => {
            let is_null = *of == symbol && !matches!(pick, StepPick::Count | StepPick::Sum);
            is_null.then_some(expr.range)
        }
        ExprKind::Unary(UnaryOp::Not | UnaryOp::Negate, value) => null_in(value, symbol),
        ExprKind::Binary(BinaryOp::And | BinaryOp::Or, a, b) | ExprKind::If(_, a, b) => {
            null_in(a, symbol).and(null_in(b, symbol))
        }
        ExprKind::Binary(_, a, b) => null_in(a, symbol).or_else(|| null_in(b, symbol)),
        ExprKind::In(value, _) => null_in(value, symbol),
        ExprKind::Coalesce(values) => {
            let nulls: Option<Vec<TextRange>> =
                values.iter().map(|value| null_in(value, symbol)).collect();
            nulls?.first().copied()
        }
        _ => None,
    }
}
