//! Whether two expressions are equal apart from where they stand.

use crate::hir::{AggregateCall, Expr, ExprKind, SpanSet, TraceValue};

/// Whether two calls are equal apart from where they stand.
pub(super) fn same_call(a: &AggregateCall, b: &AggregateCall) -> bool {
    a.function == b.function
        && same_args(&a.args, &b.args)
        && match (&a.filter, &b.filter) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        }
}

fn same_args(a: &[Option<Expr>], b: &[Option<Expr>]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|pair| match pair {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        })
}

/// Whether two expressions are equal apart from where they stand.
#[allow(clippy::many_single_char_names, reason = "operands of two equal shapes, side by side")]
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    let pairs =
        |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (&a.kind, &b.kind) {
        (ExprKind::Unary(x, a), ExprKind::Unary(y, b)) => x == y && same(a, b),
        (ExprKind::Binary(x, a, c), ExprKind::Binary(y, b, d)) => {
            x == y && same(a, b) && same(c, d)
        }
        (ExprKind::Coalesce(a), ExprKind::Coalesce(b)) | (ExprKind::List(a), ExprKind::List(b)) => {
            pairs(a, b)
        }
        (ExprKind::In(a, c), ExprKind::In(b, d)) => same(a, b) && pairs(c, d),
        (ExprKind::If(a, c, e), ExprKind::If(b, d, f)) => same(a, b) && same(c, d) && same(e, f),
        (ExprKind::Index(a, c), ExprKind::Index(b, d)) => same(a, b) && same(c, d),
        (ExprKind::Function { name: x, args: a }, ExprKind::Function { name: y, args: b }) => {
            x == y && same_args(a, b)
        }
        (ExprKind::Trace(a), ExprKind::Trace(b)) => same_of_trace(a, b),
        (a, b) => a == b,
    }
}

fn same_of_trace(a: &TraceValue, b: &TraceValue) -> bool {
    match (a, b) {
        (TraceValue::Has(a), TraceValue::Has(b)) | (TraceValue::Count(a), TraceValue::Count(b)) => {
            same_spans(a, b)
        }
        (TraceValue::Any(x, a), TraceValue::Any(y, b)) => same(x, y) && same_spans(a, b),
        (TraceValue::Root(a), TraceValue::Root(b)) => same(a, b),
        (TraceValue::Named(x, a), TraceValue::Named(y, b)) => x == y && same(a, b),
        _ => false,
    }
}

#[allow(clippy::many_single_char_names, reason = "parts of two equal shapes, side by side")]
fn same_spans(a: &SpanSet, b: &SpanSet) -> bool {
    match (a, b) {
        (SpanSet::All, SpanSet::All) => true,
        (SpanSet::Where(a), SpanSet::Where(b)) => same(a, b),
        (SpanSet::Union(a, c), SpanSet::Union(b, d)) => same_spans(a, b) && same_spans(c, d),
        (SpanSet::Named(x, a), SpanSet::Named(y, b)) => x == y && same_spans(a, b),
        (
            SpanSet::Related { relation: x, mode: m, left: a, right: c },
            SpanSet::Related { relation: y, mode: n, left: b, right: d },
        ) => x == y && m == n && same_spans(a, b) && same_spans(c, d),
        _ => false,
    }
}
