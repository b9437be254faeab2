//! Traces that have closed: a span of one of them is late.
//!
//! Kept for a time, and a number of them a shard; after that a late span is taken for the first
//! of a new trace unless it is as old as one that would have closed.
//!
//! Nearly every trace that opens never had closed, which a few bits say that stay in the
//! processor's cache; what is remembered exactly is looked at where they say it may have. So ids
//! can wait by shard until the memory of a shard is fetched for some of them at once.

use super::bits::Bits;
use crate::limits::{
    SHARDS, TRACE_CLOSED_KEPT_NS, TRACES_CLOSED_PER_SHARD_MAX, TRACES_CLOSED_WAITING_PER_SHARD,
};
use crate::sampling::{IdQueue, id_hash};

type Id = [u8; 16];

/// What is out of date is dropped all 16th of the time that it is kept: each time is a walk
/// through all shards.
const FORGET_EVERY_NS: i64 = TRACE_CLOSED_KEPT_NS / 16;

/// Ids of closed traces, with when they were decided.
#[derive(Debug)]
pub(super) struct ClosedIds {
    /// By shard, as below.
    waiting: Vec<Vec<(Id, i64)>>,
    decided_ns: Vec<IdQueue<i64>>,
    bits: Bits,
    /// The latest watermark.
    now_ns: i64,
    /// The one with which what was out of date went.
    forgot_ns: i64,
    len: usize,
}

/// Whether a trace that was decided then is remembered at a watermark.
fn keeps(decided_ns: i64, watermark_ns: i64) -> bool {
    decided_ns.saturating_add(TRACE_CLOSED_KEPT_NS) > watermark_ns
}

fn shard_of(hash: u64) -> usize {
    (hash % SHARDS) as usize
}

impl ClosedIds {
    pub(super) fn new() -> Self {
        Self {
            waiting: vec![Vec::new(); SHARDS as usize],
            decided_ns: (0..SHARDS).map(|_| IdQueue::default()).collect(),
            bits: Bits::default(),
            now_ns: i64::MIN,
            forgot_ns: i64::MIN,
            len: 0,
        }
    }

    /// Whether a trace may have closed, by the hash of its id; most that did not are told.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.bits.may_hold(hash)
    }

    /// Whether a trace had closed, by the hash of its id, as far as is remembered at a watermark.
    pub(super) fn holds(&mut self, hash: u64, id: &Id, watermark_ns: i64) -> bool {
        self.may_hold(hash) && self.holds_exactly(hash, id, watermark_ns)
    }

    #[cold]
    fn holds_exactly(&mut self, hash: u64, id: &Id, watermark_ns: i64) -> bool {
        let shard = shard_of(hash);
        self.settle(shard);
        self.decided_ns[shard].get(hash, id).is_some_and(|at| keeps(*at, watermark_ns))
    }

    /// Remembers a closed trace, by the hash of its id.
    pub(super) fn insert(&mut self, hash: u64, id: Id, decided_ns: i64) {
        let shard = shard_of(hash);
        self.bits.add(hash, decided_ns);
        let waiting = &mut self.waiting[shard];
        if waiting.capacity() == 0 {
            waiting.reserve_exact(TRACES_CLOSED_WAITING_PER_SHARD);
        }
        waiting.push((id, decided_ns));
        self.len += 1;
        if waiting.len() >= TRACES_CLOSED_WAITING_PER_SHARD {
            self.settle(shard);
        }
    }

    /// Nothing of a shard waits any more.
    fn settle(&mut self, shard: usize) {
        let (own, waiting) = (&mut self.decided_ns[shard], &mut self.waiting[shard]);
        for (id, decided_ns) in waiting.drain(..) {
            let hash = id_hash(&id);
            if let Some(known) = own.get_mut(hash, &id) {
                *known = decided_ns;
                self.len -= 1;
                continue;
            }
            own.push(hash, id, decided_ns);
            if own.len() > TRACES_CLOSED_PER_SHARD_MAX {
                own.pop();
                self.len -= 1;
            }
        }
    }

    /// Forgets what is not remembered at a watermark, now and then.
    pub(super) fn forget(&mut self, watermark_ns: i64) {
        self.now_ns = watermark_ns;
        if watermark_ns < self.forgot_ns.saturating_add(FORGET_EVERY_NS) {
            return;
        }
        self.forgot_ns = watermark_ns;
        let until_ns = watermark_ns.saturating_sub(TRACE_CLOSED_KEPT_NS);
        let half_ns = watermark_ns.saturating_sub(TRACE_CLOSED_KEPT_NS / 2);
        self.bits.forget(until_ns, half_ns, watermark_ns);
        for shard in 0..self.decided_ns.len() {
            let is_old = |(_, at): &(Id, i64)| !keeps(*at, watermark_ns);
            if self.waiting[shard].first().is_some_and(is_old) {
                self.settle(shard);
            }
            let own = &mut self.decided_ns[shard];
            while own.front().is_some_and(|at| !keeps(*at, watermark_ns)) {
                own.pop();
                self.len -= 1;
            }
        }
    }

    /// Every trace that is remembered, oldest first within a shard.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, i64)> + '_ {
        let shards = self.decided_ns.iter().zip(&self.waiting);
        let all = shards.flat_map(|(known, waiting)| known.iter().chain(waiting)).copied();
        all.filter(|(_, at)| keeps(*at, self.now_ns))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::{ClosedIds, FORGET_EVERY_NS, id_hash, keeps};
    use crate::limits::TRACE_CLOSED_KEPT_NS;

    const STEP_NS: i64 = TRACE_CLOSED_KEPT_NS / 1_000;

    fn id(n: i64) -> [u8; 16] {
        u128::from((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()
    }

    #[test]
    fn closed_traces_are_known_for_their_time_and_go_after_it() {
        let mut closed = ClosedIds::new();
        // Ten a step, so that some wait and some do not.
        for step in 0..4_000 {
            let now_ns = step * STEP_NS;
            for n in step * 10..step * 10 + 10 {
                assert!(!closed.holds(id_hash(&id(n)), &id(n), now_ns));
                closed.insert(id_hash(&id(n)), id(n), now_ns);
            }
            closed.forget(now_ns);
            for n in (0..step * 10 + 10).step_by(997) {
                let is_kept = keeps(n / 10 * STEP_NS, now_ns);
                assert_eq!(closed.holds(id_hash(&id(n)), &id(n), now_ns), is_kept);
            }
            if step % 500 == 0 {
                assert_eq!(closed.iter().count() as i64, (step + 1).min(1_000) * 10);
            }
        }
        let most = (1_000 + FORGET_EVERY_NS / STEP_NS + 1) * 10;
        assert!(closed.len() as i64 <= most, "{} of {most}", closed.len());
    }
}
