//! Pairs of rule tests become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{ExpectLine, ExpectMoment, Expr, GivenLine, GivenPart, Name, TestBlock};

impl Build {
    pub(super) fn test_blocks(&mut self, pairs: Pairs<'_, Rule>) -> Option<Vec<TestBlock>> {
        let mut blocks = Vec::new();
        for pair in pairs {
            let rule = pair.as_rule();
            let lines = pair.into_inner().skip(1);
            blocks.push(match rule {
                Rule::given_block => {
                    TestBlock::Given(lines.map(|line| self.given(line)).collect::<Option<_>>()?)
                }
                Rule::expect_block => {
                    TestBlock::Expect(lines.map(|line| self.expect(line)).collect::<Option<_>>()?)
                }
                _ => return None,
            });
        }
        Some(blocks)
    }

    fn given(&mut self, pair: Pair<'_, Rule>) -> Option<GivenLine> {
        let range = self.range(&pair);
        let mut inner = pair.into_inner();
        let at = self.number(&inner.next()?);
        let kind = self.name(&inner.next()?);
        let parts: Option<Vec<_>> = inner.map(|part| self.given_part(part)).collect();
        Some(GivenLine { at, kind, parts: parts?, range })
    }

    fn given_part(&mut self, pair: Pair<'_, Rule>) -> Option<GivenPart> {
        Some(match pair.as_rule() {
            Rule::times => GivenPart::Times(self.name(&pair)),
            Rule::every | Rule::arrives => {
                let is_every = pair.as_rule() == Rule::every;
                let (number, range) = self.number(&pair.into_inner().nth(1)?);
                if is_every {
                    GivenPart::Every(number, range)
                } else {
                    GivenPart::Arrives(number, range)
                }
            }
            Rule::map => GivenPart::Attributes(self.entries(pair)?),
            Rule::string => GivenPart::Text(self.string(&pair)),
            Rule::signed => {
                let (number, range) = self.number(&pair);
                GivenPart::Number(number, range)
            }
            Rule::word => GivenPart::Word(self.name(&pair)),
            _ => return None,
        })
    }

    pub(super) fn entries(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<(Name, Expr)>> {
        pair.into_inner()
            .map(|entry| {
                let mut inner = entry.into_inner();
                Some((self.key(inner.next()?)?, self.expr(inner.next()?)?))
            })
            .collect()
    }

    fn expect(&mut self, pair: Pair<'_, Rule>) -> Option<ExpectLine> {
        let range = self.range(&pair);
        let mut parts: Vec<_> = pair.into_inner().collect();
        let none = parts.first()?.as_rule() == Rule::kw_none;
        if none {
            parts.remove(0);
        }
        let mut parts = parts.into_iter();
        let kind = self.name(&parts.next()?);
        let rule = self.inner_name(parts.next()?)?;
        let mut line = ExpectLine {
            none,
            kind,
            rule,
            state: None,
            count: None,
            moment: None,
            values: Vec::new(),
            range,
        };
        for part in parts {
            match part.as_rule() {
                Rule::state => line.state = Some(self.name(&part)),
                Rule::moment => {
                    let mut inner = part.into_inner();
                    let word = self.name(&inner.next()?);
                    let (at, at_range) = self.number(&inner.next()?);
                    line.moment = Some(ExpectMoment { word, at, at_range });
                }
                Rule::count => line.count = Some(self.number(&part.into_inner().nth(1)?)),
                Rule::map => line.values.extend(self.entries(part)?),
                _ => return None,
            }
        }
        Some(line)
    }
}
