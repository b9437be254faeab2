//! A compact memory of ids: four bytes a place, generations that give way as a whole.

use prefetch_index::prefetch_index;
use serde::{Deserialize, Serialize};

use crate::limits::SHARDS;

/// Places of the first generation; each further one has twice as many, up to a bound.
const PLACES_FIRST: usize = 64;

/// The bits of a hash below this one choose its shard, so that all ids of a filter have the same.
const MARK_FROM_BIT: u32 = SHARDS.trailing_zeros();

/// Behind the fingerprint's bits: ids that share a home say nothing of each other's fingerprint.
const HOME_FROM_BIT: u32 = MARK_FROM_BIT + u32::BITS;

/// A home has bits enough.
const PLACES_MOST: usize = 1 << (u64::BITS - HOME_FROM_BIT);

/// Ids that were put in, by 32-bit fingerprints.
///
/// Each id has a home place and a fingerprint from different bits of its hash, and none of those
/// that chose the shard, and lies in the first free place from its home on. An id that was never
/// put in is found with a probability below `generations × run / 2^32`, where a run of taken places
/// is about 3 long: some 6 in 10^9 with four full generations and the small ones before them. (A
/// cuckoo filter is as small and needs evictions; a Bloom filter of that error needs 5 bytes an id
/// and cannot be sized by what came.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdFilter {
    /// The oldest first.
    generations: Vec<Generation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    /// A power of two of places; 0 is free.
    places: Vec<u32>,
    taken: u32,
}

impl Generation {
    fn new(places: usize) -> Self {
        Self { places: vec![0; places], taken: 0 }
    }

    /// A full generation has a free place in every fourth.
    fn is_full(&self) -> bool {
        self.taken as usize * 4 >= self.places.len() * 3
    }

    /// The place where the id lies, or where it would.
    fn find(&self, hash: u64) -> usize {
        let mask = self.places.len() - 1;
        let mark = fingerprint(hash);
        let mut at = (hash >> HOME_FROM_BIT) as usize & mask;
        while self.places[at] != 0 && self.places[at] != mark {
            at = (at + 1) & mask;
        }
        at
    }

    fn contains(&self, hash: u64) -> bool {
        self.places[self.find(hash)] != 0
    }
}

/// What is remembered of an id, by its hash.
pub(super) fn fingerprint(hash: u64) -> u32 {
    ((hash >> MARK_FROM_BIT) as u32).max(1)
}

impl IdFilter {
    /// Puts in an id by its 64-bit hash, unless it is in the newest generation: to look for it in
    /// all of them would wait for the memory of each. Where there is no room, as much as so many
    /// generations of so many places, the oldest generation gives way.
    ///
    /// # Panics
    /// Where `places_max` is no power of two, or beyond 2^22.
    pub fn insert(&mut self, hash: u64, places_max: usize, generations_max: usize) {
        assert!(places_max.is_power_of_two(), "a generation has a power of two of places");
        assert!(places_max <= PLACES_MOST, "a hash has bits for 2^22 places");
        if self.generations.last().is_none_or(Generation::is_full) {
            if self.generations.last().is_some_and(|newest| newest.contains(hash)) {
                return;
            }
            let places = self.generations.last().map_or(PLACES_FIRST, |g| g.places.len() * 2);
            self.generations.push(Generation::new(places.min(places_max)));
            while self.bytes() > places_max * generations_max * 4 {
                self.generations.remove(0);
            }
        }
        let Some(generation) = self.generations.last_mut() else { return };
        let at = generation.find(hash);
        generation.taken += u32::from(generation.places[at] == 0);
        generation.places[at] = fingerprint(hash);
    }

    /// Brings near where an id would be put in.
    pub(super) fn prefetch(&self, hash: u64) {
        if let Some(own) = self.generations.last() {
            prefetch_index(&own.places, (hash >> HOME_FROM_BIT) as usize & (own.places.len() - 1));
        }
    }

    /// Whether an id was put in, or looks like one.
    pub fn contains(&self, hash: u64) -> bool {
        self.generations.iter().any(|generation| generation.contains(hash))
    }

    /// The fingerprints that it holds.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = u32> {
        let places = self.generations.iter().flat_map(|generation| &generation.places);
        places.copied().filter(|mark| *mark != 0)
    }

    /// Bytes of its places.
    pub fn bytes(&self) -> usize {
        self.generations.iter().map(|generation| generation.places.len() * 4).sum()
    }

    /// Ids that it holds.
    pub fn len(&self) -> usize {
        self.generations.iter().map(|generation| generation.taken as usize).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
