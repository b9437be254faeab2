//! All keys of one pattern on one worker: events wait for the watermark, deadlines come by it.

use std::sync::Arc;

use super::found::Found;
use super::key::{Key, Said};
use super::run::Run;
use crate::keyed_events::{Event, KeyTable, Keyed, KeysState, Waiting};
use crate::limits::PATTERN_KEYS_PER_SHARD_MAX;
use crate::model::Value;
use crate::plan::PatternRule;

/// What a snapshot holds of a pattern.
pub(crate) type MatcherState = KeysState<Key>;

impl Keyed for Key {
    fn hash(&self) -> u128 {
        self.hash
    }

    fn wake_ns(&self) -> i64 {
        self.wake_ns
    }

    fn set_wake_ns(&mut self, at_ns: i64) {
        self.wake_ns = at_ns;
    }
}

/// One pattern on one worker.
pub(crate) struct Matcher {
    rule: Arc<PatternRule>,
    keys: KeyTable<Key>,
    /// Events that wait for the watermark.
    waiting: Waiting,
    said: Said,
}

impl Matcher {
    pub(crate) fn new(rule: &Arc<PatternRule>, restored: MatcherState) -> Self {
        Self {
            rule: Arc::clone(rule),
            keys: KeyTable::new(restored.keys),
            waiting: Waiting::new(restored.waiting),
            said: Said::default(),
        }
    }

    pub(crate) fn state(&self, rows: u64) -> MatcherState {
        MatcherState::of(self.keys.values(), &self.waiting, rows)
    }

    /// Keys under way, and about how many bytes they and the events that wait take: one key stands
    /// for all.
    pub(crate) fn held(&self) -> (u64, u64) {
        let of_key =
            |key: &Key| key.runs.capacity() * size_of::<Run>() + Value::bytes_of(&key.values);
        let key = self.keys.values().next().map_or(0, of_key);
        let bytes = self.keys.len() * key + self.keys.bytes() + self.waiting.bytes();
        (self.keys.len() as u64, bytes as u64)
    }

    /// Takes an event that the watermark has not passed yet; `false` where no room is left for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        self.waiting.push(event)
    }

    /// Whether there is room for events of so many bytes, whatever their keys.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.waiting.has_room(bytes)
    }

    /// Whether [`Matcher::advance`] would find anything to do: most patterns of many have nothing.
    pub(crate) fn is_due(&self, watermark_ns: i64) -> bool {
        self.waiting.is_due(watermark_ns) || self.keys.is_due(watermark_ns)
    }

    /// Decides everything up to a watermark: what was found, and how many events or starts a
    /// bound left no room for.
    pub(crate) fn advance(&mut self, watermark_ns: i64) -> (Vec<Found>, u64) {
        let events = self.waiting.passed(watermark_ns);
        for event in events {
            self.wake(event.place.time_ns.saturating_sub(1));
            self.take(&event);
        }
        self.wake(watermark_ns);
        self.keys.shrink();
        let said = std::mem::take(&mut self.said);
        (said.found, said.refused)
    }

    /// Ends what has waited up to a time, in the order of time.
    fn wake(&mut self, now_ns: i64) {
        while let Some((at_ns, hashes)) = self.keys.due(now_ns) {
            for hash in hashes {
                let Some(key) = self.keys.woken(hash, at_ns) else { continue };
                key.expire(&self.rule, at_ns, &mut self.said);
                self.settle(hash);
            }
        }
    }

    fn take(&mut self, event: &Event) {
        let hash = event.key_hash;
        if !self.keys.contains(hash) {
            let mut fresh = Key::new(event);
            let said = self.said.found.len();
            fresh.take(&self.rule, event, &mut self.said);
            if fresh.is_idle() {
                return;
            }
            if self.keys.in_shard_of(hash) >= PATTERN_KEYS_PER_SHARD_MAX {
                self.said.found.truncate(said);
                self.said.refused += 1;
                return;
            }
            self.keys.insert(fresh);
        } else if let Some(key) = self.keys.get_mut(hash) {
            key.take(&self.rule, event, &mut self.said);
        }
        self.settle(hash);
    }

    /// Forgets a key that is idle, else looks at it again at its first deadline.
    fn settle(&mut self, hash: u128) {
        let Some(key) = self.keys.get_mut(hash) else { return };
        if key.is_idle() {
            self.keys.remove(hash);
            return;
        }
        let deadline_ns = key.deadline_ns(&self.rule);
        self.keys.wake_at(hash, deadline_ns);
    }

    /// The rule that it runs.
    pub(crate) fn rule(&self) -> &Arc<PatternRule> {
        &self.rule
    }
}
