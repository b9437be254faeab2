//! Patterns: what an event can be, in which order, and what rows hold.
//!
//! Invariant: what a condition asks of the event at hand becomes a filter of its input, asked once
//! for all patterns; only what asks about earlier events is left to the runs. Alternatives and
//! orders are lanes by now, written out by the language.

use std::collections::BTreeSet;
use std::sync::Arc;

use tailwater_dsl::hir::{
    self, Declaration, ExprKind, FieldRef, Pattern, PatternSymbol as HirSymbol, StepPick,
};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    Absence, LaneStep, MatchMode, PatternInput, PatternRule, PatternSource, PatternSymbol, Pick,
    Plan, REGISTERS_FROM, Register, RowTime, Rule, RuleKind, RulePlace, TimeoutRule,
};

use super::expr::{Names, lower as lower_expr};
use super::rows::check_level;
use super::signal::find_or_push;
use super::stream::{Composed, Origin, Streams, both, timeline};
use super::{NotYet, pattern_identity, selected};

/// Lowers a pattern into the plan; the second rule takes its unfinished matches.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    pattern: &Pattern,
) -> Result<(RuleId, Option<RuleId>), Vec<NotYet>> {
    let range = declaration.name_range;
    let mut lowering = Lowering::new(plan, streams, &pattern.symbols, range)?;
    let lanes =
        pattern.lanes.iter().map(|lane| lane.iter().map(|s| lowering.lane_step(s)).collect());
    let lanes: Vec<Vec<LaneStep>> = lanes.collect();
    let values = selected::values(&pattern.items, (&pattern.by, 0), |step, value| {
        lowering.register(step, value).ok()
    })?;
    let place = lowering.place();
    check_level(&place, range)?;
    let absence =
        |absence: hir::Absence| Absence { symbol: absence.symbol as u32, for_ns: absence.for_ns };
    let id = RuleId(lowering.plan.rules.len() as u32);
    let Lowering { inputs, symbols, slots, registers, .. } = lowering;
    let mut rule = PatternRule {
        key_names: pattern.by.iter().map(|name| Arc::from(name.as_str())).collect(),
        within_ns: pattern.within_ns,
        mode: mode(pattern.mode),
        inputs,
        symbols,
        slots,
        registers,
        lanes,
        lead: pattern.lead.map(absence),
        trail: pattern.trail.map(absence),
        without: pattern.without.iter().map(|symbol| *symbol as u32).collect(),
        until: pattern.until.map(|symbol| symbol as u32),
        values,
        timeout: None,
        hash: 0,
    };
    rule.hash = pattern_identity::hash(plan, &rule);
    rule.timeout = pattern.timeout.is_some().then_some(RuleId(id.0 + 1));
    let timeout = pattern.timeout.as_ref().map(|name| Rule {
        name: Arc::from(name.as_str()),
        kind: RuleKind::Timeout(TimeoutRule {
            of: id,
            key_names: rule.key_names.clone(),
            value_names: rule.values.iter().map(|(name, _)| Arc::clone(name)).collect(),
            hash: rule.hash,
        }),
        place: RulePlace { is_hidden: true, ..place.clone() },
    });
    let timeout_id = rule.timeout;
    let name = Arc::from(declaration.name.as_str());
    plan.rules.push(Rule { name, kind: RuleKind::Pattern(Box::new(rule)), place });
    plan.rules.extend(timeout);
    Ok((id, timeout_id))
}

fn mode(mode: hir::MatchMode) -> MatchMode {
    match mode {
        hir::MatchMode::One { overlap } => MatchMode::One { overlap },
        hir::MatchMode::Each => MatchMode::Each,
        hir::MatchMode::All { limit } => {
            MatchMode::All { limit: u32::try_from(limit).unwrap_or(u32::MAX) }
        }
    }
}

/// A rule that takes events on its way into the plan.
pub(super) struct Lowering<'a, 'b> {
    pub(super) plan: &'a mut Plan,
    streams: &'a Streams<'b>,
    pub(super) inputs: Vec<PatternInput>,
    pub(super) symbols: Vec<PatternSymbol>,
    /// By symbol: index of the input, and the stream that it reads.
    of_symbol: Vec<(usize, Composed)>,
    pub(super) slots: u32,
    registers: Vec<Register>,
    range: TextRange,
}

