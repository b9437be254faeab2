//! A table of slices moves to a new table of symbols.

use std::sync::Arc;

use super::super::group_key::KeyKind;
use super::SliceTable;
use crate::model::{Symbol, Symbols};

impl SliceTable {
    /// Moves the table to a new symbol table: keys are written again in its symbols.
    pub(crate) fn adopt(&mut self, symbols: &Symbols) {
        let mut words = std::mem::take(&mut self.words);
        for (index, kind) in self.kinds.iter().enumerate() {
            let at: usize = self.kinds[..index].iter().map(|kind| kind.words()).sum();
            for (_, open) in self.slices.iter() {
                for &slot in &open.slots {
                    let base = slot as usize * self.arity + at;
                    let word = match kind {
                        KeyKind::Symbol => &mut words[base],
                        KeyKind::Cell if words[base] == 4 => &mut words[base + 1],
                        _ => continue,
                    };
                    let old = Arc::clone(self.symbols.borrow().resolve(Symbol(*word as u32)));
                    *word = u64::from(symbols.borrow_mut().intern(&old).0);
                }
            }
        }
        self.words = words;
        self.symbols = Symbols::clone(symbols);
        self.generation += 1;
        self.rehash();
    }

    fn rehash(&mut self) {
        let (hasher, words, arity) = (&self.hasher, &self.words, self.arity);
        let hash_of = |&slot: &u32| {
            let at = slot as usize * arity;
            Self::hash_words(hasher, &words[at..at + arity])
        };
        for open in self.slices.values_mut() {
            open.index.clear();
            for &slot in &open.slots {
                open.index.insert_unique(hash_of(&slot), slot, hash_of);
            }
        }
    }
}
