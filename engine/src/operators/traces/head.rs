//! What is known of an open trace beside its spans.

use super::block::SpanBlock;
use super::spans::NONE;
use crate::sampling::Randomness;

/// An open trace: two cache lines beside each other, as often both are looked at.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Trace {
    pub(super) head: Head,
    pub(super) rest: Rest,
}

/// What each span of an open trace changes: one cache line, as looking at traces in the order in
/// which spans come is waiting for memory.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Head {
    pub(super) id: [u8; 16],
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    pub(super) floor_ns: i64,
    /// As far as they are told apart: caps are far below.
    pub(super) bytes: u32,
    /// A bit for each id of its spans: an id whose bit is not set did not come before.
    pub(super) seen: u32,
    pub(super) newest: u32,
    pub(super) spans: u32,
    /// The newest of the spans as received.
    pub(super) held: u32,
    /// Told apart from the trace that had its place before.
    pub(super) generation: u16,
    pub(super) is_open: bool,
    pub(super) has_root: bool,
}

/// What only some spans of an open trace change.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Rest {
    /// The latest possible where it is the first time of the trace.
    pub(super) start_ns: i64,
    /// The earliest possible where it is the last time of the trace.
    pub(super) end_ns: i64,
    pub(super) mask: u64,
    /// Whether its start and end are not those of its times, as these are of a span that does not
    /// count, too.
    pub(super) is_apart: bool,
    /// Start and id of the root, where one came.
    pub(super) root: (i64, u64),
    /// The bucket that it waits in.
    pub(super) bucket: i64,
    /// Start, id and value of the first span that states one.
    pub(super) randomness: Option<Box<(i64, u64, Randomness)>>,
}

const _: () = assert!(size_of::<Head>() == 64 && size_of::<Rest>() == 64);

impl Head {
    /// A trace without spans.
    pub(super) fn new(id: [u8; 16], time_ns: i64, generation: u16) -> Self {
        Self {
            id,
            first_ns: time_ns,
            last_ns: time_ns,
            floor_ns: i64::MIN,
            bytes: 0,
            seen: 0,
            newest: NONE,
            spans: 0,
            held: NONE,
            generation,
            is_open: true,
            has_root: false,
        }
    }
}

impl Rest {
    /// Adds what a span of a block says to what is known of all of them; its start where the times
    /// of the trace are not its starts.
    pub(super) fn add(&mut self, block: &SpanBlock, at: usize, has_ends: bool) {
        let start_ns = block.starts_ns[at];
        if has_ends {
            self.start_ns = self.start_ns.min(start_ns);
            self.end_ns = self.end_ns.max(start_ns);
        }
        if let Some(duration_ns) = block.durations_ns.get(at) {
            self.end_ns = self.end_ns.max(start_ns.saturating_add(*duration_ns));
        }
        if let Some(mask) = block.masks.get(at).filter(|mask| **mask != 0) {
            self.mask |= mask;
        }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            start_ns: i64::MAX,
            end_ns: i64::MIN,
            mask: 0,
            is_apart: false,
            root: (0, 0),
            bucket: i64::MAX,
            randomness: None,
        }
    }
}
