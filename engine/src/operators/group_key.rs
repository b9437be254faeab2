//! Group keys as words, local to a worker's symbols, and as the same hash on every worker.
//!
//! A key is looked up once an event: words are hashed and compared without touching strings.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::model::{Batch, Cell, Column, Interner, Symbol, Value};

/// How a key column is written into words; words are local to a worker's symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Symbol,
    Time,
    Duration,
    Int,
    Bool,
    Id8,
    Id16,
    Cell,
}

impl KeyKind {
    /// How a column's values are written.
    pub(super) fn of(column: &Column) -> Self {
        match column {
            Column::Symbols(_) => Self::Symbol,
            Column::Times(_) => Self::Time,
            Column::Durations(_) => Self::Duration,
            Column::Ints(_) => Self::Int,
            Column::Bools(_) => Self::Bool,
            Column::Ids8(_) => Self::Id8,
            Column::Ids16(_) => Self::Id16,
            Column::Cells(_) => Self::Cell,
        }
    }

    /// Words of a value.
    pub(super) fn words(self) -> usize {
        match self {
            Self::Id16 | Self::Cell => 2,
            _ => 1,
        }
    }

    /// Appends the canonical encoding of the value behind words, as [`Value::encode_key`] does,
    /// without making the value where it is an id or a text.
    pub(super) fn encode(
        self,
        words: &[u64],
        symbols: &Interner,
        heap: &HeapKeys,
        out: &mut Vec<u8>,
    ) {
        let mut bytes = |rank: u8, content: &[u8]| {
            out.push(rank);
            out.extend_from_slice(&(content.len() as u32).to_be_bytes());
            out.extend_from_slice(content);
        };
        match self {
            Self::Symbol => bytes(TEXT_RANK, symbols.resolve(Symbol(words[0] as u32)).as_bytes()),
            Self::Id8 if words[0] != 0 => bytes(BYTES_RANK, &words[0].to_be_bytes()),
            Self::Id16 if words != [0, 0] => {
                let id = u128::from(words[0]) << 64 | u128::from(words[1]);
                bytes(BYTES_RANK, &id.to_be_bytes());
            }
            _ => self.value(words, symbols, heap).encode_key(out),
        }
    }

    /// The value behind words.
    pub(super) fn value(self, words: &[u64], symbols: &Interner, heap: &HeapKeys) -> Value {
        let text = |word: u64| Value::Str(Arc::clone(symbols.resolve(Symbol(word as u32))));
        let signed = words[0] as i64;
        match self {
            Self::Symbol => text(words[0]),
            Self::Time if signed == 0 => Value::Null,
            Self::Time => Value::Time(signed),
            Self::Duration => Value::Duration(signed),
            Self::Int => Value::Int(signed),
            Self::Bool => Value::Bool(signed != 0),
            Self::Id8 if words[0] == 0 => Value::Null,
            Self::Id8 => Value::Bytes(Arc::from(&words[0].to_be_bytes()[..])),
            Self::Id16 if words == [0, 0] => Value::Null,
            Self::Id16 => {
                let id = (u128::from(words[0]) << 64 | u128::from(words[1])).to_be_bytes();
                Value::Bytes(Arc::from(&id[..]))
            }
            Self::Cell => match words[0] & ((1 << TAG_BITS) - 1) {
                0 => Value::Null,
                1 => Value::Bool(words[1] != 0),
                2 => Value::Int(words[1] as i64),
                3 => Value::Float(f64::from_bits(words[1])),
                4 => text(words[1]),
                5 => Value::Duration(words[1] as i64),
                6 => Value::Time(words[1] as i64),
                7 => Value::Size(words[1] as i64),
                8 => Value::Ratio(f64::from_bits(words[1])),
                _ => heap.values[&[words[0], words[1]]].clone(),
            },
        }
    }
}

const TAG_BITS: u32 = 4;

/// First byte of a text's and of bytes' canonical encoding; a test holds them to the model's.
const TEXT_RANK: u8 = 4;
const BYTES_RANK: u8 = 5;

/// The words of a cell: its kind, then its content.
pub(super) fn cell_words(cell: Cell, batch: &Batch, heap: &mut HeapKeys) -> [u64; 2] {
    match cell {
        Cell::Null => [0, 0],
        Cell::Bool(v) => [1, u64::from(v)],
        Cell::Int(v) => [2, v as u64],
        Cell::Float(v) => [3, v.to_bits()],
        Cell::Str(v) => [4, u64::from(v.0)],
        Cell::Duration(v) => [5, v as u64],
        Cell::Time(v) => [6, v as u64],
        Cell::Size(v) => [7, v as u64],
        Cell::Ratio(v) => [8, v.to_bits()],
        Cell::Heap(index) => heap.words(&batch.heap[index as usize]),
    }
}

/// Key values that fit no word, by 124 bits of their hash.
#[derive(Default)]
pub(super) struct HeapKeys {
    pub(super) values: BTreeMap<[u64; 2], Value>,
}

impl HeapKeys {
    const TAG: u64 = 9;

    fn words(&mut self, value: &Value) -> [u64; 2] {
        let mut bytes = Vec::new();
        value.encode_key(&mut bytes);
        let hash = xxh3_128(&bytes);
        let words = [((hash >> 64) as u64) << TAG_BITS | Self::TAG, hash as u64];
        self.values.entry(words).or_insert_with(|| value.clone());
        words
    }
}

/// The identity of a group on every worker: xxh3 of its canonical key bytes.
pub(crate) fn key_hash(key: &[Value]) -> u128 {
    let mut bytes = Vec::with_capacity(64);
    key.iter().for_each(|value| value.encode_key(&mut bytes));
    xxh3_128(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_encode_as_the_values_behind_them() {
        let mut symbols = Interner::default();
        let word = u64::from(symbols.intern("checkout").0);
        let heap = HeapKeys::default();
        let cases: [(KeyKind, &[u64]); 10] = [
            (KeyKind::Symbol, &[word]),
            (KeyKind::Id8, &[77]),
            (KeyKind::Id8, &[0]),
            (KeyKind::Id16, &[1, 2]),
            (KeyKind::Id16, &[0, 0]),
            (KeyKind::Int, &[5]),
            (KeyKind::Bool, &[1]),
            (KeyKind::Duration, &[9]),
            (KeyKind::Cell, &[4, word]),
            (KeyKind::Cell, &[0, 0]),
        ];
        for (kind, words) in cases {
            let (mut direct, mut by_value) = (Vec::new(), Vec::new());
            kind.encode(words, &symbols, &heap, &mut direct);
            kind.value(words, &symbols, &heap).encode_key(&mut by_value);
            assert_eq!(direct, by_value, "{kind:?} {words:?}");
        }
    }
}
