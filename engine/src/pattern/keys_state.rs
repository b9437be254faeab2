//! What a snapshot holds of something that keeps state by key and lets events wait.

use serde::{Deserialize, Serialize};

use super::event::Event;

/// The state of one key.
pub(crate) trait Keyed {
    /// What decides where it lives.
    fn hash(&self) -> u128;
}

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
    /// The part whose keys fulfil a condition on their hash.
    pub(crate) fn part(&self, is_mine: impl Fn(u128) -> bool) -> Self {
        let keys = self.keys.iter().filter(|key| is_mine(key.hash())).cloned().collect();
        let waiting = self.waiting.iter().filter(|event| is_mine(event.key_hash));
        Self { keys, waiting: waiting.cloned().collect(), rows: self.rows }
    }

    /// Adds another worker's part.
    pub(crate) fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.waiting.extend(other.waiting);
        self.rows = self.rows.max(other.rows);
    }
}
