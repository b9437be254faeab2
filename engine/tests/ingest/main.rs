//! Tests of readers and decoders: bytes to columns.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read where the recordings are from the environment"
)]

mod recordings;
mod support;
