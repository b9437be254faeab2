//! Bytes to columns: readers cut files into frames, decoders turn frames into batches.
//!
//! Invariant: every item of a frame is a row of a batch, counted where no rule reads its signal,
//! or set aside with its place and reason; damage never ends a run. What no rule reads is passed
//! over by its length, and damage inside it is not looked for.
//!
//! Must not know: rules, windows, watermarks, timely.

mod cache_lines;
mod damage;
mod decoder;
mod emit;
mod flat;
mod hex;
mod inflate;
mod item;
mod jaeger;
mod json;
mod layout;
mod line_run;
mod lines;
pub mod listen;
mod otlp_json;
mod protobuf;
pub mod reader;
mod table;
mod verify;
mod writer;
mod zipkin;

pub use emit::{emit, emit_parts, emit_raw};

pub use decoder::{DecodeReport, Decoder, SenderSeen};

pub(crate) use flat::{Column, Columns};

use crate::model::{PayloadFormat, SourceSpec};

/// The columns of a source of plain rows that are fields; all others are attributes.
pub(crate) fn field_columns(source: &SourceSpec) -> Vec<Vec<u8>> {
    flat::field_columns(source.mapping.as_deref())
}

/// What the columns of a source of plain rows stand for; all others are attributes of their names.
pub(crate) fn known_columns(source: &SourceSpec) -> Columns {
    flat::known_columns(source.mapping.as_deref())
}

/// What the members of a line's `data` stand for, by the type of the line.
pub(crate) fn known_members(kind: &[u8]) -> &'static [(Vec<u8>, Column)] {
    lines::known_members(kind)
}

/// Whether a member of a line's `data` has a meaning of its own in some type of line.
pub(crate) fn is_line_field(name: &[u8]) -> bool {
    lines::is_field(name)
}

/// The bytes of a text in base64, of whichever alphabet, padded or not; `None` where it is none.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    otlp_json::base64_bytes(text)
}

/// The signal of a protobuf request, by its first item; `None` if it is none.
pub(crate) fn signal_of_request(payload: &[u8]) -> Option<PayloadFormat> {
    protobuf::signal_of_payload(payload)
}
