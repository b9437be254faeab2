//! Streams composed down to their signal: one condition, the columns they add, their time.
//!
//! Invariant: a chain of streams becomes one read of its origin, so that what rules share is found
//! whatever streams stand between. Knows nothing of what reads a stream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tailwater_dsl::hir::{
    self, DeclarationId, DeclarationKind, Dedupe, FieldRef, Late, Outcome, Place, Program,
    SourceRef, Stream, TimeOf,
};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::model::{AttributePlace, ColumnSpec, Field, RuleId, Signal};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    Dedupe as PlanDedupe, LateRule, Plan, RowInput, RowTime, Rule, RuleKind, RulePlace, SignalPlan,
    TimeColumn, Timeline,
};

use super::expr::{Names, lower};
use super::row_names::RowNames;
use super::signal::{column_of, demand, filter_of, find_or_push, signal_index};
use super::{NotYet, not_yet, traces};

/// Lateness of a stream that states none: 10 s.
pub(super) const LATENESS_DEFAULT_NS: i64 = 10_000_000_000;

/// How long a source may say nothing, or how far it may fall behind the others, before it no
/// longer holds the watermark, where no stream states it: 30 s.
const IDLE_DEFAULT_NS: i64 = 30_000_000_000;

/// Where items come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Index of the signal's plan.
    Signal(u32),
    /// Index among the plan's row inputs: rows of a rule.
    Rows(u32),
}

/// A stream, down to what it reads.
#[derive(Clone)]
pub(super) struct Composed {
    pub(super) origin: Origin,
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
    pub(super) idle_ns: i64,
    /// How long late items amend windows, nanoseconds; 0 where they do not.
    pub(super) amend_ns: i64,
    /// The rule that takes late items.
    pub(super) late: Option<RuleId>,
}

impl Composed {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            condition: None,
            columns: BTreeMap::new(),
            dedupe: None,
            at_start: false,
            lateness_ns: LATENESS_DEFAULT_NS,
            idle_ns: IDLE_DEFAULT_NS,
            amend_ns: 0,
            late: None,
        }
    }

    /// Index of the signal's plan.
    pub(super) fn signal(&self) -> Option<u32> {
        match self.origin {
            Origin::Signal(signal) => Some(signal),
            Origin::Rows(_) => None,
        }
    }

    /// Lowers an expression over its items.
    pub(super) fn lower(
        &self,
        plan: &mut Plan,
        streams: &Streams<'_>,
        expr: &hir::Expr,
    ) -> Result<Expr, Vec<NotYet>> {
        let columns = &self.columns;
        match self.origin {
            Origin::Signal(signal) => {
                let signal = &mut plan.signals[signal as usize];
                lower(expr, &mut ItemNames { signal, columns })
            }
            Origin::Rows(input) => lower(expr, &mut RowNames { plan, streams, input, columns }),
        }
    }

    /// A field of its items, where they have it.
    pub(super) fn field(&self, plan: &mut Plan, streams: &Streams<'_>, path: &str) -> Option<Expr> {
        let (columns, field) = (&self.columns, FieldRef::Builtin(path.to_owned()));
        match self.origin {
            Origin::Signal(signal) => {
                ItemNames { signal: &mut plan.signals[signal as usize], columns }.field(&field)
            }
            Origin::Rows(input) => RowNames { plan, streams, input, columns }.field(&field),
        }
    }

    /// The column that holds an expression's values.
    pub(super) fn column(&self, plan: &mut Plan, expr: Expr) -> u32 {
        match self.origin {
            Origin::Signal(signal) => column_of(&mut plan.signals[signal as usize].computed, expr),
            Origin::Rows(input) => column_of(&mut plan.row_inputs[input as usize].computed, expr),
        }
    }

    /// The filter with a condition.
    pub(super) fn filter(&self, plan: &mut Plan, condition: Expr) -> u32 {
        match self.origin {
            Origin::Signal(signal) => {
                filter_of(&mut plan.signals[signal as usize].filters, condition)
            }
            Origin::Rows(input) => {
                filter_of(&mut plan.row_inputs[input as usize].filters, condition)
            }
        }
    }
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

