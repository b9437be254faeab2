//! Spans of one frame on their way to the worker of their traces.

use serde::{Deserialize, Serialize};

use crate::model::{RawItems, Row, RuleId, SourceId, Value};
use crate::sampling::Randomness;

/// Columns with one entry a span, in log order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SpanBlock {
    pub(crate) rule: RuleId,
    /// Number of the frame.
    pub(crate) seq: u64,
    /// Rows of the batch.
    pub(crate) rows: Vec<u32>,
    pub(crate) trace_ids: Vec<[u8; 16]>,
    /// Big-endian, so that their order is that of the bytes.
    pub(crate) span_ids: Vec<u64>,
    /// 0 where there is none; empty where places are not asked for.
    pub(crate) parent_ids: Vec<u64>,
    pub(crate) starts_ns: Vec<i64>,
    /// Empty where ends are not asked for.
    pub(crate) durations_ns: Vec<i64>,
    /// The times that the timeline follows; empty where those are the starts.
    pub(crate) times_ns: Vec<i64>,
    /// (entry, the watermark as of the row before it and those that follow), ascending.
    pub(crate) watermarks: Vec<(u32, i64)>,
    /// Empty where no condition is asked about.
    pub(crate) masks: Vec<u64>,
    /// By carried column.
    pub(crate) carried: Vec<Carried>,
    /// Entries of the spans without a parent, ascending.
    pub(crate) roots: Vec<u32>,
    /// What is read of them, one after the other.
    pub(crate) root_values: Vec<Value>,
    /// Spans that may be late, as the rule that takes these reads them: (entry, row), ascending.
    pub(crate) late: Vec<(u32, Row)>,
    /// Where the spans lie as received, where they may be said again; one row an entry.
    pub(crate) raw: Option<RawItems>,
    /// Bytes of that payload, as many as its share of the items has.
    pub(crate) payload_bytes: u64,
    /// Whether none of them has a tracestate, where they may be said again.
    pub(crate) is_stateless: bool,
    pub(crate) source: SourceId,
    /// (entry, explicit randomness) of the spans that state one, ascending.
    pub(crate) randomness: Vec<(u32, Randomness)>,
}

/// A column of values, each once or so.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Carried {
    pub(crate) values: Vec<Value>,
    /// By entry: which of them.
    pub(crate) of: Vec<u32>,
}

impl SpanBlock {
    /// An empty block with room for spans.
    pub(super) fn new(rule: RuleId, seq: u64, carried: usize, room: usize) -> Self {
        Self {
            rule,
            seq,
            rows: Vec::with_capacity(room),
            trace_ids: Vec::with_capacity(room),
            span_ids: Vec::with_capacity(room),
            starts_ns: Vec::with_capacity(room),
            carried: vec![Carried::default(); carried],
            ..Self::default()
        }
    }

    /// The times that spans count at.
    pub(super) fn times_ns(&self) -> &[i64] {
        if self.times_ns.is_empty() { &self.starts_ns } else { &self.times_ns }
    }

    /// The time that a span counts at.
    pub(super) fn time_ns(&self, at: usize) -> i64 {
        self.times_ns()[at]
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}
