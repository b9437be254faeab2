//! Interned strings, local to one worker.
//!
//! A symbol never crosses workers, never decides an order and never reaches a result: whatever
//! leaves a worker is the string itself. The table is bounded: a worker replaces it by a new one
//! when [`Interner::is_full`], and batches keep the table they were decoded with.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::limits::{SYMBOL_BYTES_MAX, SYMBOLS_MAX};

/// An interned string: an index into the [`Interner`] of its batch. The empty string is
/// [`Symbol::EMPTY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Symbol(pub u32);

impl Symbol {
    /// The empty string, interned in every table.
    pub const EMPTY: Self = Self(0);
}

/// A worker's table of interned strings, shared by decoding and evaluation on that worker.
pub type Symbols = Rc<RefCell<Interner>>;

/// A table of distinct strings.
pub struct Interner {
    hasher: FixedState,
    index: HashTable<u32>,
    strings: Vec<Arc<str>>,
    bytes: usize,
}

impl Default for Interner {
    fn default() -> Self {
        let mut interner = Self {
            hasher: FixedState::with_seed(0),
            index: HashTable::new(),
            strings: Vec::new(),
            bytes: 0,
        };
        interner.intern("");
        interner
    }
}

impl Interner {
    /// An empty table, ready to be shared on one worker.
    pub fn shared() -> Symbols {
        Rc::new(RefCell::new(Self::default()))
    }

    /// The symbol of a string.
    #[inline]
    pub fn intern(&mut self, text: &str) -> Symbol {
        let hash = self.hasher.hash_one(text.as_bytes());
        let strings = &self.strings;
        if let Some(&found) = self.index.find(hash, |&i| &*strings[i as usize] == text) {
            return Symbol(found);
        }
        self.insert(hash, text)
    }

    /// The symbol of a string given as bytes that should be UTF-8; `None` if they are not.
    /// Bytes are validated once, when first seen.
    #[inline]
    pub fn intern_bytes(&mut self, bytes: &[u8]) -> Option<Symbol> {
        let hash = self.hasher.hash_one(bytes);
        let strings = &self.strings;
        if let Some(&found) = self.index.find(hash, |&i| strings[i as usize].as_bytes() == bytes) {
            return Some(Symbol(found));
        }
        std::str::from_utf8(bytes).ok().map(|text| self.insert(hash, text))
    }

    /// The symbol of a string if it is already in the table.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text.as_bytes());
        self.index.find(hash, |&i| &*self.strings[i as usize] == text).map(|&i| Symbol(i))
    }

    #[cold]
    fn insert(&mut self, hash: u64, text: &str) -> Symbol {
        let id = self.strings.len() as u32;
        self.strings.push(Arc::from(text));
        self.bytes += text.len();
        let (hasher, strings) = (&self.hasher, &self.strings);
        self.index.insert_unique(hash, id, |&i| hasher.hash_one(strings[i as usize].as_bytes()));
        Symbol(id)
    }

    /// The string of a symbol of this table.
    ///
    /// # Panics
    /// If the symbol is of another table.
    #[inline]
    pub fn resolve(&self, symbol: Symbol) -> &Arc<str> {
        &self.strings[symbol.0 as usize]
    }

    /// Number of distinct strings.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Whether nothing but the empty string is interned.
    pub fn is_empty(&self) -> bool {
        self.strings.len() <= 1
    }

    /// Bytes that the table holds, about: its strings, their counts of references, and the index.
    pub fn held_bytes(&self) -> u64 {
        const EACH: usize = size_of::<Arc<str>>() + 2 * size_of::<usize>() + 2 * size_of::<u32>();
        (self.bytes + self.strings.len() * EACH) as u64
    }

    /// Whether the table has reached its bound and should be replaced before the next epoch.
    pub fn is_full(&self) -> bool {
        self.strings.len() >= SYMBOLS_MAX || self.bytes >= SYMBOL_BYTES_MAX
    }
}
