//! Traces that have closed: a span of one of them is late.
//!
//! Kept for a time, and a number of them a shard; after that a late span is taken for the first
//! of a new trace unless it is as old as one that would have closed.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::limits::{TRACE_CLOSED_KEPT_NS, TRACES_CLOSED_PER_SHARD_MAX};

type Id = [u8; 16];

/// Ids of closed traces.
#[derive(Debug)]
pub(super) struct ClosedIds {
    decided_ns: HashMap<Id, i64, FixedState>,
    /// By shard, oldest first.
    order: Vec<VecDeque<Id>>,
}

impl ClosedIds {
    pub(super) fn new(shards: usize) -> Self {
        let decided_ns = HashMap::with_hasher(FixedState::with_seed(0));
        Self { decided_ns, order: vec![VecDeque::new(); shards] }
    }

    /// Whether a trace had closed, as far as is remembered at a watermark.
    pub(super) fn holds(&self, id: &Id, watermark_ns: i64) -> bool {
        let decided_ns = self.decided_ns.get(id);
        decided_ns.is_some_and(|at| at.saturating_add(TRACE_CLOSED_KEPT_NS) > watermark_ns)
    }

    /// Remembers a closed trace.
    pub(super) fn insert(&mut self, shard: usize, id: Id, decided_ns: i64) {
        if self.decided_ns.insert(id, decided_ns).is_some() {
            return;
        }
        let order = &mut self.order[shard];
        order.push_back(id);
        if order.len() > TRACES_CLOSED_PER_SHARD_MAX
            && let Some(oldest) = order.pop_front()
        {
            self.decided_ns.remove(&oldest);
        }
    }

    /// Forgets what is not remembered at a watermark.
    pub(super) fn forget(&mut self, watermark_ns: i64) {
        let keeps = |at: &i64| at.saturating_add(TRACE_CLOSED_KEPT_NS) > watermark_ns;
        for order in &mut self.order {
            while let Some(oldest) = order.front() {
                if self.decided_ns.get(oldest).is_some_and(keeps) {
                    break;
                }
                self.decided_ns.remove(oldest);
                order.pop_front();
            }
        }
    }

    /// Every trace that is remembered, oldest first within a shard.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, i64)> + '_ {
        let ids = self.order.iter().flatten();
        ids.filter_map(|id| self.decided_ns.get(id).map(|at| (*id, *at)))
    }

    pub(super) fn len(&self) -> usize {
        self.decided_ns.len()
    }
}
