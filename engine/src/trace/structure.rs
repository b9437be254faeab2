//! Structural expressions over a forest: which spans have such a relative.
//!
//! Meaning as in `TraceQL`: an operator gives the spans of its right side that are related to some
//! span of its left; a negated one exactly the others of the right side; a union the related spans
//! of both. Every operator is one walk over the spans, whatever the sides hold.
//!
//! A tree of expressions is as deep as the language lets one be written. Must not know what a
//! leaf's predicate is: each span brings one bit a leaf.

use serde::{Deserialize, Serialize};

use super::forest::Forest;
use super::span_set::SpanSet;

/// How a span of the right side is related to one of the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Relation {
    /// `>>`: below it, at any depth.
    Descendant,
    /// `>`: its child.
    Child,
    /// `<<`: above it, at any depth.
    Ancestor,
    /// `<`: its parent.
    Parent,
    /// `~`: another child of the same parent. Roots have no parent, so no sibling.
    Sibling,
}

impl Relation {
    /// The relation seen from the other side.
    fn reverse(self) -> Self {
        match self {
            Self::Descendant => Self::Ancestor,
            Self::Child => Self::Parent,
            Self::Ancestor => Self::Descendant,
            Self::Parent => Self::Child,
            Self::Sibling => Self::Sibling,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Descendant => ">>",
            Self::Child => ">",
            Self::Ancestor => "<<",
            Self::Parent => "<",
            Self::Sibling => "~",
        }
    }
}

/// A structural operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StructureOp {
    /// Spans of the right side that are related to one of the left.
    Related(Relation),
    /// Spans of the right side that are related to none of the left: `!>>` and the like.
    Unrelated(Relation),
    /// Spans of both sides that have their relative on the other: `&>>` and the like.
    Both(Relation),
}

impl StructureOp {
    /// Every operator, in a fixed order.
    pub fn all() -> impl Iterator<Item = Self> {
        use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
        let forms: [fn(Relation) -> Self; 3] = [Self::Related, Self::Unrelated, Self::Both];
        let relations = [Descendant, Child, Ancestor, Parent, Sibling];
        forms.into_iter().flat_map(move |form| relations.into_iter().map(form))
    }

    /// How it is written.
    pub fn text(self) -> String {
        match self {
            Self::Related(relation) => relation.sign().to_owned(),
            Self::Unrelated(relation) => format!("!{}", relation.sign()),
            Self::Both(relation) => format!("&{}", relation.sign()),
        }
    }
}

/// A structural expression, as plan data. Its value is a set of spans.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Structure {
    /// The spans whose mask has this bit, 0 to 63.
    Leaf(u32),
    /// `&&`: the spans of both sides if neither is empty, else none.
    And(Box<Structure>, Box<Structure>),
    /// `||`: the spans of both sides.
    Or(Box<Structure>, Box<Structure>),
    /// An operator between left and right.
    Op(StructureOp, Box<Structure>, Box<Structure>),
}

/// Evaluates structures; keeps its sets between traces.
#[derive(Debug, Clone, Default)]
pub struct Structures {
    spare: Vec<SpanSet>,
}

impl Structures {
    /// The spans that a structure selects; `masks` has one word a span of the forest. Give the
    /// set back with [`Structures::recycle`] to save its memory. Duplicates are in no set.
    ///
    /// # Panics
    /// If there are fewer masks than spans.
    pub fn evaluate(&mut self, what: &Structure, forest: &Forest, masks: &[u64]) -> SpanSet {
        match what {
            Structure::Leaf(bit) => {
                let mut found = self.empty(forest);
                let spans = forest.preorder().iter();
                spans
                    .filter(|&&span| masks[span as usize] >> bit & 1 != 0)
                    .for_each(|&span| found.insert(span));
                found
            }
            Structure::And(left, right) => {
                let (mut left, right) = self.sides(left, right, forest, masks);
                if left.is_empty() || right.is_empty() {
                    left.reset(forest.len());
                } else {
                    left.unite(&right);
                }
                self.recycle(right);
                left
            }
            Structure::Or(left, right) => {
                let (mut left, right) = self.sides(left, right, forest, masks);
                left.unite(&right);
                self.recycle(right);
                left
            }
            Structure::Op(op, left, right) => {
                let (left, right) = self.sides(left, right, forest, masks);
                self.apply(*op, left, right, forest)
            }
        }
    }

