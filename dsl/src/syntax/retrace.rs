//! Pairs of a `retrace` declaration become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{Clause, ClauseKind, DeclarationKind, Expr, Name, Share};

impl Build {
    /// Derived traces behind their keyword.
    pub(super) fn retrace(
        &mut self,
        mut inner: Pairs<'_, Rule>,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let name = self.name(&inner.next()?);
        let mut clauses = Vec::new();
        for pair in inner {
            clauses.push(match pair.as_rule() {
                Rule::retrace_clause => self.retrace_clause(pair)?,
                _ => self.clause(pair)?,
            });
        }
        Some((Some(name), DeclarationKind::Retrace(clauses)))
    }

    fn retrace_clause(&mut self, pair: Pair<'_, Rule>) -> Option<Clause> {
        let range = self.range(&pair);
        let inner = pair.into_inner().next()?;
        let rule = inner.as_rule();
        let mut parts = inner.into_inner();
        let keyword = self.range(&parts.next()?);
        let kind = match rule {
            Rule::root_clause => ClauseKind::Root(self.bindings(parts.next()?)?),
            Rule::share_clause => {
                ClauseKind::Keep(parts.map(|part| self.share(part)).collect::<Option<_>>()?)
            }
            _ => {
                let mut values = parts.filter(|part| part.as_rule() == Rule::plain_value);
                let after = self.expr(values.next()?)?;
                let spans = match values.next() {
                    Some(value) => Some(self.expr(value)?),
                    None => None,
                };
                ClauseKind::Flush { after, spans }
            }
        };
        Some(Clause { kind, keyword, range })
    }

    fn share(&mut self, pair: Pair<'_, Rule>) -> Option<Share> {
        let range = self.range(&pair);
        let mut parts = pair.into_inner();
        let part: Expr = self.expr(parts.next()?)?;
        let when = match parts.nth(1) {
            Some(condition) => Some(self.expr(condition)?),
            None => None,
        };
        Some(Share { part, when, range })
    }
}
