//! Columns of a signal: demanded fields and attributes first, computed ones after them.
//!
//! While rules are lowered, columns are symbolic ([`ItemExpr`] names fields, not indices), because
//! every new demand would shift the computed columns; [`resolve`] gives indices at the end.

use tailwater_engine::model::ColumnSpec;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{Plan, SignalPlan};

/// An expression over items: columns are indices into `columns` of the signal's plan.
pub(super) type ItemExpr = Expr;

/// Computed columns are counted from here on until all demands are known.
const COMPUTED_FROM: u32 = 1 << 16;

/// Index of a signal's plan, made where needed.
pub(super) fn signal_index(plan: &mut Plan, signal: tailwater_engine::model::Signal) -> u32 {
    if let Some(index) = plan.signals.iter().position(|known| known.signal == signal) {
        return index as u32;
    }
    plan.signals.push(SignalPlan {
        signal,
        columns: Vec::new(),
        computed: Vec::new(),
        filters: Vec::new(),
    });
    (plan.signals.len() - 1) as u32
}

/// The column of a field or attribute.
pub(super) fn demand(signal: &mut SignalPlan, spec: ColumnSpec) -> u32 {
    match signal.columns.iter().position(|known| *known == spec) {
        Some(index) => index as u32,
        None => {
            signal.columns.push(spec);
            (signal.columns.len() - 1) as u32
        }
    }
}

/// The column that holds an expression's values: itself if it is one, else a computed one.
pub(super) fn column_of(signal: &mut SignalPlan, expr: ItemExpr) -> u32 {
    if let Expr::Column(index) = expr {
        return index;
    }
    let index = match signal.computed.iter().position(|known| *known == expr) {
        Some(index) => index,
        None => {
            signal.computed.push(expr);
            signal.computed.len() - 1
        }
    };
    COMPUTED_FROM + index as u32
}

/// The filter with this condition.
pub(super) fn filter_of(signal: &mut SignalPlan, condition: ItemExpr) -> u32 {
    match signal.filters.iter().position(|known| *known == condition) {
        Some(index) => index as u32,
        None => {
            signal.filters.push(condition);
            (signal.filters.len() - 1) as u32
        }
    }
}

/// The final index of a column, once all demands of its signal are known.
pub(super) fn resolve(signal: &SignalPlan, column: u32) -> u32 {
    if column < COMPUTED_FROM {
        column
    } else {
        signal.columns.len() as u32 + column - COMPUTED_FROM
    }
}
