//! A few bits an id, which say of most ids that they were never put in: a Bloom filter with the
//! bits of an id in one word (Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom
//! filters", 2007), in generations that go as a whole.

use prefetch_index::prefetch_index;

use crate::limits::TRACES_CLOSED_WORDS_MAX;

/// Ids to a word in a full generation: four bits of each, so that about one id in 100 that was not
/// put in looks like one that was.
const IDS_A_WORD: usize = 4;

/// Words of the first generation.
const WORDS_MIN: usize = 256;

/// Ids that were put in.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// The oldest first.
    generations: Vec<Generation>,
}

#[derive(Debug)]
struct Generation {
    /// A power of two of them.
    words: Vec<u64>,
    len: usize,
    /// The times of its ids, nanoseconds.
    first_ns: i64,
    last_ns: i64,
}

/// The word among so many and the bits of an id. The lowest bits of its hash are those of its
/// worker.
fn place(hash: u64, words: usize) -> (usize, u64) {
    let bit = |from: u32| 1 << (hash >> from & 63);
    ((hash >> 16) as usize & (words - 1), bit(40) | bit(46) | bit(52) | bit(58))
}

impl Bits {
    /// Whether an id was put in, by its hash, or looks like one.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.generations.iter().any(|own| {
            let (word, bits) = place(hash, own.words.len());
            own.words[word] & bits == bits
        })
    }

    /// Brings near what is looked at for an id, by its hash.
    pub(super) fn prefetch(&self, hash: u64) {
        for own in &self.generations {
            prefetch_index(&own.words, place(hash, own.words.len()).0);
        }
    }

    /// Puts in an id of a time. A full generation is followed by a larger one.
    pub(super) fn add(&mut self, hash: u64, time_ns: i64) {
        let (words, ids) = self.generations.last().map_or((0, 0), |own| (own.words.len(), own.len));
        // The largest one goes on: it tells fewer apart.
        if ids >= words * IDS_A_WORD && words < TRACES_CLOSED_WORDS_MAX {
            self.begin(words * 4, time_ns);
        }
        let Some(own) = self.generations.last_mut() else { return };
        let (word, bits) = place(hash, own.words.len());
        own.words[word] |= bits;
        own.len += 1;
        own.last_ns = own.last_ns.max(time_ns);
    }

    fn begin(&mut self, words: usize, time_ns: i64) {
        let words = vec![0; words.next_power_of_two().clamp(WORDS_MIN, TRACES_CLOSED_WORDS_MAX)];
        self.generations.push(Generation { words, len: 0, first_ns: time_ns, last_ns: time_ns });
    }

    /// Lets ids go of a time and before, and begins anew where the first of a generation is older
    /// than another one.
    pub(super) fn forget(&mut self, until_ns: i64, begin_ns: i64, now_ns: i64) {
        self.generations.retain(|own| own.last_ns > until_ns);
        let is_old = |own: &&Generation| own.first_ns <= begin_ns;
        if let Some(last) = self.generations.last().filter(is_old) {
            self.begin(last.len / IDS_A_WORD, now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    fn hash(n: i64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&n.to_be_bytes())
    }

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let mut bits = Bits::default();
        assert!(!bits.may_hold(1));
        (0..10_000).for_each(|n| bits.add(hash(n), n));
        assert!((0..10_000).all(|n| bits.may_hold(hash(n))));
        let wrong = (10_000..110_000).filter(|n| bits.may_hold(hash(*n))).count();
        assert!(wrong < 1_500, "{wrong} of 100 000");
    }

    #[test]
    fn generations_go_when_their_last_id_is_old() {
        let mut bits = Bits::default();
        for n in 0..50_000 {
            bits.add(hash(n), n);
            bits.forget(n - 4_000, n - 2_000, n);
            assert!(bits.generations.len() <= 5);
        }
        assert!((46_001..50_000).all(|n| bits.may_hold(hash(n))));
        assert!((0..43_000).filter(|n| bits.may_hold(hash(*n))).count() < 1_000);
    }
}
