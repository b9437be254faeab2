//! The body of a pattern: its steps become symbols, its branches and orders lanes.

use super::key::as_key;
use super::pattern::is_optional;
use super::step::StepLabel;
use super::{Checker, Site};
use crate::ast::{self, Element, PatternBody, Sequence, Step};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Absence, LaneStep, MatchMode, PatternSymbol};
use crate::limits::{
    PATTERN_ANY_ORDER_MAX, PATTERN_LANES_MAX, PATTERN_REPEATS_MAX, PATTERN_STEPS_MAX,
};
use crate::text_range::TextRange;
use crate::types::Type;

/// Ways to match: the steps of each, in order.
type Lanes = Vec<Vec<LaneStep>>;

/// What a body is made of.
pub(super) struct Body {
    pub(super) symbols: Vec<PatternSymbol>,
    pub(super) lanes: Lanes,
    /// Steps that values may name.
    pub(super) labels: Vec<StepLabel>,
    pub(super) lead: Option<(Absence, TextRange)>,
    pub(super) trail: Option<(Absence, TextRange)>,
    pub(super) without: Vec<usize>,
    pub(super) until: Option<(usize, TextRange)>,
    /// Type and presence of every key value.
    pub(super) keys: Vec<(Type, bool)>,
}

/// What a step is to the body.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// Its events are part of the match.
    Step,
    /// Named by nothing.
    Absence,
    Guard,
}

/// A body that is being read.
pub(super) struct Reading<'b> {
    pub(super) body: Body,
    pub(super) written: &'b PatternBody,
    pub(super) keys: &'b [ast::Binding],
    pub(super) module: usize,
    pub(super) is_partial: bool,
    /// Where each key got its type.
    pub(super) key_ranges: Vec<TextRange>,
}

