//! All keys of one pattern on one worker: events wait for the watermark, deadlines come by it.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::found::Found;
use super::key::{Key, Said};
use super::run::Run;
use crate::keyed_events::{
    Event, Keyed, KeysState, WAKE_BYTES, Waiting, Wakes, shard_of, shrink, table_bytes,
};
use crate::limits::{PATTERN_KEYS_PER_SHARD_MAX, PATTERN_WAITING_BYTES_PER_SHARD_MAX, SHARDS};
use crate::model::Value;
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
    shards: Vec<Shard>,
    /// Bytes of all events that wait.
    waiting_bytes: usize,
    /// At least the bytes of the shard in which most waits.
    fullest: u32,
    said: Said,
}

/// What one shard of keys holds.
#[derive(Clone, Copy, Default)]
struct Shard {
    /// Keys under way.
    keys: u32,
    /// Bytes of events that wait for the watermark.
    bytes: u32,
}

impl Matcher {
    pub(crate) fn new(rule: &Arc<PatternRule>, restored: MatcherState) -> Self {
        let mut matcher = Self {
            rule: Arc::clone(rule),
            keys: HashMap::with_hasher(FixedState::with_seed(2)),
            waiting: Waiting::default(),
            wakes: Wakes::default(),
            shards: vec![Shard::default(); SHARDS as usize],
            waiting_bytes: 0,
            fullest: 0,
            said: Said::default(),
        };
        for key in restored.keys {
            matcher.shards[shard_of(key.hash)].keys += 1;
            matcher.wakes.add(key.wake_ns, key.hash);
            matcher.keys.insert(key.hash, key);
        }
        for event in restored.waiting {
            matcher.push(event);
        }
        matcher
    }

    pub(crate) fn state(&self, rows: u64) -> MatcherState {
        MatcherState::of(self.keys.values(), &self.waiting, rows)
    }

    /// Keys under way, and about how many bytes they and the events that wait take: one key stands
    /// for all.
    pub(crate) fn held(&self) -> (u64, u64) {
        let of_key = |key: &Key| {
            key.runs.capacity() * size_of::<Run>() + Value::bytes_of(&key.values) + WAKE_BYTES
        };
        let key = self.keys.values().next().map_or(0, of_key);
        let bytes = self.keys.len() * key + table_bytes(&self.keys) + self.waiting_bytes;
        (self.keys.len() as u64, bytes as u64)
    }

    /// Takes an event that the watermark has not passed yet; `false` where no room is left for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let shard = &mut self.shards[shard_of(event.key_hash)];
        let bytes = event.bytes();
        if shard.bytes as usize + bytes > PATTERN_WAITING_BYTES_PER_SHARD_MAX {
            return false;
        }
        shard.bytes += bytes as u32;
        self.waiting_bytes += bytes;
        self.fullest = self.fullest.max(shard.bytes);
        self.waiting.push(event);
        true
    }

    /// Whether there is room for events of so many bytes, whatever their keys.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.fullest as usize + bytes <= PATTERN_WAITING_BYTES_PER_SHARD_MAX
    }

    /// Whether [`Matcher::advance`] would find anything to do: most patterns of many have nothing.
    pub(crate) fn is_due(&self, watermark_ns: i64) -> bool {
        self.waiting.is_due(watermark_ns) || self.wakes.is_due(watermark_ns)
    }

    /// Decides everything up to a watermark: what was found, and how many events or starts a
    /// bound left no room for.
    pub(crate) fn advance(&mut self, watermark_ns: i64) -> (Vec<Found>, u64) {
        let (shards, waiting_bytes) = (&mut self.shards, &mut self.waiting_bytes);
        let events = self.waiting.passed(watermark_ns, |event| {
            let bytes = event.bytes();
            shards[shard_of(event.key_hash)].bytes -= bytes as u32;
            *waiting_bytes -= bytes;
        });
        if !self.has_room(PATTERN_WAITING_BYTES_PER_SHARD_MAX / 2) {
            self.fullest = self.shards.iter().map(|shard| shard.bytes).max().unwrap_or(0);
        }
        for event in events {
            self.wake(event.place.time_ns.saturating_sub(1));
            self.take(&event);
        }
        self.wake(watermark_ns);
        shrink(&mut self.keys);
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
            if self.shards[shard_of(hash)].keys >= PATTERN_KEYS_PER_SHARD_MAX {
                self.said.found.truncate(said);
                self.said.refused += 1;
                return;
            }
            self.shards[shard_of(hash)].keys += 1;
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
            self.shards[shard_of(hash)].keys -= 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed_events::Place;
    use crate::model::RuleId;
    use crate::plan::MatchMode;

    fn matcher() -> Matcher {
        let rule = PatternRule {
            key_names: Vec::new(),
            within_ns: 1_000,
            mode: MatchMode::One { overlap: false },
            inputs: Vec::new(),
            symbols: Vec::new(),
            slots: 1,
            registers: Vec::new(),
            lanes: Vec::new(),
            lead: None,
            trail: None,
            without: Vec::new(),
            until: None,
            values: Vec::new(),
            timeout: None,
            hash: 0,
        };
        Matcher::new(&Arc::new(rule), MatcherState::default())
    }

    fn event(key_hash: u128, time_ns: i64, text: &Value) -> Event {
        let place = Place { time_ns, source: 0, seq: time_ns as u64, at: 0, signal: 0 };
        let slots = vec![text.clone()];
        Event { rule: RuleId(0), place, key_hash, key: Vec::new(), mask: 1, slots }
    }

    #[test]
    fn events_that_wait_are_bounded_by_their_bytes_in_a_shard() {
        let mut matcher = matcher();
        let text = Value::str(&"x".repeat(PATTERN_WAITING_BYTES_PER_SHARD_MAX / 4));
        assert!(matcher.has_room(PATTERN_WAITING_BYTES_PER_SHARD_MAX));
        let mut taken =
            |key: u128| (0..9).filter(|at| matcher.push(event(key, *at, &text))).count();
        assert_eq!((taken(0), taken(1)), (3, 3), "another shard has room of its own");
        assert!(!matcher.has_room(PATTERN_WAITING_BYTES_PER_SHARD_MAX / 2));
        assert_eq!(matcher.advance(1).1, 0);
        assert!(matcher.held().1 as usize > PATTERN_WAITING_BYTES_PER_SHARD_MAX / 4, "two wait");
        assert!(matcher.push(event(0, 9_000, &text)), "room is given back");
        assert_eq!(matcher.advance(i64::MAX).1, 0);
        assert_eq!(matcher.held(), (0, 0), "what is over is forgotten");
        assert!(matcher.has_room(PATTERN_WAITING_BYTES_PER_SHARD_MAX), "and not counted");
    }
}
