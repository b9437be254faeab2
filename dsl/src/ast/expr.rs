//! Expressions as written.

use super::Name;
use crate::hir::{Relation, RelationMode};
use crate::text_range::TextRange;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub(crate) range: TextRange,
    pub(crate) kind: ExprKind,
}

/// A number with whatever letters follow it; meaning comes later.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NumberText {
    pub(crate) text: String,
    /// Unit of `20 per s`.
    pub(crate) per: Option<Name>,
}

/// A text between its quotes, not yet unescaped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StringText {
    pub(crate) text: String,
    /// The whole literal, quotes included.
    pub(crate) range: TextRange,
    /// Whether backslashes stand for themselves.
    pub(crate) is_raw: bool,
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    pub(crate) name: Option<Name>,
    pub(crate) value: Expr,
}

/// A call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: Name,
    pub(crate) args: Vec<Argument>,
    pub(crate) filter: Option<Box<Expr>>,
}

/// Kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExprKind {
    Number(NumberText),
    String(StringText),
    Bool(bool),
    Null,
    Path(String),
    Call(Call),
    Index(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(BinaryWord, TextRange, Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Name, Expr)>),
    /// `{status == error}`: the spans of a trace of which a condition holds.
    Spans(Box<Expr>),
    /// `a: {status == error}`: the same, and a name for the one at hand.
    NamedSpans(Name, Box<Expr>),
    /// Something that has been reported.
    Broken,
}

/// Operators between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryWord {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Coalesce,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    /// Between sets of spans.
    Structure(StructureWord),
}

/// Operators between sets of spans, beside `>` and `<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StructureWord {
    pub(crate) text: &'static str,
    pub(crate) relation: Relation,
    pub(crate) mode: RelationMode,
}

impl StructureWord {
    const ALL: [(&'static str, Relation, RelationMode); 13] = [
        (">>", Relation::Descendant, RelationMode::Plain),
        ("<<", Relation::Ancestor, RelationMode::Plain),
        ("~", Relation::Sibling, RelationMode::Plain),
        ("!>>", Relation::Descendant, RelationMode::Not),
        ("!<<", Relation::Ancestor, RelationMode::Not),
        ("!>", Relation::Child, RelationMode::Not),
        ("!<", Relation::Parent, RelationMode::Not),
        ("!~", Relation::Sibling, RelationMode::Not),
        ("&>>", Relation::Descendant, RelationMode::Both),
        ("&<<", Relation::Ancestor, RelationMode::Both),
        ("&>", Relation::Child, RelationMode::Both),
        ("&<", Relation::Parent, RelationMode::Both),
        ("&~", Relation::Sibling, RelationMode::Both),
    ];

    /// The operator as written.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|known| known.0 == text)?;
        Some(Self { text: found.0, relation: found.1, mode: found.2 })
    }
}

impl Expr {
    /// Every path in it, conditions of calls included, in no order that means anything.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            loop {
                let next = waiting.pop()?;
                waiting.extend(next.operands());
                if let ExprKind::Path(path) = &next.kind {
                    return Some(path.as_str());
                }
            }
        })
    }

    fn operands(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Call(call) => {
                call.args.iter().map(|arg| &arg.value).chain(call.filter.as_deref()).collect()
            }
            ExprKind::Index(a, b) | ExprKind::Binary(_, _, a, b) => vec![a, b],
            ExprKind::Not(x)
            | ExprKind::Negate(x)
            | ExprKind::Spans(x)
            | ExprKind::NamedSpans(_, x) => {
                vec![x]
            }
            ExprKind::If(a, b, c) => vec![a, b, c],
            ExprKind::List(items) => items.iter().collect(),
            ExprKind::Map(entries) => entries.iter().map(|entry| &entry.1).collect(),
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Bool(_)
            | ExprKind::Null
            | ExprKind::Path(_)
            | ExprKind::Broken => Vec::new(),
        }
    }

    /// Whether it is a set of spans, by its looks: braces, or an operator behind some.
    pub(crate) fn is_of_spans(&self) -> bool {
        match &self.kind {
            ExprKind::Spans(_) | ExprKind::NamedSpans(..) => true,
            ExprKind::Map(entries) => entries.is_empty(),
            ExprKind::Binary(BinaryWord::Structure(_), ..) => true,
            ExprKind::Binary(
                BinaryWord::Less | BinaryWord::Greater | BinaryWord::Or | BinaryWord::And,
                _,
                left,
                right,
            ) => left.is_of_spans() && right.is_of_spans(),
            _ => false,
        }
    }
}

impl BinaryWord {
    /// As written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Coalesce => "??",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Structure(word) => word.text,
        }
    }

    /// Whether it compares, so that two of them in a row are a mistake.
    pub(crate) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessEqual
                | Self::Greater
                | Self::GreaterEqual
        )
    }
}
