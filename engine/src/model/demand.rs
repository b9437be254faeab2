//! What a plan reads: the decoder fills these columns and skips everything else by length.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::field::Field;
use super::signal::Signal;

/// Where an attribute is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AttributePlace {
    /// The item's own attributes, then the scope's, then the resource's: the first that has it.
    Any,
    /// The item's own attributes (`attr["…"]`).
    Item,
    /// The instrumentation scope's (`scope["…"]`).
    Scope,
    /// The resource's (`resource["…"]`).
    Resource,
}

/// One column that the plan reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ColumnSpec {
    /// A field that the signal always has.
    Field(Field),
    /// An attribute by key; a column of cells.
    Attribute {
        /// Where it is looked for.
        place: AttributePlace,
        /// Its key, dots included.
        key: Arc<str>,
    },
    /// The first that is present, and no empty text, of several attributes of the item itself; a
    /// column of cells. One column where `a ?? b ?? …` would take one for each, of which most
    /// items have none.
    FirstAttribute(Arc<[Arc<str>]>),
}

/// The columns that a plan reads, by signal. A signal without columns that is still `wanted`
/// yields batches with a row count only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    wanted: [bool; Signal::ALL.len()],
    columns: [Vec<ColumnSpec>; Signal::ALL.len()],
    raw: [bool; Signal::ALL.len()],
    offsets: [bool; Signal::ALL.len()],
}

impl Demand {
    /// Marks a signal as read.
    pub fn want(&mut self, signal: Signal) {
        self.wanted[signal.index()] = true;
    }

    /// Marks a signal whose items some rule may say again.
    pub fn want_raw(&mut self, signal: Signal) {
        self.want(signal);
        self.raw[signal.index()] = true;
    }

    /// Whether some rule may say items of this signal again.
    pub fn wants_raw(&self, signal: Signal) -> bool {
        self.raw[signal.index()]
    }

    /// Marks a signal whose items some rule puts in order with those of another signal.
    pub fn want_offsets(&mut self, signal: Signal) {
        self.want(signal);
        self.offsets[signal.index()] = true;
    }

    /// Whether where in their frame the items of this signal begin is asked for.
    pub fn wants_offsets(&self, signal: Signal) -> bool {
        self.offsets[signal.index()]
    }

    /// Adds a column, once, and returns its index in the batch.
    pub fn column(&mut self, signal: Signal, spec: ColumnSpec) -> usize {
        self.want(signal);
        let columns = &mut self.columns[signal.index()];
        if let Some(index) = columns.iter().position(|known| *known == spec) {
            return index;
        }
        columns.push(spec);
        columns.len() - 1
    }

    /// Whether any rule reads this signal.
    pub fn wants(&self, signal: Signal) -> bool {
        self.wanted[signal.index()]
    }

    /// The columns of one signal, in batch order.
    pub fn columns(&self, signal: Signal) -> &[ColumnSpec] {
        &self.columns[signal.index()]
    }
}
