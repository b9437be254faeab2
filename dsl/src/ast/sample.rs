//! The body of a `sample` declaration as written.

use super::{Argument, Clause, Expr, ExprKind, Name};
use crate::text_range::TextRange;

/// `sample shop { … } logs follow to otlp`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampleBody {
    /// What is sampled.
    pub(crate) source: Name,
    /// `None` where the braces are missing.
    pub(crate) lines: Option<Vec<SampleLine>>,
    pub(crate) clauses: Vec<Clause>,
}

/// `slow: shadow keep 50% when duration > 1s`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampleLine {
    pub(crate) name: Option<Name>,
    /// Where it says that the line is only reported.
    pub(crate) shadow: Option<TextRange>,
    /// `drop` or `keep`.
    pub(crate) verb: Name,
    pub(crate) amount: Option<SampleAmount>,
    pub(crate) when: SampleWhen,
    pub(crate) range: TextRange,
}

/// How much a line keeps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampleAmount {
    /// `rate`, `target`; absent for a share.
    pub(crate) word: Option<Name>,
    pub(crate) value: Expr,
    /// `spans`, `bytes`, … behind a rate.
    pub(crate) measure: Option<Name>,
    pub(crate) by: Vec<Expr>,
}

/// For what a line decides.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SampleWhen {
    /// For that of which a condition holds.
    When(Expr),
    /// For all that is left.
    Otherwise(TextRange),
    /// It does not say.
    Unsaid,
}

impl SampleBody {
    /// Names of all that it reads: its source, and the rules that conditions ask about.
    pub(crate) fn sources(&self) -> Vec<Name> {
        let mut names = vec![self.source.clone()];
        for line in self.lines.iter().flatten() {
            if let SampleWhen::When(condition) = &line.when {
                asked(condition, &mut names);
            }
        }
        names
    }
}

/// The rules that `matched(…)` and `firing(…)` name. Expressions are as deep as the parser lets
/// them be.
fn asked(expr: &Expr, names: &mut Vec<Name>) {
    match &expr.kind {
        ExprKind::Call(call) if ["matched", "firing"].contains(&call.name.text.as_str()) => {
            if let [Argument { value, .. }] = call.args.as_slice()
                && let ExprKind::Path(path) = &value.kind
            {
                names.push(Name { text: path.clone(), range: value.range });
            }
        }
        ExprKind::Not(inner) => asked(inner, names),
        ExprKind::Binary(_, _, left, right) => {
            asked(left, names);
            asked(right, names);
        }
        ExprKind::If(condition, then, other) => {
            asked(condition, names);
            asked(then, names);
            asked(other, names);
        }
        _ => {}
    }
}
