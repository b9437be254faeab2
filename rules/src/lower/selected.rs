//! What rows of a pattern or a correlation select: names of keys, of values before, of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{self, FieldRef, SelectItem, StepPick};
use tailwater_engine::plan::VALUES_FROM;
use tailwater_engine::plan::expr::Expr;

use super::NotYet;
use super::expr::{Names, lower as lower_expr};

/// Selected values with their names; each may name the key, whose values are columns from
/// `key_from` on, and the values before it. `step` finds a value of an event.
pub(super) fn values(
    items: &[SelectItem],
    (by, key_from): (&[String], u32),
    step: impl FnMut((usize, StepPick), Option<&hir::Expr>) -> Option<Expr>,
) -> Result<Vec<(Arc<str>, Expr)>, Vec<NotYet>> {
    let keys = by.iter().zip(key_from..).map(|(name, column)| (name.as_str(), column));
    let mut names = SelectedNames { columns: keys.collect(), step };
    let mut values = Vec::new();
    for (item, column) in items.iter().zip(VALUES_FROM..) {
        values.push((Arc::from(item.name.as_str()), lower_expr(&item.value, &mut names)?));
        names.columns.insert(&item.name, column);
    }
    Ok(values)
}

struct SelectedNames<'i, F> {
    columns: BTreeMap<&'i str, u32>,
    step: F,
}

impl<F> Names for SelectedNames<'_, F>
where
    F: FnMut((usize, StepPick), Option<&hir::Expr>) -> Option<Expr>,
{
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        match field {
            FieldRef::Item(name) => self.columns.get(&**name).map(|at| Expr::Column(*at)),
            _ => None,
        }
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn step(&mut self, step: (usize, StepPick), value: Option<&hir::Expr>) -> Option<Expr> {
        (self.step)(step, value)
    }
}
