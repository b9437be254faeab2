//! Tests of receivers: real sockets, in one process.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by a panic, and measures how long senders are kept waiting"
)]

mod edges;
mod grpc;
mod grpc_frames;
mod hostile;
mod http;
mod lines;
mod policies;
mod rates;
mod support;
mod tls;
