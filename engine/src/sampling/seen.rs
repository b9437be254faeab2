//! A few bits of each id whose verdict is remembered: of nearly every trace that closes they say,
//! in one cache line, that it never had one. What they do not rule out is asked for exactly.

use prefetch_index::prefetch_index;

use super::filter::fingerprint;
use crate::limits::{SHARDS, VERDICTS_SEEN_WORDS};

/// Ids by shard, three bits of one word each. Nothing goes out of it: a shard is filled anew from
/// what is remembered.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Those of a shard beside each other; empty before the first id.
    words: Vec<u64>,
}

/// The word of an id and its bits, by its mark.
fn place(shard: usize, mark: u32) -> (usize, u64) {
    let bit = |from: u32| 1 << (mark >> from & 63);
    let word = mark as usize & (VERDICTS_SEEN_WORDS - 1);
    (shard * VERDICTS_SEEN_WORDS + word, bit(10) | bit(18) | bit(26))
}

/// The same by the hash of the id.
fn place_of(hash: u64) -> (usize, u64) {
    place((hash % SHARDS) as usize, fingerprint(hash))
}

impl Seen {
    /// Puts in an id, by its hash.
    pub(super) fn add(&mut self, hash: u64) {
        self.make_room();
        let (word, bits) = place_of(hash);
        self.words[word] |= bits;
    }

    /// Whether an id was put in, by its hash, or looks like one.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let (word, bits) = place_of(hash);
        self.words.get(word).is_some_and(|own| own & bits == bits)
    }

    /// Brings near what is looked at for an id, by its hash.
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch_index(&self.words, place_of(hash).0);
    }

    /// Fills a shard anew with ids, by their marks.
    pub(super) fn fill(&mut self, shard: usize, marks: impl Iterator<Item = u32>) {
        self.make_room();
        self.words[shard * VERDICTS_SEEN_WORDS..][..VERDICTS_SEEN_WORDS].fill(0);
        for mark in marks {
            let (word, bits) = place(shard, mark);
            self.words[word] |= bits;
        }
    }

    fn make_room(&mut self) {
        if self.words.is_empty() {
            // Zeros of the system: of shards on other workers no page is ever touched.
            self.words = vec![0; SHARDS as usize * VERDICTS_SEEN_WORDS];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::limits::SHARDS;
    use crate::sampling::filter::fingerprint;

    fn hashes(from: u64, count: u64) -> impl Iterator<Item = u64> {
        let all = (from..).map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_be_bytes()));
        all.filter(|hash| hash % SHARDS == 5).take(count as usize)
    }

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let mut seen = Seen::default();
        assert!(hashes(0, 100).all(|hash| !seen.may_hold(hash)));
        hashes(0, 6_000).for_each(|hash| seen.add(hash));
        assert!(hashes(0, 6_000).all(|hash| seen.may_hold(hash)));
        let wrong = hashes(1 << 40, 10_000).filter(|hash| seen.may_hold(*hash)).count();
        assert!(wrong < 500, "{wrong} of 10 000");
    }

    #[test]
    fn a_shard_that_is_filled_anew_holds_that_alone() {
        let mut seen = Seen::default();
        hashes(0, 6_000).for_each(|hash| seen.add(hash));
        seen.fill(5, hashes(0, 100).map(fingerprint));
        assert!(hashes(0, 100).all(|hash| seen.may_hold(hash)));
        assert!(hashes(0, 6_000).skip(100).filter(|hash| seen.may_hold(*hash)).count() < 50);
    }
}
