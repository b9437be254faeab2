//! What is remembered of ids, oldest first.
//!
//! An id is found by a number of two bytes, so that the indices of all shards stay in the
//! processor's cache; what is remembered is looked at only where the id is most likely the one.

use std::collections::VecDeque;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

type Id = [u8; 16];

/// Ids with what is remembered of each, in the order in which they came; below 65 536 of them.
#[derive(Debug, Clone)]
pub(crate) struct IdQueue<V> {
    /// Numbers, which come round.
    index: HashTable<u16>,
    entries: VecDeque<(Id, V)>,
    /// The number of the oldest.
    first: u16,
}

impl<V> Default for IdQueue<V> {
    fn default() -> Self {
        Self { index: HashTable::new(), entries: VecDeque::new(), first: 0 }
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
    fn find(&self, hash: u64, id: &Id) -> Option<usize> {
        let at = |number: &u16| usize::from(number.wrapping_sub(self.first));
        self.index.find(key_of(hash), |number| self.entries[at(number)].0 == *id).map(at)
    }

    /// What is remembered of an id, by its hash.
    pub(crate) fn get(&self, hash: u64, id: &Id) -> Option<&V> {
        self.find(hash, id).map(|at| &self.entries[at].1)
    }

    /// The same, to be changed: its place in the order stays.
    pub(crate) fn get_mut(&mut self, hash: u64, id: &Id) -> Option<&mut V> {
        self.find(hash, id).map(|at| &mut self.entries[at].1)
    }

    /// Remembers an id, by its hash, that is not remembered yet.
    pub(crate) fn push(&mut self, hash: u64, id: Id, value: V) {
        let number = self.first.wrapping_add(self.entries.len() as u16);
        self.entries.push_back((id, value));
        let (entries, first) = (&self.entries, self.first);
        let key =
            |number: &u16| key_of(id_hash(&entries[usize::from(number.wrapping_sub(first))].0));
        self.index.insert_unique(key_of(hash), number, key);
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<&V> {
        self.entries.front().map(|(_, value)| value)
    }

    /// Forgets the oldest.
    pub(crate) fn pop(&mut self) -> Option<(Id, V)> {
        let (id, value) = self.entries.pop_front()?;
        let number = self.first;
        if let Ok(entry) = self.index.find_entry(key_of(id_hash(&id)), |known| *known == number) {
            entry.remove();
        }
        self.first = self.first.wrapping_add(1);
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
    fn ids_are_found_while_numbers_come_round() {
        let mut queue = IdQueue::default();
        let hash = |n| id_hash(&id(n));
        for n in 0..200_000_u64 {
            queue.push(hash(n), id(n), n);
            if n >= 100 {
                assert_eq!(queue.pop(), Some((id(n - 100), n - 100)));
                assert_eq!(queue.get(hash(n - 100), &id(n - 100)), None);
                *queue.get_mut(hash(n - 99), &id(n - 99)).unwrap() += 0;
                assert_eq!(
                    (queue.front(), queue.get(hash(n), &id(n))),
                    (Some(&(n - 99)), Some(&n))
                );
            }
        }
        assert_eq!((queue.len(), queue.iter().count(), queue.index.len()), (100, 100, 100));
    }
}