    /// Takes a set back that is no longer read.
    pub fn recycle(&mut self, set: SpanSet) {
        self.spare.push(set);
    }

    fn sides(
        &mut self,
        left: &Structure,
        right: &Structure,
        forest: &Forest,
        masks: &[u64],
    ) -> (SpanSet, SpanSet) {
        (self.evaluate(left, forest, masks), self.evaluate(right, forest, masks))
    }

    fn empty(&mut self, forest: &Forest) -> SpanSet {
        let mut set = self.spare.pop().unwrap_or_default();
        set.reset(forest.len());
        set
    }

    fn apply(
        &mut self,
        op: StructureOp,
        left: SpanSet,
        mut right: SpanSet,
        forest: &Forest,
    ) -> SpanSet {
        let mut found = self.empty(forest);
        match op {
            StructureOp::Related(relation) => {
                relate(relation, &left, &right, forest, &mut found);
            }
            StructureOp::Unrelated(relation) => {
                relate(relation, &left, &right, forest, &mut found);
                right.subtract(&found);
                std::mem::swap(&mut found, &mut right);
            }
            StructureOp::Both(relation) => {
                relate(relation, &left, &right, forest, &mut found);
                relate(relation.reverse(), &right, &left, forest, &mut found);
            }
        }
        self.recycle(left);
        self.recycle(right);
        found
    }
}

/// Adds the spans of `right` that are so related to one of `left`.
fn relate(
    relation: Relation,
    left: &SpanSet,
    right: &SpanSet,
    forest: &Forest,
    found: &mut SpanSet,
) {
    match relation {
        Relation::Descendant => descendants(left, right, forest, found),
        Relation::Ancestor => ancestors(left, right, forest, found),
        Relation::Child => right
            .iter()
            .filter(|&span| forest.parent(span).is_some_and(|parent| left.contains(parent)))
            .for_each(|span| found.insert(span)),
        Relation::Parent => left
            .iter()
            .filter_map(|span| forest.parent(span))
            .filter(|&parent| right.contains(parent))
            .for_each(|parent| found.insert(parent)),
        Relation::Sibling => siblings(left, right, forest, found),
    }
}

/// A tree is a run of the preorder: a span is below some left one iff it lies before the farthest
/// end of the left trees begun so far.
fn descendants(left: &SpanSet, right: &SpanSet, forest: &Forest, found: &mut SpanSet) {
    let mut end = 0;
    for (place, &span) in (0..).zip(forest.preorder()) {
        if place < end && right.contains(span) {
            found.insert(span);
        }
        if left.contains(span) {
            end = end.max(place + forest.size(span));
        }
    }
}

/// A span is above some left one iff the next left one behind it lies within its tree.
fn ancestors(left: &SpanSet, right: &SpanSet, forest: &Forest, found: &mut SpanSet) {
    let mut next = u32::MAX;
    for (place, &span) in forest.preorder().iter().enumerate().rev() {
        let place = place as u32;
        if next - place < forest.size(span) && right.contains(span) {
            found.insert(span);
        }
        if left.contains(span) {
            next = place;
        }
    }
}

fn siblings(left: &SpanSet, right: &SpanSet, forest: &Forest, found: &mut SpanSet) {
    for &parent in forest.preorder() {
        let children = forest.children(parent);
        if children.len() < 2 {
            continue;
        }
        let on_left = children.iter().filter(|&&child| left.contains(child)).count();
        if on_left == 0 {
            continue;
        }
        for &child in children.iter().filter(|&&child| right.contains(child)) {
            if on_left > usize::from(left.contains(child)) {
                found.insert(child);
            }
        }
    }
}
