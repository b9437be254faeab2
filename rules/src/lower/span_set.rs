//! Sets of spans of a trace, and what is read of them.
//!
//! Where a condition speaks of named spans, what it says of its own span alone becomes a bit of
//! the span's mask as ever; the rest is looked at pair by pair. A name that nobody speaks of costs
//! nothing.

use std::collections::BTreeSet;

use tailwater_dsl::hir::{
    self, BinaryOp as HirOp, ExprKind, FieldRef, Relation, RelationMode, SpanSet,
};
use tailwater_dsl::text_range::{FileId, TextRange};
use tailwater_engine::limits::{TRACE_CONDITIONS_MAX, TRACE_NAMES_MAX};
use tailwater_engine::model::Value;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{NamedRead, SpanExpr, TraceValue};
use tailwater_engine::trace::{NamedStructure, Relation as PlanRelation, Structure, StructureOp};

use super::expr::{Lowered, Names, lower};
use super::signal::find_or_push;
use super::traces::Reading;
use super::{NotYet, wrong};

impl Reading<'_, '_> {
    pub(super) fn has(&mut self, set: &SpanSet) -> Result<TraceValue, Vec<NotYet>> {
        let names = names_of(set, None);
        if names.is_empty() {
            return Ok(TraceValue::Has(self.set(set)?));
        }
        Ok(TraceValue::Named(NamedRead::Has, Naming::new(self, names).whole(set)?))
    }

    pub(super) fn count(&mut self, set: &SpanSet) -> Result<TraceValue, Vec<NotYet>> {
        let names = names_of(set, None);
        if names.is_empty() {
            return Ok(TraceValue::Count(self.set(set)?));
        }
        Ok(TraceValue::Named(NamedRead::Count, Naming::new(self, names).whole(set)?))
    }

    pub(super) fn any(
        &mut self,
        value: &hir::Expr,
        set: &SpanSet,
    ) -> Result<TraceValue, Vec<NotYet>> {
        let names = names_of(set, Some(value));
        if names.is_empty() {
            let column = self.batch_column(value)?;
            let carried = find_or_push(&mut self.rule().carried, column);
            return Ok(TraceValue::Any(carried, self.set(set)?));
        }
        let mut naming = Naming::new(self, names);
        let value = naming.of_pair(value)?;
        Ok(TraceValue::Named(NamedRead::Any(value), naming.whole(set)?))
    }

    /// The bit of a condition over single spans.
    pub(super) fn leaf(&mut self, condition: Option<Expr>) -> Option<u32> {
        let filter = condition.map(|condition| self.composed.filter(self.plan, condition));
        let leaves = &mut self.rule().leaves;
        let bit = find_or_push(leaves, filter);
        ((bit as usize) < TRACE_CONDITIONS_MAX).then_some(bit)
    }

    fn set(&mut self, set: &SpanSet) -> Result<Structure, Vec<NotYet>> {
        Ok(match set {
            SpanSet::All => Structure::Leaf(self.leaf(None).ok_or_else(|| too_many(nowhere()))?),
            SpanSet::Where(condition) => {
                let lowered = self.composed.lower(self.plan, self.streams, condition)?;
                let leaf = self.leaf(Some(lowered));
                Structure::Leaf(leaf.ok_or_else(|| too_many(condition.range))?)
            }
            SpanSet::Named(_, set) => self.set(set)?,
            SpanSet::Union(left, right) => {
                Structure::Or(Box::new(self.set(left)?), Box::new(self.set(right)?))
            }
            SpanSet::Related { relation, mode, left, right } => {
                let op = op_of(*relation, *mode);
                Structure::Op(op, Box::new(self.set(left)?), Box::new(self.set(right)?))
            }
        })
    }
}

/// One set whose names are spoken of.
struct Naming<'r, 'a, 'b> {
    reading: &'r mut Reading<'a, 'b>,
    /// Names by their number.
    names: Vec<String>,
}

impl<'r, 'a, 'b> Naming<'r, 'a, 'b> {
    fn new(reading: &'r mut Reading<'a, 'b>, names: BTreeSet<String>) -> Self {
        Self { reading, names: names.into_iter().take(TRACE_NAMES_MAX).collect() }
    }

    fn whole(&mut self, set: &SpanSet) -> Result<NamedStructure, Vec<NotYet>> {
        Ok(self.set(set)?.0)
    }

    fn set(&mut self, set: &SpanSet) -> Result<(NamedStructure, Option<u32>), Vec<NotYet>> {
        Ok(match set {
            SpanSet::Where(condition) => {
                let (mut own, mut of_pair) = (None, None);
                for part in parts_of(condition) {
                    let to = if speaks_of_names(part) { &mut of_pair } else { &mut own };
                    *to = Some(both(to.take(), part.clone()));
                }
                let set = own.map_or(SpanSet::All, |own| SpanSet::Where(Box::new(own)));
                let of_pair = of_pair.map(|condition| self.of_pair(&condition)).transpose()?;
                (NamedStructure::Plain(self.reading.set(&set)?), of_pair)
            }
            SpanSet::Named(name, set) => {
                let (set, of_pair) = self.set(set)?;
                let number = self.names.iter().position(|known| known == name);
                let named = |number| NamedStructure::Named(number as u32, Box::new(set.clone()));
                (number.map_or_else(|| set.clone(), named), of_pair)
            }
            SpanSet::Union(left, right) => {
                let (left, right) = (self.whole(left)?, self.whole(right)?);
                (NamedStructure::Or(Box::new(left), Box::new(right)), None)
            }
            SpanSet::Related { relation, mode, left, right } => {
                let left = Box::new(self.whole(left)?);
                let (right, condition) = self.set(right)?;
                let op = op_of(*relation, *mode);
                (NamedStructure::Op { op, left, right: Box::new(right), condition }, None)
            }
            SpanSet::All => (NamedStructure::Plain(self.reading.set(set)?), None),
        })
    }

