//! Rule files become a plan: loading, the catalogue, lowering.
//!
//! Stands between the language, which knows no telemetry, and the engine, which knows no syntax.

#![forbid(unsafe_code)]

mod catalog;
mod lower;

pub use catalog::catalog;
pub use lower::{NotYet, lower};
