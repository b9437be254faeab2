//! The engine against a naive oracle, under every worker count, cut and restore.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a test may panic, and nobody imports it"
)]

mod alerts;
mod failure;
mod oracle;
mod plans;
mod random;
mod windows;