/// The streams of a program, and the rules made so far.
pub(super) struct Streams<'a> {
    program: &'a Program,
    /// What some declaration reads.
    read: BTreeSet<&'a SourceRef>,
    /// Rules by declaration.
    pub(super) rules: BTreeMap<DeclarationId, RuleId>,
    /// Rules that take unfinished matches, by the pattern's declaration.
    pub(super) timeouts: BTreeMap<DeclarationId, RuleId>,
    /// Streams of spans by the rule that puts their traces together.
    pub(super) traces: BTreeMap<RuleId, Composed>,
    /// The rule of the source `traces`.
    pub(super) all_traces: Option<RuleId>,
    /// Rules of the outcomes of correlations.
    pub(super) outcomes: BTreeMap<(DeclarationId, Outcome), RuleId>,
    /// The late sides that are read: rule and stream, by the stream's declaration.
    late: BTreeMap<DeclarationId, (RuleId, Composed)>,
}

impl<'a> Streams<'a> {
    pub(super) fn new(program: &'a Program) -> Self {
        Self {
            program,
            read: program.declarations.iter().flat_map(|one| one.kind.inputs()).collect(),
            rules: BTreeMap::new(),
            timeouts: BTreeMap::new(),
            traces: BTreeMap::new(),
            all_traces: None,
            outcomes: BTreeMap::new(),
            late: BTreeMap::new(),
        }
    }

