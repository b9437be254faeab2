//! Rows, alerts and summaries as text.

mod alerts;
mod hint;
pub(crate) mod instant;
pub(crate) mod items;
mod left_open;
pub(crate) mod rows;
mod sampled;
pub(crate) mod summary;
mod table;
pub(crate) mod why;
pub(crate) mod why_trace;

/// How tables look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableStyle {
    /// Whether colour is used.
    pub(crate) is_colored: bool,
    /// Columns to fit into, where there is a terminal.
    pub(crate) width: Option<usize>,
    /// Whether long results are written whole.
    pub(crate) shows_all: bool,
}
