//! Traces as the plan holds them: which spans, when a trace closes, what is read of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use crate::limits::{TRACE_SPANS_MAX, TRACE_SPANS_PER_SHARD_MAX};
use crate::model::RuleId;
use crate::trace::{NamedStructure, Structure};

/// Traces put together from spans; said as rows, one a trace, to whoever reads them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceRule {
    /// Index of the signal's plan: spans.
    pub signal: u32,
    /// Index of the timeline.
    pub timeline: u32,
    /// Index of the signal's filter, if any.
    pub filter: Option<u32>,
    /// The removal of duplicates that spans pass.
    pub dedupe: Option<u32>,
    /// The rule that takes late spans.
    pub late: Option<RuleId>,
    /// The columns of the batch that every trace needs.
    pub columns: SpanColumns,
    /// A trace closes when the first of these comes.
    pub close: Vec<CloseTerm>,
    /// Spans at which a trace is decided early.
    pub spans_max: u32,
    /// Bytes at which a trace is decided early.
    pub bytes_max: u64,
    /// Conditions over spans, 64 at most: bit `i` of a span's mask says whether filter `i` of the
    /// signal holds; `None` holds always.
    pub leaves: Vec<Option<u32>>,
    /// Columns whose values every span brings along.
    pub carried: Vec<u32>,
    /// Columns whose values only roots bring along.
    pub of_root: Vec<u32>,
    /// (name, what it is) of every value that is read.
    pub values: Vec<(Arc<str>, TraceValue)>,
    /// What is read of several spans of a trace together.
    pub pairs: Vec<SpanExpr>,
    /// Time by operation, where any rule reads it.
    pub operations: Option<OperationsPart>,
    /// Edges of the service graph, where any rule reads them.
    pub edges: Option<EdgesPart>,
    /// Whether any rule reads its rows.
    pub is_read: bool,
    /// Whether its spans may be said again: by a sampling. The column of the tracestate.
    pub sampled: Option<u32>,
    /// Hash of what decides which traces there are and what is kept of them: the identity of the
    /// state.
    pub hash: u64,
}

/// A trace's time by service and name, as rows of a rule of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OperationsPart {
    /// The rule whose rows these are.
    pub rule: RuleId,
    /// Carried column of the service.
    pub service: u32,
    /// Carried column of the name.
    pub name: u32,
    /// Carried column of the kind.
    pub kind: u32,
    /// Bit of the condition that the status is error.
    pub error: u32,
}

/// A trace's edges of the service graph, as rows of a rule of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EdgesPart {
    /// The rule whose rows these are.
    pub rule: RuleId,
    /// Carried column of the service.
    pub service: u32,
    /// Carried column of the kind.
    pub kind: u32,
    /// Carried column of the peer's name.
    pub peer: u32,
    /// Bit of the condition that the status is error.
    pub error: u32,
    /// Bit of the condition that there is an attribute of a database.
    pub database: u32,
}

/// Rows that a closed trace says beside its own; said to their readers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TracePartRule {
    /// The rule of the traces.
    pub of: RuleId,
    /// Which rows.
    pub part: TracePart,
}

/// What a closed trace says beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TracePart {
    /// Its time by service and name.
    Operations,
    /// Which service asked which.
    Edges,
}

impl TracePart {
    /// Columns of its rows: the trace's id and a number that tells the rows of one trace apart,
    /// then values.
    pub fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Operations => &[
                ("trace.id", "Id of the trace, 16 bytes."),
                ("place", "Place among the rows of the trace, from 0."),
                ("service.name", "The service."),
                ("name", "The name of the spans."),
                ("spans", "Number of its spans in the trace."),
                ("errors", "How many of them have the status `error`."),
                ("exclusive", "Time of the critical path in its own spans."),
                ("inclusive", "Time of the critical path in its spans or below them."),
                ("self", "Time of its spans in which no child of theirs ran."),
            ],
            Self::Edges => &[
                ("trace.id", "Id of the trace, 16 bytes."),
                ("place", "Place among the rows of the trace, from 0."),
                ("client", "The service that asked; `user` where nobody in the trace did."),
                ("server", "The service, database or other node that was asked."),
                (
                    "connection",
                    "Empty for a request, else `messaging_system`, `database` or \
                    `virtual_node`.",
                ),
                ("failed", "Whether either end has the status `error`."),
                ("client.duration", "Duration of the calling span, if it was seen."),
                ("server.duration", "Duration of the called span, if it was seen."),
            ],
        }
    }
}

