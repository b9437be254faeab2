//! Duplicates: an item is one iff an equal item came before it in the log, near it in event time.
//!
//! The sequencer keeps the keys, because order is the log's and not a worker's. Only a key's
//! hash, its time and its place travel there.

use std::collections::BTreeSet;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::row_clock::Tops;
use crate::model::{Batch, Column};
use crate::plan::Dedupe;

/// An item that may be a duplicate; ordered by its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) seq: u64,
    pub(crate) row: u32,
    /// Index of the dedupe in the plan.
    pub(crate) dedupe: u32,
    pub(crate) time_ns: i64,
    pub(crate) key_hash: u128,
    /// The highest time of the rows before it in its frame that may move the clock.
    pub(crate) top_ns: i64,
}

/// The keys of one dedupe that later items can be equal to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(crate) struct Remembered {
    /// Key and event time of the items that were kept, by the key's hash alone: nobody sees their
    /// order. In a tree by key finding the place was half of a replay.
    kept: HashTable<(u128, i64)>,
    /// The same by event time, in which order they are forgotten.
    by_time: BTreeSet<(i64, u128)>,
    /// Keys forgotten because of the limit.
    pub(crate) forgotten: u64,
}

/// What a snapshot holds of it.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    by_time: BTreeSet<(i64, u128)>,
    forgotten: u64,
}

impl From<Remembered> for Stored {
    fn from(Remembered { by_time, forgotten, .. }: Remembered) -> Self {
        Self { by_time, forgotten }
    }
}

impl From<Stored> for Remembered {
    fn from(Stored { by_time, forgotten }: Stored) -> Self {
        let mut kept = HashTable::with_capacity(by_time.len());
        for &(time_ns, key) in &by_time {
            kept.insert_unique(key as u64, (key, time_ns), hash_of);
        }
        Self { kept, by_time, forgotten }
    }
}

/// Keys are hashes already.
fn hash_of(kept: &(u128, i64)) -> u64 {
    kept.0 as u64
}

impl Remembered {
    /// Forgets what no item ahead of the watermark can be near to.
    pub(crate) fn forget_before(&mut self, dedupe: &Dedupe, watermark_ns: i64) {
        let before_ns = watermark_ns.saturating_sub(dedupe.within_ns);
        while let Some(&(time_ns, key)) = self.by_time.first() {
            if time_ns >= before_ns {
                break;
            }
            self.forget(time_ns, key);
        }
    }

    fn forget(&mut self, time_ns: i64, key: u128) {
        self.by_time.remove(&(time_ns, key));
        if let Ok(found) = self.kept.find_entry(key as u64, |kept| *kept == (key, time_ns)) {
            found.remove();
        }
    }

    /// Whether an item is a duplicate; if not, it is remembered. What no item at or behind the
    /// watermark is near to counts as forgotten, whenever it is: `watermark_ns` is as of the row
    /// before.
    pub(crate) fn is_duplicate(
        &mut self,
        dedupe: &Dedupe,
        item: &Candidate,
        watermark_ns: &dyn Fn() -> i64,
    ) -> bool {
        let (key, time_ns) = (item.key_hash, item.time_ns);
        let alike = self.kept.iter_hash(key as u64).filter(|kept| kept.0 == key);
        let near = |at: &i64| at.abs_diff(time_ns) <= dedupe.within_ns.unsigned_abs();
        let last_ns = alike.map(|kept| kept.1).filter(near).max();
        if last_ns.is_some_and(|at| at.saturating_add(dedupe.within_ns) >= watermark_ns()) {
            return true;
        }
        if self.by_time.insert((time_ns, key)) {
            self.kept.insert_unique(key as u64, (key, time_ns), hash_of);
        }
        while self.kept.len() as u64 > dedupe.keys_max {
            // Those of one time go together.
            let Some(&(first_ns, _)) = self.by_time.first() else { break };
            while let Some(&(at_ns, key)) = self.by_time.first().filter(|at| at.0 == first_ns) {
                self.forget(at_ns, key);
                self.forgotten += 1;
            }
        }
        false
    }
}

/// Whether an item passes a removal of duplicates, from those that it is a duplicate of: what an
/// earlier one took out is a duplicate for those after it, and on nobody's side but its own.
pub(crate) fn passes(dedupes: &[Dedupe], index: u32, is_duplicate: &dyn Fn(u32) -> bool) -> bool {
    let Some(of) = dedupes[index as usize].side_of else { return !is_duplicate(index) };
    let after = dedupes[of as usize].after;
    is_duplicate(of) && after.is_none_or(|after| passes(dedupes, after, is_duplicate))
}

/// Appends the candidates of a batch: its rows that have a time.
pub(crate) fn candidates(
    (index, dedupe): (u32, &Dedupe),
    batch: &Batch,
    (times, arrival_ns): (&[i64], Option<i64>),
    rows: impl Iterator<Item = u32>,
    out: &mut Vec<Candidate>,
) {
    let mut bytes = Vec::with_capacity(64);
    let mut tops = Tops::new(times, arrival_ns);
    for row in rows {
        let time_ns = times[row as usize];
        if time_ns == 0 {
            continue;
        }
        bytes.clear();
        for column in &dedupe.key {
            encode(&batch.columns[*column as usize], row as usize, batch, &mut bytes);
        }
        let key_hash = xxh3_128(&bytes);
        let (seq, top_ns) = (batch.frame_seq, tops.before(row));
        out.push(Candidate { seq, row, dedupe: index, time_ns, key_hash, top_ns });
    }
}

/// The same bytes for the same value on every worker, and no value a prefix of another.
fn encode(column: &Column, row: usize, batch: &Batch, bytes: &mut Vec<u8>) {
    match column {
        Column::Ids16(ids) => bytes.extend_from_slice(&ids[row]),
        Column::Ids8(ids) => bytes.extend_from_slice(&ids[row]),
        other => batch.value_at(other, row).encode_key(bytes),
    }
}
