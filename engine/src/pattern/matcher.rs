//! All keys of one pattern on one worker: events wait for the watermark, deadlines come by it.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::found::Found;
use super::key::{Key, Said};
use super::run::Run;
use crate::keyed_events::{Event, Keyed, KeysState, Waiting, Wakes, shard_of};
use crate::limits::{PATTERN_KEYS_PER_SHARD_MAX, SHARDS};
use crate::plan::PatternRule;

/// What a snapshot holds of a pattern.
pub(crate) type MatcherState = KeysState<Key>;

impl Keyed for Key {
    fn hash(&self) -> u128 {
        self.hash
    }
}

/// One pattern on one worker.
pub(crate) struct Matcher {
    rule: Arc<PatternRule>,
    keys: HashMap<u128, Key, FixedState>,
    /// Events that wait for the watermark.
    waiting: Waiting,
    wakes: Wakes,
    /// By shard of keys: how many are under way.
    shards: Vec<u32>,
    said: Said,
}

impl Matcher {
    pub(crate) fn new(rule: &Arc<PatternRule>, restored: MatcherState) -> Self {
        let mut matcher = Self {
            rule: Arc::clone(rule),
            keys: HashMap::with_hasher(FixedState::with_seed(2)),
            waiting: Waiting::default(),
            wakes: Wakes::default(),
            shards: vec![0; SHARDS as usize],
            said: Said::default(),
        };
        for key in restored.keys {
            matcher.shards[shard_of(key.hash)] += 1;
            matcher.wakes.add(key.wake_ns, key.hash);
            matcher.keys.insert(key.hash, key);
        }
        restored.waiting.into_iter().for_each(|event| matcher.push(event));
        matcher
    }

    pub(crate) fn state(&self, rows: u64) -> MatcherState {
        MatcherState::of(self.keys.values(), &self.waiting, rows)
    }

    /// Keys under way, and about how many bytes they and the events that wait take: one key stands
    /// for all.
    pub(crate) fn held(&self) -> (u64, u64) {
        let of_key = |key: &Key| size_of::<Key>() + key.runs.len() * size_of::<Run>();
        let key = self.keys.values().next().map_or(0, of_key);
        let bytes = self.keys.len() * key + self.waiting.len() * size_of::<Event>();
        (self.keys.len() as u64, bytes as u64)
    }

    /// Takes an event that the watermark has not passed yet.
    pub(crate) fn push(&mut self, event: Event) {
        self.waiting.push(event);
    }

    /// Whether [`Matcher::advance`] would find anything to do: most patterns of many have nothing.
    pub(crate) fn is_due(&self, watermark_ns: i64) -> bool {
        self.waiting.is_due(watermark_ns) || self.wakes.is_due(watermark_ns)
    }

    /// Decides everything up to a watermark: what was found, and how many events or starts a
    /// bound left no room for.
    pub(crate) fn advance(&mut self, watermark_ns: i64) -> (Vec<Found>, u64) {
        let events = self.waiting.passed(watermark_ns, |_| ());
        for event in events {
            self.wake(event.place.time_ns.saturating_sub(1));
            self.take(&event);
        }
        self.wake(watermark_ns);
        let said = std::mem::take(&mut self.said);
        (said.found, said.refused)
    }

    /// Ends what has waited up to a time, in the order of time.
    fn wake(&mut self, now_ns: i64) {
        while let Some((at_ns, hashes)) = self.wakes.pop(now_ns) {
            for hash in hashes {
                let Some(key) = self.keys.get_mut(&hash) else { continue };
                if key.wake_ns == at_ns {
                    key.wake_ns = i64::MAX;
                    key.expire(&self.rule, at_ns, &mut self.said);
                    self.settle(hash);
                }
            }
        }
    }

    fn take(&mut self, event: &Event) {
        let hash = event.key_hash;
        if !self.keys.contains_key(&hash) {
            let mut fresh = Key::new(event);
            let said = self.said.found.len();
            fresh.take(&self.rule, event, &mut self.said);
            if fresh.is_idle() {
                return;
            }
            if self.shards[shard_of(hash)] >= PATTERN_KEYS_PER_SHARD_MAX {
                self.said.found.truncate(said);
                self.said.refused += 1;
                return;
            }
            self.shards[shard_of(hash)] += 1;
            self.keys.insert(hash, fresh);
        } else if let Some(key) = self.keys.get_mut(&hash) {
            key.take(&self.rule, event, &mut self.said);
        }
        self.settle(hash);
    }

    /// Forgets a key that is idle, else looks at it again at its first deadline.
    fn settle(&mut self, hash: u128) {
        let Some(key) = self.keys.get_mut(&hash) else { return };
        if key.is_idle() {
            self.keys.remove(&hash);
            self.shards[shard_of(hash)] -= 1;
            return;
        }
        let deadline_ns = key.deadline_ns(&self.rule);
        if deadline_ns < key.wake_ns {
            key.wake_ns = deadline_ns;
            self.wakes.add(deadline_ns, hash);
        }
    }

    /// The rule that it runs.
    pub(crate) fn rule(&self) -> &Arc<PatternRule> {
        &self.rule
    }
}
