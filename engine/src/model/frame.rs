//! The input log: frames in order. Nothing else reaches the engine.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::limits::SAMPLE_HALVINGS_MAX;

/// One configured input, by its place in the list of sources sorted by name.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SourceId(pub u32);

/// What is known of a source before its first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Its name, unique; sources are ordered by it.
    pub name: Arc<str>,
    /// Whether frames carry an arrival time (live, journal) or none (plain files).
    pub has_arrival: bool,
    /// How columns of plain NDJSON and CSV map to fields and attributes.
    pub mapping: Option<Arc<ColumnMapping>>,
}

/// How the columns of plain NDJSON or CSV map to a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMapping {
    /// The signal of every row.
    pub signal: super::Signal,
    /// (field path or attribute key, column name), in order; a column that is not named here is
    /// an attribute under its own name.
    pub columns: Vec<(Arc<str>, Arc<str>)>,
}

/// How a payload is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadFormat {
    /// One `ExportTraceServiceRequest` in protobuf.
    OtlpTraces,
    /// One `ExportLogsServiceRequest` in protobuf.
    OtlpLogs,
    /// One `ExportMetricsServiceRequest` in protobuf.
    OtlpMetrics,
    /// Protobuf requests of unknown signal, each preceded by its length as big-endian u32, as the
    /// Collector's file exporter writes them.
    OtlpDelimited,
    /// OTLP/JSON requests of any signal, one a line.
    OtlpJson,
    /// The line protocol.
    Lines,
    /// Plain JSON objects, one a line, by the source's mapping.
    Ndjson,
    /// CSV rows by the source's mapping; the payload starts with the header line.
    Csv,
    /// A document of Jaeger's UI API.
    Jaeger,
    /// A list of Zipkin v2 spans.
    Zipkin,
    /// One `ExportTraceServiceRequest` in protobuf, of whose spans a full queue has left one in
    /// 2^halvings.
    OtlpTracesSampled {
        /// How often the number of spans was halved.
        halvings: u8,
    },
}

impl PayloadFormat {
    /// How many items each item of such a payload stands for.
    pub fn stands_for(self) -> u32 {
        match self {
            // A log that was damaged with its checksum may say any number.
            Self::OtlpTracesSampled { halvings } => 1 << halvings.min(SAMPLE_HALVINGS_MAX),
            _ => 1,
        }
    }
}

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Telemetry as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFrame {
    /// Where it came from.
    pub source: SourceId,
    /// When it arrived, nanoseconds since the Unix epoch; plain files have none.
    pub arrival_ns: Option<i64>,
    /// How the payload is encoded.
    pub format: PayloadFormat,
    /// How the payload is compressed.
    pub compression: Compression,
    /// The bytes as received, or as redacted.
    pub payload: Bytes,
    /// For messages: the number of the payload's first line (text) or its byte offset (binary)
    /// in the file.
    pub place: u64,
}

/// One record of the input log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its place in the log, from 0 without gaps.
    pub seq: u64,
    /// What it says.
    pub body: FrameBody,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameBody {
    /// Telemetry.
    Data(DataFrame),
    /// The clock as recorded, nanoseconds since the Unix epoch; moves the watermark past idle
    /// sources.
    Tick(i64),
    /// A source ended (a file's end, a sender's goodbye): it no longer holds the watermark.
    SourceEnd(SourceId),
    /// The log ended: close everything.
    End,
}
