//! Evaluation of expressions: one meaning, two ways.
//!
//! [`eval_row`] works on values; [`Evaluator`] on whole columns, with tight loops for what hot
//! filters are made of and the row way for everything else. [`FilterIndex`] asks what many filters
//! have in common once. Property tests hold them equal.

mod compare;
mod index;
mod memo;
mod scalar;
mod vector;

pub use index::{FilterIndex, IndexSummary, Selections};
pub use scalar::eval_row;
pub(crate) use scalar::{compare, eval_with as eval_columns};
pub use vector::Evaluator;
