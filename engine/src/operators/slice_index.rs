//! Where each group is in each slice of a table, by one number a group for all its windows.
//!
//! A window over a few slices is read through it, where the parts lie: nothing is merged, groups
//! are looked up and put in order once a slice, not once a window, and what most rows need of a
//! slice is laid out in the order of its groups. Follows from the slices alone; nothing of it is
//! in a snapshot. Must not know when windows end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::groups::{GroupDelta, GroupId, Groups};
use crate::aggregate::{PartColumn, Partial, PartsScratch, finish_columns, finish_parts};
use crate::limits::SLICES_READ_IN_PARTS_MAX;
use crate::model::Value;
use crate::plan::{AggregateCall, Table, WindowShape};

/// The place of a group that a slice does not have.
const ABSENT: u32 = u32::MAX;

/// A group of some slice.
struct Known {
    id: GroupId,
    key: Arc<[Value]>,
    /// How many slices have it.
    slices: u32,
}

/// What one slice holds, by number.
struct Entered {
    places: Vec<u32>,
    /// By accumulator.
    columns: Vec<PartColumn>,
}

/// What a range of slices holds of one group.
pub(super) struct GroupParts<'a> {
    pub(super) id: GroupId,
    pub(super) key: &'a Arc<[Value]>,
    number: usize,
    slices: &'a [(&'a [GroupDelta], &'a Entered)],
}

impl<'a> GroupParts<'a> {
    /// Its parts, one a slice that has it.
    fn parts(&self) -> impl Iterator<Item = &'a GroupDelta> {
        let place = |entered: &Entered| entered.places.get(self.number).copied();
        self.slices.iter().filter_map(move |(held, entered)| held.get(place(entered)? as usize))
    }

    /// The result of a call over its parts, for a window of a length in nanoseconds.
    pub(super) fn finish(
        &self,
        call: &AggregateCall,
        length_ns: i64,
        scratch: &mut PartsScratch,
    ) -> Value {
        let at = call.accumulator as usize;
        let columns = self.slices.iter().map(|(_, entered)| &entered.columns[at]);
        let of = (&call.finisher, length_ns);
        finish_columns(columns, self.number, of, scratch).unwrap_or_else(|| {
            let parts = self.parts().map(|group| &group.partials[at]);
            let parts: SmallVec<[&Partial; 64]> = parts.collect();
            finish_parts(parts.iter().copied(), &call.finisher, length_ns, scratch)
        })
    }
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
    slices: BTreeMap<i64, Entered>,
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
        while let Some((&slice, _)) = self.slices.first_key_value().filter(|(s, _)| **s < first) {
            self.forget(slice);
        }
        if self.gone > self.known.len() / 2 {
            *self = Self::default();
        }
        for (slice, groups) in slices.range_mut(range) {
            if !self.slices.contains_key(slice) {
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
        if self.known.is_empty() {
            // Numbered in the order of their rows: what is read in turn lies in turn.
            groups.each(|group| {
                self.number(group);
            });
        }
        let mut places = vec![ABSENT; self.known.len()];
        for (place, group) in groups.held.iter_mut().enumerate() {
            group.partials.iter_mut().for_each(Partial::seal);
            let number = self.number(group);
            if number == places.len() {
                places.push(ABSENT);
            }
            places[number] = place as u32;
            let known = &mut self.known[number];
            group.key = Arc::clone(&known.key); // one in memory for all slices
            known.slices += 1;
            self.gone -= usize::from(known.slices == 1);
        }
        let parts = |at: usize| {
            let held = places.iter().map(|place| groups.held.get(*place as usize));
            held.map(move |group| group.map(|group| &group.partials[at]))
        };
        let accumulators = groups.held.first().map_or(0, |group| group.partials.len());
        let columns = (0..accumulators).map(|at| PartColumn::of(parts(at))).collect();
        self.slices.insert(slice, Entered { places, columns });
    }

    /// Bytes that it holds of slices, beside what they hold themselves.
    pub(super) fn held_bytes(&self) -> usize {
        let bytes = |entered: &Entered| {
            let columns: usize = entered.columns.iter().map(PartColumn::heap_bytes).sum();
            entered.places.capacity() * size_of::<u32>() + columns
        };
        self.slices.values().map(bytes).sum()
    }

    fn number(&mut self, group: &GroupDelta) -> usize {
        let (id, known) = (group.id(), &mut self.known);
        let hash = group.key_hash as u64;
        if let Some(&number) = self.numbers.find(hash, |&number| known[number as usize].id == id) {
            return number as usize;
        }
        let number = known.len();
        known.push(Known { id, key: Arc::clone(&group.key), slices: 0 });
        self.gone += 1;
        let hash_of = |&number: &u32| known[number as usize].id.0 as u64;
        self.numbers.insert_unique(hash, number as u32, hash_of);
        number
    }

    /// Forgets what is known of a slice: it is gone, or groups were added to it.
    pub(super) fn forget(&mut self, slice: i64) {
        let Some(entered) = self.slices.remove(&slice) else { return };
        for (known, place) in self.known.iter_mut().zip(entered.places) {
            if place != ABSENT {
                known.slices -= 1;
                self.gone += usize::from(known.slices == 0);
            }
        }
    }

    /// Goes through the groups of a range of slices that is ready, in the order in which their
    /// rows leave.
    pub(super) fn each(
        &self,
        slices: &BTreeMap<i64, Groups>,
        range: Range<i64>,
        mut take: impl FnMut(&GroupParts<'_>),
    ) {
        let held = slices.range(range.clone()).map(|(_, groups)| &groups.held[..]);
        let entered = self.slices.range(range).map(|(_, entered)| entered);
        let slices: Vec<_> = held.zip(entered).collect();
        for number in &self.order {
            let known = &self.known[*number as usize];
            let number = *number as usize;
            let group = GroupParts { id: known.id, key: &known.key, number, slices: &slices };
            if group.parts().next().is_some() {
                take(&group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::Finisher;

    fn group(key: u8, count: u64) -> GroupDelta {
        let (key_hash, key) = (u128::from(key) + 1, Arc::from([Value::Int(key.into())]));
        let partials = vec![Partial::Count(count)];
        GroupDelta { key_hash, key, is_other: false, span_ns: (0, 0), partials }
    }

    /// Counts by key of a range of slices.
    fn merged(slices: &BTreeMap<i64, Groups>, range: Range<i64>) -> BTreeMap<Arc<[Value]>, u64> {
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
            let mut scratch = PartsScratch::default();
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
                let call = AggregateCall { accumulator: 0, finisher: Finisher::Count };
                index.each(&slices, range.clone(), |group| {
                    let Value::Int(count) = group.finish(&call, 1, &mut scratch) else { return };
                    read.push((Arc::clone(group.key), count.cast_unsigned()));
                });
                let expected: Vec<_> = merged(&slices, range).into_iter().collect();
                prop_assert_eq!(read, expected);
                slices = slices.split_off(&(end - size + 1).min(end - 1));
            }
        }
    }
}