/// An expression over a span and the named spans beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpanExpr {
    /// Over the columns that `reads` lists.
    pub expr: Expr,
    /// (number of the name, or none for the span at hand; carried column).
    pub reads: Vec<(Option<u32>, u32)>,
}

/// What is read of a set of spans whose conditions name spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NamedRead {
    /// Whether there is one.
    Has,
    /// How many there are.
    Count,
    /// The first value that is not null: index among the rule's `pairs`.
    Any(u32),
}

/// Columns of a batch of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpanColumns {
    /// `Column::Ids16`.
    pub trace_id: u32,
    /// `Column::Ids8`.
    pub span_id: u32,
    /// `Column::Ids8`.
    pub parent_id: u32,
    /// `Column::Times`.
    pub start: u32,
    /// `Column::Durations`.
    pub duration: u32,
}

/// What must all have come for a trace to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CloseTerm {
    /// Whether the root must have come.
    pub root: bool,
    /// Time since the latest span, nanoseconds.
    pub quiet_ns: Option<i64>,
    /// Time since the earliest span, nanoseconds.
    pub age_ns: Option<i64>,
}

/// What a key of a question about another rule is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyOf {
    /// Of each span: a carried column.
    Span(u32),
    /// Of the root: index among the columns of roots.
    Root(u32),
}

/// Something that is read of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TraceValue {
    /// A field of every trace.
    Field(TraceField),
    /// The distinct texts of a carried column, sorted.
    Distinct(u32),
    /// How many distinct texts a carried column has.
    DistinctCount(u32),
    /// The distinct values that columns have together in spans, with the root's, sorted, at most
    /// [`SAMPLE_TRACE_KEYS_MAX`](crate::limits::SAMPLE_TRACE_KEYS_MAX): the keys by which a
    /// question about another rule means the trace.
    Keys(Vec<KeyOf>),
    /// A value of the root: index among the columns of roots.
    Root(u32),
    /// Whether a structure selects any span.
    Has(Structure),
    /// How many spans a structure selects.
    Count(Structure),
    /// The value in a carried column of the first span that a structure selects and that has one.
    Any(u32, Structure),
    /// Something about spans that are found with names; null where finding them takes too long.
    Named(NamedRead, NamedStructure),
    /// The critical path as a list of maps: carried columns of service and name, of kind.
    CriticalPath {
        /// Carried column of the service.
        service: u32,
        /// Carried column of the name.
        name: u32,
        /// Carried column of the kind.
        kind: u32,
    },
    /// The length of the critical path: carried column of the kind.
    CriticalPathDuration(u32),
}

macro_rules! fields {
    ($( $variant:ident $path:literal $doc:literal; )*) => {
        /// A field that every trace has.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum TraceField {
            $( #[doc = $doc] $variant, )*
        }

        impl TraceField {
            /// Every field, in a fixed order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The path in the rules language.
            pub fn path(self) -> &'static str {
                match self { $( Self::$variant => $path, )* }
            }

            /// One sentence for users.
            pub fn doc(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }
        }
    };
}

fields! {
    Id "trace.id" "Id of the trace, 16 bytes.";
    Start "start" "The earliest start of its spans.";
    End "end" "The latest end of its spans.";
    Duration "duration" "End minus start.";
    SpanCount "span_count" "Number of spans, without duplicates.";
    ErrorCount "error_count" "Number of spans with the status `error`.";
    Duplicates "duplicates" "Number of spans that repeat the id of an earlier one, and so take part \
        in nothing else.";
    Services "services" "The services of its spans, sorted.";
    ServiceCount "service_count" "Number of different services.";
    Roots "roots" "Number of spans without a parent id.";
    Orphans "orphans" "Number of spans whose parent is not in the trace.";
    Complete "complete" "Whether all spans hang below one root.";
    Depth "depth" "Spans from a root to the deepest span, both counted.";
    Loops "loops" "Number of loops of parents that were broken.";
    Early "early" "Whether a cap closed it before its time.";
    CriticalPath "critical_path" "The stretches of time that made the trace as long as it is: a \
        list of maps with `service`, `name`, `start` and `duration`.";
    CriticalPathDuration "critical_path.duration" "Length of the critical path.";
}

