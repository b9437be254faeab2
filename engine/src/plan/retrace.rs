//! Derived traces as the plan holds them: whose spans, by what, under which root.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use crate::model::RuleId;

/// New traces from spans: of a stream, or of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RetraceRule {
    /// The spans as rows: the last two values are spans as they came, or null; of an outcome the
    /// left and the right one.
    pub input: RuleId,
    /// Which rows; columns are those of the row.
    pub filter: Option<Expr>,
    /// Names of the key values.
    pub key_names: Vec<Arc<str>>,
    /// What the spans of a trace have in common; columns are those of the row.
    pub key: Vec<Expr>,
    /// The name of the root span; columns are the key values.
    pub root_name: Expr,
    /// Attributes of the root span; columns are the key values.
    pub root_attributes: Vec<(Arc<str>, Expr)>,
    /// Which traces are kept; all where there are none.
    pub keep: Vec<KeepLine>,
    /// How long after its first row a trace ends, nanoseconds.
    pub flush_ns: i64,
    /// Spans with which it ends before.
    pub flush_spans: u32,
    /// Hash of the rule and what it reads: the identity of its state and of its traces.
    pub hash: u64,
}

/// A line that decides on traces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeepLine {
    /// Bits of the share that is kept, a float from 0 to 1.
    pub share_bits: u64,
    /// Holds for a trace where it holds for one of its rows; `None` holds for all.
    pub when: Option<Expr>,
    /// Whether it decides on traces with an error: these are kept otherwise.
    pub names_errors: bool,
}