impl<'a, 'b> Lowering<'a, 'b> {
    /// Puts the inputs and the symbols of a rule into the plan.
    pub(super) fn new(
        plan: &'a mut Plan,
        streams: &'a Streams<'b>,
        symbols: &[HirSymbol],
        range: TextRange,
    ) -> Result<Self, Vec<NotYet>> {
        let mut lowering = Self {
            plan,
            streams,
            inputs: Vec::new(),
            symbols: Vec::new(),
            of_symbol: Vec::new(),
            slots: 0,
            registers: Vec::new(),
            range,
        };
        // Conditions may name later absences and guards nowhere: all sources first.
        for symbol in symbols {
            lowering.source(symbol)?;
        }
        for (at, symbol) in symbols.iter().enumerate() {
            lowering.symbol(at, symbol)?;
        }
        lowering.order_signals();
        Ok(lowering)
    }

    /// Items of several signals are put in order by where they stand in the log.
    fn order_signals(&mut self) {
        let signal = |input: &PatternInput| match input.from {
            PatternSource::Signal { signal, .. } => Some(signal),
            PatternSource::Rows { .. } => None,
        };
        let signals: BTreeSet<u32> = self.inputs.iter().filter_map(signal).collect();
        if signals.len() > 1 {
            signals.into_iter().for_each(|at| self.plan.signals[at as usize].offsets = true);
        }
    }

    /// Finds or makes the input of a symbol.
    fn source(&mut self, symbol: &HirSymbol) -> Result<(), Vec<NotYet>> {
        let composed = self.streams.compose(self.plan, &symbol.input, self.range)?;
        let from = match composed.origin {
            Origin::Signal(signal) => PatternSource::Signal {
                signal,
                timeline: timeline(self.plan, &composed, signal),
                dedupe: composed.dedupe,
                late: composed.late,
            },
            Origin::Rows(input) => {
                let rule = self.plan.row_inputs[input as usize].rule;
                PatternSource::Rows { input, rule }
            }
        };
        let known = self.inputs.iter().position(|input| input.from == from);
        let input = known.unwrap_or_else(|| {
            self.inputs.push(PatternInput { from, slots: Vec::new(), item_slot: None });
            self.inputs.len() - 1
        });
        self.of_symbol.push((input, composed));
        Ok(())
    }

    fn symbol(&mut self, at: usize, symbol: &HirSymbol) -> Result<(), Vec<NotYet>> {
        let (input, mut composed) = self.of_symbol[at].clone();
        let mut key = Vec::with_capacity(symbol.key.len());
        for value in &symbol.key {
            let value = composed.lower(self.plan, self.streams, value)?;
            key.push(composed.column(self.plan, value));
        }
        let (mut own, mut others) = (Vec::new(), Vec::new());
        if let Some(filter) = &symbol.filter {
            split(filter, &mut own, &mut others);
        }
        for condition in own {
            let condition = composed.lower(self.plan, self.streams, condition)?;
            composed.condition = both(composed.condition.take(), Some(condition));
        }
        let mut condition = None;
        for other in others {
            let other = lower_expr(other, &mut EventNames { lowering: self, symbol: at })?;
            condition = both(condition, Some(other));
        }
        let filter = composed.condition.clone();
        let filter = filter.map(|condition| composed.filter(self.plan, condition));
        let name = Arc::from(symbol.name.as_str());
        self.symbols.push(PatternSymbol { name, input: input as u32, filter, key, condition });
        Ok(())
    }

    /// A step of a lane; of a `next` step every event of its stream is a symbol, too.
    fn lane_step(&mut self, step: &hir::LaneStep) -> LaneStep {
        let stream = step.is_next.then(|| {
            let (input, composed) = self.of_symbol[step.symbol].clone();
            let filter = composed.condition.clone();
            let filter = filter.map(|condition| composed.filter(self.plan, condition));
            let own = &self.symbols[step.symbol];
            let stream = PatternSymbol {
                name: Arc::from(format!("{}'s stream", own.name)),
                input: input as u32,
                filter,
                key: own.key.clone(),
                condition: None,
            };
            find_or_push(&mut self.symbols, stream)
        });
        LaneStep {
            symbol: step.symbol as u32,
            min: step.min,
            max: step.max.unwrap_or(u32::MAX),
            gap_ns: step.gap_ns,
            stream,
        }
    }

