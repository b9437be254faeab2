//! The syntax tree: rules as written, with text ranges. Knows neither pest nor types.

mod clauses;
mod expr;
mod pattern;
mod redact;
mod sample;
mod table;
mod test;
mod traces;

pub(crate) use clauses::{CLAUSES_OF, clauses_of};
pub(crate) use expr::{
    Argument, BinaryWord, Call, Expr, ExprKind, NumberText, StringText, StructureWord,
};
pub(crate) use pattern::{Element, Guard, Link, PatternBody, Sequence, Step};
pub(crate) use redact::{RedactItem, RedactLine};
pub(crate) use sample::{SampleAmount, SampleBody, SampleLine, SampleWhen};
pub(crate) use table::TableSource;
pub(crate) use test::{ExpectLine, ExpectMoment, GivenLine, GivenPart, TestBlock};
pub(crate) use traces::Close;

use crate::text_range::TextRange;

/// The words of windows.
pub(crate) const WINDOWS: [&str; 5] = ["tumbling", "sliding", "session", "cumulate", "count"];

/// A name or word with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) range: TextRange,
}

/// A top-level declaration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declaration {
    /// Its name; absent for `edition` and `route`.
    pub(crate) name: Option<Name>,
    pub(crate) keyword: Name,
    pub(crate) doc: String,
    pub(crate) range: TextRange,
    /// Whether clauses were set aside because they could not be read.
    pub(crate) is_partial: bool,
    pub(crate) kind: DeclarationKind,
}

/// Kinds of declarations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeclarationKind {
    Edition(Name),
    Import {
        path: StringText,
        config: Vec<Binding>,
    },
    Param(Expr),
    Const(Expr),
    Fn {
        params: Vec<Name>,
        body: Expr,
    },
    Stream(Vec<Clause>),
    Aggregate(Vec<Clause>),
    Rows(Vec<Clause>),
    Alert(Vec<Clause>),
    Route(Vec<Clause>),
    Pattern {
        clauses: Vec<Clause>,
        /// `None` where it could not be read.
        body: Option<PatternBody>,
    },
    Traces(Vec<Clause>),
    Retrace(Vec<Clause>),
    Correlate {
        clauses: Vec<Clause>,
        /// As many as were written; `None` where they could not be read.
        sides: Option<Vec<Step>>,
    },
    Sample(SampleBody),
    Test {
        title: StringText,
        blocks: Vec<TestBlock>,
    },
    Redact(Vec<RedactLine>),
    Table(TableSource),
    /// A kind that the language has and this version does not run.
    NotYet,
    /// Nothing could be read but keyword and name.
    Broken,
}

/// `name: value`, or a value alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binding {
    pub(crate) name: Option<Name>,
    pub(crate) value: Expr,
    pub(crate) range: TextRange,
}

/// A clause of a declaration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clause {
    pub(crate) kind: ClauseKind,
    /// The keyword that opens it.
    pub(crate) keyword: TextRange,
    pub(crate) range: TextRange,
}

/// Kinds of clauses; each declaration has its own set of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ClauseKind {
    From(Name),
    Where(Expr),
    Set(Vec<Binding>),
    At(Name),
    Dedupe {
        keys: Vec<Expr>,
        within: Option<Expr>,
        limit: Option<Expr>,
        side: Option<Name>,
    },
    Lateness(Expr),
    Idle(Expr),
    Late {
        word: Name,
        side: Option<Name>,
        within: Option<Expr>,
    },
    By(Vec<Binding>),
    Over(Expr),
    Select(Vec<Binding>),
    Having(Expr),
    Limit {
        groups: Expr,
        overflow: Option<Name>,
    },
    Results {
        word: Name,
        every: Option<Expr>,
    },
    To(Vec<Name>),
    Join {
        with: Name,
        before: Option<Expr>,
        alias: Option<Name>,
        on: Vec<Name>,
    },
    Top {
        rows: Expr,
        by: Option<Expr>,
        order: Option<Name>,
    },
    When(Expr),
    Until(Expr),
    For(Expr),
    Hold(Expr),
    NoData(Name),
    Severity(Name),
    Labels(Vec<Binding>),
    Annotations(Vec<Binding>),
    WithOther,
    Within(Expr),
    Match {
        word: Name,
        limit: Option<Expr>,
        overlap: Option<TextRange>,
    },
    /// `on timeout side NAME`.
    Timeout(Name),
    /// `close when …`.
    Close(Close),
    /// `limit spans … bytes …`.
    Caps(Vec<(Name, Expr)>),
    /// `on a.x == b.y, …`.
    On(Vec<Expr>),
    Pick {
        word: Name,
        limit: Option<Expr>,
    },
    /// `logs follow`.
    LogsFollow,
    /// `links together`.
    LinksTogether,
    /// `shadow`.
    Shadow,
    /// `mark "key"`.
    Mark(StringText),
    Root(Vec<Binding>),
    Keep(Vec<Share>),
    /// `flush after … or … spans`.
    Flush {
        after: Expr,
        spans: Option<Expr>,
    },
}

/// `5% when …`, or `5% otherwise`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Share {
    pub(crate) part: Expr,
    pub(crate) when: Option<Expr>,
    pub(crate) range: TextRange,
}

impl ClauseKind {
    /// The clause as people write its head.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::From(_) => "from",
            Self::Where(_) => "where",
            Self::Set(_) => "set",
            Self::At(_) => "at",
            Self::Dedupe { .. } => "dedupe",
            Self::Lateness(_) => "lateness",
            Self::Idle(_) => "idle",
            Self::Late { .. } => "late",
            Self::By(_) => "by",
            Self::Over(_) => "over",
            Self::Select(_) => "select",
            Self::Having(_) => "having",
            Self::Limit { .. } => "limit",
            Self::Results { .. } => "results",
            Self::To(_) => "to",
            Self::Join { .. } => "join",
            Self::Top { .. } => "top",
            Self::When(_) => "when",
            Self::Until(_) => "until",
            Self::For(_) => "for",
            Self::Hold(_) => "hold",
            Self::NoData(_) => "on no data",
            Self::Severity(_) => "severity",
            Self::Labels(_) => "labels",
            Self::Annotations(_) => "annotations",
            Self::WithOther => "with other",
            Self::Within(_) => "within",
            Self::Match { .. } => "match",
            Self::Timeout(_) => "on timeout",
            Self::Close(_) => "close",
            Self::Caps(_) => "limit",
            Self::On(_) => "on",
            Self::Pick { .. } => "pick",
            Self::LogsFollow => "logs follow",
            Self::LinksTogether => "links together",
            Self::Shadow => "shadow",
            Self::Mark(_) => "mark",
            Self::Root(_) => "root",
            Self::Keep(_) => "keep",
            Self::Flush { .. } => "flush",
        }
    }
}

/// A file as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct File {
    pub(crate) declarations: Vec<Declaration>,
}