    /// The typed rules.
    pub(super) fn program(&self) -> &'a Program {
        self.program
    }

    /// Composes a stream; makes the rule for its late side where one is read.
    pub(super) fn declare(
        &mut self,
        plan: &mut Plan,
        id: DeclarationId,
    ) -> Result<(), Vec<NotYet>> {
        let declaration = self.program.declaration(id);
        let source = SourceRef::Declaration(id);
        let DeclarationKind::Stream(stream) = &declaration.kind else { return Ok(()) };
        let Late::Side(name) = &stream.late else {
            if self.read.contains(&source) {
                return Ok(()); // composed for its readers
            }
            // Reports what of it cannot run, though nothing reads it.
            return self.compose(&mut plan.clone(), &source, declaration.name_range).map(|_| ());
        };
        if !self.read.contains(&SourceRef::Late(id)) {
            return Ok(());
        }
        let composed = self.compose(plan, &source, declaration.name_range)?;
        let Some(signal) = composed.signal() else {
            return Err(not_yet("`late side` of these items", declaration.name_range));
        };
        let rule = RuleId(plan.rules.len() as u32);
        let timelines = vec![timeline(plan, &composed, signal)];
        plan.rules.push(Rule {
            name: Arc::from(name.as_str()),
            kind: RuleKind::Late(LateRule { signal, values: Vec::new(), is_whole: false }),
            place: RulePlace { timelines, is_hidden: true, ..RulePlace::default() },
        });
        self.late.insert(id, (rule, composed));
        Ok(())
    }

    /// The rule whose rows a source gives, where it gives rows.
    pub(super) fn rule(&self, source: &SourceRef) -> Option<RuleId> {
        match source {
            SourceRef::Declaration(id) => {
                let rule = self.rules.get(id).copied();
                rule.filter(|rule| !self.traces.contains_key(rule)) // items to their readers
            }
            SourceRef::Timeout(id) => self.timeouts.get(id).copied(),
            SourceRef::Outcome(id, outcome) => self.outcomes.get(&(*id, *outcome)).copied(),
            SourceRef::Catalog(_)
            | SourceRef::Late(_)
            | SourceRef::Duplicates(_)
            | SourceRef::TracePart(..) => None,
        }
    }

    /// The name of a source in the rules.
    pub(super) fn source_name(&self, source: &SourceRef) -> String {
        let declared = |id: &DeclarationId| self.program.declaration(*id);
        match source {
            SourceRef::Catalog(name) => name.clone(),
            SourceRef::Late(id) | SourceRef::Duplicates(id) => {
                let DeclarationKind::Stream(stream) = &declared(id).kind else {
                    return declared(id).name.clone();
                };
                let side = match (source, &stream.late, &stream.dedupe) {
                    (SourceRef::Late(_), Late::Side(name), _) => Some(name),
                    (_, _, Some(dedupe)) => dedupe.side.as_ref(),
                    _ => None,
                };
                side.unwrap_or(&declared(id).name).clone()
            }
            SourceRef::Declaration(id)
            | SourceRef::Timeout(id)
            | SourceRef::TracePart(id, _)
            | SourceRef::Outcome(id, _) => declared(id).name.clone(),
        }
    }

    /// The stream whose late items a rule takes.
    pub(super) fn late_of(&self, rule: RuleId) -> Option<&Composed> {
        self.late.values().find(|(known, _)| *known == rule).map(|(_, stream)| stream)
    }

    /// Composes a source down to what it reads.
    pub(super) fn compose(
        &self,
        plan: &mut Plan,
        source: &SourceRef,
        range: TextRange,
    ) -> Result<Composed, Vec<NotYet>> {
        match source {
            SourceRef::Catalog(name) if part_of(name).is_some() => {
                let part = part_of(name).zip(self.all_traces);
                self.trace_part(plan, part.map(|(part, id)| (id, part)), range)
            }
            SourceRef::TracePart(id, part) => {
                let rule = self.rules.get(id).copied();
                self.trace_part(plan, rule.map(|rule| (rule, *part)), range)
            }
            SourceRef::Catalog(name) if name == "traces" => match self.all_traces {
                Some(rule) => Ok(Composed::new(Origin::Rows(row_input(plan, rule)))),
                None => Err(not_yet("`traces` here", range)),
            },
            SourceRef::Catalog(name) => {
                let what = format!("`{name}` as a source");
                let signal = Signal::by_name(name).ok_or_else(|| not_yet(&what, range))?;
                Ok(Composed::new(Origin::Signal(signal_index(plan, signal))))
            }
            SourceRef::Late(id) => match self.late.get(id) {
                Some((rule, _)) => Ok(Composed::new(Origin::Rows(row_input(plan, *rule)))),
                None => Err(not_yet("late items of this stream", range)),
            },
            SourceRef::Duplicates(id) => self.duplicates(plan, *id, range),
            SourceRef::Timeout(_) | SourceRef::Outcome(..) => match self.rule(source) {
                Some(rule) => Ok(Composed::new(Origin::Rows(row_input(plan, rule)))),
                None => Err(Vec::new()), // reported where it stands
            },
            SourceRef::Declaration(id) => {
                let declaration = self.program.declaration(*id);
                if let DeclarationKind::Stream(stream) = &declaration.kind {
                    return self.stream(plan, *id, stream, declaration.name_range);
                }
                match self.rules.get(id) {
                    Some(rule) => Ok(Composed::new(Origin::Rows(row_input(plan, *rule)))),
                    None => Err(Vec::new()), // reported where it stands
                }
            }
        }
    }

    /// What a stream takes out as duplicates, as items: in its time, with its columns.
    fn duplicates(
        &self,
        plan: &mut Plan,
        id: DeclarationId,
        range: TextRange,
    ) -> Result<Composed, Vec<NotYet>> {
        let mut composed = self.compose(plan, &SourceRef::Declaration(id), range)?;
        let Some(of) = composed.dedupe else {
            return Err(not_yet("duplicates of this stream", range));
        };
        let side =
            PlanDedupe { after: None, side_of: Some(of), ..plan.dedupes[of as usize].clone() };
        composed.dedupe = Some(find_or_push(&mut plan.dedupes, side));
        composed.late = None; // its late side holds what is left of the stream
        Ok(composed)
    }

    fn trace_part(
        &self,
        plan: &mut Plan,
        part: Option<(RuleId, hir::TracePart)>,
        range: TextRange,
    ) -> Result<Composed, Vec<NotYet>> {
        let rule = part.and_then(|(id, part)| traces::part(plan, self, id, part));
        let rule = rule.ok_or_else(|| not_yet("this part of traces", range))?;
        Ok(Composed::new(Origin::Rows(row_input(plan, rule))))
    }

    fn stream(
        &self,
        plan: &mut Plan,
        id: DeclarationId,
        stream: &Stream,
        range: TextRange,
    ) -> Result<Composed, Vec<NotYet>> {
        let mut composed = self.compose(plan, &stream.input, range)?;
        match &stream.late {
            Late::Drop => {}
            Late::Side(_) => composed.late = self.late.get(&id).map(|(rule, _)| *rule),
            Late::Amend(within_ns) => composed.amend_ns = *within_ns,
        }
        if let Some(filter) = &stream.filter {
            let condition = composed.lower(plan, self, filter)?;
            composed.condition = both(composed.condition.take(), Some(condition));
        }
        for binding in &stream.set {
            let value = composed.lower(plan, self, &binding.value)?;
            composed.columns.insert(binding.name.clone(), value);
        }
        match stream.time {
            TimeOf::Default => {}
            TimeOf::End => composed.at_start = false,
            TimeOf::Start => composed.at_start = true,
        }
        composed.lateness_ns = stream.lateness_ns.unwrap_or(composed.lateness_ns);
        composed.idle_ns = stream.idle_ns.unwrap_or(composed.idle_ns);
        if let (Some(dedupe), Some(signal)) = (&stream.dedupe, composed.signal()) {
            composed.dedupe = Some(remove_duplicates(plan, &composed, signal, dedupe)?);
        }
        Ok(composed)
    }
}

