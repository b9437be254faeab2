//! Sampling: what is kept, line by line.

use super::{Expr, SourceRef};
use crate::text_range::TextRange;

/// Traces or items, of which lines keep some; the first line that fits decides.
#[allow(clippy::struct_excessive_bools, reason = "independent clauses, set by name")]
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is sampled.
    pub input: SourceRef,
    /// Whether whole traces are decided.
    pub of_traces: bool,
    /// The lines; the last one has no condition.
    pub lines: Vec<SampleLine>,
    /// Whether log records follow the verdict of their trace.
    pub logs_follow: bool,
    /// Whether traces that are linked by spans share a verdict.
    pub links_together: bool,
    /// Whether all is kept, and verdicts are only told.
    pub is_shadow: bool,
    /// The attribute of kept items that names the line.
    pub mark: Option<String>,
    /// Names of sinks.
    pub to: Vec<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleLine {
    /// Its name, or `line 1`, ….
    pub name: String,
    /// Whether it is only reported and decides nothing.
    pub is_shadow: bool,
    /// What it does with what it fits.
    pub verb: SampleVerb,
    /// What it fits; `None` for `otherwise`.
    pub when: Option<Expr>,
    /// The line in the text.
    pub range: TextRange,
}

/// What a line does.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleVerb {
    /// Keeps nothing.
    Drop,
    /// Keeps a share, 0 to 1.
    Keep(f64),
    /// Keeps no more than so much a second.
    Rate {
        /// Traces, spans or bytes a second.
        per_second: f64,
        /// What is counted.
        measure: SampleMeasure,
        /// Keys, each with a rate of its own.
        by: Vec<Expr>,
    },
    /// Keeps about so much, spread over keys.
    Target {
        /// How much.
        goal: SampleGoal,
        /// What is counted.
        measure: SampleMeasure,
        /// The keys.
        by: Vec<Expr>,
    },
}

/// What a target aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleGoal {
    /// So many a second.
    PerSecond(f64),
    /// Such a share, 0 to 1.
    Share(f64),
}

/// What rates and targets count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleMeasure {
    /// Traces, or items where items are sampled.
    Items,
    /// Spans.
    Spans,
    /// Bytes, as received.
    Bytes,
}

/// Something about another rule at the time of a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleFact {
    /// Whether a pattern had a match that the trace takes part in.
    Matched(SourceRef),
    /// Whether an alert fired for the trace.
    Firing(SourceRef),
    /// Whether a row or an alert had named the trace.
    Named,
}
