//! Keys that wait for a deadline.

use std::collections::BTreeMap;

use smallvec::{SmallVec, smallvec};

/// Bytes that a key which waits takes here, about: nodes are full by two thirds, and most times are
/// of one key.
pub(super) const WAKE_BYTES: usize = (size_of::<i64>() + size_of::<Hashes>()) * 3 / 2;

/// Keys of one time: nearly always one.
pub(crate) type Hashes = SmallVec<[u128; 1]>;

/// Hashes of keys to look at once the watermark has passed a time. A key may stand at more times
/// than its newest deadline: whoever takes it compares.
#[derive(Default)]
pub(super) struct Wakes(BTreeMap<i64, Hashes>);

impl Wakes {
    pub(super) fn add(&mut self, at_ns: i64, key_hash: u128) {
        self.0
            .entry(at_ns)
            .and_modify(|hashes| hashes.push(key_hash))
            .or_insert(smallvec![key_hash]);
    }

    /// Whether any key waits for this time or an earlier one.
    pub(super) fn is_due(&self, now_ns: i64) -> bool {
        self.0.first_key_value().is_some_and(|(at_ns, _)| *at_ns <= now_ns)
    }

    /// Takes the earliest time up to `now_ns`, and its keys in their order.
    pub(super) fn pop(&mut self, now_ns: i64) -> Option<(i64, Hashes)> {
        let first = self.0.first_entry().filter(|first| *first.key() <= now_ns)?;
        let (at_ns, mut hashes) = first.remove_entry();
        hashes.sort_unstable();
        Some((at_ns, hashes))
    }
}
