//! A batch: the items of one signal in one frame, as columns.

use std::sync::Arc;

use super::column::{Cell, Column};
use super::frame::SourceId;
use super::raw::RawItems;
use super::signal::Signal;
use super::symbol::Symbols;
use super::value::Value;

/// The items of one signal in one frame, in the frame's order: row `i` of every column belongs
/// to item `i`. A batch stays on the worker that decoded it.
pub struct Batch {
    /// Kind of the items.
    pub signal: Signal,
    /// Input that they came from.
    pub source: SourceId,
    /// Place of their frame in the input log.
    pub frame_seq: u64,
    /// Number of items.
    pub rows: usize,
    /// How many items each of them stands for: 1, but where a full queue has left a share.
    pub stands_for: u32,
    /// The demanded columns, in the order of the demand for this signal.
    pub columns: Vec<Column>,
    /// Values that fit no cell: bytes, lists, maps, histograms.
    pub heap: Vec<Value>,
    /// The strings behind the symbols.
    pub symbols: Symbols,
    /// Where in the frame's payload each item begins, bytes; empty where no rule puts items of
    /// several signals in order.
    pub offsets: Vec<u32>,
    /// Where the items lie as received, if a rule may say them again.
    pub raw: Option<RawItems>,
}

impl Batch {
    /// The value of one cell of this batch, owned.
    pub fn value(&self, cell: Cell) -> Value {
        match cell {
            Cell::Null => Value::Null,
            Cell::Bool(v) => Value::Bool(v),
            Cell::Int(v) => Value::Int(v),
            Cell::Float(v) => Value::Float(v),
            Cell::Str(symbol) => Value::Str(Arc::clone(self.symbols.borrow().resolve(symbol))),
            Cell::Duration(v) => Value::Duration(v),
            Cell::Time(v) => Value::Time(v),
            Cell::Size(v) => Value::Size(v),
            Cell::Ratio(v) => Value::Ratio(v),
            Cell::Heap(index) => self.heap[index as usize].clone(),
        }
    }

    /// A value as a cell here: text goes into the symbols, what fits no cell onto the heap.
    pub fn cell(&mut self, value: Value) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(v) => Cell::Bool(v),
            Value::Int(v) => Cell::Int(v),
            Value::Float(v) => Cell::Float(v),
            Value::Str(v) => Cell::Str(self.symbols.borrow_mut().intern(&v)),
            Value::Duration(v) => Cell::Duration(v),
            Value::Time(v) => Cell::Time(v),
            Value::Size(v) => Cell::Size(v),
            Value::Ratio(v) => Cell::Ratio(v),
            other => {
                self.heap.push(other);
                Cell::Heap((self.heap.len() - 1) as u32)
            }
        }
    }

    /// The value at one row of a column, owned. Unset times and all-zero ids are null.
    pub fn value_at(&self, column: &Column, row: usize) -> Value {
        match column {
            Column::Times(v) if v[row] == 0 => Value::Null,
            Column::Times(v) => Value::Time(v[row]),
            Column::Durations(v) => Value::Duration(v[row]),
            Column::Ids16(v) if v[row] == [0; 16] => Value::Null,
            Column::Ids16(v) => Value::Bytes(Arc::from(&v[row][..])),
            Column::Ids8(v) if v[row] == [0; 8] => Value::Null,
            Column::Ids8(v) => Value::Bytes(Arc::from(&v[row][..])),
            Column::Symbols(v) => self.value(Cell::Str(v[row])),
            Column::Ints(v) => Value::Int(v[row]),
            Column::Bools(v) => Value::Bool(v[row]),
            Column::Cells(v) => self.value(v[row]),
        }
    }

    /// The cell at one row of a column, where a cell can hold it: ids cannot, they are `None`.
    pub fn cell_at(column: &Column, row: usize) -> Option<Cell> {
        Some(match column {
            Column::Times(v) if v[row] == 0 => Cell::Null,
            Column::Times(v) => Cell::Time(v[row]),
            Column::Durations(v) => Cell::Duration(v[row]),
            Column::Ids16(_) | Column::Ids8(_) => return None,
            Column::Symbols(v) => Cell::Str(v[row]),
            Column::Ints(v) => Cell::Int(v[row]),
            Column::Bools(v) => Cell::Bool(v[row]),
            Column::Cells(v) => v[row],
        })
    }
}
