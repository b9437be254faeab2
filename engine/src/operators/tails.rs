//! What windows begin with: the last points of counters before them.
//!
//! Slices leave their tails behind when no window needs them any more. Must not know when.

use std::collections::BTreeMap;

use super::groups::{GroupId, Groups};
use crate::aggregate::{AccumulatorKind, Partial};
use crate::plan::Table;

/// What a snapshot holds: by group and accumulator.
pub(crate) type TailsState = Vec<(GroupId, Vec<Option<Partial>>)>;

/// Tails of the slices that are gone, by group and accumulator.
#[derive(Default)]
pub(crate) struct Tails {
    groups: BTreeMap<GroupId, Vec<Option<Partial>>>,
}

/// Whether windows of a table begin with what was before them.
pub(crate) fn has_tails(table: &Table) -> bool {
    table.accumulators.iter().any(|accumulator| accumulator.kind == AccumulatorKind::Series)
}

impl Tails {
    pub(crate) fn restore(state: TailsState) -> Self {
        Self { groups: state.into_iter().collect() }
    }

    pub(crate) fn state(&self) -> TailsState {
        self.groups.iter().map(|(id, tails)| (*id, tails.clone())).collect()
    }

    /// Keeps of a slice that goes what windows after it begin with, and forgets what is older than
    /// a time, nanoseconds.
    pub(crate) fn keep(&mut self, slice: &Groups, since_ns: i64) {
        for group in &slice.held {
            let tails = self.groups.entry(group.id()).or_default();
            tails.resize(group.partials.len(), None);
            for (known, partial) in tails.iter_mut().zip(&group.partials) {
                match (known.as_mut(), partial.tail(since_ns)) {
                    (Some(known), Some(tail)) => known.merge(tail),
                    (None, tail) => *known = tail,
                    (Some(_), None) => {}
                }
            }
        }
        self.groups.retain(|_, tails| {
            for tail in tails.iter_mut() {
                *tail = tail.as_ref().and_then(|tail| tail.tail(since_ns));
            }
            tails.iter().flatten().any(|tail| !tail.is_nothing())
        });
    }

    /// Adds to the groups of a window what was before it: here, and in slices that still live.
    pub(crate) fn add_to<'a>(
        &self,
        window: &mut Groups,
        before: impl Iterator<Item = &'a Groups>,
        since_ns: i64,
    ) {
        for group in &mut window.held {
            let tails = self.groups.get(&group.id()).into_iter().flatten();
            for (partial, tail) in group.partials.iter_mut().zip(tails) {
                if let Some(tail) = tail.as_ref().and_then(|tail| tail.tail(since_ns)) {
                    partial.merge(tail);
                }
            }
        }
        for earlier in before.flat_map(|groups| &groups.held) {
            let Some(group) = window.find_mut(earlier.id()) else { continue };
            for (partial, before) in group.partials.iter_mut().zip(&earlier.partials) {
                if let Some(tail) = before.tail(since_ns) {
                    partial.merge(tail);
                }
            }
        }
    }
}
