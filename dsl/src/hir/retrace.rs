//! Derived traces: spans put together anew, from a stream or from a correlation.

use super::{Binding, Expr, SourceRef};

/// New traces from spans, one a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrace {
    /// Spans, or the outcome of a correlation whose spans it takes.
    pub input: SourceRef,
    /// Which of its spans or rows.
    pub filter: Option<Expr>,
    /// What the spans of a trace have in common.
    pub by: Vec<Binding>,
    /// Name of the root span; sees keys as `FieldRef::Item`.
    pub root_name: Option<Expr>,
    /// Attributes of the root span; they see what its name sees.
    pub root: Vec<Binding>,
    /// Which traces are kept; the first line that holds decides, and the last one always does.
    pub keep: Vec<Keep>,
    /// How long after its first row a trace ends, ns.
    pub flush_ns: i64,
    /// Spans with which it ends before.
    pub flush_spans: u64,
    /// Names of sinks.
    pub to: Vec<String>,
}

/// A line of `keep`.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// The share that is kept, 0 to 1.
    pub share: f64,
    /// Over the spans or the rows of the outcome: it holds for a trace if it does for any of them.
    pub when: Option<Expr>,
    /// Whether it names errors, and so decides on traces with one.
    pub names_errors: bool,
}
