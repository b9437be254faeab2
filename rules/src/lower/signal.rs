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
pub(super) const COMPUTED_FROM: u32 = 1 << 16;

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
        raw: false,
        offsets: false,
    });
    (plan.signals.len() - 1) as u32
}

/// The column of a field or attribute.
pub(super) fn demand(signal: &mut SignalPlan, spec: ColumnSpec) -> u32 {
    find_or_push(&mut signal.columns, spec)
}

/// The column that holds an expression's values: itself if it is one, else a computed one.
pub(super) fn column_of(computed: &mut Vec<Expr>, expr: ItemExpr) -> u32 {
    if let Expr::Column(index) = expr {
        return index;
    }
    COMPUTED_FROM + find_or_push(computed, expr)
}

/// The filter with this condition.
pub(super) fn filter_of(filters: &mut Vec<Expr>, condition: ItemExpr) -> u32 {
    find_or_push(filters, condition)
}

/// Index of an item, which is added where it is not there yet.
pub(super) fn find_or_push<T: PartialEq>(items: &mut Vec<T>, item: T) -> u32 {
    match items.iter().position(|known| *known == item) {
        Some(index) => index as u32,
        None => {
            items.push(item);
            (items.len() - 1) as u32
        }
    }
}

/// The final index of a column, once it is known how many come before the computed ones.
pub(super) fn resolve(columns: u32, column: u32) -> u32 {
    if column < COMPUTED_FROM { column } else { columns + column - COMPUTED_FROM }
}
