//! Where each group is in each slice of a table, by one number a group for all its windows.
//!
//! A window over a few slices is read through it, where the parts lie: nothing is merged, and
//! groups are looked up and put in order once a slice, not once a window. Follows from the slices
//! alone; nothing of it is in a snapshot. Must not know when windows end.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashTable;

use super::groups::{GroupDelta, GroupId, Groups};
use crate::aggregate::Partial;
use crate::limits::SLICES_READ_IN_PARTS_MAX;
use crate::model::Value;
use crate::plan::{Table, WindowShape};

/// The place of a group that a slice does not have.
const ABSENT: u32 = u32::MAX;

/// A group of some slice.
struct Known {
    id: GroupId,
    key: Vec<Value>,
    /// How many slices have it.
    slices: u32,
}

/// The groups of a table's slices.
#[derive(Default)]
pub(crate) struct SliceIndex {
    numbers: HashTable<u32>,
    known: Vec<Known>,
    /// Groups that no slice has any more.
    gone: usize,
    /// Numbers in the order in which rows leave; fewer than groups while some are new.
    order: Vec<u32>,
    /// By slice: places by number.
    places: BTreeMap<i64, Vec<u32>>,
}

/// Whether a window is read in parts: each of its rows costs a step for each slice, where a
/// running window costs several for each value that enters or leaves.
fn is_in_parts(table: &Table, shape: WindowShape) -> bool {
    let (size, every) = (shape.size_ns() / table.width_ns, shape.every_ns() / table.width_ns);
    size > 1 && size <= every.saturating_mul(SLICES_READ_IN_PARTS_MAX)
}

/// Whether the windows of a shape are read through the index.
pub(super) fn is_indexed(table: &Table, shape: WindowShape) -> bool {
    let is_single = shape.size_ns() == table.width_ns;
    table.accumulators.iter().all(|accumulator| accumulator.kind.is_read_in_parts())
        && match shape {
            WindowShape::Sliding { .. } if is_single => {
                table.windows.iter().any(|window| is_in_parts(table, window.shape))
            }
            WindowShape::Sliding { .. } => is_in_parts(table, shape),
            _ => false,
        }
}

impl SliceIndex {
    /// Makes a range of slices ready to be read, and forgets those that are not there any more.
    pub(super) fn prepare(&mut self, slices: &mut BTreeMap<i64, Groups>, range: Range<i64>) {
        let first = slices.first_key_value().map_or(i64::MAX, |(slice, _)| *slice);
        while let Some((&slice, _)) = self.places.first_key_value().filter(|(s, _)| **s < first) {
            self.forget(slice);
        }
        if self.gone > self.known.len() / 2 {
            *self = Self::default();
        }
        for (slice, groups) in slices.range_mut(range) {
            if !self.places.contains_key(slice) {
                self.enter(*slice, groups);
            }
        }
        if self.order.len() < self.known.len() {
            let known = &self.known;
            self.order.extend(self.order.len() as u32..known.len() as u32);
            self.order.sort_by(|a, b| {
                let (a, b) = (&known[*a as usize], &known[*b as usize]);
                a.id.1.cmp(&b.id.1).then_with(|| a.key.cmp(&b.key))
            });
        }
    }

    fn enter(&mut self, slice: i64, groups: &mut Groups) {
        let mut places = vec![ABSENT; self.known.len()];
        for (place, group) in groups.held.iter_mut().enumerate() {
            group.partials.iter_mut().for_each(Partial::seal);
            let number = self.number(group);
            if number == places.len() {
                places.push(ABSENT);
            }
            places[number] = place as u32;
            let known = &mut self.known[number];
            known.slices += 1;
            self.gone -= usize::from(known.slices == 1);
        }
        self.places.insert(slice, places);
    }

    fn number(&mut self, group: &GroupDelta) -> usize {
        let (id, known) = (group.id(), &mut self.known);
        let hash = group.key_hash as u64;
        if let Some(&number) = self.numbers.find(hash, |&number| known[number as usize].id == id) {
            return number as usize;
        }
        let number = known.len();
        known.push(Known { id, key: group.key.clone(), slices: 0 });
        self.gone += 1;
        let hash_of = |&number: &u32| known[number as usize].id.0 as u64;
        self.numbers.insert_unique(hash, number as u32, hash_of);
        number
    }

    /// Forgets what is known of a slice: it is gone, or groups were added to it.
    pub(super) fn forget(&mut self, slice: i64) {
        let Some(places) = self.places.remove(&slice) else { return };
        for (known, place) in self.known.iter_mut().zip(places) {
            if place != ABSENT {
                known.slices -= 1;
                self.gone += usize::from(known.slices == 0);
            }
        }
    }

    /// Goes through the groups of a range of slices that is ready, in the order in which their
    /// rows leave: with their parts, one a slice that has them.
    pub(super) fn each(
        &self,
        slices: &BTreeMap<i64, Groups>,
        range: Range<i64>,
        mut take: impl FnMut(&[&GroupDelta]),
    ) {
        let held = slices.range(range.clone()).map(|(_, groups)| &groups.held);
        let places = self.places.range(range).map(|(_, places)| places);
        let columns: Vec<_> = held.zip(places).collect();
        let mut parts = Vec::with_capacity(columns.len());
        for number in &self.order {
            parts.clear();
            for (held, places) in &columns {
                let place = places.get(*number as usize).copied().unwrap_or(ABSENT);
                parts.extend(held.get(place as usize));
            }
            if !parts.is_empty() {
                take(&parts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn group(key: u8, count: u64) -> GroupDelta {
        let (key_hash, key) = (u128::from(key) + 1, vec![Value::Int(key.into())]);
        let partials = vec![Partial::Count(count)];
        GroupDelta { key_hash, key, is_other: false, span_ns: (0, 0), partials }
    }

    /// Counts by key of a range of slices.
    fn merged(slices: &BTreeMap<i64, Groups>, range: Range<i64>) -> BTreeMap<Vec<Value>, u64> {
        let mut counts = BTreeMap::new();
        for group in slices.range(range).flat_map(|(_, groups)| &groups.held) {
            let Partial::Count(count) = group.partials[0] else { continue };
            *counts.entry(group.key.clone()).or_default() += count;
        }
        counts
    }

    proptest! {
        #[test]
        fn groups_come_in_order_with_all_their_parts(
            events in vec(vec((0..40u8, 1..9u64), 0..12), 1..30),
            late in vec((0..40u8, 1..9u64), 30),
            size in 1..8i64,
        ) {
            let (mut slices, mut index) = (BTreeMap::<i64, Groups>::new(), SliceIndex::default());
            for (end, groups) in (1..).zip(&events) {
                for (key, count) in groups {
                    slices.entry(end - 1).or_default().merge(group(*key, *count));
                }
                let (key, count) = late[end as usize - 1];
                let before = (end - 2).max(0);
                slices.entry(before).or_default().merge(group(key, count));
                index.forget(before);
                let range = end - size..end;
                index.prepare(&mut slices, range.clone());
                let mut read = Vec::new();
                index.each(&slices, range.clone(), |parts| {
                    let counts = parts.iter().map(|part| match part.partials[0] {
                        Partial::Count(count) => count,
                        _ => 0,
                    });
                    read.push((parts[0].key.clone(), counts.sum::<u64>()));
                });
                let expected: Vec<_> = merged(&slices, range).into_iter().collect();
                prop_assert_eq!(read, expected);
                slices = slices.split_off(&(end - size + 1).min(end - 1));
            }
        }
    }
}
