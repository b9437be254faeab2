//! All keys of one correlation on one worker: items wait for the watermark, deadlines come by it.
//!
//! Invariant: what is decided depends on items and watermarks alone, not on when they were handed
//! in. Bounds are by shard, so that another number of workers meets the same ones.

use std::sync::Arc;

use super::key::{Decided, Item, Key, Outcome, Said, item_bytes};
use crate::keyed_events::{Event, KeyTable, Keyed, KeysState, Waiting, shard_of};
use crate::limits::{CORRELATE_BYTES_PER_SHARD_MAX, CORRELATE_KEYS_PER_SHARD_MAX, SHARDS};
use crate::model::Value;
use crate::plan::{CorrelateRule, LEFT, RIGHT};

/// What a snapshot holds of a correlation.
pub(crate) type CorrelatorState = KeysState<Key>;

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

/// One correlation on one worker.
pub(crate) struct Correlator {
    rule: Arc<CorrelateRule>,
    keys: KeyTable<Key>,
    /// Items that wait for the watermark.
    waiting: Waiting,
    /// By shard of keys: bytes of keys and of items that wait for a partner.
    bytes_in: Vec<usize>,
    said: Said,
}

impl Correlator {
    pub(crate) fn new(rule: &Arc<CorrelateRule>, restored: CorrelatorState) -> Self {
        let mut bytes_in = vec![0; SHARDS as usize];
        restored.keys.iter().for_each(|key| bytes_in[shard_of(key.hash)] += key.bytes());
        Self {
            rule: Arc::clone(rule),
            keys: KeyTable::new(restored.keys),
            waiting: Waiting::new(restored.waiting),
            bytes_in,
            said: Said::default(),
        }
    }

    pub(crate) fn state(&self, rows: u64) -> CorrelatorState {
        CorrelatorState::of(self.keys.values(), &self.waiting, rows)
    }

    /// Keys with waiting items, and about the bytes of all that waits.
    pub(crate) fn held(&self) -> (u64, u64) {
        let partnerless: usize = self.bytes_in.iter().sum();
        let beside = self.keys.bytes() - self.keys.len() * size_of::<Key>();
        (self.keys.len() as u64, (self.waiting.bytes() + partnerless + beside) as u64)
    }

