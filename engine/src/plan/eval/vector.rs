//! Evaluation over the columns of a batch.
//!
//! Filters run as loops over columns; what has no loop of its own is computed once for each
//! distinct text where it reads one column of text, and else by row.

use super::compare::{self, keep};
use super::index::{FilterIndex, Selections};
use super::memo::{self, Memo};
use super::scalar::eval_with;
use crate::model::{Batch, Cell, Column, Value};
use crate::plan::expr::{BinaryOp, Expr};

/// Evaluates expressions over batches; one a worker.
#[derive(Default)]
pub struct Evaluator {
    /// Selections that are not in use.
    spare: Vec<Vec<u32>>,
    memo: Memo,
}

impl Evaluator {
    /// The column of an expression; values that fit no cell go to the batch's heap, new strings
    /// into its symbols.
    pub fn eval(&mut self, expr: &Expr, batch: &mut Batch) -> Column {
        match expr {
            Expr::Const(value) => {
                let cell = batch.cell(value.clone());
                Column::Cells(vec![cell; batch.rows])
            }
            Expr::Column(at) if (*at as usize) < batch.columns.len() => {
                batch.columns[*at as usize].clone()
            }
            Expr::Coalesce(a, b) => self.coalesce(a, b, batch),
            _ => Column::Cells(match text_column(expr, batch) {
                Some(at) => self.by_text(expr, at, batch),
                None => by_row(expr, batch),
            }),
        }
    }

    /// Appends the computed columns to a batch; the rows where each filter is true.
    pub fn derive(
        &mut self,
        computed: &[Expr],
        filters: &mut FilterIndex,
        batch: &mut Batch,
    ) -> Selections {
        for expr in computed {
            let column = self.eval(expr, batch);
            batch.columns.push(column);
        }
        filters.select(self, batch)
    }

    /// An empty selection.
    pub(super) fn spare(&mut self) -> Vec<u32> {
        let mut selection = self.spare.pop().unwrap_or_default();
        selection.clear();
        selection
    }

    pub(super) fn give_back(&mut self, selection: Vec<u32>) {
        self.spare.push(selection);
    }

    /// Keeps the rows where an expression is true; unknown is not. Row indices stay ascending.
    pub fn filter(&mut self, expr: &Expr, batch: &Batch, selection: &mut Vec<u32>) {
        self.narrow(expr, true, batch, selection);
    }

