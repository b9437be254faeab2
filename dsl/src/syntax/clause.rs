//! Pairs of clauses become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{Clause, ClauseKind, Expr, Name};

impl Build {
    /// Clauses, the source of a `stream`, `rows` or `route` as the first of them.
    pub(super) fn clauses(&mut self, pairs: Pairs<'_, Rule>) -> Option<Vec<Clause>> {
        let mut clauses = Vec::new();
        for pair in pairs {
            let range = self.range(&pair);
            if pair.as_rule() == Rule::source {
                let kind = ClauseKind::From(self.inner_name(pair)?);
                clauses.push(Clause { kind, keyword: range, range });
                continue;
            }
            clauses.push(self.clause(pair)?);
        }
        Some(clauses)
    }

    /// One clause that is no bare source.
    pub(super) fn clause(&mut self, pair: Pair<'_, Rule>) -> Option<Clause> {
        let range = self.range(&pair);
        let inner = pair.into_inner().next()?;
        let rule = inner.as_rule();
        let mut parts = inner.into_inner();
        let mut keyword = self.range(&parts.next()?);
        let more = match rule {
            Rule::no_data_clause => 2,
            Rule::timeout_clause | Rule::logs_clause | Rule::links_clause => 1,
            _ => 0,
        };
        for _ in 0..more {
            keyword = keyword.cover(self.range(&parts.next()?));
        }
        let kind = self.clause_kind(rule, parts)?;
        Some(Clause { kind, keyword, range })
    }

    fn clause_kind(&mut self, rule: Rule, mut parts: Pairs<'_, Rule>) -> Option<ClauseKind> {
        Some(match rule {
            Rule::from_clause => ClauseKind::From(self.inner_name(parts.next()?)?),
            Rule::where_clause => ClauseKind::Where(self.expr(parts.next()?)?),
            Rule::set_clause => ClauseKind::Set(self.bindings(parts.next()?)?),
            Rule::at_clause => ClauseKind::At(self.name(&parts.next()?)),
            Rule::dedupe_clause => self.dedupe(parts)?,
            Rule::lateness_clause => ClauseKind::Lateness(self.expr(parts.next()?)?),
            Rule::idle_clause => ClauseKind::Idle(self.expr(parts.next()?)?),
            Rule::late_clause => self.late(&parts.next()?)?,
            Rule::by_clause => {
                let bindings: Option<Vec<_>> = parts.map(|pair| self.binding(pair)).collect();
                ClauseKind::By(bindings?)
            }
            Rule::over_clause => ClauseKind::Over(self.expr(parts.next()?)?),
            Rule::select_clause => ClauseKind::Select(self.bindings(parts.next()?)?),
            Rule::having_clause => ClauseKind::Having(self.expr(parts.next()?)?),
            Rule::limit_clause => {
                parts.next()?;
                let groups = self.expr(parts.next()?)?;
                let overflow = parts.nth(1).map(|pair| self.name(&pair));
                ClauseKind::Limit { groups, overflow }
            }
            Rule::results_clause => self.results(parts)?,
            Rule::to_clause => ClauseKind::To(parts.map(|pair| self.name(&pair)).collect()),
            Rule::join_clause => self.join(parts)?,
            Rule::top_clause => self.top(parts)?,
            Rule::when_clause => ClauseKind::When(self.expr(parts.next()?)?),
            Rule::until_clause => ClauseKind::Until(self.expr(parts.next()?)?),
            Rule::for_clause => ClauseKind::For(self.expr(parts.next()?)?),
            Rule::hold_clause => ClauseKind::Hold(self.expr(parts.next()?)?),
            Rule::no_data_clause => ClauseKind::NoData(self.name(&parts.next()?)),
            Rule::severity_clause => ClauseKind::Severity(self.word_or_text(&parts.next()?)),
            Rule::labels_clause => ClauseKind::Labels(self.bindings(parts.next()?)?),
            Rule::annotations_clause => ClauseKind::Annotations(self.bindings(parts.next()?)?),
            Rule::with_clause => ClauseKind::WithOther,
            Rule::within_clause => ClauseKind::Within(self.expr(parts.next()?)?),
            Rule::match_clause => self.matching(parts)?,
            Rule::on_clause => {
                let pairs: Option<Vec<_>> = parts.map(|pair| self.expr(pair)).collect();
                ClauseKind::On(pairs?)
            }
            Rule::pick_clause => {
                let word = self.name(&parts.next()?);
                let limit = match parts.nth(1) {
                    Some(bound) => Some(self.inner_expr(bound)?),
                    None => None,
                };
                ClauseKind::Pick { word, limit }
            }
            Rule::timeout_clause => ClauseKind::Timeout(self.name(&parts.nth(1)?)),
            Rule::logs_clause => ClauseKind::LogsFollow,
            Rule::links_clause => ClauseKind::LinksTogether,
            Rule::shadow_clause => ClauseKind::Shadow,
            Rule::mark_clause => ClauseKind::Mark(self.string(&parts.next()?)),
            _ => return None,
        })
    }

