//! A trace as a snapshot holds it.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::spans::SpanState;
use crate::model::{ItemContent, ItemKey, Value};
use crate::sampling::{DecisionsState, Randomness};

/// An open trace, or one that has closed and is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum TraceState {
    /// With all that is kept of it.
    Open(Box<OpenTrace>),
    /// Its id, and when it was decided.
    Closed([u8; 16], i64),
    /// Verdicts of a sampling in one shard, by the hash of the sampling.
    Verdicts(u64, u64, DecisionsState),
}

/// An open trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenTrace {
    pub(super) id: [u8; 16],
    /// Times as the timeline counts them: the earliest and the latest.
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    /// The earliest start and the latest end.
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    /// The watermark as of the row before its latest.
    pub(super) floor_ns: i64,
    pub(super) mask: u64,
    pub(super) bytes: u32,
    /// Whether start and end are not those of the times.
    pub(super) is_apart: bool,
    /// Start, id and values of the first root.
    pub(super) root: Option<(i64, u64, Vec<Value>)>,
    pub(super) span_count: u32,
    /// Empty where they are not kept one by one.
    pub(super) spans: Vec<SpanState>,
    /// As they will leave, where they may.
    pub(super) held: Vec<(ItemKey, ItemContent)>,
    pub(super) randomness: Option<(i64, u64, Randomness)>,
}

/// What decides the shard of a trace.
pub(super) fn shard_key(id: &[u8; 16]) -> u64 {
    xxh3_64(id)
}

impl TraceState {
    /// What decides on which worker it lives.
    pub(super) fn shard_key(&self) -> u128 {
        let id = match self {
            Self::Open(trace) => &trace.id,
            Self::Closed(id, _) => id,
            Self::Verdicts(_, shard, _) => return u128::from(*shard),
        };
        u128::from(shard_key(id))
    }
}
