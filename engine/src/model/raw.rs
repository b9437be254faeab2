//! Where the items of a batch lie in the payload that they were decoded from.
//!
//! Kept only where a rule may say items again: 12 bytes a row, and the payload as long as the
//! batch lives.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::frame::{ColumnMapping, PayloadFormat};

/// A range of bytes of a payload, which has at most [`crate::limits::MESSAGE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl ByteRange {
    /// A range of a payload.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Number of bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// It as a range of indices.
    pub fn indices(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What stands around items: the messages that hold their resource, their scope and their metric.
/// In text formats a range ends with the payload: the value in it knows its own end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawContext {
    /// `ResourceSpans` and the like; in Jaeger's format the trace.
    pub resource: ByteRange,
    /// `ScopeSpans` and the like.
    pub scope: ByteRange,
    /// `Metric`.
    pub metric: ByteRange,
    /// What these say of all their items, where it was noted while they were read.
    pub heads: Option<RawHeads>,
}

/// Where the heads of groups lie in a payload of OTLP in protobuf; empty where there is none. To
/// find them later is to walk over every item of the groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawHeads {
    /// The resource.
    pub resource: ByteRange,
    /// The URL of its schema.
    pub resource_schema_url: ByteRange,
    /// The scope.
    pub scope: ByteRange,
    /// The URL of its schema.
    pub scope_schema_url: ByteRange,
}

/// Where a row's item lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRow {
    /// The item's bytes.
    pub range: ByteRange,
    /// Index of what stands around it.
    pub context: u32,
}

/// The items of a batch as received.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RawItems {
    /// The payload, decompressed.
    pub payload: Bytes,
    /// How it is encoded.
    pub format: PayloadFormat,
    /// How its columns map to fields, where they do by configuration.
    pub mapping: Option<Arc<ColumnMapping>>,
    /// By row.
    pub rows: Vec<RawRow>,
    /// What stands around them.
    pub contexts: Arc<[RawContext]>,
}
