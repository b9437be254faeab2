//! Loops over columns: which rows of a selection satisfy a comparison.
//!
//! Every loop keeps rows without a branch on the outcome: filters of telemetry keep one row in
//! two as often as one in a thousand, and a mispredicted branch costs more than the comparison.

use std::cmp::Ordering;

use super::scalar::compare;
use crate::model::{Batch, Cell, Column, Symbol, Value};
use crate::plan::expr::BinaryOp;

/// Keeps the rows for which `is_kept` holds.
#[inline]
pub(super) fn keep(selection: &mut Vec<u32>, mut is_kept: impl FnMut(usize) -> bool) {
    let mut kept = 0;
    for at in 0..selection.len() {
        let row = selection[at];
        selection[kept] = row;
        kept += usize::from(is_kept(row as usize));
    }
    selection.truncate(kept);
}

/// Whether a comparison holds for an order.
pub(super) fn holds(op: BinaryOp, order: Ordering) -> bool {
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

/// One loop for each comparison of two values of one type.
macro_rules! compare_rows {
    ($op:expr, $selection:expr, $row:ident, $is_present:expr, $left:expr, $right:expr) => {
        match $op {
            BinaryOp::Eq => keep($selection, |$row| $is_present & ($left == $right)),
            BinaryOp::Ne => keep($selection, |$row| $is_present & ($left != $right)),
            BinaryOp::Lt => keep($selection, |$row| $is_present & ($left < $right)),
            BinaryOp::Le => keep($selection, |$row| $is_present & ($left <= $right)),
            BinaryOp::Gt => keep($selection, |$row| $is_present & ($left > $right)),
            BinaryOp::Ge => keep($selection, |$row| $is_present & ($left >= $right)),
            _ => $selection.clear(),
        }
    };
}

/// Keeps the rows where `column op constant` is true. A text constant is looked up among the
/// batch's symbols once.
pub(super) fn with_constant(
    op: BinaryOp,
    column: &Column,
    constant: &Value,
    batch: &Batch,
    selection: &mut Vec<u32>,
) {
    let is_equality = matches!(op, BinaryOp::Eq | BinaryOp::Ne);
    match (column, constant) {
        (_, Value::Null) => selection.clear(),
        (Column::Durations(v), Value::Duration(c)) | (Column::Ints(v), Value::Int(c)) => {
            compare_rows!(op, selection, row, true, v[row], *c);
        }
        (Column::Times(v), Value::Time(c)) => {
            compare_rows!(op, selection, row, v[row] != 0, v[row], *c);
        }
        (Column::Bools(v), Value::Bool(c)) => {
            compare_rows!(op, selection, row, true, v[row], *c);
        }
        (Column::Symbols(v), Value::Str(text)) if is_equality => {
            let symbol = symbol_of(batch, text);
            let is_eq = op == BinaryOp::Eq;
            keep(selection, |row| (v[row] == symbol) == is_eq);
        }
        (Column::Ids16(v), Value::Bytes(id)) if is_equality && id.len() == 16 => {
            let is_eq = op == BinaryOp::Eq;
            keep(selection, |row| (v[row] != [0; 16]) && ((v[row][..] == id[..]) == is_eq));
        }
        (Column::Ids8(v), Value::Bytes(id)) if is_equality && id.len() == 8 => {
            let is_eq = op == BinaryOp::Eq;
            keep(selection, |row| (v[row] != [0; 8]) && ((v[row][..] == id[..]) == is_eq));
        }
        (Column::Cells(v), constant) => cells_with_constant(op, v, constant, batch, selection),
        _ => keep(selection, |row| {
            let value = batch.value_at(column, row);
            compare(&value, constant).is_some_and(|order| holds(op, order))
        }),
    }
}

fn cells_with_constant(
    op: BinaryOp,
    cells: &[Cell],
    constant: &Value,
    batch: &Batch,
    selection: &mut Vec<u32>,
) {
    let is_equality = matches!(op, BinaryOp::Eq | BinaryOp::Ne);
    match constant {
        Value::Str(text) if is_equality => {
            let symbol = symbol_of(batch, text);
            let is_eq = op == BinaryOp::Eq;
            keep(selection, |row| match cells[row] {
                Cell::Str(found) => (found == symbol) == is_eq,
                _ => false, // another kind, or absent: unknown
            });
        }
        Value::Int(c) => keep(selection, |row| match cells[row] {
            Cell::Int(v) => holds(op, v.cmp(c)),
            Cell::Null | Cell::Str(_) => false,
            cell => cell_holds(op, cell, constant, batch),
        }),
        constant => keep(selection, |row| match cells[row] {
            Cell::Null => false,
            cell => cell_holds(op, cell, constant, batch),
        }),
    }
}

fn cell_holds(op: BinaryOp, cell: Cell, constant: &Value, batch: &Batch) -> bool {
    compare(&batch.value(cell), constant).is_some_and(|order| holds(op, order))
}

/// Keeps the rows where a comparison of two columns is true.
pub(super) fn columns(
    op: BinaryOp,
    a: &Column,
    b: &Column,
    batch: &Batch,
    selection: &mut Vec<u32>,
) {
    let is_equality = matches!(op, BinaryOp::Eq | BinaryOp::Ne);
    match (a, b) {
        (Column::Durations(a), Column::Durations(b)) | (Column::Ints(a), Column::Ints(b)) => {
            compare_rows!(op, selection, row, true, a[row], b[row]);
        }
        (Column::Times(a), Column::Times(b)) => {
            compare_rows!(op, selection, row, a[row] != 0 && b[row] != 0, a[row], b[row]);
        }
        (Column::Symbols(a), Column::Symbols(b)) if is_equality => {
            let is_eq = op == BinaryOp::Eq;
            keep(selection, |row| (a[row] == b[row]) == is_eq);
        }
        _ => keep(selection, |row| {
            let (a, b) = (batch.value_at(a, row), batch.value_at(b, row));
            compare(&a, &b).is_some_and(|order| holds(op, order))
        }),
    }
}

/// Keeps the rows of a column of text that are in a list; with `wanted` false those that are
/// not, where that is known. False if the column or the list is of another kind.
pub(super) fn in_texts(
    column: &Column,
    list: &[Value],
    wanted: bool,
    batch: &Batch,
    selection: &mut Vec<u32>,
) -> bool {
    if !list.iter().all(|value| matches!(value, Value::Str(_))) {
        return false;
    }
    let symbols = batch.symbols.borrow();
    let mut members: Vec<Symbol> = list
        .iter()
        .filter_map(|value| if let Value::Str(text) = value { symbols.find(text) } else { None })
        .collect();
    members.sort_unstable_by_key(|symbol| symbol.0);
    let is_member = |symbol: Symbol| {
        if members.len() <= 8 {
            members.contains(&symbol)
        } else {
            members.binary_search_by_key(&symbol.0, |member| member.0).is_ok()
        }
    };
    match column {
        Column::Symbols(v) => keep(selection, |row| is_member(v[row]) == wanted),
        Column::Cells(v) => keep(selection, |row| match v[row] {
            Cell::Str(symbol) => is_member(symbol) == wanted,
            Cell::Null => false,
            // Another kind compares with no text: unknown, but not in an empty list.
            _ => list.is_empty() && !wanted,
        }),
        _ => return false,
    }
    true
}

/// Keeps the rows where a column's being null is as wanted.
pub(super) fn is_null(column: &Column, wanted: bool, selection: &mut Vec<u32>) {
    match column {
        Column::Times(v) => keep(selection, |row| (v[row] == 0) == wanted),
        Column::Ids16(v) => keep(selection, |row| (v[row] == [0; 16]) == wanted),
        Column::Ids8(v) => keep(selection, |row| (v[row] == [0; 8]) == wanted),
        Column::Cells(v) => keep(selection, |row| (v[row] == Cell::Null) == wanted),
        Column::Durations(_) | Column::Symbols(_) | Column::Ints(_) | Column::Bools(_) => {
            if wanted {
                selection.clear();
            }
        }
    }
}

/// The symbol of a text, or one that no row has.
fn symbol_of(batch: &Batch, text: &str) -> Symbol {
    batch.symbols.borrow().find(text).unwrap_or(Symbol(u32::MAX))
}