    /// Takes an item that the watermark has not passed yet; `false` where no room is left for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        self.waiting.push(event)
    }

    /// Whether there is room for items of so many bytes, whatever their keys.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.waiting.has_room(bytes)
    }

    /// Decides everything up to a watermark, and how many items a bound left no room for.
    pub(crate) fn advance(&mut self, watermark_ns: i64) -> (Vec<Decided>, u64) {
        let events = self.waiting.passed(watermark_ns);
        for event in events {
            self.wake(event.place.time_ns.saturating_sub(1));
            self.take(&event);
        }
        self.wake(watermark_ns);
        self.keys.shrink();
        let said = std::mem::take(&mut self.said);
        (said.decided, said.refused)
    }

    /// Ends what has waited up to a time, in the order of time.
    fn wake(&mut self, now_ns: i64) {
        while let Some((at_ns, hashes)) = self.keys.due(now_ns) {
            for hash in hashes {
                let Some(key) = self.keys.woken(hash, at_ns) else { continue };
                let before = key.bytes();
                key.expire(&self.rule, at_ns, &mut self.said);
                self.bytes_in[shard_of(hash)] -= before - key.bytes();
                self.settle(hash);
            }
        }
    }

    fn take(&mut self, event: &Event) {
        if event.key.iter().any(Value::is_null) {
            return self.take_alone(event);
        }
        let hash = event.key_hash;
        let bytes_in = &mut self.bytes_in[shard_of(hash)];
        let is_known = self.keys.contains(hash);
        let is_full = *bytes_in + item_bytes(&event.slots) > CORRELATE_BYTES_PER_SHARD_MAX
            || (!is_known && self.keys.in_shard_of(hash) >= CORRELATE_KEYS_PER_SHARD_MAX);
        if is_full {
            self.said.refused += 1;
            return;
        }
        if !is_known {
            let key = Key::new(event);
            *bytes_in += key.bytes();
            self.keys.insert(key);
        }
        let Some(key) = self.keys.get_mut(hash) else { return };
        let before = key.bytes();
        key.take(&self.rule, event, &mut self.said);
        *bytes_in = *bytes_in + key.bytes() - before;
        self.settle(hash);
    }

    /// A key that is not there equals none: such an item stays alone, which is known at once.
    fn take_alone(&mut self, event: &Event) {
        let at_ns = event.place.time_ns;
        for (side, outcome) in [(LEFT, Outcome::LeftOnly), (RIGHT, Outcome::RightOnly)] {
            if event.is(side) {
                self.said.alone(outcome, &event.key, Item::new(event), at_ns);
            }
        }
    }

    /// Forgets a key that is idle, else looks at it again at its first deadline.
    fn settle(&mut self, hash: u128) {
        let Some(key) = self.keys.get_mut(hash) else { return };
        if key.is_idle() {
            self.bytes_in[shard_of(hash)] -= key.bytes();
            self.keys.remove(hash);
            return;
        }
        let deadline_ns = key.deadline_ns(&self.rule);
        self.keys.wake_at(hash, deadline_ns);
    }

    /// The rule that it runs.
    pub(crate) fn rule(&self) -> &Arc<CorrelateRule> {
        &self.rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed_events::Place;
    use crate::limits::CORRELATE_ITEMS_PER_KEY_MAX;
    use crate::model::RuleId;
    use crate::plan::PickMode;

    fn correlator() -> Correlator {
        let rule = CorrelateRule {
            key_names: Vec::new(),
            inputs: Vec::new(),
            symbols: Vec::new(),
            slots: 1,
            within_ns: (-1_000, 1_000),
            pick: PickMode::First(1),
            values: Vec::new(),
            others: [1, 2, 3].map(RuleId),
            with_items: [None; 4],
            item_slots: [None; 2],
            hash: 0,
        };
        Correlator::new(&Arc::new(rule), CorrelatorState::default())
    }

    /// Keys are told apart by what is above the bits of the shard.
    fn event(side: u32, key: u128, time_ns: i64, value: Value) -> Event {
        Event {
            rule: RuleId(0),
            place: Place { time_ns, source: 0, seq: time_ns as u64, at: 0, signal: 0 },
            key_hash: key << 64,
            key: vec![Value::Int(key as i64)],
            mask: 1 << side,
            slots: vec![value],
        }
    }

    #[test]
    fn ten_million_keys_grow_nothing_without_bound() {
        let mut correlator = correlator();
        let (mut refused, mut alone) = (0, 0);
        let keys = 20_000;
        for key in 0..keys {
            refused += u64::from(!correlator.push(event(LEFT, key, 5_000, Value::Null)));
            if key % 500 == 499 {
                let (decided, more) = correlator.advance(5_000);
                refused += more;
                assert!(decided.is_empty(), "nothing is decided before its deadline");
            }
            let (keys, bytes) = correlator.held();
            assert!(keys <= u64::from(CORRELATE_KEYS_PER_SHARD_MAX), "{keys} keys");
            let bytes_max = CORRELATE_BYTES_PER_SHARD_MAX + correlator.keys.bytes();
            assert!(bytes <= bytes_max as u64, "{bytes} bytes");
        }
        let (decided, more) = correlator.advance(i64::MAX);
        alone += decided.len() as u64;
        assert_eq!(alone + refused + more, keys as u64, "each is told or counted");
        assert!(alone > 500, "{alone} had room");
        assert_eq!(correlator.held(), (0, 0), "what is over is forgotten");
    }

    #[test]
    fn large_items_are_bounded_by_their_bytes() {
        let mut correlator = correlator();
        let text = Value::str(&"x".repeat(CORRELATE_BYTES_PER_SHARD_MAX / 4));
        let taken = (0..10).filter(|key| correlator.push(event(RIGHT, *key, 7, text.clone())));
        assert_eq!(taken.count(), 10, "they wait for the watermark");
        let (decided, refused) = correlator.advance(7);
        assert_eq!((decided.len(), refused), (0, 7), "and three for a partner");
        let (decided, refused) = correlator.advance(i64::MAX);
        assert_eq!((decided.len(), refused), (3, 0));
        assert!(correlator.push(event(RIGHT, 11, 9_000, text)), "room is given back");
    }

    #[test]
    fn items_of_one_key_are_bounded() {
        let mut correlator = correlator();
        let (mut told, mut refused) = (0, 0);
        for at in 0..CORRELATE_ITEMS_PER_KEY_MAX as i64 + 5 {
            let mut event = event(RIGHT, 1, at / 8, Value::Null);
            event.place.seq = at as u64;
            assert!(correlator.push(event));
            if at % 100 == 99 {
                refused += correlator.advance(at / 8 - 1).1;
            }
        }
        let (decided, more) = correlator.advance(i64::MAX);
        told += decided.len();
        refused += more;
        assert!(decided.iter().all(|decided| decided.outcome == Outcome::RightOnly));
        assert_eq!((told, refused), (CORRELATE_ITEMS_PER_KEY_MAX, 5));
    }
}
