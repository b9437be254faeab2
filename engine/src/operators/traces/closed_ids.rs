//! Traces that have closed: a span of one of them is late.
//!
//! Kept for a time, and a number of them a shard; after that a late span is taken for the first
//! of a new trace unless it is as old as one that would have closed.
//!
//! Nearly every trace that opens never had closed, which a few bits say that stay in the
//! processor's cache. So what is remembered exactly is seldom asked for: ids lie one after the
//! other as they closed, in runs that go as a whole, and are put in order when somebody asks. (By
//! shard each id was in cache lines that nobody had looked at since the shard's last one: 5 % of a
//! worker's time.)

use std::collections::VecDeque;

use super::bits::Bits;
use crate::limits::{SHARDS, TRACE_CLOSED_KEPT_NS, TRACES_CLOSED_PER_SHARD_MAX, TRACES_CLOSED_RUN};
use crate::sampling::{IdQueue, id_hash};

type Id = [u8; 16];

/// What is out of date is dropped all 16th of the time that it is kept.
const FORGET_EVERY_NS: i64 = TRACE_CLOSED_KEPT_NS / 16;

/// Ids with which runs are looked through for those beyond the bound of their shard, at the
/// earliest: an eighth of what all shards may have.
const COMPACT_AT: usize = SHARDS as usize * TRACES_CLOSED_PER_SHARD_MAX / 8;

/// What is remembered of a closed trace.
#[derive(Debug, Clone, Copy)]
struct Closed {
    decided_ns: i64,
    /// Which it is among those of its shard; comes round.
    number: u32,
}

/// Closed traces, in the order in which they closed.
#[derive(Debug)]
struct Run {
    ids: IdQueue<Closed>,
    /// The latest time of them.
    last_ns: i64,
}

/// Ids of closed traces, with when they were decided.
#[derive(Debug)]
pub(super) struct ClosedIds {
    /// The oldest first; only the last has room.
    runs: VecDeque<Run>,
    /// By shard: how many have closed; comes round.
    of_shard: Vec<u32>,
    bits: Bits,
    /// The latest watermark.
    now_ns: i64,
    /// The one with which what was out of date went.
    forgot_ns: i64,
    len: usize,
    /// With so many they are looked through.
    compact_at: usize,
}

/// Whether a trace that was decided then is remembered at a watermark.
fn keeps(decided_ns: i64, watermark_ns: i64) -> bool {
    decided_ns.saturating_add(TRACE_CLOSED_KEPT_NS) > watermark_ns
}

fn shard_of(hash: u64) -> usize {
    (hash % SHARDS) as usize
}

impl Run {
    fn new() -> Self {
        Self { ids: IdQueue::with_capacity(TRACES_CLOSED_RUN), last_ns: i64::MIN }
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= TRACES_CLOSED_RUN
    }

    fn push(&mut self, id: Id, own: Closed) {
        self.last_ns = self.last_ns.max(own.decided_ns);
        self.ids.push(id, own);
    }
}

/// Adds a trace to the last run, or to a new one.
fn add(runs: &mut VecDeque<Run>, id: Id, own: Closed) {
    if runs.back().is_none_or(Run::is_full) {
        runs.push_back(Run::new());
    }
    if let Some(last) = runs.back_mut() {
        last.push(id, own);
    }
}

impl ClosedIds {
    pub(super) fn new() -> Self {
        Self {
            runs: VecDeque::new(),
            of_shard: vec![0; SHARDS as usize],
            bits: Bits::default(),
            now_ns: i64::MIN,
            forgot_ns: i64::MIN,
            len: 0,
            compact_at: COMPACT_AT,
        }
    }

