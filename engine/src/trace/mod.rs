//! What can be said of one assembled trace: its forest, structure, critical path and edges.
//!
//! Everything here is a pure function of the spans of one trace, given in the order of (start,
//! span id); spans are named by their place in that order. Nothing recurses over spans: a chain of
//! a million of them is as good as any other trace. Buffers are kept between traces.
//!
//! Knows the model and bounds only; must not know how spans are gathered, when a trace closes, or
//! the dataflow.

mod bindings;
mod critical_path;
mod edges;
mod forest;
mod operation;
mod span_set;
mod structure;

pub use bindings::{Assignment, NamedStructure, Search};
pub use critical_path::{CriticalPath, PathSpans, Segment};
pub use edges::{Connection, Edge, EdgeSpan, Edges, End, PEER_ATTRIBUTES, is_database_attribute};
pub use forest::{Forest, Role};
pub use operation::{OperationTime, OperationTimes};
pub use span_set::SpanSet;
pub use structure::{Relation, Structure, StructureOp, Structures};

/// The kind of a span, as OpenTelemetry has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Work inside a service.
    Internal,
    /// The serving side of a request.
    Server,
    /// The asking side of a request.
    Client,
    /// A message is sent.
    Producer,
    /// A message is taken.
    Consumer,
}

impl SpanKind {
    /// The kind by its place among the members of the field `kind`; a place that none has is
    /// [`SpanKind::Unspecified`].
    pub fn of_member(index: usize) -> Self {
        match index {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }

    /// Its name in the rules language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// The kind by its name in the rules language; any other text is [`SpanKind::Unspecified`].
    pub fn of_name(name: &str) -> Self {
        match name {
            "internal" => Self::Internal,
            "server" => Self::Server,
            "client" => Self::Client,
            "producer" => Self::Producer,
            "consumer" => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

/// A span's kind, and whether its parent waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LinkedKind {
    /// The kind.
    pub kind: SpanKind,
    /// Whether it only follows its parent: a `FOLLOWS_FROM` of Jaeger.
    pub follows: bool,
}

impl LinkedKind {
    /// By its name among the members of [`crate::model::Field::LinkedKind`].
    pub fn of_name(name: &str) -> Self {
        let follower = name.strip_prefix("follows ");
        Self { kind: SpanKind::of_name(follower.unwrap_or(name)), follows: follower.is_some() }
    }
}

impl From<SpanKind> for LinkedKind {
    fn from(kind: SpanKind) -> Self {
        Self { kind, follows: false }
    }
}
