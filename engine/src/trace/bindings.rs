//! Sets of spans whose conditions speak of other spans: `a: {…} >> {… a.service.name …}`.
//!
//! Such a set is found as assignments: a span, and beside it the spans that have names. An operator
//! looks at the right side's spans in the place that it names, left one by left one, so what it
//! costs is counted in pairs and bounded. Must not know what a condition is: it is asked for.

use super::forest::Forest;
use super::span_set::SpanSet;
use super::structure::{Relation, Structure, StructureOp, Structures};
use crate::limits::{TRACE_NAMES_MAX, TRACE_PAIRS_MAX};

use serde::{Deserialize, Serialize};

/// A structural expression with names, as plan data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NamedStructure {
    /// Without names.
    Plain(Structure),
    /// The span at hand gets a name: its number, below [`TRACE_NAMES_MAX`].
    Named(u32, Box<NamedStructure>),
    /// The spans of both sides.
    Or(Box<NamedStructure>, Box<NamedStructure>),
    /// An operator; of each pair of spans the condition must hold, too.
    Op {
        /// Which one.
        op: StructureOp,
        /// The left side.
        left: Box<NamedStructure>,
        /// The right side.
        right: Box<NamedStructure>,
        /// The number of the condition.
        condition: Option<u32>,
    },
}

/// Stands for no span.
const NOBODY: u32 = u32::MAX;

/// A span of a set, and the spans that have names beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    /// The span.
    pub span: u32,
    named: [u32; TRACE_NAMES_MAX],
}

impl Assignment {
    /// The span with a name, by the name's number; `None` where nobody has it.
    pub fn named(&self, name: u32) -> Option<u32> {
        self.named.get(name as usize).copied().filter(|&span| span != NOBODY)
    }

    /// Names of both; the span of the other.
    fn beside(mut self, other: &Self) -> Self {
        for (own, other) in self.named.iter_mut().zip(other.named) {
            *own = if other == NOBODY { *own } else { other };
        }
        Self { span: other.span, ..self }
    }
}

/// One trace whose spans are looked for.
pub struct Search<'a, F> {
    /// The trace.
    pub forest: &'a Forest,
    /// By span: which conditions over single spans hold.
    pub masks: &'a [u64],
    /// Finds what has no names.
    pub structures: &'a mut Structures,
    /// Whether a condition, by number, holds of a span and the named ones.
    pub holds: F,
    pairs: u64,
}

impl<'a, F: FnMut(u32, &Assignment) -> bool> Search<'a, F> {
    /// A search that has looked at nothing.
    pub fn new(
        (forest, masks): (&'a Forest, &'a [u64]),
        structures: &'a mut Structures,
        holds: F,
    ) -> Self {
        Self { forest, masks, structures, holds, pairs: 0 }
    }

    /// The spans of a set with the spans named beside them, each once, in order; `None` if more
    /// than [`TRACE_PAIRS_MAX`] pairs had to be looked at.
    ///
    /// # Panics
    /// If there are fewer masks than spans.
    pub fn find(&mut self, what: &NamedStructure) -> Option<Vec<Assignment>> {
        let mut found = match what {
            NamedStructure::Plain(structure) => {
                let set = self.structures.evaluate(structure, self.forest, self.masks);
                let alone = |span| Assignment { span, named: [NOBODY; TRACE_NAMES_MAX] };
                let found = set.iter().map(alone).collect();
                self.structures.recycle(set);
                return Some(found);
            }
            NamedStructure::Named(name, of) => {
                let mut found = self.find(of)?;
                for one in &mut found {
                    one.named[*name as usize] = one.span;
                }
                return Some(found);
            }
            NamedStructure::Or(left, right) => {
                let mut found = self.find(left)?;
                found.extend(self.find(right)?);
                found
            }
            NamedStructure::Op { op, left, right, condition } => {
                let (left, right) = (self.find(left)?, self.find(right)?);
                self.apply(*op, &left, &right, *condition)?
            }
        };
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    fn apply(
        &mut self,
        op: StructureOp,
        left: &[Assignment],
        right: &[Assignment],
        condition: Option<u32>,
    ) -> Option<Vec<Assignment>> {
        let (StructureOp::Related(relation)
        | StructureOp::Unrelated(relation)
        | StructureOp::Both(relation)) = op;
        let mut has_relative = SpanSet::default();
        has_relative.reset(right.len());
        let mut found = Vec::new();
        for one in left {
            for span in related(relation, self.forest, one.span) {
                self.count(1)?;
                let from = right.partition_point(|other| other.span < span);
                let others = right[from..].iter().take_while(|other| other.span == span);
                for (at, other) in (from as u32..).zip(others) {
                    self.count(1)?;
                    let pair = one.beside(other);
                    if condition.is_some_and(|condition| !(self.holds)(condition, &pair)) {
                        continue;
                    }
                    has_relative.insert(at);
                    match op {
                        StructureOp::Related(_) => found.push(pair),
                        StructureOp::Both(_) => {
                            found.extend([pair, Assignment { span: one.span, ..pair }]);
                        }
                        StructureOp::Unrelated(_) => {}
                    }
                }
            }
        }
        if let StructureOp::Unrelated(_) = op {
            let alone = (0..).zip(right).filter(|(at, _)| !has_relative.contains(*at));
            found.extend(alone.map(|(_, one)| *one));
        }
        Some(found)
    }

    fn count(&mut self, pairs: u64) -> Option<()> {
        self.pairs += pairs;
        (self.pairs <= TRACE_PAIRS_MAX).then_some(())
    }
}

/// The spans that are so related to a span.
fn related(relation: Relation, forest: &Forest, span: u32) -> impl Iterator<Item = u32> + use<'_> {
    let parent = || forest.parent(span);
    let row: &[u32] = match relation {
        Relation::Descendant => {
            let from = forest.place(span).map_or(0, |place| place as usize);
            &forest.preorder()[from..][1..forest.size(span) as usize]
        }
        Relation::Child => forest.children(span),
        Relation::Sibling => parent().map_or(&[], |parent| forest.children(parent)),
        Relation::Ancestor | Relation::Parent => &[],
    };
    let above = match relation {
        Relation::Ancestor => usize::MAX,
        Relation::Parent => 1,
        Relation::Descendant | Relation::Child | Relation::Sibling => 0,
    };
    let up = std::iter::successors(parent(), |&span| forest.parent(span)).take(above);
    row.iter().copied().filter(move |&other| other != span).chain(up)
}
