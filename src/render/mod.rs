//! Rows and summaries as text.

pub mod rows;
pub mod summary;
mod table;