    /// Keeps the rows where an expression is true, or where it is false: `not` turns one question
    /// into the other, and unknown answers neither.
    fn narrow(&mut self, expr: &Expr, wanted: bool, batch: &Batch, selection: &mut Vec<u32>) {
        match expr {
            Expr::Const(value) => {
                if *value != Value::Bool(wanted) {
                    selection.clear();
                }
            }
            Expr::Column(at) => match batch.columns.get(*at as usize) {
                Some(Column::Bools(v)) => keep(selection, |row| v[row] == wanted),
                Some(Column::Cells(v)) => {
                    keep(selection, |row| v[row] == Cell::Bool(wanted));
                }
                _ => selection.clear(),
            },
            Expr::Not(x) => self.narrow(x, !wanted, batch, selection),
            Expr::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
                if (*op == BinaryOp::And) == wanted {
                    self.narrow(a, wanted, batch, selection);
                    self.narrow(b, wanted, batch, selection);
                } else {
                    self.either(a, b, wanted, batch, selection);
                }
            }
            Expr::Binary(op, a, b) => self.comparison(expr, (*op, a, b), wanted, batch, selection),
            Expr::IsNull(x) => match column_of(x, batch) {
                Some(column) => compare::is_null(column, wanted, selection),
                None => match nulls_of(x, batch) {
                    Some(all) => keep(selection, |row| {
                        all.iter().all(|cells| matches!(cells[row], Cell::Null)) == wanted
                    }),
                    None => self.slow(expr, wanted, batch, selection),
                },
            },
            Expr::In(x, list) => {
                let is_done = column_of(x, batch).is_some_and(|column| {
                    compare::in_texts(column, list, wanted, batch, selection)
                });
                if !is_done {
                    self.slow(expr, wanted, batch, selection);
                }
            }
            _ => self.slow(expr, wanted, batch, selection),
        }
    }

    fn comparison(
        &mut self,
        expr: &Expr,
        (op, a, b): (BinaryOp, &Expr, &Expr),
        wanted: bool,
        batch: &Batch,
        selection: &mut Vec<u32>,
    ) {
        let op = if wanted { Some(op) } else { op.opposite() };
        match (op, column_of(a, batch), b) {
            // A sum is never true or false.
            (Some(op), ..) if op.opposite().is_none() => selection.clear(),
            (None, ..) => selection.clear(),
            (Some(op), Some(column), Expr::Const(Value::Str(_)))
                if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) && is_text(column) =>
            {
                self.slow(expr, wanted, batch, selection);
            }
            (Some(op), Some(column), Expr::Const(constant)) => {
                compare::with_constant(op, column, constant, batch, selection);
            }
            (Some(op), Some(column), other) => match column_of(other, batch) {
                Some(other) => compare::columns(op, column, other, batch, selection),
                None => self.slow(expr, wanted, batch, selection),
            },
            _ => self.slow(expr, wanted, batch, selection),
        }
    }

    /// Rows where either side is as wanted: the second side looks only at what the first left.
    fn either(
        &mut self,
        a: &Expr,
        b: &Expr,
        wanted: bool,
        batch: &Batch,
        selection: &mut Vec<u32>,
    ) {
        let mut first = self.spare();
        first.extend_from_slice(selection);
        self.narrow(a, wanted, batch, &mut first);
        let mut second = self.spare();
        without(selection, &first, &mut second);
        self.narrow(b, wanted, batch, &mut second);
        merge(&first, &second, selection);
        self.spare.push(first);
        self.spare.push(second);
    }

    /// The way without a loop of its own.
    fn slow(&mut self, expr: &Expr, wanted: bool, batch: &Batch, selection: &mut Vec<u32>) {
        let Some(at) = text_column(expr, batch) else {
            let wanted = Value::Bool(wanted);
            return keep(selection, |row| value_at(expr, batch, row) == wanted);
        };
        let (slot, mut results) = self.memo.take(expr, &batch.symbols);
        let wanted = Cell::Bool(wanted);
        keep(selection, |row| {
            let compute = || match value_at(expr, batch, row) {
                Value::Bool(v) => Cell::Bool(v),
                _ => Cell::Null,
            };
            let cell = match &batch.columns[at] {
                Column::Symbols(v) => memo::result(&mut results, v[row], compute),
                Column::Cells(v) => match v[row] {
                    Cell::Str(symbol) => memo::result(&mut results, symbol, compute),
                    _ => compute(),
                },
                _ => compute(),
            };
            cell == wanted
        });
        self.memo.give_back(slot, results);
    }

    /// One evaluation for each distinct text of a column.
    fn by_text(&mut self, expr: &Expr, at: usize, batch: &mut Batch) -> Vec<Cell> {
        // Filters keep truth only; columns keep the whole result, under a key of their own.
        let key = Expr::List(vec![expr.clone()]);
        let (slot, mut results) = self.memo.take(&key, &batch.symbols);
        let cells = (0..batch.rows)
            .map(|row| {
                let symbol = match &batch.columns[at] {
                    Column::Symbols(v) => Some(v[row]),
                    Column::Cells(v) => match v[row] {
                        Cell::Str(symbol) => Some(symbol),
                        _ => None,
                    },
                    _ => None,
                };
                let mut compute = || {
                    let value = value_at(expr, batch, row);
                    batch.cell(value)
                };
                match symbol {
                    Some(symbol) => memo::result(&mut results, symbol, compute),
                    None => compute(),
                }
            })
            .collect();
        self.memo.give_back(slot, results);
        cells
    }

    /// The first of several columns of cells: each is looked at where those before it have nothing.
    fn first_of_columns(&mut self, a: &Expr, b: &Expr, batch: &Batch) -> Option<Vec<Cell>> {
        let columns = cells_of(a, b, batch)?;
        let (first, rest) = columns.split_first()?;
        let mut found = first.to_vec();
        let mut open = self.spare();
        open.extend(0..batch.rows as u32);
        keep(&mut open, |row| matches!(found[row], Cell::Null));
        for cells in rest {
            if open.is_empty() {
                break;
            }
            keep(&mut open, |row| {
                found[row] = cells[row];
                matches!(cells[row], Cell::Null)
            });
        }
        self.give_back(open);
        Some(found)
    }

    /// `a ?? b`, cell by cell; ids, which fit no cell, by row.
    fn coalesce(&mut self, a: &Expr, b: &Expr, batch: &mut Batch) -> Column {
        if let Some(cells) = self.first_of_columns(a, b, batch) {
            return Column::Cells(cells);
        }
        let first = self.eval(a, batch);
        if matches!(first, Column::Ids16(_) | Column::Ids8(_)) {
            return Column::Cells(by_row(
                &Expr::Coalesce(Box::new(a.clone()), Box::new(b.clone())),
                batch,
            ));
        }
        let second = self.eval(b, batch);
        let cells = (0..batch.rows)
            .map(|row| match Batch::cell_at(&first, row) {
                Some(Cell::Null) | None => match Batch::cell_at(&second, row) {
                    Some(cell) => cell,
                    None => {
                        let value = batch.value_at(&second, row);
                        batch.cell(value)
                    }
                },
                Some(cell) => cell,
            })
            .collect();
        Column::Cells(cells)
    }
}

