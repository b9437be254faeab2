//! The body of a pattern as written.

use super::{Expr, Name};
use crate::text_range::TextRange;

/// What stands between the braces of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PatternBody {
    pub(crate) sequence: Sequence,
    pub(crate) guards: Vec<Guard>,
    pub(crate) range: TextRange,
}

/// Elements one after another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sequence {
    pub(crate) links: Vec<Link>,
}

/// An element and the word that ties it to the one before: `then`, `next`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub(crate) word: Option<Name>,
    pub(crate) element: Element,
    pub(crate) range: TextRange,
}

/// What a sequence is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Element {
    /// One of several steps, mostly of one.
    Steps(Vec<Step>),
    /// All of them, in whatever order.
    AnyOrder(Vec<Step>),
    /// One of several sequences.
    Branches(Vec<Sequence>),
    /// `not x: … for d`.
    Absence(Box<(Step, Expr)>),
}

/// `e{3}: spans where … by … gap …`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Absent for guards without one.
    pub(crate) name: Option<Name>,
    /// `{20,}` or `?`, as written.
    pub(crate) quantity: Option<Name>,
    pub(crate) source: Name,
    pub(crate) filter: Option<Expr>,
    pub(crate) by: Option<Vec<Expr>>,
    pub(crate) gap: Option<Expr>,
    pub(crate) range: TextRange,
}

/// `without …` and `until …`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Guard {
    pub(crate) word: Name,
    pub(crate) step: Step,
    pub(crate) range: TextRange,
}

impl Sequence {
    /// Calls `f` for every step, in the order of the text.
    pub(crate) fn steps<'a>(&'a self, f: &mut impl FnMut(&'a Step)) {
        for link in &self.links {
            match &link.element {
                Element::Steps(steps) | Element::AnyOrder(steps) => steps.iter().for_each(&mut *f),
                Element::Branches(branches) => branches.iter().for_each(|branch| branch.steps(f)),
                Element::Absence(absence) => f(&absence.0),
            }
        }
    }
}

impl PatternBody {
    /// Names of the sources that its steps and guards read.
    pub(crate) fn sources(&self) -> Vec<&Name> {
        let mut sources = Vec::new();
        self.sequence.steps(&mut |step| sources.push(&step.source));
        sources.extend(self.guards.iter().map(|guard| &guard.step.source));
        sources
    }
}