    fn word_or_text(&mut self, pair: &Pair<'_, Rule>) -> Name {
        if pair.as_rule() == Rule::string {
            let text = self.string(pair);
            let value = super::literal::unescape(&text, &mut self.diagnostics);
            return Name { text: value, range: text.range };
        }
        self.name(pair)
    }

    fn inner_expr(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        self.expr(pair.into_inner().next()?)
    }

    fn dedupe(&mut self, parts: Pairs<'_, Rule>) -> Option<ClauseKind> {
        let (mut keys, mut within, mut limit, mut side) = (Vec::new(), None, None, None);
        for part in parts {
            match part.as_rule() {
                Rule::expr => keys.push(self.expr(part)?),
                Rule::within => within = Some(self.inner_expr(part)?),
                Rule::bound => limit = Some(self.inner_expr(part)?),
                Rule::name => side = Some(self.name(&part)),
                _ => {}
            }
        }
        Some(ClauseKind::Dedupe { keys, within, limit, side })
    }

    fn late(&mut self, part: &Pair<'_, Rule>) -> Option<ClauseKind> {
        let mut inner = part.clone().into_inner();
        Some(match part.as_rule() {
            Rule::late_side => {
                let word = self.name(&inner.next()?);
                ClauseKind::Late { word, side: Some(self.name(&inner.next()?)), within: None }
            }
            Rule::late_amend => {
                let word = self.name(&inner.next()?);
                let within = Some(self.expr(inner.nth(1)?)?);
                ClauseKind::Late { word, side: None, within }
            }
            _ => ClauseKind::Late { word: self.name(part), side: None, within: None },
        })
    }

    fn results(&mut self, mut parts: Pairs<'_, Rule>) -> Option<ClauseKind> {
        let first = parts.next()?;
        let word = self.name(&first);
        let every = match first.as_rule() {
            Rule::kw_every => Some(self.expr(parts.next()?)?),
            _ => None,
        };
        Some(ClauseKind::Results { word, every })
    }

    fn join(&mut self, parts: Pairs<'_, Rule>) -> Option<ClauseKind> {
        let (mut with, mut before, mut alias, mut on) = (None, None, None, Vec::new());
        for part in parts {
            match part.as_rule() {
                Rule::source => with = Some(self.inner_name(part)?),
                Rule::before => before = Some(self.inner_expr(part)?),
                Rule::alias => alias = Some(self.inner_name(part)?),
                Rule::path => on.push(self.name(&part)),
                _ => {}
            }
        }
        Some(ClauseKind::Join { with: with?, before, alias, on })
    }

    fn matching(&mut self, parts: Pairs<'_, Rule>) -> Option<ClauseKind> {
        let (mut word, mut limit, mut overlap) = (None, None, None);
        for part in parts {
            match part.as_rule() {
                Rule::word => word = Some(self.name(&part)),
                Rule::bound => limit = Some(self.inner_expr(part)?),
                Rule::kw_overlap => overlap = Some(self.range(&part)),
                _ => {}
            }
        }
        Some(ClauseKind::Match { word: word?, limit, overlap })
    }

    fn top(&mut self, parts: Pairs<'_, Rule>) -> Option<ClauseKind> {
        let (mut rows, mut by, mut order) = (None, None, None);
        for part in parts {
            match part.as_rule() {
                Rule::bound => rows = Some(self.inner_expr(part)?),
                Rule::expr => by = Some(self.expr(part)?),
                Rule::order => order = Some(self.name(&part)),
                _ => {}
            }
        }
        Some(ClauseKind::Top { rows: rows?, by, order })
    }
}
