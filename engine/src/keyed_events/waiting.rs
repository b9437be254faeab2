//! Events that wait for the watermark, to be taken in order.

use std::collections::BTreeMap;

use super::{Event, shard_of};
use crate::limits::{EVENTS_WAITING_BYTES_PER_SHARD_MAX, SHARDS};

/// Events wait in buckets of 2^28 ns, about a quarter of a second: finding one is cheap, and only
/// what leaves is sorted.
const BUCKET_BITS: u32 = 28;

/// Events that no watermark has passed.
pub(crate) struct Waiting {
    /// By bucket of time.
    buckets: BTreeMap<i64, Vec<Event>>,
    /// Bytes of all.
    bytes: usize,
    /// Bytes by shard of keys, so that any number of workers meets the same bound.
    in_shard: Vec<u32>,
    /// At least the bytes of the shard in which most waits.
    fullest: u32,
}

impl Waiting {
    /// With the events of a snapshot.
    pub(crate) fn new(restored: Vec<Event>) -> Self {
        let in_shard = vec![0; SHARDS as usize];
        let mut waiting = Self { buckets: BTreeMap::new(), bytes: 0, in_shard, fullest: 0 };
        for event in restored {
            waiting.push(event);
        }
        waiting
    }

    /// Takes an event; `false` where no room is left for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let (bytes, in_shard) = (event.bytes(), &mut self.in_shard[shard_of(event.key_hash)]);
        if *in_shard as usize + bytes > EVENTS_WAITING_BYTES_PER_SHARD_MAX {
            return false;
        }
        *in_shard += bytes as u32;
        self.fullest = self.fullest.max(*in_shard);
        self.bytes += bytes;
        self.buckets.entry(event.place.time_ns >> BUCKET_BITS).or_default().push(event);
        true
    }

    /// Whether there is room for events of so many bytes, whatever their keys. Where there may not
    /// be, they are to come in the order of the log.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.fullest as usize + bytes <= EVENTS_WAITING_BYTES_PER_SHARD_MAX
    }

    /// Bytes of all that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.buckets.values().flatten()
    }

    /// Whether a watermark may have passed any.
    pub(crate) fn is_due(&self, watermark_ns: i64) -> bool {
        let last = watermark_ns >> BUCKET_BITS;
        self.buckets.first_key_value().is_some_and(|(bucket, _)| *bucket <= last)
    }

    /// The events that a watermark has passed, in (time, source, position), then by key; what one
    /// item is to its rule by several inputs is one event.
    pub(crate) fn passed(&mut self, watermark_ns: i64) -> Vec<Event> {
        let mut events = self.split(watermark_ns);
        for event in &events {
            let bytes = event.bytes();
            self.in_shard[shard_of(event.key_hash)] -= bytes as u32;
            self.bytes -= bytes;
        }
        if self.fullest as usize > EVENTS_WAITING_BYTES_PER_SHARD_MAX / 2 {
            self.fullest = self.in_shard.iter().copied().max().unwrap_or(0);
        }
        let order = |event: &Event| (event.place, event.key_hash);
        events.sort_by_key(order);
        events.dedup_by(|next, first| {
            let is_same = order(next) == order(first);
            if is_same {
                let empty = Vec::new();
                let (mask, slots) = (next.mask, std::mem::replace(&mut next.slots, empty));
                first.join(Event { mask, slots, ..next.clone() });
            }
            is_same
        });
        events
    }

    fn split(&mut self, watermark_ns: i64) -> Vec<Event> {
        let last = watermark_ns >> BUCKET_BITS;
        let later = self.buckets.split_off(&last);
        let mut events: Vec<Event> =
            std::mem::replace(&mut self.buckets, later).into_values().flatten().collect();
        if let Some(mut bucket) = self.buckets.first_entry().filter(|entry| *entry.key() == last) {
            let is_passed = |event: &mut Event| event.place.time_ns <= watermark_ns;
            events.extend(bucket.get_mut().extract_if(.., is_passed));
            if bucket.get().is_empty() {
                bucket.remove();
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed_events::Place;
    use crate::model::{RuleId, Value};

    fn event(key_hash: u128, time_ns: i64, text: &Value) -> Event {
        let place = Place { time_ns, source: 0, seq: time_ns as u64, at: 0, signal: 0 };
        let slots = vec![text.clone()];
        Event { rule: RuleId(0), place, key_hash, key: Vec::new(), mask: 1, slots }
    }

    #[test]
    fn events_are_bounded_by_their_bytes_in_a_shard() {
        let text = Value::str(&"x".repeat(EVENTS_WAITING_BYTES_PER_SHARD_MAX / 4));
        let mut waiting = Waiting::new(vec![event(0, 0, &text)]);
        let mut taken = |key| (1..9).filter(|at| waiting.push(event(key, *at, &text))).count();
        assert_eq!((taken(0), taken(1)), (2, 3), "another shard has room of its own");
        assert!(!waiting.has_room(event(2, 9, &text).bytes()), "not surely");
        assert_eq!(waiting.passed(1).len(), 3);
        assert!(waiting.bytes() > EVENTS_WAITING_BYTES_PER_SHARD_MAX / 2, "three wait");
        assert!(waiting.push(event(0, 9_000, &text)), "room is given back");
        assert_eq!(waiting.passed(i64::MAX).len(), 4);
        assert_eq!(waiting.bytes(), 0, "what is over is not counted");
        assert!(waiting.has_room(3 * event(2, 9, &text).bytes()));
    }
}
