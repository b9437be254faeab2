//! Pairs of a pattern's body become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{
    Clause, DeclarationKind, Element, Guard, Link, Name, PatternBody, Sequence, Step,
};

impl Build {
    /// A pattern behind its keyword.
    pub(super) fn pattern(
        &mut self,
        mut inner: Pairs<'_, Rule>,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let name = self.name(&inner.next()?);
        let (mut clauses, mut body): (Vec<Clause>, _) = (Vec::new(), None);
        for pair in inner {
            if pair.as_rule() == Rule::pattern_body {
                body = Some(self.pattern_body(pair)?);
            } else {
                clauses.push(self.clause(pair)?);
            }
        }
        Some((Some(name), DeclarationKind::Pattern { clauses, body }))
    }

    fn pattern_body(&mut self, pair: Pair<'_, Rule>) -> Option<PatternBody> {
        let range = self.range(&pair);
        let mut inner = pair.into_inner();
        let sequence = self.sequence(inner.next()?)?;
        let mut guards = Vec::new();
        for pair in inner {
            let range = self.range(&pair);
            let mut parts = pair.into_inner();
            let word = self.name(&parts.next()?);
            guards.push(Guard { word, step: self.step_of(parts, range)?, range });
        }
        Some(PatternBody { sequence, guards, range })
    }

    fn sequence(&mut self, pair: Pair<'_, Rule>) -> Option<Sequence> {
        let (mut links, mut word) = (Vec::new(), None);
        for pair in pair.into_inner() {
            if pair.as_rule() == Rule::link {
                word = Some(self.inner_name(pair)?);
                continue;
            }
            let own = self.range(&pair);
            let range = word.as_ref().map_or(own, |word: &Name| word.range.cover(own));
            let element = self.element(pair.into_inner().next()?)?;
            links.push(Link { word: word.take(), element, range });
        }
        Some(Sequence { links })
    }

    fn element(&mut self, pair: Pair<'_, Rule>) -> Option<Element> {
        let rule = pair.as_rule();
        let parts = pair.into_inner();
        if rule == Rule::branches {
            let sequences = parts.filter(|part| part.as_rule() == Rule::sequence);
            let branches: Option<Vec<_>> = sequences.map(|part| self.sequence(part)).collect();
            return Some(Element::Branches(branches?));
        }
        let (mut steps, mut time) = (Vec::new(), None);
        for part in parts {
            let range = self.range(&part);
            match part.as_rule() {
                Rule::step => steps.push(self.step_of(part.into_inner(), range)?),
                Rule::expr => time = Some(self.expr(part)?),
                _ => {}
            }
        }
        Some(match rule {
            Rule::absence => Element::Absence(Box::new((steps.pop()?, time?))),
            Rule::any_order => Element::AnyOrder(steps),
            _ => Element::Steps(steps),
        })
    }

    pub(super) fn step_of(
        &mut self,
        parts: Pairs<'_, Rule>,
        range: crate::text_range::TextRange,
    ) -> Option<Step> {
        let (mut name, mut quantity, mut source) = (None, None, None);
        let (mut filter, mut by, mut gap) = (None, None, None);
        for part in parts {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)),
                Rule::quantity => quantity = Some(self.name(&part)),
                Rule::source => source = Some(self.inner_name(part)?),
                Rule::where_clause => {
                    let again = part.clone();
                    let condition = self.expr(part.into_inner().nth(1)?)?;
                    self.once(filter.is_some(), &again);
                    filter = Some(condition);
                }
                Rule::step_by => {
                    self.once(by.is_some(), &part);
                    let keys: Option<Vec<_>> =
                        part.into_inner().skip(1).map(|key| self.expr(key)).collect();
                    by = Some(keys?);
                }
                Rule::step_gap => {
                    self.once(gap.is_some(), &part);
                    gap = Some(self.expr(part.into_inner().nth(1)?)?);
                }
                _ => {}
            }
        }
        Some(Step { name, quantity, source: source?, filter, by, gap, range })
    }

    fn once(&mut self, is_known: bool, part: &Pair<'_, Rule>) {
        if is_known {
            let word = part.as_str().split_whitespace().next().unwrap_or_default();
            let message = format!("`{word}` is given twice in this step");
            let range = self.range(part);
            self.diagnostics.push(
                crate::diagnostic::Diagnostic::new(
                    crate::diagnostic::codes::REPEATED_CLAUSE,
                    range,
                    message,
                )
                .help("keep one of them; conditions are joined with `and`"),
            );
        }
    }
}
