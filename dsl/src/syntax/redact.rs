//! Pairs of a `redact` and of a `table` become the tree.

use pest::iterators::{Pair, Pairs};

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{DeclarationKind, Name, RedactItem, RedactLine, TableSource};

impl Build {
    /// A `redact` behind its keyword.
    pub(super) fn redact(&mut self, inner: Pairs<'_, Rule>) -> Option<DeclarationKind> {
        let lines: Option<Vec<_>> = inner.map(|line| self.redact_line(line)).collect();
        Some(DeclarationKind::Redact(lines?))
    }

    /// A `table` behind its keyword.
    pub(super) fn table(
        &mut self,
        mut inner: Pairs<'_, Rule>,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let name = self.name(&inner.next()?);
        let format = self.name(&inner.next()?);
        let file = self.string(&inner.next()?);
        inner.next()?; // `key`
        let keys: Vec<Name> = inner.map(|key| self.name(&key)).collect();
        Some((Some(name), DeclarationKind::Table(TableSource { format, file, keys })))
    }

    fn redact_line(&mut self, pair: Pair<'_, Rule>) -> Option<RedactLine> {
        let range = self.range(&pair);
        let mut inner = pair.into_inner();
        let subject = self.name(&inner.next()?);
        let action = self.name(&inner.next()?);
        let (mut items, mut secret) = (Vec::new(), None);
        for part in inner {
            match part.as_rule() {
                Rule::redact_item => items.push(self.redact_item(part)?),
                Rule::string => secret = Some(self.string(&part)),
                _ => {}
            }
        }
        Some(RedactLine { subject, action, items, secret, range })
    }

    fn redact_item(&mut self, pair: Pair<'_, Rule>) -> Option<RedactItem> {
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        if first.as_rule() == Rule::string {
            return Some(RedactItem::Keys(self.string(&first)));
        }
        let name = self.name(&first);
        let keep = inner.find(|part| part.as_rule() == Rule::number);
        Some(RedactItem::Class { name, keep: keep.map(|number| self.number(&number)) })
    }
}
