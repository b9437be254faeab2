//! Rule tests: given items, expected rows and alert states. Times count from the test's start.

use super::{Literal, SourceRef};
use crate::text_range::TextRange;

/// A rule test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Items, as written.
    pub given: Vec<Given>,
    /// Expectations, as written.
    pub expect: Vec<Expect>,
    /// The declaration.
    pub range: TextRange,
}

/// One line of `given`: an item, perhaps repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Its time, ns since the test's start: a span's start, any other item's time.
    pub at_ns: i64,
    /// What it is.
    pub kind: GivenKind,
    /// Service name, or the line protocol's `src`.
    pub service: String,
    /// Name of the span, metric or event; body of a log.
    pub name: Option<String>,
    /// Kind of a span, as the enum writes it.
    pub span_kind: Option<String>,
    /// Status of a span or job.
    pub status: Option<String>,
    /// Severity of a log or event.
    pub severity: Option<String>,
    /// Length of a span, ns.
    pub duration_ns: Option<i64>,
    /// Value of a metric or progress.
    pub value: Option<f64>,
    /// Attributes, and fields such as `trace.id`, by key.
    pub attributes: Vec<(String, Literal)>,
    /// How many.
    pub times: u64,
    /// Distance between them, ns.
    pub every_ns: i64,
    /// When the first arrives, ns since the test's start; at its time where `None`.
    pub arrives_ns: Option<i64>,
    /// Its text.
    pub range: TextRange,
}

/// What a given item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GivenKind {
    /// A span.
    Span,
    /// A log record.
    Log,
    /// A metric data point.
    Metric,
    /// An event of the line protocol.
    Event,
    /// Progress of a job.
    Progress,
    /// Resource use.
    Resource,
    /// A heartbeat.
    Heartbeat,
}

/// An expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// Whose rows or transitions; of a sampling what is sampled.
    pub rule: SourceRef,
    /// Nothing may fit, instead of something must.
    pub none: bool,
    /// When.
    pub moment: Option<Moment>,
    /// How many must fit; `None` for at least one.
    pub count: Option<u64>,
    /// Columns or labels with the values that must fit.
    pub values: Vec<(String, Literal)>,
    /// What is expected of the rule.
    pub kind: ExpectKind,
    /// Its text.
    pub range: TextRange,
}

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectKind {
    /// A row.
    Row,
    /// A transition of an alert to this state; any where `None`.
    Alert(Option<AlertState>),
    /// A trace or item that a sampling kept, or dropped. Of the values `line` names a line of it,
    /// `trace.id` one trace.
    Sample {
        /// Which of both.
        is_kept: bool,
    },
}

/// States of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Not firing and not about to.
    Inactive,
    /// Its condition holds, `for` has not passed.
    Pending,
    /// Firing.
    Firing,
    /// No longer firing.
    Resolved,
}

/// When something is expected, ns since the test's start; rows count at their window's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Exactly then.
    At(i64),
    /// Then or earlier.
    By(i64),
    /// Earlier.
    Before(i64),
    /// Later.
    After(i64),
}
