//! What a snapshot holds of something that keeps state by key and lets events wait.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, Keyed, Waiting};

/// Keys, and events that wait for the watermark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeysState<K> {
    pub(crate) keys: Vec<K>,
    pub(crate) waiting: Vec<Event>,
    /// Rows taken so far.
    pub(crate) rows: u64,
}

impl<K> Default for KeysState<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), waiting: Vec::new(), rows: 0 }
    }
}

impl<K: Keyed + Clone> KeysState<K> {
    /// Keys and events as they are; the order of a snapshot is not that of a table.
    pub(crate) fn of<'k>(keys: impl Iterator<Item = &'k K>, waiting: &Waiting, rows: u64) -> Self
    where
        K: 'k,
    {
        let mut keys: Vec<K> = keys.cloned().collect();
        keys.sort_by_key(Keyed::hash);
        Self { keys, waiting: waiting.iter().cloned().collect(), rows }
    }

    /// Joins the parts of several workers, by hash of the rule.
    pub(crate) fn by_rule(parts: Vec<(u64, Self)>) -> BTreeMap<u64, Self> {
        let mut states: BTreeMap<u64, Self> = BTreeMap::new();
        for (hash, part) in parts {
            states.entry(hash).or_default().extend(part);
        }
        states
    }

    /// The part whose keys fulfil a condition on their hash.
    pub(crate) fn part(&self, is_mine: impl Fn(u128) -> bool) -> Self {
        let keys = self.keys.iter().filter(|key| is_mine(key.hash())).cloned().collect();
        let waiting = self.waiting.iter().filter(|event| is_mine(event.key_hash));
        Self { keys, waiting: waiting.cloned().collect(), rows: self.rows }
    }

    /// Adds another worker's part.
    fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.waiting.extend(other.waiting);
        self.rows = self.rows.max(other.rows);
    }
}
