//! Pairs of a `sample` declaration become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{DeclarationKind, Name, SampleAmount, SampleBody, SampleLine, SampleWhen};

impl Build {
    /// A sample behind its keyword.
    pub(super) fn sample(
        &mut self,
        mut inner: Pairs<'_, Rule>,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let source = self.inner_name(inner.next()?)?;
        let (mut lines, mut clauses) = (None, Vec::new());
        for pair in inner {
            if pair.as_rule() == Rule::sample_body {
                let body: Option<Vec<_>> =
                    pair.into_inner().map(|line| self.sample_line(line)).collect();
                lines = Some(body?);
            } else {
                clauses.push(self.clause(pair)?);
            }
        }
        Some((None, DeclarationKind::Sample(SampleBody { source, lines, clauses })))
    }

    fn sample_line(&mut self, pair: Pair<'_, Rule>) -> Option<SampleLine> {
        let range = self.range(&pair);
        let (mut name, mut shadow, mut verb, mut amount) = (None, None, None, None);
        let mut when = SampleWhen::Unsaid;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)),
                Rule::kw_shadow => shadow = Some(self.range(&part)),
                Rule::kw_drop | Rule::kw_keep => verb = Some(self.name(&part)),
                Rule::sample_amount => amount = Some(self.sample_amount(part)?),
                Rule::when_clause => {
                    when = SampleWhen::When(self.expr(part.into_inner().nth(1)?)?);
                }
                Rule::kw_otherwise => when = SampleWhen::Otherwise(self.range(&part)),
                _ => {}
            }
        }
        Some(SampleLine { name, shadow, verb: verb?, amount, when, range })
    }

    fn sample_amount(&mut self, pair: Pair<'_, Rule>) -> Option<SampleAmount> {
        let (mut word, mut value, mut measure, mut by) = (None, None, None, Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_rate | Rule::kw_target => word = Some(self.name(&part)),
                Rule::measure => measure = Some(self.name(&part)),
                Rule::expr if value.is_none() => value = Some(self.expr(part)?),
                Rule::expr => by.push(self.expr(part)?),
                _ => {}
            }
        }
        Some(SampleAmount { word, value: value?, measure, by })
    }
}
