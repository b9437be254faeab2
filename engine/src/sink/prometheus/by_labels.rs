//! The series of one metric: found by a hash of their labels, read in the order of these.
//!
//! A row renews a handful of series, and a page is read every few seconds: an ordered map, which
//! compares labels a dozen times a lookup, was a tenth of what a live run costs. Must not know what
//! a series says.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Label pairs, sorted by name.
pub(super) type Labels = Vec<(String, String)>;

/// The hash of labels, as these functions take it.
pub(super) fn hash_of(labels: &Labels) -> u64 {
    FixedState::with_seed(0).hash_one(labels)
}

/// Values by labels.
#[derive(Debug, Clone)]
pub(super) struct ByLabels<V> {
    index: HashTable<u32>,
    /// Hash, labels, value.
    entries: Vec<(u64, Labels, V)>,
    is_sorted: bool,
}

impl<V> Default for ByLabels<V> {
    fn default() -> Self {
        Self { index: HashTable::new(), entries: Vec::new(), is_sorted: true }
    }
}

impl<V> ByLabels<V> {
    /// The value of labels, by their hash.
    pub(super) fn get_mut(&mut self, hash: u64, labels: &Labels) -> Option<&mut V> {
        let entries = &self.entries;
        let at = self.index.find(hash, |at| entries[*at as usize].1 == *labels)?;
        self.entries.get_mut(*at as usize).map(|entry| &mut entry.2)
    }

    /// Adds labels, by their hash, that have no value.
    pub(super) fn insert(&mut self, hash: u64, labels: Labels, value: V) {
        let at = self.entries.len() as u32;
        self.entries.push((hash, labels, value));
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |at| entries[*at as usize].0);
        self.is_sorted = false;
    }

    /// Takes the value of labels out, by their hash.
    pub(super) fn remove(&mut self, hash: u64, labels: &Labels) -> Option<V> {
        let entries = &self.entries;
        let known = self.index.find_entry(hash, |at| entries[*at as usize].1 == *labels);
        let at = known.ok()?.remove().0;
        let (_, _, value) = self.entries.swap_remove(at as usize);
        if let Some((moved, ..)) = self.entries.get(at as usize) {
            let last = self.entries.len() as u32;
            if let Some(place) = self.index.find_mut(*moved, |known| *known == last) {
                *place = at;
            }
            self.is_sorted = false;
        }
        Some(value)
    }

    /// Keeps what is to stay.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&Labels, &V) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|(_, labels, value)| stays(labels, value));
        if self.entries.len() < before {
            self.index_anew();
        }
    }

    /// Puts all in the order of their labels.
    pub(super) fn sort(&mut self) {
        if !self.is_sorted {
            self.entries.sort_unstable_by(|a, b| a.1.cmp(&b.1));
            self.is_sorted = true;
            self.index_anew();
        }
    }

    fn index_anew(&mut self) {
        self.index.clear();
        let entries = &self.entries;
        for (at, (hash, ..)) in (0..).zip(entries) {
            self.index.insert_unique(*hash, at, |at| entries[*at as usize].0);
        }
    }

    /// All of them, in the order of their labels since [`ByLabels::sort`].
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Labels, &V)> {
        self.entries.iter().map(|(_, labels, value)| (labels, value))
    }

    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Labels, &mut V)> {
        self.entries.iter_mut().map(|(_, labels, value)| (&*labels, value))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ByLabels, Labels, hash_of};

    fn labels(n: u64) -> Labels {
        vec![("a".to_owned(), (n % 7).to_string()), ("b".to_owned(), (n / 7).to_string())]
    }

    #[test]
    fn it_holds_what_an_ordered_map_holds() {
        let (mut own, mut all) = (ByLabels::default(), BTreeMap::new());
        for step in 0..2_000_u64 {
            let one = labels(step * 31 % 97);
            match step % 5 {
                0 => assert_eq!(own.remove(hash_of(&one), &one), all.remove(&one)),
                _ => match own.get_mut(hash_of(&one), &one) {
                    Some(value) => {
                        *value += step;
                        *all.get_mut(&one).unwrap() += step;
                    }
                    None => {
                        own.insert(hash_of(&one), one.clone(), step);
                        assert_eq!(all.insert(one, step), None);
                    }
                },
            }
            if step % 97 == 0 {
                own.retain(|_, value| value % 3 > 0);
                all.retain(|_, value| *value % 3 > 0);
            }
            if step % 41 == 0 {
                own.sort();
                assert!(own.iter().eq(all.iter()), "step {step}");
            }
            assert_eq!(own.len(), all.len());
        }
    }
}
