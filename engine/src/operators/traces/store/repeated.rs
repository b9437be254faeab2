//! Spans that repeat the id of an earlier one of their trace: the first in the log counts, a later
//! one takes part in nothing.
//!
//! What is kept of each span by itself is looked through when the trace closes. What is known of
//! all spans together cannot be taken back: a span that would change it is looked for before.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Extra, Store};
use crate::operators::traces::block::SpanBlock;

/// Spans from which on the ids of a trace are put into a set where one is looked for.
const MANY: u32 = 64;

/// The ids of large traces in which one was looked for, by place.
pub(super) type ManyIds = BTreeMap<u32, BTreeSet<u64>>;

/// The bit of an id among those that a trace has seen; none of a span without an id.
pub(super) fn seen_bit(id: u64) -> u32 {
    if id == 0 { 0 } else { 1 << (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) }
}

impl Store {
    /// Whether a span repeats an earlier one of its trace, where it would change what is known of
    /// all its spans together.
    pub(super) fn is_repeated(
        &mut self,
        place: u32,
        block: &SpanBlock,
        (at, _): At,
        extra: Extra,
    ) -> bool {
        let head = &self.traces[place as usize].head;
        let id = block.span_ids[at];
        head.seen & seen_bit(id) != 0
            && self.would_change(place, block, at, extra)
            && self.came_before(place, id)
    }

    /// Whether a span would change what is known of all spans of its trace together.
    fn would_change(
        &self,
        place: u32,
        block: &SpanBlock,
        at: usize,
        (root, stated): Extra,
    ) -> bool {
        let trace = &self.traces[place as usize];
        let (start_ns, id) = (block.starts_ns[at], block.span_ids[at]);
        if stated.is_some() {
            return true;
        }
        if root.is_some() && (!trace.head.has_root || (start_ns, id) < trace.rest.root) {
            return true;
        }
        if block.masks.get(at).is_some_and(|mask| mask & !trace.rest.mask != 0) {
            return true;
        }
        if !self.needs_ends {
            return false;
        }
        let (first_ns, last_ns) = super::ends_ns(&trace.head, &trace.rest, self.counts_at_starts);
        let duration_ns = block.durations_ns.get(at).copied().unwrap_or(0);
        start_ns < first_ns || start_ns.saturating_add(duration_ns) > last_ns
    }

    /// Whether a span of an id came to a trace.
    fn came_before(&mut self, place: u32, id: u64) -> bool {
        let head = &self.traces[place as usize].head;
        let (newest, held) = (head.newest, head.held);
        if head.spans < MANY {
            let mut ids = self.spans.ids(newest).chain(self.held.ids(held));
            return ids.any(|own| own == id);
        }
        let ids = || self.spans.ids(newest).chain(self.held.ids(held)).collect();
        self.many_ids.entry(place).or_insert_with(ids).contains(&id)
    }

    /// Notes the id of a span that has come.
    pub(super) fn note_id(&mut self, place: u32, id: u64) {
        if !self.many_ids.is_empty()
            && let Some(ids) = self.many_ids.get_mut(&place)
        {
            ids.insert(id);
        }
    }

    /// Notes which ids a trace of a snapshot has.
    pub(super) fn note_seen(&mut self, place: u32) {
        let head = &self.traces[place as usize].head;
        let ids = self.spans.ids(head.newest).chain(self.held.ids(head.held));
        let seen = ids.fold(0, |seen, id| seen | seen_bit(id));
        self.traces[place as usize].head.seen = seen;
    }
}
