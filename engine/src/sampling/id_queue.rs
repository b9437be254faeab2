//! What is remembered of ids, oldest first.
//!
//! An id is found by a number of two bytes, so that the indices of all shards stay in the
//! processor's cache; what is remembered is looked at only where the id is most likely the one. The
//! index is made of what came since when somebody asks: most queues forget most ids unasked.

use std::collections::VecDeque;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

type Id = [u8; 16];

/// Ids with what is remembered of each, in the order in which they came; below 65 536 of them.
#[derive(Debug, Clone)]
pub(crate) struct IdQueue<V> {
    /// Numbers, which come round: of an id the last.
    index: HashTable<u16>,
    entries: VecDeque<(Id, V)>,
    /// The number of the oldest.
    first: u16,
    /// How many of the oldest have been put into the index.
    indexed: usize,
}

impl<V> Default for IdQueue<V> {
    fn default() -> Self {
        Self { index: HashTable::new(), entries: VecDeque::new(), first: 0, indexed: 0 }
    }
}

/// The hash of an id, as these functions take it.
pub(crate) fn id_hash(id: &Id) -> u64 {
    xxh3_64(id)
}

/// What an id is found by. The ids of one queue are mostly those of one shard, whose hashes end in
/// the same ten bits: as the lowest ones they would let every search begin in the same place, and
/// walk the whole index.
fn key_of(hash: u64) -> u64 {
    hash.rotate_left(32)
}

impl<V> IdQueue<V> {
    /// A queue with room for so many ids.
    pub(crate) fn with_capacity(ids: usize) -> Self {
        Self { entries: VecDeque::with_capacity(ids), ..Self::default() }
    }

    fn find(&mut self, hash: u64, id: &Id) -> Option<usize> {
        let (entries, first) = (&self.entries, self.first);
        let at = |number: &u16| usize::from(number.wrapping_sub(first));
        if self.indexed < entries.len() {
            let key = |known: &u16| key_of(id_hash(&entries[at(known)].0));
            self.index.reserve(entries.len() - self.indexed, key);
        }
        for place in self.indexed..entries.len() {
            let own = &entries[place].0;
            let (key, number) = (key_of(id_hash(own)), first.wrapping_add(place as u16));
            match self.index.find_mut(key, |known| entries[at(known)].0 == *own) {
                Some(known) => *known = number,
                None => {
                    let key = |known: &u16| key_of(id_hash(&entries[at(known)].0));
                    self.index.insert_unique(key_of(id_hash(own)), number, key);
                }
            }
        }
        self.indexed = entries.len();
        self.index.find(key_of(hash), |number| entries[at(number)].0 == *id).map(at)
    }

    /// What is remembered of an id, by its hash: the newest of it.
    pub(crate) fn get(&mut self, hash: u64, id: &Id) -> Option<&V> {
        self.find(hash, id).map(|at| &self.entries[at].1)
    }

    /// The same, to be changed: its place in the order stays.
    pub(crate) fn get_mut(&mut self, hash: u64, id: &Id) -> Option<&mut V> {
        self.find(hash, id).map(|at| &mut self.entries[at].1)
    }

    /// Whether an id is remembered, found by looking at all of them.
    pub(crate) fn has(&self, id: &Id) -> bool {
        self.entries.iter().any(|(own, _)| own == id)
    }

    /// Remembers an id. What was remembered of it before stays until its turn comes.
    pub(crate) fn push(&mut self, id: Id, value: V) {
        self.entries.push_back((id, value));
    }

    /// Forgets the oldest.
    pub(crate) fn pop(&mut self) -> Option<(Id, V)> {
        let (id, value) = self.entries.pop_front()?;
        let number = self.first;
        self.first = self.first.wrapping_add(1);
        if let Some(indexed) = self.indexed.checked_sub(1) {
            self.indexed = indexed;
            let is_it = |known: &u16| *known == number;
            if let Ok(entry) = self.index.find_entry(key_of(id_hash(&id)), is_it) {
                entry.remove();
            }
        }
        Some((id, value))
    }

    /// Ids that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Id, V)> {
        self.entries.iter()
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let index = self.index.capacity() * (size_of::<u16>() + 1);
        self.entries.capacity() * size_of::<(Id, V)>() + index
    }
}

#[cfg(test)]
mod tests {
    use super::{IdQueue, id_hash};

    fn id(n: u64) -> [u8; 16] {
        u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()
    }

    #[test]
    fn ids_are_found_while_numbers_come_round_however_seldom_one_asks() {
        let hash = |n| id_hash(&id(n));
        for every in [1, 7, 250] {
            let mut queue = IdQueue::default();
            for n in 0..200_000_u64 {
                queue.push(id(n), n);
                if n >= 100 {
                    assert_eq!(queue.pop(), Some((id(n - 100), n - 100)));
                }
                if n >= 100 && n % every == 0 {
                    assert_eq!(queue.get(hash(n - 100), &id(n - 100)), None);
                    *queue.get_mut(hash(n - 99), &id(n - 99)).unwrap() += 0;
                    assert_eq!(queue.get(hash(n), &id(n)), Some(&n));
                    assert_eq!(queue.index.len(), 100);
                }
            }
            assert_eq!((queue.len(), queue.iter().count()), (100, 100));
        }
    }

    #[test]
    fn the_newest_of_an_id_counts_and_the_older_one_goes_in_its_turn() {
        let mut queue = IdQueue::default();
        let find = |queue: &mut IdQueue<u64>| queue.get(id_hash(&id(1)), &id(1)).copied();
        for asks in [false, true] {
            queue.push(id(1), 10);
            queue.push(id(2), 20);
            if asks {
                assert_eq!(find(&mut queue), Some(10));
            }
            queue.push(id(1), 11);
            if asks {
                assert_eq!(find(&mut queue), Some(11));
            }
            assert_eq!(queue.pop(), Some((id(1), 10)));
            assert_eq!(find(&mut queue), Some(11));
            assert_eq!((queue.pop(), queue.pop()), (Some((id(2), 20)), Some((id(1), 11))));
            assert_eq!((find(&mut queue), queue.index.len()), (None, 0));
        }
    }
}
