//! Traces as the plan holds them: which spans, when a trace closes, what is read of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::RuleId;
use crate::trace::Structure;

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
    /// Whether any rule reads its rows.
    pub is_read: bool,
    /// Hash of what decides which traces there are and what is kept of them: the identity of the
    /// state.
    pub hash: u64,
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

/// Something that is read of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TraceValue {
    /// A field of every trace.
    Field(TraceField),
    /// The distinct texts of a carried column, sorted.
    Distinct(u32),
    /// How many distinct texts a carried column has.
    DistinctCount(u32),
    /// A value of the root: index among the columns of roots.
    Root(u32),
    /// Whether a structure selects any span.
    Has(Structure),
    /// How many spans a structure selects.
    Count(Structure),
    /// The value in a carried column of the first span that a structure selects and that has one.
    Any(u32, Structure),
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
    SpanCount "span_count" "Number of spans with different ids.";
    ErrorCount "error_count" "Number of spans with the status `error`.";
    Duplicates "duplicates" "Number of spans that repeat the id of an earlier one.";
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
        self.values.iter().any(|(_, value)| value.needs_forest())
    }

    /// Whether the mask of each span is kept, not only that of all spans together.
    pub fn needs_masks(&self) -> bool {
        self.values.iter().any(|(_, value)| match value {
            TraceValue::Has(structure) => !matches!(structure, Structure::Leaf(_)),
            TraceValue::Count(_) | TraceValue::Any(..) => true,
            _ => false,
        })
    }

    /// Whether the duration of each span is kept.
    pub fn needs_durations(&self) -> bool {
        let is_path = |value: &TraceValue| {
            matches!(value, TraceValue::CriticalPath { .. } | TraceValue::CriticalPathDuration(_))
        };
        self.values.iter().any(|(_, value)| is_path(value))
    }

    /// When a trace would close, nanoseconds: its earliest and latest time, whether its root has
    /// come.
    pub fn deadline_ns(&self, first_ns: i64, last_ns: i64, has_root: bool) -> i64 {
        let of = |term: &CloseTerm| {
            let quiet_ns = term.quiet_ns.map_or(i64::MIN, |quiet| last_ns.saturating_add(quiet));
            let age_ns = term.age_ns.map_or(i64::MIN, |age| first_ns.saturating_add(age));
            quiet_ns.max(age_ns)
        };
        let open = self.close.iter().filter(|term| has_root || !term.root);
        open.map(of).min().unwrap_or(i64::MAX)
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
            Self::Count(_) | Self::Any(..) => true,
            Self::CriticalPath { .. } | Self::CriticalPathDuration(_) => true,
            Self::Distinct(_) | Self::DistinctCount(_) | Self::Root(_) => false,
        }
    }
}
