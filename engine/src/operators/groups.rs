//! Groups by key: what a slice or a window holds.
//!
//! Merging is exact and order-free, so neither the cut into epochs nor the number of workers shows
//! in what is held.

use hashbrown::HashTable;

use super::slice_table::GroupDelta;

/// A group on every worker: hash of its key, and whether it is `other`.
pub(crate) type GroupId = (u128, bool);

/// Groups by key, in no order.
#[derive(Default)]
pub(crate) struct Groups {
    index: HashTable<u32>,
    pub(crate) groups: Vec<GroupDelta>,
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
        let groups = &self.groups;
        let found = self.index.find(id.0 as u64, |&at| groups[at as usize].id() == id).copied()?;
        self.groups.get_mut(found as usize)
    }

    /// Adds what a group accumulated.
    pub(crate) fn merge(&mut self, group: GroupDelta) {
        let groups = &mut self.groups;
        let hash = group.key_hash as u64;
        let found = self.index.find(hash, |&at| {
            let known = &groups[at as usize];
            known.key_hash == group.key_hash && known.is_other == group.is_other
        });
        if let Some(&at) = found {
            let known = &mut groups[at as usize];
            for (mine, theirs) in known.partials.iter_mut().zip(group.partials) {
                mine.merge(theirs);
            }
            return;
        }
        groups.push(group);
        let at = (groups.len() - 1) as u32;
        self.index.insert_unique(hash, at, |&at| groups[at as usize].key_hash as u64);
    }
}
