//! Pairs of a correlation become the tree.

use pest::iterators::Pairs;

use super::build::Build;
use super::grammar::Rule;
use crate::ast::{Clause, DeclarationKind, Name, Step};

impl Build {
    /// A correlation behind its keyword.
    pub(super) fn correlate(
        &mut self,
        mut inner: Pairs<'_, Rule>,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let name = self.name(&inner.next()?);
        let (mut clauses, mut sides): (Vec<Clause>, Option<Vec<Step>>) = (Vec::new(), None);
        for pair in inner {
            if pair.as_rule() != Rule::correlate_body {
                clauses.push(self.clause(pair)?);
                continue;
            }
            let own = pair.into_inner().map(|side| {
                let range = self.range(&side);
                self.step_of(side.into_inner(), range)
            });
            sides = Some(own.collect::<Option<Vec<_>>>()?);
        }
        Some((Some(name), DeclarationKind::Correlate { clauses, sides }))
    }
}
