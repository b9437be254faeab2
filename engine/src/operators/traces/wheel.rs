//! Deadlines in buckets of event time. A deadline that moves leaves its old entry behind, which is
//! recognised when its bucket comes.

use std::collections::BTreeMap;

/// Width of a bucket: 2^26 ns, 67 ms.
const BUCKET_BITS: u32 = 26;

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    buckets: BTreeMap<i64, Vec<(u32, u16)>>,
}

/// The bucket of a time.
pub(super) fn bucket_of(deadline_ns: i64) -> i64 {
    deadline_ns >> BUCKET_BITS
}

/// The first time of a bucket.
pub(super) fn begin_of(bucket: i64) -> i64 {
    bucket << BUCKET_BITS
}

impl Wheel {
    /// Lets a place wait, told apart from those before it by a generation.
    pub(super) fn wait(&mut self, bucket: i64, place: (u32, u16)) {
        self.buckets.entry(bucket).or_default().push(place);
    }

    /// Takes the next bucket that has begun at a time.
    pub(super) fn next(&mut self, now_ns: i64) -> Option<(i64, Vec<(u32, u16)>)> {
        let first = *self.buckets.first_key_value()?.0;
        if first > bucket_of(now_ns) { None } else { self.buckets.pop_first() }
    }
}
