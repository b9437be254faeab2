//! Tests of readers and decoders: bytes to columns.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read where the recordings are from the environment"
)]

mod cuts;
mod damage;
mod emit;
mod emit_foreign;
mod flat;
mod formats;
mod generate;
mod log;
mod oracle;
mod order;
mod otlp;
mod otlp_mapping;
mod reader;
mod recordings;
mod support;
mod to_json;
