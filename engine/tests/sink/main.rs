//! Tests of sinks, with real sockets.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod alertmanager;
mod file;
mod grpc;
mod hostile;
mod otlp;
mod pages;
mod push;
mod receiver;
mod sums;
mod support;
mod tls;
