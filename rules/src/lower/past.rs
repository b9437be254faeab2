//! Calls over a row's own past.

use tailwater_dsl::hir::{Expr, ExprKind, Literal};
use tailwater_engine::limits::PAST_ROWS_MAX;
use tailwater_engine::plan::expr::Expr as PlanExpr;
use tailwater_engine::plan::{PastCall, PastKind};

/// What a call makes, and of what; `None` where its constant is out of bounds.
pub(super) fn call<'a>(name: &str, args: &'a [Option<Expr>]) -> Option<(PastKind, &'a Expr)> {
    let (Some(Some(argument)), Some(Some(constant))) = (args.first(), args.get(1)) else {
        return None;
    };
    let ExprKind::Constant { value, .. } = &constant.kind else { return None };
    let rows = || match value {
        Literal::Int(rows) => u32::try_from(*rows).ok().filter(|r| (2..=PAST_ROWS_MAX).contains(r)),
        _ => None,
    };
    let alpha = || {
        let alpha = match value {
            Literal::Int(alpha) => *alpha as f64,
            Literal::Float(alpha) | Literal::Ratio(alpha) => *alpha,
            _ => return None,
        };
        let millionths = (alpha * 1e6).round();
        (1.0..=1e6).contains(&millionths).then_some(millionths as u32)
    };
    let kind = match name {
        "ewma" => PastKind::Ewma { alpha_millionths: alpha()? },
        "zscore" => PastKind::Zscore { rows: rows()? },
        "mad" => PastKind::Mad { rows: rows()? },
        _ => return None,
    };
    Some((kind, argument))
}

/// What is wrong with a call that cannot run.
pub(super) fn wrong(name: &str) -> String {
    match name {
        "ewma" => "`ewma` with an `alpha` outside of 0 to 1".to_owned(),
        _ => format!("`{name}` over fewer than 2 or more than {PAST_ROWS_MAX} rows"),
    }
}

/// Puts a call among those of a rule, once; its column.
pub(super) fn place(
    pasts: &mut Vec<PastCall>,
    (kind, argument): (PastKind, PlanExpr),
    before: u32,
    from: u32,
) -> PlanExpr {
    let at = pasts.iter().position(|call| call.kind == kind && call.argument == argument);
    let at = at.unwrap_or_else(|| {
        pasts.push(PastCall { kind, argument, before });
        pasts.len() - 1
    });
    PlanExpr::Column(from + at as u32)
}
