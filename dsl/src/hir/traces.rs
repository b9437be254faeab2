//! Traces: spans of one trace id together, and what conditions say about them.

use super::{Expr, SourceRef};

/// Traces put together from spans.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// The spans.
    pub input: SourceRef,
    /// A trace closes when one of these comes first; at least one needs no root.
    pub close: Vec<CloseTerm>,
    /// Spans at which a trace is decided early, where stated.
    pub spans_max: Option<u64>,
    /// Bytes at which a trace is decided early, where stated.
    pub bytes_max: Option<u64>,
}

/// What must all have come for a trace to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CloseTerm {
    /// Whether the root must have come.
    pub root: bool,
    /// How long no span may have come, ns.
    pub quiet_ns: Option<i64>,
    /// How long ago the first must have been, ns.
    pub age_ns: Option<i64>,
}

/// Something about the spans of a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceValue {
    /// Whether there is such a span.
    Has(SpanSet),
    /// How many such spans there are.
    Count(SpanSet),
    /// The value of the first such span that has one, by start and id.
    Any(Box<Expr>, SpanSet),
    /// The value of the root.
    Root(Box<Expr>),
    /// Between braces: the value of the span that has this name.
    Named(String, Box<Expr>),
}

/// Spans of a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum SpanSet {
    /// All of them.
    All,
    /// Those of which a condition over their own fields holds.
    Where(Box<Expr>),
    /// Those of either set.
    Union(Box<SpanSet>, Box<SpanSet>),
    /// The set, and a name for the one at hand.
    Named(String, Box<SpanSet>),
    /// Those of the right set that are so related to some of the left; with
    /// [`RelationMode::Both`] also those of the left that they are related to.
    Related {
        /// What a span of the right set is to one of the left.
        relation: Relation,
        /// How the operator is meant.
        mode: RelationMode,
        /// The left set.
        left: Box<SpanSet>,
        /// The right set.
        right: Box<SpanSet>,
    },
}

/// What one span is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `>>`: below it, at any depth.
    Descendant,
    /// `>`: right below it.
    Child,
    /// `<<`: above it, at any height.
    Ancestor,
    /// `<`: right above it.
    Parent,
    /// `~`: another child of the same parent.
    Sibling,
}

/// How a relation is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationMode {
    /// Spans that are so related.
    Plain,
    /// `!`: those that are so related to none.
    Not,
    /// `&`: those of both sides.
    Both,
}

/// What a closed trace says beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TracePart {
    /// `.operations`: its time by service and name.
    Operations,
    /// `.edges`: which service asked which.
    Edges,
}

impl TracePart {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Operations, Self::Edges];

    /// Its name behind that of the traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Edges => "edges",
        }
    }

    /// The source of the catalogue that has its fields.
    pub fn source(self) -> &'static str {
        match self {
            Self::Operations => "traces.operations",
            Self::Edges => "traces.edges",
        }
    }
}