/// What traces say beside themselves, by the name of its source.
fn part_of(name: &str) -> Option<hir::TracePart> {
    hir::TracePart::ALL.into_iter().find(|part| part.source() == name)
}

/// Index of the row input of a rule, made where needed.
fn row_input(plan: &mut Plan, rule: RuleId) -> u32 {
    if let Some(index) = plan.row_inputs.iter().position(|known| known.rule == rule) {
        return index as u32;
    }
    plan.row_inputs.push(RowInput {
        rule,
        time: RowTime::default(),
        columns: 0,
        computed: Vec::new(),
        filters: Vec::new(),
    });
    (plan.row_inputs.len() - 1) as u32
}

/// Puts a removal of duplicates into the plan, or finds the equal one.
fn remove_duplicates(
    plan: &mut Plan,
    composed: &Composed,
    signal_index: u32,
    dedupe: &Dedupe,
) -> Result<u32, Vec<NotYet>> {
    let timeline = timeline(plan, composed, signal_index);
    let signal = &mut plan.signals[signal_index as usize];
    let mut key = Vec::with_capacity(dedupe.keys.len());
    for expr in &dedupe.keys {
        let value = lower(expr, &mut ItemNames { signal, columns: &composed.columns })?;
        key.push(column_of(&mut signal.computed, value));
    }
    let wanted = PlanDedupe {
        signal: signal_index,
        after: composed.dedupe,
        side_of: None,
        timeline,
        filter: composed
            .condition
            .clone()
            .map(|condition| filter_of(&mut signal.filters, condition)),
        key,
        within_ns: dedupe.within_ns,
        keys_max: dedupe.limit,
    };
    Ok(find_or_push(&mut plan.dedupes, wanted))
}

/// The timeline of a stream, made where needed.
pub(super) fn timeline(plan: &mut Plan, composed: &Composed, signal_index: u32) -> u32 {
    let signal = &mut plan.signals[signal_index as usize];
    let field = match (signal.signal, composed.at_start) {
        (Signal::Spans, true) => Field::Start,
        (Signal::Spans, false) => Field::End,
        _ => Field::Time,
    };
    let column =
        TimeColumn { signal: signal_index, column: demand(signal, ColumnSpec::Field(field)) };
    let time_column = find_or_push(&mut plan.time_columns, column);
    let line =
        Timeline { time_column, lateness_ns: composed.lateness_ns, idle_ns: composed.idle_ns };
    find_or_push(&mut plan.timelines, line)
}