    /// The number of an expression over a span and those that have names.
    fn of_pair(&mut self, expr: &hir::Expr) -> Result<u32, Vec<NotYet>> {
        let mut names = PairNames { naming: self, reads: Vec::new(), wrong: Vec::new() };
        let lowered = lower(expr, &mut names);
        let PairNames { reads, wrong, .. } = names;
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let pair = SpanExpr { expr: lowered?, reads };
        Ok(find_or_push(&mut self.reading.rule().pairs, pair))
    }
}

/// Names between braces that speak of named spans.
struct PairNames<'n, 'r, 'a, 'b> {
    naming: &'n mut Naming<'r, 'a, 'b>,
    reads: Vec<(Option<u32>, u32)>,
    wrong: Vec<NotYet>,
}

impl PairNames<'_, '_, '_, '_> {
    fn column(&mut self, name: Option<u32>, value: &hir::Expr) -> Lowered {
        let column = self.naming.reading.batch_column(value)?;
        let carried = find_or_push(&mut self.naming.reading.rule().carried, column);
        Ok(Expr::Column(find_or_push(&mut self.reads, (name, carried))))
    }
}

impl Names for PairNames<'_, '_, '_, '_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        let ty = tailwater_dsl::types::Type::Any;
        let kind = ExprKind::Field(field.clone());
        let value = hir::Expr { ty, optional: true, range: nowhere(), kind };
        match self.column(None, &value) {
            Ok(column) => Some(column),
            Err(wrong) => {
                self.wrong.extend(wrong);
                Some(Expr::Const(Value::Null))
            }
        }
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn trace(&mut self, value: &hir::TraceValue) -> Option<Lowered> {
        let hir::TraceValue::Named(name, value) = value else { return None };
        let number = self.naming.names.iter().position(|known| known == name)?;
        Some(self.column(Some(number as u32), value))
    }
}

fn op_of(relation: Relation, mode: RelationMode) -> StructureOp {
    let relation = match relation {
        Relation::Descendant => PlanRelation::Descendant,
        Relation::Child => PlanRelation::Child,
        Relation::Ancestor => PlanRelation::Ancestor,
        Relation::Parent => PlanRelation::Parent,
        Relation::Sibling => PlanRelation::Sibling,
    };
    match mode {
        RelationMode::Plain => StructureOp::Related(relation),
        RelationMode::Not => StructureOp::Unrelated(relation),
        RelationMode::Both => StructureOp::Both(relation),
    }
}

/// The names that conditions of a set, or a value of it, speak of.
fn names_of(set: &SpanSet, value: Option<&hir::Expr>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut sets, mut exprs) = (vec![set], Vec::from_iter(value));
    while let Some(set) = sets.pop() {
        match set {
            SpanSet::All => {}
            SpanSet::Where(condition) => exprs.push(condition),
            SpanSet::Named(_, set) => sets.push(set),
            SpanSet::Union(left, right) | SpanSet::Related { left, right, .. } => {
                sets.extend([&**left, &**right]);
            }
        }
    }
    for expr in exprs {
        spoken_of(expr, &mut names);
    }
    names
}

fn speaks_of_names(expr: &hir::Expr) -> bool {
    let mut names = BTreeSet::new();
    spoken_of(expr, &mut names);
    !names.is_empty()
}

fn spoken_of(expr: &hir::Expr, names: &mut BTreeSet<String>) {
    expr.walk(&mut |expr| {
        if let ExprKind::Trace(value) = &expr.kind
            && let hir::TraceValue::Named(name, _) = &**value
        {
            names.insert(name.clone());
        }
    });
}

/// What must all hold.
fn parts_of(condition: &hir::Expr) -> Vec<&hir::Expr> {
    let (mut parts, mut waiting) = (Vec::new(), vec![condition]);
    while let Some(expr) = waiting.pop() {
        match &expr.kind {
            ExprKind::Binary(HirOp::And, a, b) => waiting.extend([&**b, &**a]),
            _ => parts.push(expr),
        }
    }
    parts
}

fn both(a: Option<hir::Expr>, b: hir::Expr) -> hir::Expr {
    let Some(a) = a else { return b };
    let optional = a.optional || b.optional;
    let (ty, range) = (a.ty.clone(), a.range);
    let kind = ExprKind::Binary(HirOp::And, Box::new(a), Box::new(b));
    hir::Expr { ty, optional, range, kind }
}

fn too_many(range: TextRange) -> Vec<NotYet> {
    let what = format!(
        "the rules over these traces ask more than {TRACE_CONDITIONS_MAX} conditions of single spans"
    );
    let help = "let some of the rules read another `traces` of the same spans".to_owned();
    wrong("E0006", (what, help), range)
}

fn nowhere() -> TextRange {
    TextRange::new(FileId(0), 0, 0)
}
