//! Events that wait for the watermark, to be taken in order.

use std::collections::BTreeMap;

use super::Event;

/// Events wait in buckets of 2^28 ns, about a quarter of a second: finding one is cheap, and only
/// what leaves is sorted.
const BUCKET_BITS: u32 = 28;

/// Events that no watermark has passed.
#[derive(Default)]
pub(crate) struct Waiting {
    /// By bucket of time.
    buckets: BTreeMap<i64, Vec<Event>>,
}

impl Waiting {
    pub(crate) fn push(&mut self, event: Event) {
        self.buckets.entry(event.place.time_ns >> BUCKET_BITS).or_default().push(event);
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
    /// item is to its rule by several inputs is one event. `before` sees each before that.
    pub(crate) fn passed(
        &mut self,
        watermark_ns: i64,
        mut before: impl FnMut(&Event),
    ) -> Vec<Event> {
        let mut events = self.split(watermark_ns);
        events.iter().for_each(&mut before);
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
