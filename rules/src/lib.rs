//! Rule files become a plan: loading, the catalogue, lowering.
//!
//! Stands between the language, which knows no telemetry, and the engine, which knows no syntax.

#![forbid(unsafe_code)]

mod catalog;
pub mod explain;
mod lower;
mod packs;
mod unit_test;

pub use catalog::catalog;
pub use lower::{NotYet, lower};
pub use packs::{PACK_PREFIX, PACKS, Pack, pack};
pub use unit_test::{Failure, TEST_ITEMS_MAX, TEST_START_NS, TestResult, run_tests};
