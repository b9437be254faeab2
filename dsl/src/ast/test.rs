//! Rule tests as written.

use super::{Expr, Name, NumberText, StringText};
use crate::text_range::TextRange;

/// `given { … }` or `expect { … }`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TestBlock {
    Given(Vec<GivenLine>),
    Expect(Vec<ExpectLine>),
}

/// A line of `given`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GivenLine {
    pub(crate) at: (NumberText, TextRange),
    pub(crate) kind: Name,
    pub(crate) parts: Vec<GivenPart>,
    pub(crate) range: TextRange,
}

/// Part of a line of `given`, in any order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GivenPart {
    Word(Name),
    Text(StringText),
    Number(NumberText, TextRange),
    Attributes(Vec<(Name, Expr)>),
    Times(Name),
    Every(NumberText, TextRange),
    Arrives(NumberText, TextRange),
}

/// A line of `expect`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExpectLine {
    pub(crate) none: bool,
    pub(crate) kind: Name,
    pub(crate) rule: Name,
    pub(crate) state: Option<Name>,
    pub(crate) count: Option<(NumberText, TextRange)>,
    pub(crate) moment: Option<ExpectMoment>,
    pub(crate) values: Vec<(Name, Expr)>,
    pub(crate) range: TextRange,
}

/// `at 1m`, `by 2m`, `before 1m`, `after 1m`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExpectMoment {
    pub(crate) word: Name,
    pub(crate) at: NumberText,
    pub(crate) at_range: TextRange,
}
