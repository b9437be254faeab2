//! Which keys a limited table has open: admitted in order, the same ones for any worker count.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::plan::Table;

/// Open keys: (when admitted, last slice seen). Looked up only; in a snapshot by key.
type Open = HashMap<u128, (u64, i64), FixedState>;

/// The keys of one limited table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyLimit {
    #[serde(with = "by_key")]
    open: Open,
    /// Keys by the last slice seen at some time; checked against `open` when the slice dies.
    by_last: BTreeMap<i64, Vec<u128>>,
    /// Slices in which a key was refused, and when: only keys admitted before may still enter
    /// them, so that every worker's report of the same key gets the same answer.
    sealed: BTreeMap<i64, u64>,
    /// Counts admissions and seals: their order.
    order: u64,
}

impl Default for KeyLimit {
    fn default() -> Self {
        Self {
            open: HashMap::with_hasher(FixedState::with_seed(3)),
            by_last: BTreeMap::new(),
            sealed: BTreeMap::new(),
            order: 0,
        }
    }
}

/// Open keys in a snapshot: in order, so that equal states are equal bytes.
mod by_key {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{FixedState, Open};

    pub(super) fn serialize<S: Serializer>(open: &Open, to: S) -> Result<S::Ok, S::Error> {
        let sorted: BTreeMap<&u128, &(u64, i64)> = open.iter().collect();
        sorted.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Open, D::Error> {
        let sorted = BTreeMap::<u128, (u64, i64)>::deserialize(from)?;
        let mut open = Open::with_capacity_and_hasher(sorted.len(), FixedState::with_seed(3));
        open.extend(sorted);
        Ok(open)
    }
}

impl KeyLimit {
    /// How many keys are open.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Frees the keys whose last window ended at or before the watermark.
    pub(crate) fn free(&mut self, table: &Table, watermark_ns: i64) {
        while let Some(entry) = self.by_last.first_entry() {
            let slice = *entry.key();
            if table.slice_dead_ns(slice) > watermark_ns {
                break;
            }
            for key in entry.remove() {
                if self.open.get(&key).is_some_and(|(_, last)| *last <= slice) {
                    self.open.remove(&key);
                }
            }
        }
        while let Some(entry) = self.sealed.first_entry() {
            if table.slice_dead_ns(*entry.key()) > watermark_ns {
                break;
            }
            entry.remove();
        }
    }

    /// Whether a key may be open in a slice.
    pub(crate) fn admit(&mut self, table: &Table, slice: i64, key_hash: u128) -> bool {
        self.order += 1;
        let sealed = self.sealed.get(&slice).copied();
        if let Some((admitted, last)) = self.open.get_mut(&key_hash) {
            if sealed.is_some_and(|sealed| *admitted > sealed) {
                return false;
            }
            if slice > *last {
                *last = slice;
                self.by_last.entry(slice).or_default().push(key_hash);
            }
            return true;
        }
        if sealed.is_some() || self.open.len() >= table.groups_max as usize {
            self.sealed.entry(slice).or_insert(self.order);
            return false;
        }
        self.open.insert(key_hash, (self.order, slice));
        self.by_last.entry(slice).or_default().push(key_hash);
        true
    }
}
