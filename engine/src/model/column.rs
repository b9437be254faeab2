//! Columns: how a batch holds its items.

use super::symbol::Symbol;

/// One value of a loosely typed column; 16 bytes, copied freely.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Cell {
    /// Absent.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text, interned in the batch's symbols.
    Str(Symbol),
    /// Nanoseconds.
    Duration(i64),
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    /// Bytes.
    Size(i64),
    /// A ratio.
    Ratio(f64),
    /// Anything else: an index into the batch's heap of values.
    Heap(u32),
}

/// One column of a batch; every variant has as many entries as the batch has rows.
#[derive(Debug, Clone)]
pub enum Column {
    /// Points in time, nanoseconds since the Unix epoch; 0 means unset.
    Times(Vec<i64>),
    /// Durations in nanoseconds, never negative.
    Durations(Vec<i64>),
    /// Trace ids; all zero means absent.
    Ids16(Vec<[u8; 16]>),
    /// Span ids; all zero means absent.
    Ids8(Vec<[u8; 8]>),
    /// Text that is always present (possibly empty), enumeration members among it.
    Symbols(Vec<Symbol>),
    /// Whole numbers that are always present.
    Ints(Vec<i64>),
    /// Truth values that are always present.
    Bools(Vec<bool>),
    /// Anything, each row of its own kind.
    Cells(Vec<Cell>),
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Times(v) | Self::Durations(v) | Self::Ints(v) => v.len(),
            Self::Ids16(v) => v.len(),
            Self::Ids8(v) => v.len(),
            Self::Symbols(v) => v.len(),
            Self::Bools(v) => v.len(),
            Self::Cells(v) => v.len(),
        }
    }

    /// Whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties the column, keeping its memory.
    pub fn clear(&mut self) {
        match self {
            Self::Times(v) | Self::Durations(v) | Self::Ints(v) => v.clear(),
            Self::Ids16(v) => v.clear(),
            Self::Ids8(v) => v.clear(),
            Self::Symbols(v) => v.clear(),
            Self::Bools(v) => v.clear(),
            Self::Cells(v) => v.clear(),
        }
    }
}
