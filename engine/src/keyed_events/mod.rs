//! Events of keys, taken in the order of time: what patterns and correlations stand on.
//!
//! Events wait until the watermark has passed them, keys until a deadline of theirs. Both are taken
//! in (event time, source, position), whatever arrived when. Must not know what a key does with
//! its events.

mod event;
mod state;
mod table;
mod waiting;
mod wakes;

pub(crate) use event::{Event, Place};
pub(crate) use state::KeysState;
pub(crate) use table::{KeyTable, Keyed};
pub(crate) use waiting::Waiting;

use crate::limits::SHARDS;

/// The shard that a key lives in.
pub(crate) fn shard_of(key_hash: u128) -> usize {
    (key_hash as u64 % SHARDS) as usize
}
