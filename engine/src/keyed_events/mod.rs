//! Events of keys, taken in the order of time: what patterns and correlations stand on.
//!
//! Events wait until the watermark has passed them, keys until a deadline of theirs. Both are taken
//! in (event time, source, position), whatever arrived when. Must not know what a key does with
//! its events.

mod event;
mod state;
mod waiting;
mod wakes;

pub(crate) use event::{Event, Place};
pub(crate) use state::{Keyed, KeysState};
pub(crate) use waiting::Waiting;
pub(crate) use wakes::{WAKE_BYTES, Wakes};

use std::hash::BuildHasher;

use hashbrown::HashMap;

use crate::limits::SHARDS;

/// The shard that a key lives in.
pub(crate) fn shard_of(key_hash: u128) -> usize {
    (key_hash as u64 % SHARDS) as usize
}

/// Bytes that a table of keys takes beside what they point to: a byte for each place, and an
/// eighth of places free at least, half of them after it has grown.
pub(crate) fn table_bytes<K, S>(keys: &HashMap<u128, K, S>) -> usize {
    keys.capacity() * 8 / 7 * (size_of::<(u128, K)>() + 1)
}

/// Places of a table of keys that are kept whatever is in them.
const PLACES_KEPT: usize = 1_024;

/// Gives room back where little of a table is used any more.
pub(crate) fn shrink<K, S: BuildHasher>(keys: &mut HashMap<u128, K, S>) {
    if keys.capacity() > PLACES_KEPT && keys.len() * 8 < keys.capacity() {
        keys.shrink_to(keys.len() * 2);
    }
}
