//! Traces that have closed: a span of one of them is late.
//!
//! Kept for a time, and a number of them a shard; after that a late span is taken for the first
//! of a new trace unless it is as old as one that would have closed.

use crate::limits::{TRACE_CLOSED_KEPT_NS, TRACES_CLOSED_PER_SHARD_MAX};
use crate::sampling::IdQueue;

type Id = [u8; 16];

/// Ids of closed traces, with when they were decided.
#[derive(Debug)]
pub(super) struct ClosedIds {
    /// By shard.
    decided_ns: Vec<IdQueue<i64>>,
    /// By shard: when its oldest was decided, as far as looked at; the latest time without one.
    oldest_ns: Vec<i64>,
    len: usize,
}

/// Whether a trace that was decided then is remembered at a watermark.
fn keeps(decided_ns: i64, watermark_ns: i64) -> bool {
    decided_ns.saturating_add(TRACE_CLOSED_KEPT_NS) > watermark_ns
}

impl ClosedIds {
    pub(super) fn new(shards: usize) -> Self {
        let decided_ns = (0..shards).map(|_| IdQueue::default()).collect();
        Self { decided_ns, oldest_ns: vec![i64::MAX; shards], len: 0 }
    }

    /// Whether a trace of a shard had closed, as far as is remembered at a watermark.
    pub(super) fn holds(&self, shard: usize, id: &Id, watermark_ns: i64) -> bool {
        self.decided_ns[shard].get(id).is_some_and(|at| keeps(*at, watermark_ns))
    }

    /// Remembers a closed trace.
    pub(super) fn insert(&mut self, shard: usize, id: Id, decided_ns: i64) {
        let own = &mut self.decided_ns[shard];
        if let Some(known) = own.get_mut(&id) {
            *known = decided_ns;
            return;
        }
        if own.is_empty() {
            self.oldest_ns[shard] = decided_ns;
        }
        own.push(id, decided_ns);
        self.len += 1;
        if own.len() > TRACES_CLOSED_PER_SHARD_MAX {
            own.pop();
            self.len -= 1;
        }
    }

    /// Forgets what is not remembered at a watermark.
    pub(super) fn forget(&mut self, watermark_ns: i64) {
        for (own, oldest_ns) in self.decided_ns.iter_mut().zip(&mut self.oldest_ns) {
            if keeps(*oldest_ns, watermark_ns) {
                continue;
            }
            *oldest_ns = i64::MAX;
            while let Some(at) = own.front() {
                if keeps(*at, watermark_ns) {
                    *oldest_ns = *at;
                    break;
                }
                own.pop();
                self.len -= 1;
            }
        }
    }

    /// Every trace that is remembered, oldest first within a shard.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, i64)> + '_ {
        self.decided_ns.iter().flat_map(IdQueue::iter).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}
