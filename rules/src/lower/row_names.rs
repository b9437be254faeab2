//! Names of a rule's rows: what its readers mean by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{self, FieldRef};
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{Plan, ROW_KEY_FROM, Rule, RuleKind};

use super::expr::{Lowered, Names};
use super::signal::column_of;
use super::stream::{ItemNames, Streams};
use super::traces;

/// The names of a rule's rows, as its readers see them.
pub(super) struct RowNames<'a, 'b> {
    pub(super) plan: &'a mut Plan,
    pub(super) streams: &'a Streams<'b>,
    /// Index of the row input.
    pub(super) input: u32,
    /// Columns that streams added, by name.
    pub(super) columns: &'a BTreeMap<String, Expr>,
}

impl Names for RowNames<'_, '_> {
    fn trace(&mut self, value: &hir::TraceValue) -> Option<Lowered> {
        let rule = self.plan.row_inputs[self.input as usize].rule;
        Some(traces::value(self.plan, self.streams, rule, value))
    }

    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        if let FieldRef::Column(name) | FieldRef::Item(name) = field
            && let Some(column) = self.columns.get(name)
        {
            return Some(column.clone());
        }
        let rule = self.plan.row_inputs[self.input as usize].rule;
        if let (RuleKind::Traces(_), FieldRef::Builtin(path)) =
            (&self.plan.rules[rule.0 as usize].kind, field)
        {
            return traces::field(self.plan, self.streams, rule, path);
        }
        if let (RuleKind::TracePart(of), FieldRef::Builtin(path)) =
            (&self.plan.rules[rule.0 as usize].kind, field)
        {
            let at = of.part.columns().iter().position(|(name, _)| name == path)?;
            return Some(Expr::Column(ROW_KEY_FROM + at as u32));
        }
        if matches!(self.plan.rules[rule.0 as usize].kind, RuleKind::Late(_)) {
            return self.late_field(rule, field);
        }
        row_column(&self.plan.rules[rule.0 as usize], field)
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }
}

impl RowNames<'_, '_> {
    /// A field of late items: what is read of them travels with them.
    fn late_field(&mut self, rule: RuleId, field: &FieldRef) -> Option<Expr> {
        let stream = self.streams.late_of(rule)?;
        let (name, expr) = match field {
            FieldRef::Builtin(path) => (path.clone(), None),
            FieldRef::Attribute { key, .. } => (key.clone(), None),
            FieldRef::Column(name) | FieldRef::Item(name) => {
                (name.clone(), Some(stream.columns.get(name)?.clone()))
            }
            FieldRef::Joined(_) => return None,
        };
        let signal = &mut self.plan.signals[stream.signal()? as usize];
        let expr = match expr {
            Some(expr) => expr,
            None => ItemNames { signal, columns: &stream.columns }.field(field)?,
        };
        let column = column_of(&mut signal.computed, expr);
        let RuleKind::Late(late) = &mut self.plan.rules[rule.0 as usize].kind else { return None };
        let at = match late.values.iter().position(|(_, known)| *known == column) {
            Some(at) => at,
            None => {
                late.values.push((Arc::from(name.as_str()), column));
                late.values.len() - 1
            }
        };
        Some(Expr::Column(ROW_KEY_FROM + at as u32))
    }
}

/// The columns of a rule's rows.
pub(super) struct Columns<'a> {
    pub(super) rule: &'a Rule,
}

impl Names for Columns<'_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        row_column(self.rule, field)
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }
}

/// The column of a rule's rows that a field means.
pub(super) fn row_column(rule: &Rule, field: &FieldRef) -> Option<Expr> {
    match field {
        FieldRef::Builtin(path) if path == "window.start" => Some(Expr::Column(0)),
        FieldRef::Builtin(path) if path == "window.end" => Some(Expr::Column(1)),
        FieldRef::Column(name) | FieldRef::Item(name) | FieldRef::Joined(name) => {
            let at = rule.column_names().iter().position(|known| ***known == **name)?;
            Some(Expr::Column(ROW_KEY_FROM + at as u32))
        }
        _ => None,
    }
}
