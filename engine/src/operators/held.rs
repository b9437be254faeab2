//! How much state stages hold, looked at once an epoch: a few places of each table, by turns.
//!
//! Invariant: a look costs the same however much is held, and decides nothing. What a place holds
//! beyond its fixed size is a running mean over the places seen.

use super::groups::GroupDelta;
use super::keyed::Keyed;
use super::slice_table::{SliceTable, SlotInfo};
use super::windows::Windows;
use crate::aggregate::{Accumulators, Partial};
use crate::limits::STATE_LOOKS;
use crate::model::{RuleId, Value};
use crate::plan::Table;
use crate::self_metrics::{EngineGauges, Holder};

/// Bytes that an index needs for one entry: a place and its tag, at the usual load.
const INDEX_BYTES: usize = 8;

/// The mean weighs the last so many looks.
const MEAN_LOOKS: f64 = 64.0;

/// Looks at places in turn, and knows their mean.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    next: usize,
    seen: f64,
    mean: f64,
}

impl Looks {
    /// Looks at a few of so many places; returns the mean bytes of one.
    fn look(&mut self, places: usize, bytes_at: impl Fn(usize) -> usize) -> f64 {
        for _ in 0..STATE_LOOKS.min(places) {
            self.next = (self.next + 1) % places;
            self.seen = (self.seen + 1.0).min(MEAN_LOOKS);
            self.mean += (bytes_at(self.next) as f64 - self.mean) / self.seen;
        }
        self.mean
    }
}

impl SliceTable {
    /// Bytes that its slots hold.
    pub(crate) fn held_bytes(&self, looks: &mut Looks) -> u64 {
        let slots = self.info.len();
        let fixed: usize = self.accumulators.iter().map(Accumulators::slot_bytes).sum();
        let words = self.words.len() * size_of::<u64>();
        let heap = looks
            .look(slots, |slot| self.accumulators.iter().map(|a| a.heap_bytes(slot as u32)).sum());
        let per_slot = size_of::<SlotInfo>() + size_of::<u32>() + INDEX_BYTES + fixed;
        (slots * per_slot + words) as u64 + (heap * slots as f64) as u64
    }
}

impl Windows {
    /// Bytes that its groups hold.
    pub(crate) fn held_bytes(&self, looks: &mut Looks) -> u64 {
        let last = self.slices.last_key_value().map(|(_, groups)| &groups.held);
        let groups = last.map_or(&[][..], |groups| groups.as_slice());
        let mean = match self.keyed.any_open() {
            Some(group) if groups.is_empty() => looks.look(1, |_| group_bytes(group)),
            _ => looks.look(groups.len(), |at| group_bytes(&groups[at])),
        };
        let groups = self.held + self.running_groups() + self.keyed.held();
        (mean * groups as f64) as u64 + self.index_bytes() as u64
    }
}

impl Keyed {
    /// Windows and events that it holds, about: most keys have one window.
    pub(crate) fn held(&self) -> usize {
        self.keys.len() - self.free.len() + self.waiting.len()
    }

    /// Some group that it holds.
    pub(crate) fn any_open(&self) -> Option<&GroupDelta> {
        let key = self.keys.iter().rev().take(STATE_LOOKS).flatten().next();
        let open = key.and_then(|key| key.open.first()).map(|window| &window.group);
        open.or_else(|| self.waiting.first_key_value().map(|(_, event)| &event.group))
    }
}

fn group_bytes(group: &GroupDelta) -> usize {
    let partials = group.partials.iter();
    let partials: usize = partials.map(|one| size_of::<Partial>() + one.heap_bytes()).sum();
    size_of::<GroupDelta>() + INDEX_BYTES + partials + Value::bytes_of(&group.key)
}

/// Tells what one table holds: the rules that share it have equal parts.
pub(crate) fn tell_bytes(
    gauges: &EngineGauges,
    table: &Table,
    (holder, worker): (Holder, usize),
    bytes: u64,
) {
    let rules = table.windows.len() as u64;
    for window in &table.windows {
        gauges.set_state_bytes(holder, worker, window.rule.0 as usize, bytes / rules);
    }
}

/// Tells how many groups the rules of a table have.
pub(crate) fn tell_groups(gauges: &EngineGauges, table: &Table, groups: usize) {
    let rules = table.windows.iter().map(|window| window.rule);
    rules.for_each(|RuleId(rule)| gauges.set_groups(rule as usize, groups as u64));
}
