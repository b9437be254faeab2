//! The fields that every item of a signal has, apart from attributes.

use serde::{Deserialize, Serialize};

use super::signal::Signal;

/// How a field's column is held, and what its values are in the rules language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// `Column::Times`.
    Time,
    /// `Column::Durations`.
    Duration,
    /// `Column::Ids16`.
    TraceId,
    /// `Column::Ids8`.
    SpanId,
    /// `Column::Symbols`: text.
    Text,
    /// `Column::Symbols`: one of the named members.
    Enum(&'static [&'static str]),
    /// `Column::Ints`.
    Int,
    /// `Column::Bools`.
    Bool,
    /// `Column::Cells`: number, histogram or any value.
    Any,
    /// `Column::Cells`: a list of texts or null.
    Texts,
    /// `Column::Cells`: a number or null.
    Number,
    /// `Column::Cells`: a ratio or null.
    Ratio,
}

const KINDS: &[&str] = &["unspecified", "internal", "server", "client", "producer", "consumer"];
/// [`KINDS`], then the same of spans that only follow their parent.
const LINKED_KINDS: &[&str] = &[
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
    "follows unspecified",
    "follows internal",
    "follows server",
    "follows client",
    "follows producer",
    "follows consumer",
];
const STATUSES: &[&str] = &["unset", "ok", "error"];
const SEVERITIES: &[&str] = &["unspecified", "trace", "debug", "info", "warn", "error", "fatal"];
const METRIC_TYPES: &[&str] = &["gauge", "sum", "histogram", "exponential_histogram", "summary"];
const TEMPORALITIES: &[&str] = &["unspecified", "delta", "cumulative"];

macro_rules! fields {
    ($( $variant:ident $path:literal $kind:expr, [$($signal:ident),*], $doc:literal; )*) => {
        /// A field by name; which signals have it says [`Field::signals`].
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Field {
            $( #[doc = $doc] $variant, )*
        }

        impl Field {
            /// Every field, in a fixed order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The path in the rules language.
            pub fn path(self) -> &'static str {
                match self { $( Self::$variant => $path, )* }
            }

            /// Storage and meaning.
            pub fn kind(self) -> FieldKind {
                match self { $( Self::$variant => $kind, )* }
            }

            /// The signals that have the field.
            pub fn signals(self) -> &'static [Signal] {
                match self { $( Self::$variant => &[$(Signal::$signal),*], )* }
            }

            /// One sentence for users.
            pub fn doc(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }
        }
    };
}

