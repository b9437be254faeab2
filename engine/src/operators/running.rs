//! What a window holds as it slides: the slices that enter are added, those that leave are taken
//! back, so that a step costs the groups of two slices however long the window is.
//!
//! What cannot be taken back exactly is merged anew from the slices that are left: quantiles of a
//! group that has few values again, the minimum that left, kinds without an inverse. Results are
//! those of merging all slices; nothing of this is in a snapshot. Must not know when windows end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::groups::{GroupDelta, Groups};
use crate::aggregate::Partial;
use crate::plan::WindowShape;

/// The groups of the slices `from..to`.
#[derive(Default)]
pub(crate) struct Running {
    from: i64,
    to: i64,
    pub(crate) groups: Groups,
    /// In step with the groups: how many of the slices have one.
    slices: Vec<u32>,
    /// Groups and accumulators that could not be taken back.
    stale: BTreeSet<(u32, u32)>,
}

impl Running {
    /// Moves to a range of slices.
    pub(crate) fn advance(&mut self, slices: &BTreeMap<i64, Groups>, range: Range<i64>) {
        if range.start >= self.to || range.start < self.from || range.end < self.to {
            *self = Self { from: range.start, to: range.start, ..Self::default() };
        }
        self.leave(slices, range.start);
        for (_, groups) in slices.range(self.to..range.end) {
            groups.held.iter().for_each(|group| self.add(group, true));
        }
        self.to = range.end;
    }

    /// Takes back the slices before `from`, which must still be there.
    pub(crate) fn leave(&mut self, slices: &BTreeMap<i64, Groups>, from: i64) {
        if from >= self.to {
            *self = Self { from, to: from, ..Self::default() };
            return;
        }
        if from <= self.from {
            return;
        }
        for (_, groups) in slices.range(self.from..from) {
            groups.held.iter().for_each(|group| self.take_back(group));
        }
        self.from = from;
        self.renew(slices);
    }

    /// Adds what came late for a slice; `is_new` if the slice had no such group.
    pub(crate) fn amend(&mut self, slice: i64, group: &GroupDelta, is_new: bool) {
        if (self.from..self.to).contains(&slice) {
            self.add(group, is_new);
        }
    }

    fn add(&mut self, group: &GroupDelta, is_new: bool) {
        let at = self.groups.add(group);
        if at == self.slices.len() {
            self.slices.push(0);
        }
        self.slices[at] += u32::from(is_new);
    }

    fn take_back(&mut self, group: &GroupDelta) {
        let Some(at) = self.groups.position(group.id()) else { return };
        self.slices[at] -= 1;
        if self.slices[at] == 0 {
            return; // leaves when all have been taken back: positions stay
        }
        let mine = &mut self.groups.held[at].partials;
        for (index, (mine, theirs)) in mine.iter_mut().zip(&group.partials).enumerate() {
            if !mine.subtract(theirs) {
                self.stale.insert((at as u32, index as u32));
            }
        }
    }

    /// Merges anew what is stale, and lets the groups go that no slice has.
    fn renew(&mut self, slices: &BTreeMap<i64, Groups>) {
        for (at, index) in std::mem::take(&mut self.stale) {
            if self.slices[at as usize] > 0 {
                let group = &mut self.groups.held[at as usize];
                let id = group.id();
                let parts = slices.range(self.from..self.to).filter_map(|(_, groups)| {
                    let at = groups.position(id)?;
                    groups.held[at].partials.get(index as usize)
                });
                if let Some(merged) = merged(parts) {
                    group.partials[index as usize] = merged;
                }
            }
        }
        if self.slices.contains(&0) {
            let is_kept: Vec<bool> = self.slices.iter().map(|slices| *slices > 0).collect();
            self.groups.retain(&is_kept);
            self.slices.retain(|slices| *slices > 0);
        }
    }
}

/// The running window of a shape.
pub(super) fn running_of(
    all: &mut Vec<(WindowShape, Running)>,
    shape: WindowShape,
) -> &mut Running {
    let known = all.iter().position(|(known, _)| *known == shape);
    let at = known.unwrap_or_else(|| {
        all.push((shape, Running::default()));
        all.len() - 1
    });
    &mut all[at].1
}

/// Parts of ascending slices as one.
fn merged<'a>(mut parts: impl Iterator<Item = &'a Partial>) -> Option<Partial> {
    let mut merged = parts.next()?.clone();
    for part in parts {
        if matches!(merged, Partial::First(Some(_))) {
            break; // slices are cut by time, which leads the order
        }
        merged.merge_from(part);
    }
    Some(merged)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Finisher, NumberUnit, OrderKey, Sketch};
    use crate::model::Value;

    /// Count, distribution, minimum and first value of a group's events in a slice.
    fn group(key: u8, time_ns: i64, values: &[i64]) -> GroupDelta {
        let mut sketch = Sketch::new(2);
        values.iter().for_each(|value| sketch.add(*value, NumberUnit::Int));
        let at = |row: usize| OrderKey { time_ns, source: 0, frame_seq: 0, row: row as u32 };
        let mut partials = vec![
            Partial::Count(0),
            Partial::Sketch(sketch),
            Partial::Min(None),
            Partial::First(None),
        ];
        for (row, value) in values.iter().enumerate() {
            let value = Value::Int(*value);
            partials[0].merge(Partial::Count(1));
            partials[2].merge(Partial::Min(Some((value.clone(), at(row)))));
            partials[3].merge(Partial::First(Some((at(row), value))));
        }
        let (key_hash, key) = (u128::from(key), Arc::from([Value::Int(key.into())]));
        GroupDelta { key_hash, key, is_other: false, span_ns: (0, 0), partials }
    }

    fn results(groups: &mut Groups) -> Vec<(Arc<[Value]>, Vec<Value>)> {
        let finishers =
            [Finisher::Count, Finisher::Quantile(500_000), Finisher::Value, Finisher::Value];
        let mut all = Vec::new();
        groups.each(|group| {
            group.partials.iter_mut().for_each(Partial::seal);
            let results = group.partials.iter().zip(&finishers);
            all.push((group.key.clone(), results.map(|(part, by)| part.finish(by, 1)).collect()));
        });
        all
    }

    proptest! {
        #[test]
        fn a_running_window_is_the_merge_of_its_slices(
            events in vec(vec((0..4u8, vec(0..1_000_000i64, 1..30)), 0..4), 1..30),
            size in 1..12i64,
            every in 1..5i64,
            late in (0..4u8, vec(0..1_000_000i64, 1..30)),
        ) {
            let mut slices: BTreeMap<i64, Groups> = BTreeMap::new();
            for (slice, groups) in events.iter().enumerate() {
                for (key, values) in groups {
                    let slice = slice as i64;
                    slices.entry(slice).or_default().merge(group(*key, 2 * slice, values));
                }
            }
            let mut running = Running::default();
            for end in (0..events.len() as i64 + size).step_by(every as usize) {
                let mut expected = Groups::default();
                running.advance(&slices, end - size..end);
                if let Some(last) = slices.get_mut(&(end - 1)) {
                    let late = group(late.0, 2 * end - 1, &late.1);
                    running.amend(end - 1, &late, last.position(late.id()).is_none());
                    last.merge(late);
                }
                for (_, groups) in slices.range(end - size..end) {
                    groups.held.iter().for_each(|group| _ = expected.add(group));
                }
                prop_assert_eq!(results(&mut running.groups), results(&mut expected));
                running.leave(&slices, end + every - size);
                slices = slices.split_off(&(end + every - size));
            }
        }
    }
}
