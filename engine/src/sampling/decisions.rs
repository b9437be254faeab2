//! Past verdicts, for spans that come after their trace was decided.
//!
//! The newest verdicts of a shard are remembered exactly, older ones to keep exactly for longer
//! (late spans need their line and threshold), older ones to drop as fingerprints. So a fingerprint
//! is asked only about ids of which nothing exact is known.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{IdFilter, Threshold};
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

/// The verdicts of one shard of trace ids.
#[derive(Debug, Clone)]
pub struct Decisions {
    exact: HashMap<[u8; 16], Verdict, FixedState>,
    /// In order of decision.
    recent: VecDeque<[u8; 16]>,
    /// Kept ones that are not recent, in order of decision.
    kept: VecDeque<[u8; 16]>,
    dropped: IdFilter,
}

/// The verdicts of one shard, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionsState {
    recent: Vec<([u8; 16], Verdict)>,
    kept: Vec<([u8; 16], Verdict)>,
    dropped: IdFilter,
}

impl Default for Decisions {
    fn default() -> Self {
        Self::from_state(DecisionsState::default())
    }
}

impl Decisions {
    /// Goes on from a state.
    pub fn from_state(state: DecisionsState) -> Self {
        let mut exact = HashMap::with_hasher(FixedState::with_seed(3));
        exact.extend(state.recent.iter().chain(&state.kept).copied());
        let ids = |list: Vec<([u8; 16], Verdict)>| list.into_iter().map(|(id, _)| id).collect();
        Self { exact, recent: ids(state.recent), kept: ids(state.kept), dropped: state.dropped }
    }

    /// As it is stored.
    pub fn state(&self) -> DecisionsState {
        let with = |ids: &VecDeque<[u8; 16]>| {
            ids.iter().filter_map(|id| Some((*id, *self.exact.get(id)?))).collect()
        };
        let (recent, kept) = (with(&self.recent), with(&self.kept));
        DecisionsState { recent, kept, dropped: self.dropped.clone() }
    }

    /// Remembers a verdict. A later one of the same id (parts of a trace that came hours apart)
    /// replaces it.
    pub fn remember(&mut self, id: [u8; 16], verdict: Verdict) {
        if let Some(known) = self.exact.get_mut(&id) {
            *known = verdict;
            return;
        }
        self.exact.insert(id, verdict);
        self.recent.push_back(id);
        if self.recent.len() > VERDICTS_RECENT_PER_SHARD
            && let Some(old) = self.recent.pop_front()
        {
            self.retire(old);
        }
    }

    /// Takes an id out of the newest.
    fn retire(&mut self, id: [u8; 16]) {
        if self.exact.get(&id).is_some_and(|verdict| verdict.is_kept) {
            self.kept.push_back(id);
            if self.kept.len() > VERDICTS_KEPT_PER_SHARD
                && let Some(old) = self.kept.pop_front()
            {
                self.exact.remove(&old);
            }
            return;
        }
        self.exact.remove(&id);
        let (places, generations) = (VERDICTS_DROPPED_PLACES, VERDICTS_DROPPED_GENERATIONS);
        self.dropped.insert(xxh3_64(&id), places, generations);
    }

    /// What was decided about an id.
    pub fn past(&self, id: [u8; 16]) -> Past {
        match self.exact.get(&id) {
            Some(verdict) => Past::Exact(*verdict),
            None if self.dropped.contains(xxh3_64(&id)) => Past::Dropped,
            None => Past::Unknown,
        }
    }

    /// Bytes that it takes, about: exact verdicts in a table and a queue, and the fingerprints.
    pub fn bytes(&self) -> usize {
        let entry = size_of::<([u8; 16], Verdict)>() + 1;
        self.exact.capacity() * entry + self.exact.len() * 16 + self.dropped.bytes()
    }
}
