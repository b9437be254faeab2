//! Rule texts through the engine: what a user writes, and what comes out.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test may panic")]

mod asking;
mod changing;
mod correlations;
mod edits;
mod explain;
mod gauges;
mod keys;
mod local_rows;
mod patterns;
mod replay;
mod rows;
mod symbols;
mod tables;
mod traces;
mod unit_tests;
mod ways;
