//! Typed rules: what the language hands to whoever runs them.
//!
//! Plain data without syntax. Names are resolved, `const`, `param` and `fn` are gone (a value that
//! came from a `param` still names it), every number is in its base unit. Declarations stand in
//! topological order: each one's sources come before it.

mod aggregate;
mod alert;
mod correlate;
mod expr;
mod literal;
mod pattern;
mod redact;
mod retrace;
mod sample;
mod stream;
mod test;
mod traces;

pub use aggregate::Window;
pub use aggregate::{
    Aggregate, AggregateCall, GroupLimit, Join, Results, Rows, RowsKey, SelectItem, Top,
};
pub use alert::{Alert, NoData, Route};
pub use correlate::{Correlate, Outcome, Pick};
pub use expr::{BinaryOp, Expr, ExprKind, FieldRef, Place, TemplatePart, UnaryOp};
pub use literal::{Literal, TableColumn, duration_text};
pub use pattern::{Absence, LaneStep, MatchMode, Pattern, PatternSymbol, StepPick};
pub use redact::{Redact, RedactAction, RedactClass};
pub use retrace::{Keep, Retrace};
pub use sample::{RuleFact, Sample, SampleGoal, SampleLine, SampleMeasure, SampleVerb};
pub use stream::{Dedupe, Late, Stream, TimeOf};
pub use test::{AlertState, Expect, ExpectKind, Given, GivenKind, Moment, Test};
pub use traces::{CloseTerm, Relation, RelationMode, SpanSet, TracePart, TraceValue, Traces};

use crate::text_range::TextRange;
use crate::types::Type;

/// A whole set of rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// Parameters with the values in force.
    pub params: Vec<Param>,
    /// Declarations, sources before readers.
    pub declarations: Vec<Declaration>,
    /// Rule tests, in the order of the files.
    pub tests: Vec<Test>,
}

impl Program {
    /// The declaration of that id.
    ///
    /// # Panics
    /// Where the id is of another program.
    pub fn declaration(&self, id: DeclarationId) -> &Declaration {
        &self.declarations[id.0 as usize]
    }

    /// The declaration of that name.
    pub fn by_name(&self, name: &str) -> Option<&Declaration> {
        self.declarations.iter().find(|declaration| declaration.name == name)
    }
}

/// A parameter and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name, with the pack's prefix where imported.
    pub name: String,
    /// The value in force: the override, else the default.
    pub value: Literal,
    /// The default as declared.
    pub default: Literal,
    /// Text of the `///` above it.
    pub doc: String,
    /// The declaration.
    pub range: TextRange,
}

/// Index of a declaration in its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeclarationId(pub u32);

/// One declaration that makes items or rows, or routes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Its place in `Program::declarations`.
    pub id: DeclarationId,
    /// Its name, `pay.http` where imported as `pay`; routes are `route 1`, `route 2`, ….
    pub name: String,
    /// Text of the `///` above it, without the slashes.
    pub doc: String,
    /// The whole declaration.
    pub range: TextRange,
    /// Its name in the text.
    pub name_range: TextRange,
    /// What it does.
    pub kind: DeclarationKind,
}

/// Kinds of declarations.
#[derive(Debug, Clone, PartialEq)]
pub enum DeclarationKind {
    /// Items chosen and enriched.
    Stream(Stream),
    /// Rows from windows over items.
    Aggregate(Aggregate),
    /// Rows from rows.
    Rows(Rows),
    /// Alert states from rows or items.
    Alert(Alert),
    /// Items or rows to sinks.
    Route(Route),
    /// What is kept.
    Sample(Box<Sample>),
    /// Rows from events in an order.
    Pattern(Box<Pattern>),
    /// Spans of one trace id together.
    Traces(Traces),
    /// New traces from the spans of a correlation.
    Retrace(Box<Retrace>),
    /// Pairs of items of two sources, and what stayed alone.
    Correlate(Box<Correlate>),
    /// What leaves telemetry before any rule sees it.
    Redact(Redact),
}

impl DeclarationKind {
    /// What it takes items or rows from. What it only asks about, as lines of a sampling ask about
    /// alerts, is not among them.
    pub fn inputs(&self) -> Vec<&SourceRef> {
        match self {
            Self::Stream(stream) => vec![&stream.input],
            Self::Aggregate(aggregate) => vec![&aggregate.input],
            Self::Rows(rows) => {
                let joined = rows.join.iter().map(|join| &join.with);
                std::iter::once(&rows.input).chain(joined).collect()
            }
            Self::Alert(alert) => vec![&alert.input],
            Self::Route(route) => vec![&route.input],
            Self::Sample(sample) => vec![&sample.input],
            Self::Pattern(pattern) => pattern.symbols.iter().map(|symbol| &symbol.input).collect(),
            Self::Traces(traces) => vec![&traces.input],
            Self::Retrace(retrace) => vec![&retrace.input],
            Self::Correlate(correlate) => correlate.sides.iter().map(|side| &side.input).collect(),
            Self::Redact(_) => Vec::new(),
        }
    }
}

/// What a declaration reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceRef {
    /// A source of the catalogue, by name.
    Catalog(String),
    /// The items or rows of a declaration.
    Declaration(DeclarationId),
    /// The late items of a stream with `late side NAME`.
    Late(DeclarationId),
    /// What `dedupe … side NAME` takes out of a stream.
    Duplicates(DeclarationId),
    /// The unfinished matches of a pattern with `on timeout side NAME`.
    Timeout(DeclarationId),
    /// One outcome of a correlation.
    Outcome(DeclarationId, Outcome),
    /// What traces say beside themselves.
    TracePart(DeclarationId, TracePart),
}

/// A named column of rows or items with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Expr,
}

/// A column of a declaration's output, for hosts that describe rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub ty: Type,
    /// Whether it may be null.
    pub optional: bool,
}
