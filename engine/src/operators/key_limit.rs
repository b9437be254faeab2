//! Which keys a limited table has open: admitted in order, the same ones for any worker count.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::plan::Table;

/// A key that is open.
#[derive(Debug, Clone, Copy)]
struct OpenKey {
    key_hash: u128,
    admitted: u64,
    /// The last slice seen.
    last: i64,
}

/// Open keys, found by hash. A table of places beside packed keys: a million keys take 44 bytes
/// each, where a tree takes 50 and twice the time, and a table of whole keys 69.
#[derive(Debug, Clone, Default)]
struct Open {
    index: HashTable<u32>,
    keys: Vec<OpenKey>,
    free: Vec<u32>,
}

impl Open {
    fn len(&self) -> usize {
        self.index.len()
    }

    fn get_mut(&mut self, key_hash: u128) -> Option<&mut OpenKey> {
        let keys = &mut self.keys;
        let is_it = |&at: &u32| keys[at as usize].key_hash == key_hash;
        let at = *self.index.find(key_hash as u64, is_it)?;
        keys.get_mut(at as usize)
    }

    fn insert(&mut self, key: OpenKey) {
        let at = match self.free.pop() {
            Some(at) => {
                self.keys[at as usize] = key;
                at
            }
            None => {
                self.keys.push(key);
                (self.keys.len() - 1) as u32
            }
        };
        let hash_of = |&at: &u32| self.keys[at as usize].key_hash as u64;
        self.index.insert_unique(key.key_hash as u64, at, hash_of);
    }

    fn remove(&mut self, key_hash: u128) {
        let is_it = |&at: &u32| self.keys[at as usize].key_hash == key_hash;
        if let Ok(entry) = self.index.find_entry(key_hash as u64, is_it) {
            let (at, _) = entry.remove();
            self.free.push(at);
        }
    }
}

/// The keys of one limited table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

/// Open keys in a snapshot: in order, so that equal states are equal bytes.
mod by_key {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Open, OpenKey};

    pub(super) fn serialize<S: Serializer>(open: &Open, to: S) -> Result<S::Ok, S::Error> {
        let of = |at: &u32| {
            let key = open.keys[*at as usize];
            (key.key_hash, (key.admitted, key.last))
        };
        let sorted: BTreeMap<u128, (u64, i64)> = open.index.iter().map(of).collect();
        sorted.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Open, D::Error> {
        let sorted = BTreeMap::<u128, (u64, i64)>::deserialize(from)?;
        let mut open = Open::default();
        for (key_hash, (admitted, last)) in sorted {
            open.insert(OpenKey { key_hash, admitted, last });
        }
        Ok(open)
    }
}

impl KeyLimit {
    /// How many keys are open.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// How many keys are open whose last window ends after a watermark, for people. Of rows, keys
    /// are freed when the next rows come, as the watermark moves with the cut into epochs.
    pub(crate) fn open_at(&self, table: &Table, watermark_ns: i64) -> usize {
        let keys = &self.open.keys;
        let is_last = |slice: i64, key_hash: &u128| {
            let is_it = |&at: &u32| keys[at as usize].key_hash == *key_hash;
            let known = self.open.index.find(*key_hash as u64, is_it);
            known.is_some_and(|&at| keys[at as usize].last <= slice)
        };
        let ended = self.by_last.iter();
        let ended = ended.take_while(|(slice, _)| table.slice_dead_ns(**slice) <= watermark_ns);
        let dead =
            ended.map(|(slice, keys)| keys.iter().filter(|key| is_last(*slice, key)).count());
        self.open.len() - dead.sum::<usize>()
    }

    /// Frees the keys whose last window ended at or before the watermark.
    pub(crate) fn free(&mut self, table: &Table, watermark_ns: i64) {
        while let Some(entry) = self.by_last.first_entry() {
            let slice = *entry.key();
            if table.slice_dead_ns(slice) > watermark_ns {
                break;
            }
            for key_hash in entry.remove() {
                if self.open.get_mut(key_hash).is_some_and(|key| key.last <= slice) {
                    self.open.remove(key_hash);
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
        if let Some(key) = self.open.get_mut(key_hash) {
            if sealed.is_some_and(|sealed| key.admitted > sealed) {
                return false;
            }
            if slice > key.last {
                key.last = slice;
                self.by_last.entry(slice).or_default().push(key_hash);
            }
            return true;
        }
        if sealed.is_some() || self.open.len() >= table.groups_max as usize {
            self.sealed.entry(slice).or_insert(self.order);
            return false;
        }
        self.open.insert(OpenKey { key_hash, admitted: self.order, last: slice });
        self.by_last.entry(slice).or_default().push(key_hash);
        true
    }
}
