//! Duplicates: an item is one iff an equal item came before it in the log, near it in event time.
//!
//! The sequencer keeps the keys, because order is the log's and not a worker's. Only a key's
//! hash, its time and its place travel there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::clock::UNSEEN;
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
pub(crate) struct Remembered {
    /// By key: event times of the items that were kept.
    times: BTreeMap<u128, Vec<i64>>,
    /// By event time: keys to forget.
    by_time: BTreeMap<i64, Vec<u128>>,
    count: u64,
    /// Keys forgotten because of the limit.
    pub(crate) forgotten: u64,
}

impl Remembered {
    /// Forgets what no item ahead of the watermark can be near to.
    pub(crate) fn forget_before(&mut self, dedupe: &Dedupe, watermark_ns: i64) {
        let before_ns = watermark_ns.saturating_sub(dedupe.within_ns);
        while let Some(entry) = self.by_time.first_entry() {
            if *entry.key() >= before_ns {
                break;
            }
            let (time_ns, keys) = entry.remove_entry();
            keys.into_iter().for_each(|key| self.drop_key(key, time_ns));
        }
    }

    fn drop_key(&mut self, key: u128, time_ns: i64) {
        if let Some(times) = self.times.get_mut(&key) {
            if let Some(at) = times.iter().position(|time| *time == time_ns) {
                times.swap_remove(at);
                self.count -= 1;
            }
            if times.is_empty() {
                self.times.remove(&key);
            }
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
        let near = |time: &&i64| time.abs_diff(item.time_ns) <= dedupe.within_ns.unsigned_abs();
        let times = self.times.entry(item.key_hash).or_default();
        let last_ns = times.iter().filter(near).max();
        if last_ns.is_some_and(|at| at.saturating_add(dedupe.within_ns) >= watermark_ns()) {
            return true;
        }
        times.push(item.time_ns);
        self.by_time.entry(item.time_ns).or_default().push(item.key_hash);
        self.count += 1;
        while self.count > dedupe.keys_max {
            let Some((time_ns, keys)) = self.by_time.pop_first() else { break };
            self.forgotten += keys.len() as u64;
            keys.into_iter().for_each(|key| self.drop_key(key, time_ns));
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
    (times, bound_ns): (&[i64], i64),
    rows: impl Iterator<Item = u32>,
    out: &mut Vec<Candidate>,
) {
    let mut bytes = Vec::with_capacity(64);
    let (mut top_ns, mut next) = (UNSEEN, 0);
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
        let before = times[next..row as usize].iter();
        let may_move = before.copied().filter(|time| *time != 0 && *time <= bound_ns);
        top_ns = may_move.fold(top_ns, i64::max);
        next = row as usize;
        let seq = batch.frame_seq;
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
