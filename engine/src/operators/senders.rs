//! Who still sends over a source: the line protocol's `src` names that have not said goodbye.
//!
//! A source is a configured input and may carry many senders. It retires with the last of them,
//! and comes back with the next line. Names are known here by their hash alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits::SENDERS_MAX;
use crate::model::SourceId;

/// By source: senders seen and not gone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LiveSenders {
    by_source: BTreeMap<SourceId, Live>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Live {
    hashes: BTreeSet<u64>,
    /// Whether more than [`SENDERS_MAX`] were live at once: from then on nobody knows who is the
    /// last, and the source goes idle as others do.
    is_full: bool,
}

impl LiveSenders {
    /// Whether after a frame nobody sends any more, because somebody has said goodbye in it.
    pub(crate) fn is_last_goodbye(&self, source: SourceId, frame: &BTreeMap<u64, bool>) -> bool {
        let is_left = |hash: &u64| frame.get(hash) == Some(&true);
        let others_left = match self.by_source.get(&source) {
            Some(live) => !live.is_full && live.hashes.iter().all(is_left),
            None => true,
        };
        !frame.is_empty() && frame.values().all(|&leaves| leaves) && others_left
    }

    /// Follows a frame.
    pub(crate) fn follow(&mut self, source: SourceId, frame: &BTreeMap<u64, bool>) {
        if frame.is_empty() {
            return;
        }
        let live = self.by_source.entry(source).or_default();
        for (hash, leaves) in frame {
            if *leaves {
                live.hashes.remove(hash);
            } else if live.hashes.len() < SENDERS_MAX || live.hashes.contains(hash) {
                live.hashes.insert(*hash);
            } else {
                live.is_full = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(senders: &[(u64, bool)]) -> BTreeMap<u64, bool> {
        senders.iter().copied().collect()
    }

    #[test]
    fn a_source_ends_with_its_last_sender() {
        let (mut live, source) = (LiveSenders::default(), SourceId(0));
        live.follow(source, &frame(&[(1, false), (2, false)]));
        let first = frame(&[(1, true)]);
        assert!(!live.is_last_goodbye(source, &first), "2 still sends");
        live.follow(source, &first);
        assert!(!live.is_last_goodbye(source, &frame(&[(2, true), (3, false)])), "3 has come");
        assert!(live.is_last_goodbye(source, &frame(&[(2, true)])));
        assert!(!live.is_last_goodbye(source, &frame(&[])), "a frame of no lines says nothing");
    }

    #[test]
    fn too_many_senders_never_end_a_source() {
        let (mut live, source) = (LiveSenders::default(), SourceId(0));
        for hash in 0..=SENDERS_MAX as u64 {
            live.follow(source, &frame(&[(hash, false)]));
        }
        let all: Vec<_> = (0..=SENDERS_MAX as u64).map(|hash| (hash, true)).collect();
        assert!(!live.is_last_goodbye(source, &frame(&all)));
    }
}
