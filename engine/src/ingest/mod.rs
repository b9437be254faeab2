//! Bytes to columns: readers cut files into frames, decoders turn frames into batches.
//!
//! Invariant: every item of a frame is a row of a batch, counted where no rule reads its signal,
//! or set aside with its place and reason; damage never ends a run. What no rule reads is passed
//! over by its length, and damage inside it is not looked for.
//!
//! Must not know: rules, windows, watermarks, timely.

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
mod lines;
pub mod listen;
mod otlp_json;
mod protobuf;
pub mod reader;
mod table;
mod verify;
mod writer;
mod zipkin;

pub use emit::emit;

pub use decoder::{DecodeReport, Decoder, SenderSeen};
