//! Items of a batch said again, as OTLP messages in protobuf.
//!
//! What came as OTLP in protobuf leaves as slices of the payload; where little of a payload
//! leaves, that little is copied, so that waiting items pin at most twice their own bytes. What
//! came in another format is written anew, when it leaves and not before.

mod foreign;
mod message;
mod otlp_json;
mod plain;
mod protobuf;
mod references;

use bytes::Bytes;

use crate::ingest::cache_lines::byte_of_each_line;
use crate::model::{Batch, ItemContent, PayloadFormat, RawItems, Signal};

/// The items of some rows; `None` for one that cannot be written as OTLP.
pub fn emit(batch: &Batch, rows: &[u32]) -> Vec<Option<ItemContent>> {
    match &batch.raw {
        Some(raw) => emit_raw(raw, batch.signal, rows),
        None => vec![None; rows.len()],
    }
}

/// The same for items whose batch is gone: places of them among `raw`'s rows.
pub fn emit_raw(raw: &RawItems, signal: Signal, rows: &[u32]) -> Vec<Option<ItemContent>> {
    match raw.format {
        PayloadFormat::OtlpTraces
        | PayloadFormat::OtlpLogs
        | PayloadFormat::OtlpMetrics
        | PayloadFormat::OtlpTracesSampled { .. }
        | PayloadFormat::OtlpDelimited => protobuf::emit(raw, signal, rows),
        PayloadFormat::OtlpJson => otlp_json::emit(raw, signal, rows),
        _ => foreign::emit(raw, signal, rows),
    }
}

/// The same for items of several batches: rows of each. Those that must be read once more are read
/// together, where their formats allow it.
pub fn emit_parts(parts: &[(&RawItems, Vec<u32>)], signal: Signal) -> Vec<Option<ItemContent>> {
    let mut made = Vec::with_capacity(parts.iter().map(|part| part.1.len()).sum());
    read_ahead(parts);
    for alike in parts.chunk_by(|a, b| foreign::reads_together(a.0, b.0)) {
        match alike {
            [] => {}
            [(raw, rows)] => made.extend(emit_raw(raw, signal, rows)),
            _ => made.extend(foreign::emit_together(alike, signal)),
        }
    }
    made
}

/// Reads a byte of each cache line of some items. They came long ago, and one after the other each
/// would wait for memory: half of what writing a kept line cost.
fn read_ahead(parts: &[(&RawItems, Vec<u32>)]) {
    let mut read = 0;
    for (raw, rows) in parts {
        for row in rows {
            let item = &raw.payload[raw.rows[*row as usize].range.indices()];
            read ^= byte_of_each_line(item);
        }
    }
    std::hint::black_box(read);
}

/// Everything around an item, by the context that the rows share; made once for each.
struct Contexts<T> {
    made: Vec<Option<T>>,
}

impl<T> Contexts<T> {
    fn new(raw: &RawItems) -> Self {
        Self { made: raw.contexts.iter().map(|_| None).collect() }
    }

    fn get(&mut self, index: u32, make: impl FnOnce() -> T) -> &T {
        self.made[index as usize].get_or_insert_with(make)
    }

    fn known(&self, index: u32) -> Option<&T> {
        self.made[index as usize].as_ref()
    }
}

/// Bytes that are made for a batch: one buffer, cut when all is there.
#[derive(Default)]
struct Made {
    bytes: Vec<u8>,
}

impl Made {
    fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// Adds bytes; where they will lie.
    fn add(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn finish(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}