/// The columns of cells that are null together where an expression is null.
fn nulls_of<'a>(expr: &Expr, batch: &'a Batch) -> Option<Vec<&'a [Cell]>> {
    if let Expr::Coalesce(a, b) = expr { cells_of(a, b, batch) } else { None }
}

/// The columns of `a ?? b ?? …`, where all are columns of cells.
fn cells_of<'a>(a: &Expr, b: &Expr, batch: &'a Batch) -> Option<Vec<&'a [Cell]>> {
    let (mut all, mut rest) = (Vec::new(), Some((a, b)));
    while let Some((first, second)) = rest {
        let one = if let Expr::Coalesce(next, last) = second {
            rest = Some((next, last));
            [Some(first), None]
        } else {
            rest = None;
            [Some(first), Some(second)]
        };
        for expr in one.into_iter().flatten() {
            let Some(Column::Cells(cells)) = column_of(expr, batch) else { return None };
            all.push(&cells[..]);
        }
    }
    Some(all)
}

/// The column that an expression is.
fn column_of<'a>(expr: &Expr, batch: &'a Batch) -> Option<&'a Column> {
    if let Expr::Column(at) = expr { batch.columns.get(*at as usize) } else { None }
}

fn is_text(column: &Column) -> bool {
    matches!(column, Column::Symbols(_) | Column::Cells(_))
}

/// The one column of text (or of anything, which may be text) that an expression reads.
fn text_column(expr: &Expr, batch: &Batch) -> Option<usize> {
    let at = expr.only_column()? as usize;
    batch.columns.get(at).filter(|column| is_text(column)).map(|_| at)
}

fn by_row(expr: &Expr, batch: &mut Batch) -> Vec<Cell> {
    (0..batch.rows)
        .map(|row| {
            let value = value_at(expr, batch, row);
            batch.cell(value)
        })
        .collect()
}

fn value_at(expr: &Expr, batch: &Batch, row: usize) -> Value {
    eval_with(expr, &mut |index| match batch.columns.get(index as usize) {
        Some(column) => batch.value_at(column, row),
        None => Value::Null,
    })
}

/// The rows of a selection that are not in a part of it.
fn without(all: &[u32], part: &[u32], out: &mut Vec<u32>) {
    let mut part = part.iter().peekable();
    out.extend(all.iter().filter(|row| part.next_if_eq(row).is_none()));
}

/// Two disjoint ascending selections as one.
fn merge(a: &[u32], b: &[u32], out: &mut Vec<u32>) {
    out.clear();
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let next = if x < y { &mut a } else { &mut b };
        out.extend(next.next());
    }
    out.extend(a);
    out.extend(b);
}
