//! Evaluation over the columns of a batch.

use std::cmp::Ordering;

use super::scalar::{compare, eval_with};
use crate::model::{Batch, Cell, Column, Symbol, Value};
use crate::plan::expr::{BinaryOp, Expr};

/// Evaluates expressions over batches; one a worker.
#[derive(Default)]
pub struct Evaluator {
    scratch: Vec<u32>,
}

impl Evaluator {
    /// The column of an expression, one cell a row; values that fit no cell go to the batch's
    /// heap, new strings into its symbols.
    pub fn eval(&mut self, expr: &Expr, batch: &mut Batch) -> Column {
        let values: Vec<Value> = (0..batch.rows).map(|row| value_at(expr, batch, row)).collect();
        let mut cells = Vec::with_capacity(values.len());
        for value in values {
            cells.push(match value {
                Value::Null => Cell::Null,
                Value::Bool(v) => Cell::Bool(v),
                Value::Int(v) => Cell::Int(v),
                Value::Float(v) => Cell::Float(v),
                Value::Str(v) => Cell::Str(batch.symbols.borrow_mut().intern(&v)),
                Value::Duration(v) => Cell::Duration(v),
                Value::Time(v) => Cell::Time(v),
                Value::Size(v) => Cell::Size(v),
                Value::Ratio(v) => Cell::Ratio(v),
                other => {
                    batch.heap.push(other);
                    Cell::Heap((batch.heap.len() - 1) as u32)
                }
            });
        }
        Column::Cells(cells)
    }

    /// Keeps the rows where an expression is true; unknown is not.
    pub fn filter(&mut self, expr: &Expr, batch: &Batch, selection: &mut Vec<u32>) {
        match expr {
            Expr::Const(value) => {
                if *value != Value::Bool(true) {
                    selection.clear();
                }
            }
            Expr::Binary(BinaryOp::And, a, b) => {
                self.filter(a, batch, selection);
                self.filter(b, batch, selection);
            }
            Expr::Binary(BinaryOp::Or, a, b) => self.either(a, b, batch, selection),
            Expr::Binary(op, a, b) => match (&**a, &**b) {
                (Expr::Column(at), Expr::Const(constant)) => {
                    let column = &batch.columns[*at as usize];
                    compare_constant(*op, column, constant, batch, selection);
                }
                _ => by_row(expr, batch, selection),
            },
            Expr::In(x, list) => match &**x {
                Expr::Column(at) => {
                    let column = &batch.columns[*at as usize];
                    if !in_symbols(column, list, batch, selection) {
                        by_row(expr, batch, selection);
                    }
                }
                _ => by_row(expr, batch, selection),
            },
            _ => by_row(expr, batch, selection),
        }
    }

    /// Rows where either side is true: the second side looks only at what the first left.
    fn either(&mut self, a: &Expr, b: &Expr, batch: &Batch, selection: &mut Vec<u32>) {
        let all = selection.clone();
        self.filter(a, batch, selection);
        let mut rest = std::mem::take(&mut self.scratch);
        rest.clear();
        let mut kept = selection.iter().peekable();
        rest.extend(all.iter().filter(|row| kept.next_if_eq(row).is_none()));
        self.filter(b, batch, &mut rest);
        selection.extend(&rest);
        selection.sort_unstable();
        self.scratch = rest;
    }
}

fn by_row(expr: &Expr, batch: &Batch, selection: &mut Vec<u32>) {
    selection.retain(|&row| value_at(expr, batch, row as usize) == Value::Bool(true));
}

fn value_at(expr: &Expr, batch: &Batch, row: usize) -> Value {
    eval_with(expr, &mut |index| match batch.columns.get(index as usize) {
        Some(column) => batch.value_at(column, row),
        None => Value::Null,
    })
}

fn holds(op: BinaryOp, order: Ordering) -> bool {
    match op {
        BinaryOp::Eq => order.is_eq(),
        BinaryOp::Ne => order.is_ne(),
        BinaryOp::Lt => order.is_lt(),
        BinaryOp::Le => order.is_le(),
        BinaryOp::Gt => order.is_gt(),
        BinaryOp::Ge => order.is_ge(),
        _ => false,
    }
}

/// `column op constant`, as a loop over one column.
fn compare_constant(
    op: BinaryOp,
    column: &Column,
    constant: &Value,
    batch: &Batch,
    selection: &mut Vec<u32>,
) {
    match (column, constant) {
        (Column::Symbols(v), Value::Str(text)) if matches!(op, BinaryOp::Eq | BinaryOp::Ne) => {
            let symbol = batch.symbols.borrow().find(text);
            let is_eq = op == BinaryOp::Eq;
            selection.retain(|&row| (Some(v[row as usize]) == symbol) == is_eq);
        }
        (Column::Durations(v), Value::Duration(c)) | (Column::Ints(v), Value::Int(c)) => {
            let c = *c;
            match op {
                BinaryOp::Gt => selection.retain(|&row| v[row as usize] > c),
                BinaryOp::Ge => selection.retain(|&row| v[row as usize] >= c),
                BinaryOp::Lt => selection.retain(|&row| v[row as usize] < c),
                BinaryOp::Le => selection.retain(|&row| v[row as usize] <= c),
                _ => selection.retain(|&row| holds(op, v[row as usize].cmp(&c))),
            }
        }
        (Column::Cells(v), Value::Str(text)) if matches!(op, BinaryOp::Eq | BinaryOp::Ne) => {
            let symbol = batch.symbols.borrow().find(text);
            let is_eq = op == BinaryOp::Eq;
            selection.retain(|&row| match v[row as usize] {
                Cell::Str(found) => (Some(found) == symbol) == is_eq,
                _ => false, // another kind, or absent: unknown
            });
        }
        (Column::Cells(v), constant) => {
            selection.retain(|&row| match (v[row as usize], constant) {
                (Cell::Null, _) => false,
                (Cell::Int(a), Value::Int(b)) => holds(op, a.cmp(b)),
                (cell, constant) => {
                    compare(&batch.value(cell), constant).is_some_and(|order| holds(op, order))
                }
            });
        }
        _ => selection.retain(|&row| {
            let value = batch.value_at(column, row as usize);
            compare(&value, constant).is_some_and(|order| holds(op, order))
        }),
    }
}

/// `column in [texts]`; false if it is not of that kind and the row way must be taken.
fn in_symbols(column: &Column, list: &[Value], batch: &Batch, selection: &mut Vec<u32>) -> bool {
    let Column::Symbols(v) = column else { return false };
    let symbols = batch.symbols.borrow();
    let wanted: Vec<Symbol> = list
        .iter()
        .filter_map(|value| if let Value::Str(text) = value { symbols.find(text) } else { None })
        .collect();
    selection.retain(|&row| wanted.contains(&v[row as usize]));
    true
}