impl TraceRule {
    /// Whether spans must be put in order and under their parents.
    pub fn needs_forest(&self) -> bool {
        let values = self.values.iter().any(|(_, value)| value.needs_forest());
        values || self.operations.is_some() || self.edges.is_some()
    }

    /// Whether the mask of each span is kept, not only that of all spans together.
    pub fn needs_masks(&self) -> bool {
        let parts = self.operations.is_some() || self.edges.is_some();
        parts
            || self.values.iter().any(|(_, value)| match value {
                TraceValue::Has(structure) => !matches!(structure, Structure::Leaf(_)),
                TraceValue::Count(_) | TraceValue::Any(..) | TraceValue::Named(..) => true,
                _ => false,
            })
    }

    /// Whether the critical path is asked for.
    pub fn needs_path(&self) -> bool {
        let is_path = |value: &TraceValue| {
            matches!(value, TraceValue::CriticalPath { .. } | TraceValue::CriticalPathDuration(_))
        };
        self.operations.is_some() || self.values.iter().any(|(_, value)| is_path(value))
    }

    /// Whether the duration of each span is kept.
    pub fn needs_durations(&self) -> bool {
        self.needs_path() || self.edges.is_some()
    }

    /// Whether spans are kept one by one, not only what they come to together.
    pub fn needs_spans(&self) -> bool {
        let counts = |value: &TraceValue| {
            let fields = [TraceField::SpanCount, TraceField::Duplicates];
            matches!(value, TraceValue::Field(field) if fields.contains(field))
        };
        // A span that repeats an earlier one takes part in nothing: to tell it apart its id is
        // needed, which spans that are held as received have.
        let is_told = !self.leaves.is_empty() || !self.of_root.is_empty() || self.needs_ends();
        self.needs_forest()
            || self.needs_masks()
            || !self.carried.is_empty()
            || (self.sampled.is_none() && is_told)
            || self.values.iter().any(|(_, value)| counts(value))
    }

    /// Whether the start or the end of the trace is asked for.
    pub fn needs_ends(&self) -> bool {
        let fields = [TraceField::Start, TraceField::End, TraceField::Duration];
        let is_end = |value: &TraceValue| match value {
            TraceValue::Field(field) => fields.contains(field),
            _ => false,
        };
        self.needs_durations() || self.values.iter().any(|(_, value)| is_end(value))
    }

    /// When a trace would close, nanoseconds: its earliest and latest time, whether its root has
    /// come.
    pub fn deadline_ns(&self, first_ns: i64, last_ns: i64, has_root: bool) -> i64 {
        // A loop: as iterators this took 60 ns, waiting for what their closures had just written.
        let mut deadline_ns = i64::MAX;
        for term in &self.close {
            if has_root || !term.root {
                let quiet_ns =
                    term.quiet_ns.map_or(i64::MIN, |quiet| last_ns.saturating_add(quiet));
                let age_ns = term.age_ns.map_or(i64::MIN, |age| first_ns.saturating_add(age));
                deadline_ns = deadline_ns.min(quiet_ns.max(age_ns));
            }
        }
        deadline_ns
    }

    /// Spans of open traces in one shard: as many beside the largest trace, whatever that is.
    pub fn spans_per_shard_max(&self) -> usize {
        TRACE_SPANS_PER_SHARD_MAX + self.spans_max.saturating_sub(TRACE_SPANS_MAX) as usize
    }

    /// How long after its first time no trace closes, nanoseconds.
    pub fn soonest_ns(&self) -> i64 {
        let of = |term: &CloseTerm| {
            term.quiet_ns.unwrap_or(i64::MIN).max(term.age_ns.unwrap_or(i64::MIN))
        };
        self.close.iter().map(of).min().unwrap_or(i64::MAX)
    }
}

impl TraceValue {
    fn needs_forest(&self) -> bool {
        match self {
            Self::Field(field) => matches!(
                field,
                TraceField::Roots
                    | TraceField::Orphans
                    | TraceField::Complete
                    | TraceField::Depth
                    | TraceField::Loops
            ),
            Self::Has(structure) => !matches!(structure, Structure::Leaf(_)),
            Self::Count(_) | Self::Any(..) | Self::Named(..) => true,
            Self::CriticalPath { .. } | Self::CriticalPathDuration(_) => true,
            Self::Distinct(_) | Self::DistinctCount(_) | Self::Keys(..) | Self::Root(_) => false,
        }
    }
}
