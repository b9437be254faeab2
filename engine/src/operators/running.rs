//! What a window holds as it slides: the slices that enter are added, those that leave are taken
//! back, so that a step costs the groups of two slices however long the window is.
//!
//! What cannot be taken back exactly is merged anew from the slices that are left: quantiles of a
//! group that has few values again, the minimum that left, kinds without an inverse. Results are
//! those of merging all slices; nothing of this is in a snapshot. Must not know when windows end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::groups::Groups;
use super::slice_table::GroupDelta;
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