    /// Whether a trace may have closed, by the hash of its id; most that did not are told.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.bits.may_hold(hash)
    }

    /// Brings near what tells whether a trace may have closed, by the hash of its id.
    pub(super) fn prefetch(&self, hash: u64) {
        self.bits.prefetch(hash);
    }

    /// Whether a trace had closed, by the hash of its id, as far as is remembered at a watermark.
    pub(super) fn holds(&mut self, hash: u64, id: &Id, watermark_ns: i64) -> bool {
        self.may_hold(hash) && self.holds_exactly(hash, id, watermark_ns)
    }

    #[cold]
    fn holds_exactly(&mut self, hash: u64, id: &Id, watermark_ns: i64) -> bool {
        let found = self.runs.iter_mut().rev().find_map(|run| run.ids.get(hash, id).copied());
        found.is_some_and(|own| keeps(own.decided_ns, watermark_ns) && self.is_within(hash, &own))
    }

    /// Whether a trace is among the newest of its shard.
    fn is_within(&self, hash: u64, own: &Closed) -> bool {
        let newer = self.of_shard[shard_of(hash)].wrapping_sub(own.number);
        newer as usize <= TRACES_CLOSED_PER_SHARD_MAX
    }

    /// Remembers a closed trace, by the hash of its id.
    pub(super) fn insert(&mut self, hash: u64, id: Id, decided_ns: i64) {
        self.bits.add(hash, decided_ns);
        let number = &mut self.of_shard[shard_of(hash)];
        let own = Closed { decided_ns, number: *number };
        *number = number.wrapping_add(1);
        if self.len >= self.compact_at && self.runs.back().is_none_or(Run::is_full) {
            self.compact();
        }
        self.len += 1;
        add(&mut self.runs, id, own);
    }

    /// Gives up what is beyond the bound of its shard.
    #[cold]
    fn compact(&mut self) {
        let mut kept = VecDeque::new();
        for (id, own) in std::mem::take(&mut self.runs).iter().flat_map(|run| run.ids.iter()) {
            if self.is_within(id_hash(id), own) {
                add(&mut kept, *id, *own);
            }
        }
        self.runs = kept;
        self.len = self.runs.iter().map(|run| run.ids.len()).sum();
        self.compact_at = COMPACT_AT.max(self.len / 4 * 5);
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
        while self.runs.front().is_some_and(|run| !keeps(run.last_ns, watermark_ns)) {
            let gone = self.runs.pop_front();
            self.len -= gone.map_or(0, |run| run.ids.len());
        }
    }

    /// Every trace that is remembered, by shard, oldest first.
    pub(super) fn all(&self) -> Vec<(Id, i64)> {
        let all = self.runs.iter().flat_map(|run| run.ids.iter());
        let known = all.filter(|(id, own)| {
            keeps(own.decided_ns, self.now_ns) && self.is_within(id_hash(id), own)
        });
        let mut all: Vec<_> = known.map(|(id, own)| (*id, own.decided_ns)).collect();
        all.sort_by_key(|(id, _)| shard_of(id_hash(id)));
        all
    }

    /// Bytes that they take, about: an entry, and two places in an index for the half of it.
    pub(super) fn bytes(&self) -> u64 {
        self.len as u64 * (size_of::<(Id, Closed)>() as u64 + 6)
    }
}

#[cfg(test)]
mod tests {
    use super::{ClosedIds, FORGET_EVERY_NS, id_hash, keeps};
    use crate::limits::{
        SHARDS, TRACE_CLOSED_KEPT_NS, TRACES_CLOSED_PER_SHARD_MAX, TRACES_CLOSED_RUN,
    };

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
                assert_eq!(closed.all().len() as i64, (step + 1).min(1_000) * 10);
            }
        }
        let most = (1_000 + FORGET_EVERY_NS / STEP_NS + 1) * 10 + TRACES_CLOSED_RUN as i64;
        assert!(closed.len as i64 <= most, "{} of {most}", closed.len);
    }

    #[test]
    fn one_that_closes_again_counts_from_then_on() {
        let mut closed = ClosedIds::new();
        let hash = id_hash(&id(1));
        closed.insert(hash, id(1), 0);
        assert!(closed.holds(hash, &id(1), 5));
        // Forgotten, and not yet gone.
        assert!(!closed.holds(hash, &id(1), TRACE_CLOSED_KEPT_NS));
        closed.insert(hash, id(1), TRACE_CLOSED_KEPT_NS);
        assert!(closed.holds(hash, &id(1), TRACE_CLOSED_KEPT_NS * 2 - 1));
        assert_eq!(closed.all().len(), 2);
        closed.forget(TRACE_CLOSED_KEPT_NS);
        assert_eq!(closed.all(), [(id(1), TRACE_CLOSED_KEPT_NS)]);
    }

    #[test]
    fn all_are_counted_out_that_were_counted_in() {
        let mut closed = ClosedIds::new();
        closed.compact_at = 0; // as after many: each new run looks them through
        (0..TRACES_CLOSED_RUN as i64 * 3).for_each(|n| closed.insert(id_hash(&id(n)), id(n), n));
        assert_eq!(closed.len, TRACES_CLOSED_RUN * 3);
        closed.compact_at = closed.len;
        closed.insert(id_hash(&id(-1)), id(-1), 0);
        assert_eq!(closed.len, TRACES_CLOSED_RUN * 3 + 1);
        closed.forget(TRACE_CLOSED_KEPT_NS * 2);
        assert_eq!(closed.len, 0);
    }

    #[test]
    fn a_shard_holds_its_bound_however_many_close() {
        let own = (0..).map(id).filter(|id| id_hash(id) % SHARDS == 3);
        let ids: Vec<[u8; 16]> = own.take(TRACES_CLOSED_PER_SHARD_MAX + 40).collect();
        let mut closed = ClosedIds::new();
        ids.iter().for_each(|id| closed.insert(id_hash(id), *id, 0));
        for compacts in [false, true] {
            if compacts {
                closed.compact();
                assert_eq!(closed.len, TRACES_CLOSED_PER_SHARD_MAX);
            }
            assert_eq!(closed.all().len(), TRACES_CLOSED_PER_SHARD_MAX);
            for (n, id) in ids.iter().enumerate() {
                assert_eq!(closed.holds(id_hash(id), id, 1), n >= 40, "{n}");
            }
        }
    }
}
