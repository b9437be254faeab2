//! Pairs of rule tests become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{ExpectLine, ExpectMoment, Expr, GivenLine, GivenPart, Name, TestBlock};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};

const KINDS: [&str; 7] = ["span", "log", "metric", "event", "progress", "resource", "heartbeat"];

fn begins_line(pair: &Pair<'_, Rule>) -> bool {
    let before = &pair.get_input()[..pair.as_span().start()];
    before.trim_end_matches([' ', '\t']).ends_with('\n')
}

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
        let mut parts = Vec::new();
        let mut inner = inner.peekable();
        while let Some(part) = inner.next() {
            let is_new = part.as_rule() == Rule::signed && begins_line(&part);
            if let Some(word) = inner.peek().filter(|next| is_new && next.as_rule() == Rule::word) {
                let word = self.name(word);
                self.unknown_kind(&word);
                break;
            }
            parts.push(self.given_part(part)?);
        }
        Some(GivenLine { at, kind, parts, range })
    }

    /// A line of its own whose second word is no kind of item.
    fn unknown_kind(&mut self, word: &Name) {
        let message = format!("there is no kind of item `{}`", word.text);
        let mut diagnostic = Diagnostic::new(codes::TEST_ITEM, word.range, message)
            .note(format!("kinds: {}", listed(KINDS, KINDS.len())));
        if let Some(near) = nearest(&word.text, KINDS) {
            diagnostic = diagnostic.did_you_mean(word.range, near);
        }
        self.diagnostics.push(diagnostic);
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
