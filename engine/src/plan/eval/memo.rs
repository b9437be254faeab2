//! Results by text: an expression over one column of text is computed once for each symbol.
//!
//! Remembered per table of symbols and forgotten with it; bounded by expressions and by results.

use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::limits::{MEMO_EXPRESSIONS_MAX, MEMO_RESULTS_MAX};
use crate::model::{Cell, Symbol, Symbols};
use crate::plan::expr::Expr;

/// Results of one expression by symbol; `None` is not computed.
pub(super) type Results = Vec<Option<Cell>>;

/// The results that a worker remembers.
pub(super) struct Memo {
    symbols: Option<Symbols>,
    /// Looked up only, never iterated.
    index: HashMap<Expr, usize, FixedState>,
    results: Vec<Results>,
    len: usize,
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            symbols: None,
            index: HashMap::with_hasher(FixedState::with_seed(0)),
            results: Vec::new(),
            len: 0,
        }
    }
}

impl Memo {
    /// Takes the results of an expression out, long enough for every symbol of the table;
    /// [`Memo::give_back`] returns them.
    pub(super) fn take(&mut self, expr: &Expr, symbols: &Symbols) -> (usize, Results) {
        let is_same = self.symbols.as_ref().is_some_and(|known| Rc::ptr_eq(known, symbols));
        let is_full = self.index.len() >= MEMO_EXPRESSIONS_MAX || self.len >= MEMO_RESULTS_MAX;
        if !is_same || is_full {
            self.index.clear();
            self.results.clear();
            self.len = 0;
            self.symbols = Some(Rc::clone(symbols));
        }
        let slot = match self.index.get(expr) {
            Some(slot) => *slot,
            None => {
                self.results.push(Vec::new());
                self.index.insert(expr.clone(), self.results.len() - 1);
                self.results.len() - 1
            }
        };
        let mut results = std::mem::take(&mut self.results[slot]);
        let len = symbols.borrow().len();
        self.len += len.saturating_sub(results.len());
        results.resize(len.max(results.len()), None);
        (slot, results)
    }

    pub(super) fn give_back(&mut self, slot: usize, results: Results) {
        self.results[slot] = results;
    }
}

/// The result for a symbol, computed where it is not known yet. Results that live in a batch's
/// heap are computed again in the next batch.
pub(super) fn result(
    results: &mut Results,
    symbol: Symbol,
    compute: impl FnOnce() -> Cell,
) -> Cell {
    let at = symbol.0 as usize;
    if let Some(Some(cell)) = results.get(at) {
        return *cell;
    }
    let cell = compute();
    if !matches!(cell, Cell::Heap(_)) && at < results.len() {
        results[at] = Some(cell);
    }
    cell
}