impl Checker<'_> {
    pub(super) fn body(
        &mut self,
        site: &Site<'_>,
        body: &PatternBody,
        keys: &[ast::Binding],
        mode: Option<MatchMode>,
    ) -> Option<Body> {
        let mut count = body.guards.len();
        body.sequence.steps(&mut |_| count += 1);
        if count > PATTERN_STEPS_MAX {
            let message = format!("the pattern has {count} steps, {PATTERN_STEPS_MAX} are allowed");
            self.report(Diagnostic::new(codes::TOO_LARGE, body.range, message));
            return None;
        }
        let mut reading = Reading {
            body: Body {
                symbols: Vec::new(),
                lanes: Vec::new(),
                labels: Vec::new(),
                lead: None,
                trail: None,
                without: Vec::new(),
                until: None,
                keys: Vec::new(),
            },
            written: body,
            keys,
            module: site.module,
            is_partial: site.tree.is_partial,
            key_ranges: Vec::new(),
        };
        let lanes = self.sequence(&body.sequence, (true, false), &mut reading)?;
        for step in &mut reading.body.labels {
            step.optional = is_optional(&lanes, step.symbol);
        }
        reading.body.lanes = lanes;
        self.guards(body, mode, &mut reading);
        let Body { symbols, keys, .. } = &mut reading.body;
        for (at, (ty, _)) in keys.iter().enumerate().filter(|(_, (ty, _))| *ty == Type::Bytes) {
            symbols.iter_mut().filter_map(|s| s.key.get_mut(at)).for_each(|key| as_key(key, ty));
        }
        self.lanes_make_sense(body, &reading.body);
        Some(reading.body)
    }

    /// The lanes of a sequence; its steps become symbols. What stands before brackets stands before
    /// their first element: brackets around one element change nothing.
    fn sequence(
        &mut self,
        sequence: &Sequence,
        (is_whole, begins_next): (bool, bool),
        reading: &mut Reading<'_>,
    ) -> Option<Lanes> {
        let mut lanes: Lanes = vec![Vec::new()];
        let last = sequence.links.len() - 1;
        for (at, link) in sequence.links.iter().enumerate() {
            let is_next = link.word.as_ref().is_some_and(|word| word.text == "next");
            let is_next = is_next || (at == 0 && begins_next);
            let more = match &link.element {
                Element::Steps(steps) => self.alternatives(steps, is_next, reading)?,
                Element::AnyOrder(steps) => self.any_order(steps, is_next, link.range, reading)?,
                Element::Branches(branches) => self.branches(branches, is_next, reading)?,
                Element::Absence(absence) => {
                    let (step, time) = &**absence;
                    let place = (is_whole, at == 0, at == last);
                    self.absence(step, time, place, is_next, reading);
                    continue;
                }
            };
            if lanes.len() * more.len() > PATTERN_LANES_MAX {
                let message = format!(
                    "the pattern has more than {PATTERN_LANES_MAX} ways to match, alternatives and \
                     orders written out"
                );
                self.report(
                    Diagnostic::new(codes::TOO_LARGE, link.range, message)
                        .help("split it into several patterns"),
                );
                return None;
            }
            let grown = lanes.iter().flat_map(|lane| {
                more.iter().map(move |next| lane.iter().chain(next).cloned().collect())
            });
            lanes = grown.collect();
        }
        Some(lanes)
    }

    /// Steps of which one comes: a lane each. They do not see one another.
    fn alternatives(
        &mut self,
        steps: &[Step],
        is_next: bool,
        reading: &mut Reading<'_>,
    ) -> Option<Lanes> {
        let known = reading.body.labels.clone();
        let lane = |step| Some(vec![self.lane_step(step, is_next, &known, reading)?]);
        steps.iter().map(lane).collect()
    }

    /// Sequences of which one comes: the lanes of each. They do not see one another.
    fn branches(
        &mut self,
        branches: &[Sequence],
        is_next: bool,
        reading: &mut Reading<'_>,
    ) -> Option<Lanes> {
        let mut lanes = Vec::new();
        let known = reading.body.labels.clone();
        let mut all = known.clone();
        for branch in branches {
            reading.body.labels.clone_from(&known);
            lanes.extend(self.sequence(branch, (false, is_next), reading)?);
            all.extend(reading.body.labels.drain(known.len()..));
        }
        reading.body.labels = all;
        Some(lanes)
    }

    fn any_order(
        &mut self,
        steps: &[Step],
        is_next: bool,
        range: TextRange,
        reading: &mut Reading<'_>,
    ) -> Option<Lanes> {
        if steps.len() > PATTERN_ANY_ORDER_MAX {
            let message = format!(
                "`any order` has {} steps, {PATTERN_ANY_ORDER_MAX} are allowed",
                steps.len()
            );
            self.report(Diagnostic::new(codes::TOO_LARGE, range, message));
            return None;
        }
        let known = reading.body.labels.clone();
        let mut made = Vec::new();
        for step in steps {
            if let Some(quantity) = &step.quantity {
                let message = "a step of `any order` comes once";
                self.report(
                    Diagnostic::new(codes::STEP_PLACE, quantity.range, message)
                        .help("leave the quantity out, or write the step outside of `any order`"),
                );
            }
            let step = Step { quantity: None, ..step.clone() };
            made.push(self.lane_step(&step, is_next, &known, reading)?);
        }
        let mut orders: Lanes = vec![Vec::new()];
        for _ in 0..made.len() {
            let longer = orders.iter().flat_map(|order| {
                let left = made.iter().filter(|step| {
                    order.iter().all(|taken: &LaneStep| taken.symbol != step.symbol)
                });
                left.map(move |step| order.iter().chain([step]).cloned().collect())
            });
            orders = longer.collect();
        }
        Some(orders)
    }

    fn absence(
        &mut self,
        step: &Step,
        time: &ast::Expr,
        (is_whole, is_first, is_last): (bool, bool, bool),
        is_next: bool,
        reading: &mut Reading<'_>,
    ) {
        let is_placed = is_whole && (is_first != is_last) && !is_next;
        if !is_placed {
            let message =
                "an absence stands first or last in a pattern, beside a step, behind `then`";
            self.report(
                Diagnostic::new(codes::STEP_PLACE, step.range, message)
                    .help("between steps, `without` says what must not come"),
            );
        }
        let quantity = step.quantity.as_ref().map(|quantity| quantity.range);
        for range in quantity.into_iter().chain(step.gap.as_ref().map(|gap| gap.range)) {
            let message = "an absence has no quantity and no gap: `for` says how long it lasts";
            self.report(Diagnostic::new(codes::STEP_PLACE, range, message));
        }
        let for_ns = self.duration(time, reading.module, "`for`", 1);
        let known = if is_first { Vec::new() } else { reading.body.labels.clone() };
        let symbol = self.symbol(step, Role::Absence, &known, reading);
        let Some(for_ns) = for_ns else { return };
        let absence = Some((Absence { symbol, for_ns }, step.range));
        if is_first {
            reading.body.lead = absence;
        } else {
            reading.body.trail = absence;
        }
    }

    fn lane_step(
        &mut self,
        step: &Step,
        is_next: bool,
        known: &[StepLabel],
        reading: &mut Reading<'_>,
    ) -> Option<LaneStep> {
        let (min, max) = self.quantity(step)?;
        let gap_ns = match &step.gap {
            Some(gap) => Some(self.duration(gap, reading.module, "`gap`", 1)?),
            None => None,
        };
        let symbol = self.symbol(step, Role::Step, known, reading);
        if let Some(label) = reading.body.labels.iter_mut().find(|label| label.symbol == symbol) {
            label.repeats = max != Some(1);
        }
        Some(LaneStep { symbol, min, max, gap_ns, is_next })
    }

    /// Fewest and most events of a step.
    fn quantity(&mut self, step: &Step) -> Option<(u32, Option<u32>)> {
        let Some(quantity) = &step.quantity else { return Some((1, Some(1))) };
        if quantity.text == "?" {
            return Some((0, Some(1)));
        }
        let inside = quantity.text.trim_matches(['{', '}']);
        let number = |text: &str| text.trim().replace('_', "").parse::<u32>().ok();
        let (min, max) = match inside.split_once(',') {
            None => (number(inside), number(inside)),
            Some((min, max)) if max.trim().is_empty() => (number(min), Some(u32::MAX)),
            Some((min, max)) => (number(min), number(max)),
        };
        match (min, max) {
            (Some(min), Some(u32::MAX)) if min <= PATTERN_REPEATS_MAX => Some((min, None)),
            (Some(min), Some(max)) if min <= max && (1..=PATTERN_REPEATS_MAX).contains(&max) => {
                Some((min, Some(max)))
            }
            _ => {
                let message = format!(
                    "a quantity is `{{n}}`, `{{n,}}` or `{{n,m}}` with n at most m, both at most \
                     {PATTERN_REPEATS_MAX}"
                );
                self.report(Diagnostic::new(codes::CLAUSE_VALUE, quantity.range, message));
                None
            }
        }
    }

    fn guards(&mut self, body: &PatternBody, mode: Option<MatchMode>, reading: &mut Reading<'_>) {
        let known = reading.body.labels.clone();
        for guard in &body.guards {
            if let Some(gap) = &guard.step.gap {
                let message = format!("`{}` takes no `gap`", guard.word.text);
                self.report(Diagnostic::new(codes::STEP_PLACE, gap.range, message));
            }
            let symbol = self.symbol(&guard.step, Role::Guard, &known, reading);
            reading.body.symbols[symbol].name.clone_from(&guard.word.text);
            if guard.word.text == "without" {
                reading.body.without.push(symbol);
            } else if let Some((_, first)) = reading.body.until {
                self.report(
                    Diagnostic::new(codes::REPEATED_CLAUSE, guard.range, "`until` is given twice")
                        .because(first, "first here")
                        .help("keep one of them; conditions of one source are joined with `or`"),
                );
            } else {
                reading.body.until = Some((symbol, guard.range));
                if let Some(MatchMode::All { .. }) = mode {
                    let message = "`until` lets the last step collect, which `match all` does not";
                    self.report(
                        Diagnostic::new(codes::STEP_PLACE, guard.range, message)
                            .help("use `match one` or `match each`"),
                    );
                }
            }
        }
    }

    /// Lanes that match nothing, or at once.
    fn lanes_make_sense(&mut self, body: &PatternBody, found: &Body) {
        let links = &body.sequence.links;
        let end = links.last().map_or(body.range, |link| link.range);
        for lane in &found.lanes {
            if lane.iter().all(|step| step.min == 0) {
                let message = "every step of the pattern may be left out";
                self.report(
                    Diagnostic::new(codes::STEP_PLACE, end, message)
                        .help("let one step come at least once"),
                );
                return;
            }
            let last = lane.last().expect("a lane has the steps that were asked for above");
            if last.min == 0 && (found.until.is_none() || found.trail.is_some()) {
                let message = "the last step may be left out, so nothing waits for it";
                self.report(
                    Diagnostic::new(codes::STEP_PLACE, end, message)
                        .help("leave it out, or say how long to collect: `until …`"),
                );
                return;
            }
            if let Some((_, range)) = found.until.filter(|_| last.max == Some(1)) {
                let message = "`until` ends a last step that repeats; this one comes once";
                self.report(
                    Diagnostic::new(codes::STEP_PLACE, range, message)
                        .because(end, "the last step")
                        .help("to end a match that must not go on, use `without`"),
                );
                return;
            }
        }
    }
}
