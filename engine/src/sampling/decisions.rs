//! Past verdicts, for spans that come after their trace was decided.
//!
//! The newest verdicts of a shard are remembered exactly, older ones to keep exactly for longer
//! (late spans need their line and threshold), older ones to drop as fingerprints. So a fingerprint
//! is asked only about ids of which nothing exact is known.

use serde::{Deserialize, Serialize};

use super::filter::fingerprint;
use super::id_queue::id_hash;
use super::{IdFilter, IdQueue, Randomness, Threshold};
use crate::limits::{
    VERDICTS_DROPPED_GENERATIONS, VERDICTS_DROPPED_PLACES, VERDICTS_KEPT_PER_SHARD,
    VERDICTS_RECENT_PER_SHARD,
};

/// What was decided about a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it is kept.
    pub is_kept: bool,
    /// Index of the line that decided.
    pub line: u16,
    /// The threshold that kept spans carry; `None` where the line keeps by no known probability.
    pub threshold: Option<Threshold>,
    /// What was compared with thresholds: what comes later may not state it.
    pub randomness: Randomness,
    /// When, nanoseconds of event time.
    pub at_ns: i64,
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Its verdict.
    Exact(Verdict),
    /// It was dropped, most likely; the line is not remembered.
    Dropped,
    /// Nothing.
    Unknown,
}

impl Past {
    /// The verdict, where it is known.
    pub fn exact(self) -> Option<Verdict> {
        match self {
            Self::Exact(verdict) => Some(verdict),
            Self::Dropped | Self::Unknown => None,
        }
    }
}

type Id = [u8; 16];

/// The verdicts of one shard of trace ids, in order of decision.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    recent: IdQueue<Verdict>,
    /// Ones to keep that are not recent.
    kept: IdQueue<Verdict>,
    dropped: IdFilter,
}

/// The verdicts of one shard, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionsState {
    recent: Vec<([u8; 16], Verdict)>,
    kept: Vec<([u8; 16], Verdict)>,
    dropped: IdFilter,
}

impl Decisions {
    /// Goes on from a state.
    pub fn from_state(state: DecisionsState) -> Self {
        let mut own = Self { dropped: state.dropped, ..Self::default() };
        state.kept.into_iter().for_each(|(id, verdict)| own.keep(id, verdict));
        state.recent.into_iter().for_each(|(id, verdict)| own.remember(id, verdict));
        own
    }

    /// As it is stored.
    pub fn state(&self) -> DecisionsState {
        let all = |queue: &IdQueue<Verdict>| queue.iter().copied().collect();
        let (recent, kept) = (all(&self.recent), all(&self.kept));
        DecisionsState { recent, kept, dropped: self.dropped.clone() }
    }

    /// Remembers a verdict. A later one of the same id (parts of a trace that came hours apart)
    /// counts in place of it.
    pub fn remember(&mut self, id: Id, verdict: Verdict) {
        // Before the new one comes, which then takes the memory of the old one.
        if self.recent.len() >= VERDICTS_RECENT_PER_SHARD {
            self.retire();
        }
        self.recent.push(id, verdict);
    }

    /// Brings near where so many of the oldest will be marked.
    pub(super) fn prefetch(&self, verdicts: usize) {
        let free = VERDICTS_RECENT_PER_SHARD - self.recent.len();
        let leave = self.recent.iter().take(verdicts.saturating_sub(free));
        leave.for_each(|(id, _)| self.dropped.prefetch(id_hash(id)));
    }

    /// Takes the oldest out of the newest.
    fn retire(&mut self) {
        let Some((id, verdict)) = self.recent.pop() else { return };
        if verdict.is_kept {
            // Looked for among all of them: a search would keep an index of many for few.
            if !self.recent.has(&id) {
                self.keep(id, verdict);
            }
            return;
        }
        let hash = id_hash(&id);
        match self.kept.get_mut(hash, &id) {
            Some(known) => *known = verdict,
            None => {
                let (places, generations) = (VERDICTS_DROPPED_PLACES, VERDICTS_DROPPED_GENERATIONS);
                self.dropped.insert(hash, places, generations);
            }
        }
    }

    /// Remembers a verdict to keep that is not recent.
    fn keep(&mut self, id: Id, verdict: Verdict) {
        if let Some(known) = self.kept.get_mut(id_hash(&id), &id) {
            *known = verdict;
            return;
        }
        if self.kept.len() >= VERDICTS_KEPT_PER_SHARD {
            self.kept.pop();
        }
        self.kept.push(id, verdict);
    }

    /// What was decided about an id.
    pub fn past(&mut self, id: Id) -> Past {
        let hash = id_hash(&id);
        match self.recent.get(hash, &id).or_else(|| self.kept.get(hash, &id)) {
            Some(verdict) => Past::Exact(*verdict),
            None if self.dropped.contains(hash) => Past::Dropped,
            None => Past::Unknown,
        }
    }

    /// Fingerprints of the ids of which something is known.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = u32> {
        let exact = self.recent.iter().chain(self.kept.iter());
        exact.map(|(id, _)| fingerprint(id_hash(id))).chain(self.dropped.fingerprints())
    }

    /// Bytes that it takes, about: exact verdicts and the fingerprints.
    pub fn bytes(&self) -> usize {
        self.recent.bytes() + self.kept.bytes() + self.dropped.bytes()
    }
}
