//! The slot of one row whose key is at hand as cells.

use super::super::group_key::{KeyKind, cell_words};
use super::{NewSlot, SliceTable};
use crate::model::{Batch, Cell};

impl SliceTable {
    /// Changes whenever a slot goes, or a key is written otherwise.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Finds or makes the slot of a key in a slice for a row; notes it where it is new. All columns
    /// of the key are cells.
    pub(crate) fn locate_row(
        &mut self,
        batch: &Batch,
        at: (i64, u32),
        key: &[Cell],
        new_slots: &mut Vec<NewSlot>,
    ) -> u32 {
        if self.kinds.is_empty() {
            self.kinds = vec![KeyKind::Cell; key.len()];
            self.arity = key.len() * KeyKind::Cell.words();
        }
        let mut words = std::mem::take(&mut self.scratch);
        words.clear();
        words.extend(key.iter().flat_map(|&cell| cell_words(cell, batch, &mut self.heap)));
        let hash = Self::hash_words(&self.hasher, &words);
        let slot = self.slot_of(at, (&words, hash), new_slots);
        words.clear();
        self.scratch = words;
        slot
    }
}
