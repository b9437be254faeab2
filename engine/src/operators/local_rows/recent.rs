//! Groups and texts that were looked up a moment ago: most rows of traces are like others.
//!
//! Invariant: what is found here is what a look-up would find. Entries are replaced by others that
//! fall on their place, and all are forgotten when slots go or symbols are replaced.

use std::sync::Arc;

use crate::model::{Batch, Cell, Symbol};

/// Columns of keys that are looked up row by row.
pub(super) const KEY_BY_ROW_COLUMNS_MAX: usize = 4;

/// Bits of the number of groups that are remembered.
const GROUP_BITS: u32 = 11;

/// Texts that are remembered: a power of two.
const TEXTS: usize = 256;

/// A key in few bytes, as [`RowCells::short`](super::RowCells::short) gives them.
pub(super) type ShortKey = [u32; KEY_BY_ROW_COLUMNS_MAX];

/// A part of a short key by the cell, local to a table of symbols; `None` for what fits none.
#[inline]
pub(crate) fn short_of(cell: Cell) -> Option<u32> {
    match cell {
        Cell::Null => Some(0),
        Cell::Bool(value) => Some(1 + u32::from(value)),
        Cell::Str(Symbol(number)) => number.checked_add(3),
        _ => None,
    }
}

/// The slots of keys in slices.
#[derive(Default)]
pub(super) struct RecentSlots {
    known: Vec<Option<(ShortKey, i64, u32)>>,
}

impl RecentSlots {
    #[inline]
    fn place(key: &ShortKey, slice: i64) -> usize {
        // Odd constants: the fractions of the golden ratio and of the square root of two.
        let low = u64::from(key[0]) << 32 | u64::from(key[1]);
        let high = (u64::from(key[2]) << 32 | u64::from(key[3])) ^ slice as u64;
        let mixed =
            low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high.wrapping_mul(0x6a09_e667_f3bc_c909);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - GROUP_BITS)) as usize
    }

    /// The slot of a key in a slice, if it is known.
    #[inline]
    pub(super) fn get(&self, key: &ShortKey, slice: i64) -> Option<u32> {
        match self.known.get(Self::place(key, slice)) {
            Some(Some((known, of, slot))) if known == key && *of == slice => Some(*slot),
            _ => None,
        }
    }

    pub(super) fn insert(&mut self, key: ShortKey, slice: i64, slot: u32) {
        self.known.resize(1 << GROUP_BITS, None);
        self.known[Self::place(&key, slice)] = Some((key, slice, slot));
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

/// The symbols of texts, found by where they lie in memory. A text that is known here stays there.
#[derive(Default)]
pub(crate) struct SharedTexts {
    known: Vec<Option<(Arc<str>, Cell)>>,
}

impl SharedTexts {
    /// The cell of a text.
    pub(crate) fn cell(&mut self, text: &Arc<str>, batch: &mut Batch) -> Cell {
        self.known.resize(TEXTS, None);
        let known = &mut self.known[(Arc::as_ptr(text).addr() >> 4) % TEXTS];
        match known {
            Some((own, cell)) if Arc::ptr_eq(own, text) => *cell,
            _ => {
                let cell = Cell::Str(batch.symbols.borrow_mut().intern(text));
                *known = Some((Arc::clone(text), cell));
                cell
            }
        }
    }
}
