//! Streams composed down to their signal: one condition, the columns they add, their time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{
    DeclarationId, DeclarationKind, Dedupe, FieldRef, Late, Place, Program, SourceRef, Stream,
    TimeOf,
};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::model::{AttributePlace, ColumnSpec, Field, Signal};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{Dedupe as PlanDedupe, Plan, SignalPlan, TimeColumn, Timeline};

use super::expr::{Names, lower};
use super::signal::{column_of, demand, filter_of, signal_index};
use super::{NotYet, not_yet};

/// Lateness of a stream that states none: 10 s.
pub(super) const LATENESS_DEFAULT_NS: i64 = 10_000_000_000;

/// How far a source may fall behind the others before it no longer holds the watermark: 30 s.
const IDLE_NS: i64 = 30_000_000_000;

/// A stream over a signal.
#[derive(Clone)]
pub(super) struct Composed {
    /// Index of the signal's plan.
    pub(super) signal: u32,
    /// What items must fulfil.
    pub(super) condition: Option<Expr>,
    /// Columns that streams added, by name.
    pub(super) columns: BTreeMap<String, Expr>,
    /// The removal of duplicates that items pass, by its place in the plan.
    pub(super) dedupe: Option<u32>,
    /// Whether items count at their start.
    pub(super) at_start: bool,
    /// Nanoseconds.
    pub(super) lateness_ns: i64,
}

/// The names of a stream's items.
pub(super) struct ItemNames<'a> {
    pub(super) signal: &'a mut SignalPlan,
    pub(super) columns: &'a BTreeMap<String, Expr>,
}

impl Names for ItemNames<'_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        let spec = match field {
            FieldRef::Builtin(path) => ColumnSpec::Field(Field::by_path(self.signal.signal, path)?),
            FieldRef::Attribute { place, key } => {
                let place = match place {
                    Place::Any => AttributePlace::Any,
                    Place::Item => AttributePlace::Item,
                    Place::Scope => AttributePlace::Scope,
                    Place::Resource => AttributePlace::Resource,
                };
                ColumnSpec::Attribute { place, key: Arc::from(key.as_str()) }
            }
            FieldRef::Column(name) | FieldRef::Item(name) => {
                return self.columns.get(name).cloned();
            }
            FieldRef::Joined(_) => return None,
        };
        Some(Expr::Column(demand(self.signal, spec)))
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }
}

/// Both conditions.
pub(super) fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Expr::binary(BinaryOp::And, a, b)),
        (a, b) => a.or(b),
    }
}

/// The streams of a program.
pub(super) struct Streams<'a> {
    program: &'a Program,
}

impl<'a> Streams<'a> {
    pub(super) fn new(program: &'a Program) -> Self {
        Self { program }
    }

    /// Reports what of a stream cannot run, also if nothing reads it.
    pub(super) fn check(&self, id: DeclarationId) -> Result<(), Vec<NotYet>> {
        let range = self.program.declaration(id).name_range;
        let mut scratch = Plan::default();
        self.compose(&mut scratch, &SourceRef::Declaration(id), range).map(|_| ())
    }

    /// Composes a source down to its signal.
    pub(super) fn compose(
        &self,
        plan: &mut Plan,
        source: &SourceRef,
        range: TextRange,
    ) -> Result<Composed, Vec<NotYet>> {
        match source {
            SourceRef::Catalog(name) => {
                let what = format!("`{name}` as a source");
                let signal = Signal::by_name(name).ok_or_else(|| not_yet(&what, range))?;
                Ok(Composed {
                    signal: signal_index(plan, signal),
                    condition: None,
                    columns: BTreeMap::new(),
                    dedupe: None,
                    at_start: false,
                    lateness_ns: LATENESS_DEFAULT_NS,
                })
            }
            SourceRef::Late(_) => Err(not_yet("late items as a source", range)),
            SourceRef::Declaration(id) => {
                let declaration = self.program.declaration(*id);
                match &declaration.kind {
                    DeclarationKind::Stream(stream) => {
                        self.stream(plan, stream, declaration.name_range)
                    }
                    _ => Err(not_yet("a rule that reads another rule's rows", range)),
                }
            }
        }
    }

    fn stream(
        &self,
        plan: &mut Plan,
        stream: &Stream,
        range: TextRange,
    ) -> Result<Composed, Vec<NotYet>> {
        let mut composed = self.compose(plan, &stream.input, range)?;
        let mut missing = Vec::new();
        if stream.dedupe.is_some() && composed.dedupe.is_some() {
            missing.push(NotYet::new("`dedupe` of a stream that is deduped already", range));
        }
        match &stream.late {
            Late::Drop => {}
            Late::Side(_) => missing.push(NotYet::new("`late side`", range)),
            Late::Amend(_) => missing.push(NotYet::new("`late amend`", range)),
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let signal = &mut plan.signals[composed.signal as usize];
        if let Some(filter) = &stream.filter {
            let mut names = ItemNames { signal, columns: &composed.columns };
            let condition = lower(filter, &mut names)?;
            composed.condition = both(composed.condition.take(), Some(condition));
        }
        for binding in &stream.set {
            let mut names = ItemNames { signal, columns: &composed.columns };
            let value = lower(&binding.value, &mut names)?;
            composed.columns.insert(binding.name.clone(), value);
        }
        match stream.time {
            TimeOf::Default => {}
            TimeOf::End => composed.at_start = false,
            TimeOf::Start => composed.at_start = true,
        }
        composed.lateness_ns = stream.lateness_ns.unwrap_or(composed.lateness_ns);
        if let Some(dedupe) = &stream.dedupe {
            composed.dedupe = Some(remove_duplicates(plan, &composed, dedupe)?);
        }
        Ok(composed)
    }
}

/// Puts a removal of duplicates into the plan, or finds the equal one.
fn remove_duplicates(
    plan: &mut Plan,
    composed: &Composed,
    dedupe: &Dedupe,
) -> Result<u32, Vec<NotYet>> {
    let timeline = timeline(plan, composed);
    let signal = &mut plan.signals[composed.signal as usize];
    let mut key = Vec::with_capacity(dedupe.keys.len());
    for expr in &dedupe.keys {
        let value = lower(expr, &mut ItemNames { signal, columns: &composed.columns })?;
        key.push(column_of(signal, value));
    }
    let wanted = PlanDedupe {
        signal: composed.signal,
        timeline,
        filter: composed.condition.clone().map(|condition| filter_of(signal, condition)),
        key,
        within_ns: dedupe.within_ns,
        keys_max: dedupe.limit,
    };
    Ok(find_or_push(&mut plan.dedupes, wanted))
}

/// The timeline of a stream, made where needed.
pub(super) fn timeline(plan: &mut Plan, composed: &Composed) -> u32 {
    let signal = &mut plan.signals[composed.signal as usize];
    let field = match (signal.signal, composed.at_start) {
        (Signal::Spans, true) => Field::Start,
        (Signal::Spans, false) => Field::End,
        _ => Field::Time,
    };
    let column =
        TimeColumn { signal: composed.signal, column: demand(signal, ColumnSpec::Field(field)) };
    let time_column = find_or_push(&mut plan.time_columns, column);
    let line = Timeline { time_column, lateness_ns: composed.lateness_ns, idle_ns: IDLE_NS };
    find_or_push(&mut plan.timelines, line)
}

fn find_or_push<T: PartialEq>(items: &mut Vec<T>, item: T) -> u32 {
    match items.iter().position(|known| *known == item) {
        Some(index) => index as u32,
        None => {
            items.push(item);
            (items.len() - 1) as u32
        }
    }
}