    /// The slot of a value of a symbol's events.
    pub(super) fn slot(&mut self, symbol: usize, value: &hir::Expr) -> Result<u32, Vec<NotYet>> {
        let (input, composed) = self.of_symbol[symbol].clone();
        let value = composed.lower(self.plan, self.streams, value)?;
        let column = composed.column(self.plan, value);
        let slots = &mut self.inputs[input].slots;
        if let Some((slot, _)) = slots.iter().find(|(_, known)| *known == column) {
            return Ok(*slot);
        }
        slots.push((self.slots, column));
        self.slots += 1;
        Ok(self.slots - 1)
    }

    /// The register of a value of a step's events.
    fn register(
        &mut self,
        (symbol, pick): (usize, StepPick),
        value: Option<&hir::Expr>,
    ) -> Result<Expr, Vec<NotYet>> {
        let slot = match value {
            Some(value) => self.slot(symbol, value)?,
            None => 0,
        };
        let pick = match pick {
            StepPick::First => Pick::First,
            StepPick::Last => Pick::Last,
            StepPick::Prev => Pick::Prev,
            StepPick::Count if value.is_some() => Pick::Values,
            StepPick::Count => Pick::Count,
            StepPick::Sum => Pick::Sum,
            StepPick::Min => Pick::Min,
            StepPick::Max => Pick::Max,
            StepPick::Avg => Pick::Avg,
        };
        let register = Register { symbol: symbol as u32, pick, slot };
        Ok(Expr::Column(REGISTERS_FROM + find_or_push(&mut self.registers, register)))
    }

    /// Where the rule stands: above the rules that it reads, behind all of its streams.
    pub(super) fn place(&self) -> RulePlace {
        let mut place = RulePlace::default();
        for input in &self.inputs {
            match input.from {
                PatternSource::Signal { timeline, .. } => place.timelines.push(timeline),
                PatternSource::Rows { rule, .. } => {
                    let source = &self.plan.rules[rule.0 as usize].place;
                    place.level = place.level.max(source.level + 1);
                    place.is_behind |= self.plan.row_time(rule) == RowTime::BeforeEnd;
                    place.timelines.extend(&source.timelines);
                }
            }
        }
        place.timelines.sort_unstable();
        place.timelines.dedup();
        place
    }
}

/// The parts of a condition that read the item at hand only, and those that read other events.
fn split<'e>(expr: &'e hir::Expr, own: &mut Vec<&'e hir::Expr>, others: &mut Vec<&'e hir::Expr>) {
    match &expr.kind {
        ExprKind::Binary(hir::BinaryOp::And, a, b) => {
            split(a, own, others);
            split(b, own, others);
        }
        _ if reads_steps(expr) => others.push(expr),
        _ => own.push(expr),
    }
}

fn reads_steps(expr: &hir::Expr) -> bool {
    match &expr.kind {
        ExprKind::Step { .. } => true,
        ExprKind::Constant { .. }
        | ExprKind::Field(_)
        | ExprKind::Call(_)
        | ExprKind::Trace(_)
        | ExprKind::Rule(_) => false,
        ExprKind::Unary(_, x) => reads_steps(x),
        ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => reads_steps(a) || reads_steps(b),
        ExprKind::Coalesce(items) | ExprKind::List(items) => items.iter().any(reads_steps),
        ExprKind::If(a, b, c) => reads_steps(a) || reads_steps(b) || reads_steps(c),
        ExprKind::In(x, items) => reads_steps(x) || items.iter().any(reads_steps),
        ExprKind::Function { args, .. } | ExprKind::RowWindow { args, .. } => {
            args.iter().flatten().any(reads_steps)
        }
        ExprKind::Template(parts) => parts.iter().any(|part| match part {
            hir::TemplatePart::Text(_) => false,
            hir::TemplatePart::Value(value) => reads_steps(value),
        }),
    }
}

/// The names of a condition: of the event at hand, and of those that the run has taken.
struct EventNames<'x, 'a, 'b> {
    lowering: &'x mut Lowering<'a, 'b>,
    symbol: usize,
}

impl Names for EventNames<'_, '_, '_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        let expr = hir::Expr {
            ty: tailwater_dsl::types::Type::Any,
            optional: true,
            range: self.lowering.range,
            kind: ExprKind::Field(field.clone()),
        };
        Some(Expr::Column(self.lowering.slot(self.symbol, &expr).ok()?))
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn step(&mut self, step: (usize, StepPick), value: Option<&hir::Expr>) -> Option<Expr> {
        self.lowering.register(step, value).ok()
    }
}
