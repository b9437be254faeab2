//! Groups by key: what a slice or a window holds.
//!
//! Merging is exact and order-free, so neither the cut into epochs nor the number of workers shows
//! in what is held.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::aggregate::Partial;
use crate::model::Value;

/// A group that leaves the worker: its key and what it accumulated since it last left.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct GroupDelta {
    /// xxh3 of the canonical key bytes; 0 for `other`.
    pub(crate) key_hash: u128,
    /// The key values; empty for `other`.
    pub(crate) key: Arc<[Value]>,
    /// Whether this is the group of the keys beyond the limit.
    pub(crate) is_other: bool,
    /// Tables off the grid: times of the first and the last event.
    pub(crate) span_ns: (i64, i64),
    /// One partial an accumulator.
    pub(crate) partials: Vec<Partial>,
}

/// A group on every worker: hash of its key, and whether it is `other`.
pub(crate) type GroupId = (u128, bool);

/// Groups by key, in the order in which they came.
#[derive(Default)]
pub(crate) struct Groups {
    index: HashTable<u32>,
    pub(crate) held: Vec<GroupDelta>,
    /// Places by key; of fewer groups than there are, while some are new.
    order: Vec<u32>,
}

impl GroupDelta {
    /// Its identity.
    pub(crate) fn id(&self) -> GroupId {
        (self.key_hash, self.is_other)
    }
}

impl Groups {
    /// The group of an identity.
    pub(crate) fn find_mut(&mut self, id: GroupId) -> Option<&mut GroupDelta> {
        let at = self.position(id)?;
        self.held.get_mut(at)
    }

    /// Where a group is.
    pub(crate) fn position(&self, (key_hash, is_other): GroupId) -> Option<usize> {
        let is_it = |&at: &u32| {
            let known = &self.held[at as usize];
            known.key_hash == key_hash && known.is_other == is_other
        };
        self.index.find(key_hash as u64, is_it).map(|&at| at as usize)
    }

    /// Adds what a group accumulated.
    pub(crate) fn merge(&mut self, group: GroupDelta) {
        let Some(at) = self.position(group.id()) else {
            return self.insert(group);
        };
        let known = &mut self.held[at];
        for (mine, theirs) in known.partials.iter_mut().zip(group.partials) {
            mine.merge(theirs);
        }
    }

    /// Adds what a group accumulated, which stays where it is; returns the group's place.
    pub(crate) fn add(&mut self, group: &GroupDelta) -> usize {
        let Some(at) = self.position(group.id()) else {
            self.insert(group.clone());
            return self.held.len() - 1;
        };
        let known = &mut self.held[at];
        for (mine, theirs) in known.partials.iter_mut().zip(&group.partials) {
            mine.merge_from(theirs);
        }
        at
    }

    fn insert(&mut self, group: GroupDelta) {
        let groups = &mut self.held;
        let hash = group.key_hash as u64;
        groups.push(group);
        let at = (groups.len() - 1) as u32;
        self.index.insert_unique(hash, at, |&at| groups[at as usize].key_hash as u64);
    }

    /// Lets the groups go for which `is_kept` says so.
    pub(crate) fn retain(&mut self, is_kept: &[bool]) {
        let mut kept = is_kept.iter();
        self.held.retain(|_| *kept.next().unwrap_or(&true));
        let places: Vec<u32> = is_kept
            .iter()
            .scan(0, |next, kept| {
                let place = *next;
                *next += u32::from(*kept);
                Some(place)
            })
            .collect();
        self.order.retain(|at| is_kept[*at as usize]);
        self.order.iter_mut().for_each(|at| *at = places[*at as usize]);
        self.index.clear();
        let groups = &self.held;
        for (at, group) in groups.iter().enumerate() {
            let hash = |&at: &u32| groups[at as usize].key_hash as u64;
            self.index.insert_unique(group.key_hash as u64, at as u32, hash);
        }
    }

    /// Goes through the groups in the order in which their rows leave. Rows are sorted with those
    /// of other workers later: that is a merge of runs then, and keys are compared here once a
    /// group, not once a row.
    pub(crate) fn each(&mut self, mut take: impl FnMut(&mut GroupDelta)) {
        let groups = &mut self.held;
        if self.order.len() < groups.len() {
            self.order.extend(self.order.len() as u32..groups.len() as u32);
            self.order.sort_by(|a, b| {
                let (a, b) = (&groups[*a as usize], &groups[*b as usize]);
                a.is_other.cmp(&b.is_other).then_with(|| a.key.cmp(&b.key))
            });
        }
        self.order.iter().for_each(|at| take(&mut groups[*at as usize]));
    }
}
