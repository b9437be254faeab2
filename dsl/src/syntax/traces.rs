//! Pairs of a `traces` declaration become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{Clause, ClauseKind, Close, DeclarationKind, Expr, Name};

impl Build {
    /// Traces behind their keyword.
    pub(super) fn traces(
        &mut self,
        mut inner: Pairs<'_, Rule>,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let name = self.name(&inner.next()?);
        let mut clauses = Vec::new();
        for pair in inner {
            let clause = match pair.as_rule() {
                Rule::close_clause | Rule::caps_clause => self.own_clause(pair)?,
                _ => self.clause(pair)?,
            };
            clauses.push(clause);
        }
        Some((Some(name), DeclarationKind::Traces(clauses)))
    }

    fn own_clause(&mut self, pair: Pair<'_, Rule>) -> Option<Clause> {
        let (rule, range) = (pair.as_rule(), self.range(&pair));
        let mut parts = pair.into_inner();
        let keyword = self.range(&parts.next()?);
        let kind = if rule == Rule::close_clause {
            ClauseKind::Close(self.close(parts.nth(1)?)?)
        } else {
            let caps: Option<Vec<_>> = parts.map(|cap| self.word_and_value(cap)).collect();
            ClauseKind::Caps(caps?)
        };
        Some(Clause { kind, keyword, range })
    }

    fn close(&mut self, pair: Pair<'_, Rule>) -> Option<Close> {
        let rule = pair.as_rule();
        match rule {
            Rule::close_root => return Some(Close::Root),
            Rule::close_time => {
                let (word, value) = self.word_and_value(pair)?;
                return Some(Close::Time(word, value));
            }
            _ => {}
        }
        let is_word = |part: &Pair<'_, Rule>| matches!(part.as_rule(), Rule::kw_or | Rule::kw_and);
        let parts = pair.into_inner().filter(|part| !is_word(part));
        let mut parts: Vec<Close> = parts.map(|part| self.close(part)).collect::<Option<_>>()?;
        Some(match parts.len() {
            1 => parts.pop()?,
            _ if rule == Rule::close_any => Close::Any(parts),
            _ => Close::All(parts),
        })
    }

    fn word_and_value(&mut self, pair: Pair<'_, Rule>) -> Option<(Name, Expr)> {
        let mut parts = pair.into_inner();
        let word = self.name(&parts.next()?);
        Some((word, self.expr(parts.next()?)?))
    }
}
