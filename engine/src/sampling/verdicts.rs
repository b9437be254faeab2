//! Past verdicts of all shards of trace ids on one worker.
//!
//! Each verdict would fetch the memory of its shard, some twenty cache lines that nobody has looked
//! at since the shard's last one. So they wait by shard until there are some, or until somebody
//! asks. Invariant: what is known of an id is what it were without waiting.

use prefetch_index::prefetch_index;

use super::seen::Seen;
use super::{Decisions, DecisionsState, Past, Verdict, id_hash};
use crate::limits::{SHARDS, VERDICTS_SEEN_ADDED, VERDICTS_WAITING_PER_SHARD};

type Id = [u8; 16];

/// The verdicts, by shard.
#[derive(Debug)]
pub(crate) struct Verdicts {
    waiting: Vec<Vec<(Id, Verdict)>>,
    known: Vec<Option<Box<Decisions>>>,
    seen: Seen,
    /// By shard: ids put into `seen` since it was filled.
    added: Vec<u32>,
}

impl Default for Verdicts {
    fn default() -> Self {
        let shards = SHARDS as usize;
        Self {
            waiting: vec![Vec::new(); shards],
            known: vec![None; shards],
            seen: Seen::default(),
            added: vec![0; shards],
        }
    }
}

impl Verdicts {
    /// Remembers a verdict.
    pub(crate) fn remember(&mut self, id: Id, verdict: Verdict) {
        let hash = id_hash(&id);
        let shard = (hash % SHARDS) as usize;
        self.seen.add(hash);
        self.added[shard] += 1;
        let waiting = &mut self.waiting[shard];
        if waiting.capacity() == 0 {
            waiting.reserve_exact(VERDICTS_WAITING_PER_SHARD);
        }
        waiting.push((id, verdict));
        if waiting.len() >= VERDICTS_WAITING_PER_SHARD {
            self.settle(shard);
        }
    }

    /// Brings near where a verdict will be written, by the hash of its id.
    pub(crate) fn prefetch(&self, hash: u64) {
        let waiting = &self.waiting[(hash % SHARDS) as usize];
        prefetch_index(waiting, waiting.len());
        self.seen.prefetch(hash);
    }

    /// What was decided about an id.
    pub(crate) fn past(&mut self, id: Id) -> Past {
        let shard = (id_hash(&id) % SHARDS) as usize;
        self.settle(shard);
        self.known[shard].as_mut().map_or(Past::Unknown, |known| known.past(id))
    }

    /// The same; most ids of which nothing is known are told at once.
    pub(crate) fn past_of_closed(&mut self, id: Id) -> Past {
        if self.seen.may_hold(id_hash(&id)) { self.past(id) } else { Past::Unknown }
    }

    /// Nothing of a shard waits any more.
    fn settle(&mut self, shard: usize) {
        if !self.waiting[shard].is_empty() {
            let known = self.known[shard].get_or_insert_default();
            known.prefetch(self.waiting[shard].len());
            self.waiting[shard].drain(..).for_each(|(id, verdict)| known.remember(id, verdict));
            if self.added[shard] >= VERDICTS_SEEN_ADDED {
                self.seen.fill(shard, known.fingerprints());
                self.added[shard] = 0;
            }
        }
    }

    /// What a snapshot holds, by shard.
    pub(crate) fn state(&self) -> impl Iterator<Item = (u64, DecisionsState)> + '_ {
        let shards = (0..).zip(self.waiting.iter().zip(&self.known));
        let seen = shards.filter(|(_, (waiting, known))| !waiting.is_empty() || known.is_some());
        seen.map(|(shard, (waiting, known))| {
            let mut known = known.as_deref().cloned().unwrap_or_default();
            waiting.iter().for_each(|(id, verdict)| known.remember(*id, *verdict));
            (shard, known.state())
        })
    }

    /// Goes on from a state of a shard.
    pub(crate) fn restore(&mut self, shard: u64, state: DecisionsState) {
        if let Some(known) = self.known.get_mut(shard as usize) {
            let own = known.insert(Box::new(Decisions::from_state(state)));
            self.seen.fill(shard as usize, own.fingerprints());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdicts;
    use crate::limits::{SHARDS, VERDICTS_RECENT_PER_SHARD};
    use crate::sampling::{Decisions, Past, Randomness, Verdict, id_hash};

    /// Ids of one shard, some of them twice.
    fn ids() -> impl Iterator<Item = [u8; 16]> {
        let ids =
            (0_u64..).map(|n| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
        let own = ids.filter(|id| id_hash(id) % SHARDS == 7);
        own.enumerate().flat_map(|(n, id)| std::iter::repeat_n(id, 1 + usize::from(n % 5 == 0)))
    }

    fn verdict(n: usize) -> Verdict {
        let (is_kept, randomness) = (n.is_multiple_of(3), Randomness::of_hash(n as u64));
        Verdict { is_kept, line: 0, threshold: None, randomness, at_ns: n as i64 }
    }

    #[test]
    fn a_closed_trace_is_asked_for_as_any_id_is() {
        let mut verdicts = Verdicts::default();
        let ids: Vec<[u8; 16]> = ids().take(12_000).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(verdicts.past_of_closed(*id), verdicts.past(*id), "{n}");
            verdicts.remember(*id, verdict(n));
        }
        let mut restored = Verdicts::default();
        verdicts.state().for_each(|(shard, state)| restored.restore(shard, state));
        for id in &ids {
            let past = verdicts.past(*id);
            assert_eq!(verdicts.past_of_closed(*id), past);
            assert_eq!(restored.past_of_closed(*id), past);
        }
    }

    #[test]
    fn waiting_verdicts_are_known_and_stored_as_if_they_had_not_waited() {
        let (mut waiting, mut known) = (Verdicts::default(), Decisions::default());
        let ids: Vec<[u8; 16]> = ids().take(VERDICTS_RECENT_PER_SHARD * 2 + 5).collect();
        assert_eq!(waiting.past(ids[0]), Past::Unknown);
        for (n, id) in ids.iter().enumerate() {
            waiting.remember(*id, verdict(n));
            known.remember(*id, verdict(n));
            let stored: Vec<_> = waiting.state().collect();
            assert_eq!(stored, [(7, known.state())]);
            if n.is_multiple_of(41) {
                for id in &ids[..=n] {
                    assert_eq!(waiting.past(*id), known.past(*id));
                }
            }
        }
    }
}
