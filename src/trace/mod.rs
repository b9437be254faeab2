//! Whole traces from recordings: spans are gathered by trace id, and read as a forest once all is
//! read.
//!
//! Must not know rules, the dataflow, or how traces are shown.

mod assembled;
mod gather;
mod span;

pub(crate) use assembled::Trace;
pub(crate) use gather::{Gather, Gathered, SPANS_MAX, Wanted};
pub(crate) use span::{Status, TraceId, TraceSpan};
