//! Keys that are under way: found by hash, counted by shard, looked at again at their deadlines.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::shard_of;
use super::wakes::{Hashes, WAKE_BYTES, Wakes};
use crate::limits::SHARDS;

/// What is kept of one key.
pub(crate) trait Keyed {
    /// What decides where it lives.
    fn hash(&self) -> u128;

    /// When it is looked at next, if no event comes; the latest possible where it is not.
    fn wake_ns(&self) -> i64;

    /// Sets that.
    fn set_wake_ns(&mut self, at_ns: i64);
}

/// Places that are kept whatever is in them.
const PLACES_KEPT: usize = 1_024;

/// The keys of one rule on one worker.
pub(crate) struct KeyTable<K> {
    keys: HashMap<u128, K, FixedState>,
    wakes: Wakes,
    in_shard: Vec<u32>,
}

impl<K: Keyed> KeyTable<K> {
    /// With the keys of a snapshot.
    pub(crate) fn new(restored: Vec<K>) -> Self {
        let mut table = Self {
            keys: HashMap::with_hasher(FixedState::with_seed(2)),
            wakes: Wakes::default(),
            in_shard: vec![0; SHARDS as usize],
        };
        for key in restored {
            table.wakes.add(key.wake_ns(), key.hash());
            table.insert(key);
        }
        table
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &K> {
        self.keys.values()
    }

    pub(crate) fn contains(&self, hash: u128) -> bool {
        self.keys.contains_key(&hash)
    }

    pub(crate) fn get_mut(&mut self, hash: u128) -> Option<&mut K> {
        self.keys.get_mut(&hash)
    }

    /// How many keys are in the shard of one.
    pub(crate) fn in_shard_of(&self, hash: u128) -> u32 {
        self.in_shard[shard_of(hash)]
    }

    /// Puts in a key that is not there.
    pub(crate) fn insert(&mut self, key: K) {
        let hash = key.hash();
        self.in_shard[shard_of(hash)] += 1;
        self.keys.insert(hash, key);
    }

    pub(crate) fn remove(&mut self, hash: u128) {
        if self.keys.remove(&hash).is_some() {
            self.in_shard[shard_of(hash)] -= 1;
        }
    }

    /// Looks at a key again at a time, if that is earlier than what was known.
    pub(crate) fn wake_at(&mut self, hash: u128, at_ns: i64) {
        if let Some(key) = self.keys.get_mut(&hash).filter(|key| at_ns < key.wake_ns()) {
            key.set_wake_ns(at_ns);
            self.wakes.add(at_ns, hash);
        }
    }

    /// Whether any key is to be looked at by a time.
    pub(crate) fn is_due(&self, now_ns: i64) -> bool {
        self.wakes.is_due(now_ns)
    }

    /// The earliest time up to `now_ns`, and the keys that may be looked at then.
    pub(crate) fn due(&mut self, now_ns: i64) -> Option<(i64, Hashes)> {
        self.wakes.pop(now_ns)
    }

    /// A key that was to be looked at at this time, and is so no more.
    pub(crate) fn woken(&mut self, hash: u128, at_ns: i64) -> Option<&mut K> {
        let key = self.keys.get_mut(&hash).filter(|key| key.wake_ns() == at_ns)?;
        key.set_wake_ns(i64::MAX);
        Some(key)
    }

    /// Gives room back where little of it is used any more.
    pub(crate) fn shrink(&mut self) {
        if self.keys.capacity() > PLACES_KEPT && self.keys.len() * 8 < self.keys.capacity() {
            self.keys.shrink_to(self.keys.len() * 2);
        }
    }

    /// Bytes of places and deadlines, about, without what keys point to. A table has a byte for
    /// each place, and an eighth of them free at least, half of them after it has grown.
    pub(crate) fn bytes(&self) -> usize {
        let places = self.keys.capacity() * 8 / 7;
        places * (size_of::<(u128, K)>() + 1) + self.keys.len() * WAKE_BYTES
    }
}
