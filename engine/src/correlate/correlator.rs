//! All keys of one correlation on one worker: items wait for the watermark, deadlines come by it.
//!
//! Invariant: what is decided depends on items and watermarks alone, not on when they were handed
//! in. Bounds are by shard, so that another number of workers meets the same ones.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::key::{Decided, Item, Key, Outcome, Said, item_bytes};
use crate::keyed_events::{
    Event, Keyed, KeysState, WAKE_BYTES, Waiting, Wakes, shard_of, shrink, table_bytes,
};
use crate::limits::{CORRELATE_BYTES_PER_SHARD_MAX, CORRELATE_KEYS_PER_SHARD_MAX, SHARDS};
use crate::model::Value;
use crate::plan::{CorrelateRule, LEFT, RIGHT};

/// What a snapshot holds of a correlation.
pub(crate) type CorrelatorState = KeysState<Key>;

impl Keyed for Key {
    fn hash(&self) -> u128 {
        self.hash
    }
}

/// What one shard of keys holds.
#[derive(Clone, Copy, Default)]
struct Shard {
    keys: u32,
    /// Of items that wait for the watermark or for a partner.
    bytes: usize,
}

/// One correlation on one worker.
pub(crate) struct Correlator {
    rule: Arc<CorrelateRule>,
    keys: HashMap<u128, Key, FixedState>,
    /// Items that wait for the watermark.
    waiting: Waiting,
    wakes: Wakes,
    shards: Vec<Shard>,
    said: Said,
}

impl Correlator {
    pub(crate) fn new(rule: &Arc<CorrelateRule>, restored: CorrelatorState) -> Self {
        let mut correlator = Self {
            rule: Arc::clone(rule),
            keys: HashMap::with_hasher(FixedState::with_seed(3)),
            waiting: Waiting::default(),
            wakes: Wakes::default(),
            shards: vec![Shard::default(); SHARDS as usize],
            said: Said::default(),
        };
        for key in restored.keys {
            let shard = &mut correlator.shards[shard_of(key.hash)];
            shard.keys += 1;
            shard.bytes += key.bytes();
            correlator.wakes.add(key.wake_ns, key.hash);
            correlator.keys.insert(key.hash, key);
        }
        for event in restored.waiting {
            correlator.shards[shard_of(event.key_hash)].bytes += event.bytes();
            correlator.waiting.push(event);
        }
        correlator
    }

    pub(crate) fn state(&self, rows: u64) -> CorrelatorState {
        CorrelatorState::of(self.keys.values(), &self.waiting, rows)
    }

    /// Keys with waiting items, and about the bytes of all that waits.
    pub(crate) fn held(&self) -> (u64, u64) {
        let waiting: usize = self.shards.iter().map(|shard| shard.bytes).sum();
        let free = table_bytes(&self.keys) - self.keys.len() * size_of::<Key>();
        (self.keys.len() as u64, (waiting + free + self.keys.len() * WAKE_BYTES) as u64)
    }

    /// Takes an item that the watermark has not passed yet; `false` where no room is left for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let shard = &mut self.shards[shard_of(event.key_hash)];
        let bytes = shard.bytes + event.bytes();
        if bytes > CORRELATE_BYTES_PER_SHARD_MAX {
            return false;
        }
        shard.bytes = bytes;
        self.waiting.push(event);
        true
    }

    /// Decides everything up to a watermark, and how many items a bound left no room for.
    pub(crate) fn advance(&mut self, watermark_ns: i64) -> (Vec<Decided>, u64) {
        let shards = &mut self.shards;
        let events = self.waiting.passed(watermark_ns, |event| {
            shards[shard_of(event.key_hash)].bytes -= event.bytes();
        });
        for event in events {
            self.wake(event.place.time_ns.saturating_sub(1));
            self.take(&event);
        }
        self.wake(watermark_ns);
        shrink(&mut self.keys);
        let said = std::mem::take(&mut self.said);
        (said.decided, said.refused)
    }

    /// Ends what has waited up to a time, in the order of time.
    fn wake(&mut self, now_ns: i64) {
        while let Some((at_ns, hashes)) = self.wakes.pop(now_ns) {
            for hash in hashes {
                let Some(key) = self.keys.get_mut(&hash) else { continue };
                if key.wake_ns == at_ns {
                    let before = key.bytes();
                    key.wake_ns = i64::MAX;
                    key.expire(&self.rule, at_ns, &mut self.said);
                    self.shards[shard_of(hash)].bytes -= before - key.bytes();
                    self.settle(hash);
                }
            }
        }
    }

    fn take(&mut self, event: &Event) {
        if event.key.iter().any(Value::is_null) {
            return self.take_alone(event);
        }
        let hash = event.key_hash;
        let shard = &mut self.shards[shard_of(hash)];
        let is_known = self.keys.contains_key(&hash);
        let is_full = shard.bytes + item_bytes(&event.slots) > CORRELATE_BYTES_PER_SHARD_MAX
            || (!is_known && shard.keys >= CORRELATE_KEYS_PER_SHARD_MAX);
        if is_full {
            self.said.refused += 1;
            return;
        }
        let (key, before) = if is_known {
            let Some(key) = self.keys.get_mut(&hash) else { return };
            let before = key.bytes();
            (key, before)
        } else {
            shard.keys += 1;
            (self.keys.entry(hash).or_insert_with(|| Key::new(event)), 0)
        };
        key.take(&self.rule, event, &mut self.said);
        shard.bytes += key.bytes() - before;
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
        let Some(key) = self.keys.get_mut(&hash) else { return };
        if key.is_idle() {
            let shard = &mut self.shards[shard_of(hash)];
            shard.bytes -= key.bytes();
            shard.keys -= 1;
            self.keys.remove(&hash);
            return;
        }
        let deadline_ns = key.deadline_ns(&self.rule);
        if deadline_ns < key.wake_ns {
            key.wake_ns = deadline_ns;
            self.wakes.add(deadline_ns, hash);
        }
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
            let (items, tables) = (CORRELATE_BYTES_PER_SHARD_MAX, table_bytes(&correlator.keys));
            let beside = tables + keys as usize * WAKE_BYTES;
            assert!(bytes <= (items + beside) as u64, "{bytes} bytes");
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
        assert_eq!(taken.count(), 3);
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