fields! {
    TraceId "trace.id" FieldKind::TraceId, [Spans, SpanEvents, Logs, Events],
        "Id of the trace, 16 bytes.";
    SpanId "span.id" FieldKind::SpanId, [Spans, SpanEvents, Logs, Events],
        "Id of the span, 8 bytes.";
    ParentId "parent.id" FieldKind::SpanId, [Spans], "Id of the parent span; null for a root.";
    Name "name" FieldKind::Text, [Spans, SpanEvents, Metrics, Events],
        "Name of the span, span event or metric.";
    SpanName "span.name" FieldKind::Text, [SpanEvents], "Name of the span that holds the event.";
    Kind "kind" FieldKind::Enum(KINDS), [Spans], "Kind of the span.";
    Status "status" FieldKind::Enum(STATUSES), [Spans], "Status of the span.";
    StatusMessage "status.message" FieldKind::Text, [Spans], "Message of the span's status.";
    Start "start" FieldKind::Time, [Spans, Metrics],
        "Start of the span, or of the time that a data point covers.";
    End "end" FieldKind::Time, [Spans], "End of the span; never before its start.";
    Duration "duration" FieldKind::Duration, [Spans],
        "End minus start; 0 where the end lies before the start.";
    TraceState "trace.state" FieldKind::Text, [Spans], "W3C tracestate.";
    Sampled "trace.sampled" FieldKind::Bool, [Spans],
        "Whether the flag `sampled` of W3C trace context is set.";
    EventCount "event_count" FieldKind::Int, [Spans], "Number of events on the span.";
    LinkCount "link_count" FieldKind::Int, [Spans], "Number of links of the span.";
    EventNames "event.names" FieldKind::Texts, [Spans], "Names of the events on the span; null without any.";
    LinkTraceIds "link.trace_ids" FieldKind::Texts, [Spans],
        "Ids of the traces that the span links to, in hex digits; null without any.";
    Time "time" FieldKind::Time,
        [SpanEvents, Logs, Metrics, Events, Progress, Resources, Heartbeats],
        "When it happened: of a span its end, of a log without a time when it was observed.";
    ObservedTime "observed_time" FieldKind::Time, [Logs], "When the log record was observed.";
    Severity "severity" FieldKind::Enum(SEVERITIES), [Logs, Events],
        "Severity of the log record, by its number's range; ordered.";
    SeverityNumber "severity.number" FieldKind::Int, [Logs, Events],
        "Severity as OpenTelemetry's number, 0 to 24.";
    SeverityText "severity.text" FieldKind::Text, [Logs, Events], "Severity as the sender wrote it.";
    Body "body" FieldKind::Any, [Logs, Events], "Body of the log record.";
    EventName "event.name" FieldKind::Text, [Logs], "Event name of the log record.";
    Unit "unit" FieldKind::Text, [Metrics], "Unit of the metric, UCUM.";
    MetricType "type" FieldKind::Enum(METRIC_TYPES), [Metrics], "Type of the metric.";
    Temporality "temporality" FieldKind::Enum(TEMPORALITIES), [Metrics],
        "Whether a data point covers the time since the last one or since the start.";
    Series "series" FieldKind::Int, [Metrics],
        "Identity of the data point's series: a hash of the attributes of resource, scope and point.";
    Monotonic "monotonic" FieldKind::Bool, [Metrics], "Whether a sum only grows.";
    MetricValue "value" FieldKind::Any, [Metrics],
        "A number, or the distribution of a histogram or summary point.";
    JobId "job_id" FieldKind::Text, [Progress], "Id of the job.";
    Percent "percent" FieldKind::Number, [Progress], "Progress of the job, 0 to 100.";
    JobStatus "job.status" FieldKind::Text, [Progress], "State of the job.";
    Cpu "cpu" FieldKind::Number, [Resources], "CPU use.";
    Memory "mem" FieldKind::Number, [Resources], "Memory use.";
    Disk "disk" FieldKind::Number, [Resources], "Disk use.";
    Network "net" FieldKind::Number, [Resources], "Network use.";
    ScopeName "scope.name" FieldKind::Text, [Spans, SpanEvents, Logs, Metrics],
        "Name of the instrumentation scope.";
    ScopeVersion "scope.version" FieldKind::Text, [Spans, SpanEvents, Logs, Metrics],
        "Version of the instrumentation scope.";
    Source "source" FieldKind::Text,
        [Spans, SpanEvents, Logs, Metrics, Events, Progress, Resources, Heartbeats],
        "Name of the configured input; for the line protocol, its `src`.";
    LinkedKind "" FieldKind::Enum(LINKED_KINDS), [Spans],
        "Kind of the span, and whether it only follows its parent (`FOLLOWS_FROM` of Jaeger). Only \
         what puts traces together reads it: it has no path.";
}

impl Field {
    /// Whether items of this signal have the field.
    pub fn is_of(self, signal: Signal) -> bool {
        self.signals().contains(&signal)
    }

    /// Whether rules may name it.
    pub fn has_path(self) -> bool {
        !self.path().is_empty()
    }

    /// The field of a signal by its path in the rules language.
    pub fn by_path(signal: Signal, path: &str) -> Option<Self> {
        // A span's time is its end, and needs no column of its own.
        let path = if signal == Signal::Spans && path == "time" { "end" } else { path };
        let is_it = |field: &Self| field.path() == path && field.is_of(signal);
        Self::ALL.iter().copied().filter(|field| field.has_path()).find(is_it)
    }
}
