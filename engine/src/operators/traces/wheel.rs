//! Deadlines in buckets of event time. A deadline that moves leaves its old entry behind, which is
//! recognised when its bucket comes.

use std::collections::{BTreeMap, VecDeque};

/// Width of a bucket: 2^26 ns, 67 ms.
const BUCKET_BITS: u32 = 26;

/// Buckets from the present one on that lie side by side: 4.6 min.
const NEAR: usize = 4_096;

/// A place, told apart from those before it by a generation.
type Place = (u32, u16);

/// Who waits for what.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The first of the near buckets; none is near before the first time is known.
    base: i64,
    near: VecDeque<Vec<Place>>,
    /// All others.
    far: BTreeMap<i64, Vec<Place>>,
}

/// The bucket of a time.
pub(super) fn bucket_of(deadline_ns: i64) -> i64 {
    deadline_ns >> BUCKET_BITS
}

impl Default for Wheel {
    fn default() -> Self {
        Self { base: i64::MIN, near: VecDeque::new(), far: BTreeMap::new() }
    }
}

impl Wheel {
    /// Lets a place wait.
    pub(super) fn wait(&mut self, bucket: i64, place: Place) {
        let slot = bucket.checked_sub(self.base).and_then(|slot| usize::try_from(slot).ok());
        let Some(slot) = slot.filter(|slot| *slot < NEAR) else {
            self.far.entry(bucket).or_default().push(place);
            return;
        };
        if slot >= self.near.len() {
            self.near.resize_with(slot + 1, Vec::new);
        }
        self.near[slot].push(place);
    }

    /// Takes the next bucket that has begun at a time.
    pub(super) fn next(&mut self, now_ns: i64) -> Option<(i64, Vec<Place>)> {
        let now = bucket_of(now_ns);
        while self.base < now && self.near.pop_front_if(|first| first.is_empty()).is_some() {
            self.base += 1;
        }
        if self.near.is_empty() {
            self.base = self.base.max(now);
        }
        let is_due = |bucket: &i64| *bucket <= now;
        let near = self.near.front_mut().filter(|own| self.base <= now && !own.is_empty());
        let far = self.far.first_key_value().map(|own| *own.0).filter(is_due);
        match (near, far) {
            (Some(near), None) => Some((self.base, std::mem::take(near))),
            (Some(near), Some(far)) if self.base < far => Some((self.base, std::mem::take(near))),
            (Some(near), Some(far)) if self.base == far => {
                let (bucket, mut places) = self.far.pop_first()?;
                places.append(near);
                Some((bucket, places))
            }
            (_, Some(_)) => self.far.pop_first(),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{BUCKET_BITS, NEAR, Wheel};

    #[test]
    fn buckets_come_in_order_and_whole_however_far_they_were() {
        let (mut wheel, mut all) = (Wheel::default(), BTreeMap::<i64, Vec<(u32, u16)>>::new());
        let mut seed = 7_u64;
        let mut random = |below: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as i64 % below
        };
        let mut now = 1 << 30;
        for step in 0..3_000_u32 {
            for n in 0..random(20) as u16 {
                let ahead = [5, 900, NEAR as i64 + 50, 1 << 30][random(4) as usize];
                let bucket = now - 3 + random(ahead);
                wheel.wait(bucket, (step, n));
                all.entry(bucket).or_default().push((step, n));
            }
            now += [0, 1, 40, NEAR as i64 * 2][random(4) as usize];
            while let Some(found) = wheel.next(now << BUCKET_BITS) {
                assert_eq!(Some(found), all.pop_first());
            }
            assert!(all.first_key_value().is_none_or(|next| *next.0 > now));
        }
    }
}
