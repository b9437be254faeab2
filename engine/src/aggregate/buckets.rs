//! Buckets of a sketch: where numbers fall, lists of bucket indices, counts by bucket.
//!
//! Indices are hdrhistogram's for a lowest discernible value of 1, so that nothing is lost between
//! a list and counts. Must not know when a group has few values or many.

use serde::{Deserialize, Serialize};

use super::sketch::NumberUnit;

/// Counts by bucket index, and how many they are together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Dense {
    pub(super) counts: Vec<u64>,
    pub(super) total: u64,
}

/// Counts or indices that are looked at together: what is done with a block is vector arithmetic.
const BLOCK: usize = 64;

impl Dense {
    #[inline]
    pub(super) fn add(&mut self, at: u16, n: u64) {
        let at = usize::from(at);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += n;
        self.total += n;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
    }

    /// Takes counts away; `false`, and too little taken, if they are not there.
    pub(super) fn remove(&mut self, at: u16, n: u64) -> bool {
        match self.counts.get_mut(usize::from(at)) {
            Some(count) if *count >= n => {
                *count -= n;
                self.total -= n;
                true
            }
            _ => n == 0,
        }
    }

    /// The bucket of the value at a rank, counted from 1.
    pub(super) fn at_rank(&self, rank: u64) -> u16 {
        let mut seen = 0;
        for (block, counts) in self.counts.chunks(BLOCK).enumerate() {
            let sum: u64 = counts.iter().sum();
            if seen + sum >= rank {
                let reaches = |n: &u64| {
                    seen += n;
                    seen >= rank
                };
                let at = counts.iter().position(reaches).unwrap_or(0);
                return (block * BLOCK + at) as u16;
            }
            seen += sum;
        }
        0
    }
}

/// How much of a list is sorted, from its beginning; block by block, which is vector arithmetic.
fn sorted_len(list: &[u16]) -> usize {
    let mut at = 0;
    while list.len() - at > BLOCK && list[at..=at + BLOCK].is_sorted() {
        at += BLOCK;
    }
    let rest = list[at..].windows(2).position(|pair| pair[0] > pair[1]);
    rest.map_or(list.len(), |rest| at + rest + 1)
}

/// Sorts a list whose beginning is sorted already: what was added is sorted and merged in.
pub(super) fn sort(list: &mut [u16]) {
    let sorted = sorted_len(list);
    if sorted < list.len() / 2 {
        list.sort_unstable();
        return;
    }
    let mut added = list[sorted..].to_vec();
    added.sort_unstable();
    let (mut left, mut to) = (sorted, list.len());
    while let Some(last) = added.last() {
        to -= 1;
        if left > 0 && list[left - 1] > *last {
            left -= 1;
            list[to] = list[left];
        } else {
            list[to] = *last;
            added.pop();
        }
    }
}

/// Takes indices out of a list, which is sorted then; `false` if they are not all there.
pub(super) fn remove_all(list: &mut Vec<u16>, mut gone: Vec<u16>) -> bool {
    sort(list);
    sort(&mut gone);
    let mut gone = gone.into_iter().peekable();
    list.retain(|at| gone.next_if_eq(at).is_none());
    gone.peek().is_none()
}

/// Bits of half a bucket: 2^bits sub-buckets keep the digits asked for.
fn half_bits(digits: u8) -> u32 {
    if digits >= 3 { 10 } else { 7 }
}

/// hdrhistogram's counts index of a value, for a lowest discernible value of 1.
#[inline]
pub(super) fn index(number: i64, unit: NumberUnit, digits: u8) -> u16 {
    let value = number as u64 / if unit == NumberUnit::Duration { 1_000 } else { 1 };
    let half = half_bits(digits);
    let mask = (1u64 << (half + 1)) - 1;
    let bucket = (value | mask).ilog2() - half;
    let sub = (value >> bucket) as u32;
    (((bucket + 1) << half) + sub - (1 << half)) as u16
}

/// The largest value that falls into a bucket.
pub(super) fn highest_equivalent(at: u16, digits: u8) -> i64 {
    let half = half_bits(digits);
    let at = u64::from(at);
    let (bucket, sub) = match at >> half {
        0 => (0, at),
        row => (row - 1, (at & ((1 << half) - 1)) + (1 << half)),
    };
    let low = sub << bucket;
    low.saturating_add((1 << bucket) - 1).min(i64::MAX as u64) as i64
}
