//! Spans of one block as received: where they lie in the payload, and their places in the log.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::{
    ByteRange, ColumnMapping, ItemKey, PayloadFormat, RawContext, RawItems, RawRow, SourceId,
};
use crate::operators::traces::block::SpanBlock;

/// Spans of one block: where they lie in the payload, and their places in the log.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) payload: Bytes,
    pub(super) format: PayloadFormat,
    pub(super) mapping: Option<Arc<ColumnMapping>>,
    pub(super) contexts: Arc<[RawContext]>,
    pub(super) ranges: Ranges,
    /// Empty where all have the first context.
    pub(super) context_of: Vec<u32>,
    pub(super) seq: u64,
    pub(super) source: SourceId,
    pub(super) rows: Rows,
    pub(super) times: Times,
    /// Empty where they are read in the payload: spans in protobuf.
    pub(super) span_ids: Vec<u64>,
    pub(super) is_stateless: bool,
}

/// Where spans lie in their payload; most are short.
#[derive(Debug)]
pub(super) enum Ranges {
    /// Starts, and lengths.
    Short(Vec<u32>, Vec<u16>),
    Long(Vec<ByteRange>),
}

/// Rows of a batch; most batches have few.
#[derive(Debug)]
pub(super) enum Rows {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// Times of spans; those of a block mostly lie near each other.
#[derive(Debug)]
pub(super) enum Times {
    /// The earliest, and how much later each is.
    Near(i64, Vec<u32>),
    Far(Vec<i64>),
}

impl Ranges {
    pub(super) fn new(rows: &[RawRow]) -> Self {
        let ranges = rows.iter().map(|row| row.range);
        if rows.iter().any(|row| row.range.len() > usize::from(u16::MAX)) {
            return Self::Long(ranges.collect());
        }
        let lengths = ranges.clone().map(|range| range.len() as u16).collect();
        Self::Short(ranges.map(|range| range.start).collect(), lengths)
    }

    pub(super) fn at(&self, at: usize) -> ByteRange {
        match self {
            Self::Short(starts, lengths) => {
                ByteRange { start: starts[at], end: starts[at] + u32::from(lengths[at]) }
            }
            Self::Long(ranges) => ranges[at],
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Short(starts, _) => starts.len(),
            Self::Long(ranges) => ranges.len(),
        }
    }

    /// Bytes of one.
    pub(super) fn bytes_at(&self, at: usize) -> u64 {
        match self {
            Self::Short(_, lengths) => lengths[at].into(),
            Self::Long(ranges) => ranges[at].len() as u64,
        }
    }

    /// Bytes that all of them take here.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Short(starts, _) => starts.len() * 6,
            Self::Long(ranges) => ranges.len() * size_of::<ByteRange>(),
        }
    }
}

impl Rows {
    pub(super) fn new(rows: &[u32]) -> Self {
        // They ascend.
        match rows.last() {
            Some(&last) if last > u32::from(u16::MAX) => Self::Long(rows.to_vec()),
            _ => Self::Short(rows.iter().map(|row| *row as u16).collect()),
        }
    }

    pub(super) fn at(&self, at: usize) -> u32 {
        match self {
            Self::Short(rows) => rows[at].into(),
            Self::Long(rows) => rows[at],
        }
    }
}

impl Times {
    pub(super) fn new(times: &[i64]) -> Self {
        let earliest_ns = times.iter().copied().min().unwrap_or(0);
        let latest_ns = times.iter().copied().max().unwrap_or(0);
        match latest_ns.checked_sub(earliest_ns) {
            Some(span_ns) if span_ns <= i64::from(u32::MAX) => {
                let later = times.iter().map(|time| (*time - earliest_ns) as u32);
                Self::Near(earliest_ns, later.collect())
            }
            _ => Self::Far(times.to_vec()),
        }
    }

    pub(super) fn at(&self, at: usize) -> i64 {
        match self {
            Self::Near(earliest_ns, later) => earliest_ns + i64::from(later[at]),
            Self::Far(times) => times[at],
        }
    }
}

/// Whether items of a format are spans as they leave.
fn is_protobuf(format: PayloadFormat) -> bool {
    matches!(
        format,
        PayloadFormat::OtlpTraces
            | PayloadFormat::OtlpTracesSampled { .. }
            | PayloadFormat::OtlpDelimited
    )
}

impl Received {
    pub(super) fn new(block: &SpanBlock, raw: RawItems) -> Self {
        let has_contexts = raw.rows.iter().any(|row| row.context != 0);
        let context_of = raw.rows.iter().filter(|_| has_contexts).map(|row| row.context).collect();
        let span_ids = if is_protobuf(raw.format) { Vec::new() } else { block.span_ids.clone() };
        Self {
            ranges: Ranges::new(&raw.rows),
            context_of,
            payload: raw.payload,
            format: raw.format,
            mapping: raw.mapping,
            contexts: raw.contexts,
            seq: block.seq,
            source: block.source,
            rows: Rows::new(&block.rows),
            times: Times::new(block.times_ns()),
            span_ids,
            is_stateless: block.is_stateless,
        }
    }

    /// The id of one; 0 where it has none.
    pub(super) fn span_id(&self, at: usize) -> u64 {
        match self.span_ids.get(at) {
            Some(id) => *id,
            None => super::span_id(&self.payload[self.ranges.at(at).indices()]),
        }
    }

    /// Some of the spans, for whoever writes them.
    pub(super) fn some(&self, places: impl Iterator<Item = usize>) -> RawItems {
        let row = |at: usize| RawRow {
            range: self.ranges.at(at),
            context: self.context_of.get(at).copied().unwrap_or(0),
        };
        RawItems {
            payload: self.payload.clone(),
            format: self.format,
            mapping: self.mapping.clone(),
            rows: places.map(row).collect(),
            contexts: Arc::clone(&self.contexts),
        }
    }

    pub(super) fn spans(&self) -> usize {
        self.ranges.count()
    }

    pub(super) fn key(&self, at: usize) -> ItemKey {
        let (frame_seq, source) = (self.seq, self.source);
        ItemKey { frame_seq, row: self.rows.at(at), time_ns: self.times.at(at), source }
    }
}
