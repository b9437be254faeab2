//! One unfinished match: which events it takes, and when it is over.

use serde::{Deserialize, Serialize};

use super::register::Registers;
use crate::keyed_events::{Event, Place};
use crate::model::Value;
use crate::plan::eval::eval_columns;
use crate::plan::{LaneStep, PatternRule, REGISTERS_FROM};

/// An unfinished match. Of the events that it took it holds what is asked of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) lane: u32,
    /// The step of the lane that it has reached.
    pub(super) at: u32,
    /// Events taken by that step.
    pub(super) count: u32,
    /// Steps whose very next event was another one: one bit a step of the lane.
    pub(super) missed: u64,
    /// Whether it has all its events and waits for what must not come.
    pub(super) is_waiting: bool,
    pub(super) start: Place,
    /// Time of the last event, nanoseconds.
    pub(super) last_ns: i64,
    /// When it is over without another event, nanoseconds.
    pub(super) deadline_ns: i64,
    pub(super) registers: Registers,
}

/// What an event makes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on, moved or not.
    Goes,
    /// It is a match.
    Done,
    /// It is none and never will be.
    Dead,
}

/// Whether an event is a symbol, as far as a run's events decide that.
pub(super) fn is(rule: &PatternRule, event: &Event, symbol: u32, registers: &Registers) -> bool {
    let condition = &rule.symbols[symbol as usize].condition;
    event.is(symbol)
        && condition.as_ref().is_none_or(|condition| {
            let mut column = |at: u32| match at.checked_sub(REGISTERS_FROM) {
                Some(register) => registers.value(rule, register as usize),
                None => event.slots.get(at as usize).cloned().unwrap_or_default(),
            };
            eval_columns(condition, &mut column) == Value::Bool(true)
        })
}

impl Run {
    /// A run of a lane that has not taken its first event.
    pub(super) fn blank(rule: &PatternRule, lane: u32, event: &Event) -> Self {
        Self {
            lane,
            at: 0,
            count: 0,
            missed: 0,
            is_waiting: false,
            start: event.place,
            last_ns: event.place.time_ns,
            deadline_ns: i64::MAX,
            registers: Registers::new(rule),
        }
    }

    /// The run that an event begins in a lane. `Done` where it is a match at once.
    pub(super) fn begin(rule: &PatternRule, lane: u32, event: &Event) -> Option<(Self, Step)> {
        let steps = &rule.lanes[lane as usize];
        let mut run = Self::blank(rule, lane, event);
        let first = steps.iter().position(|step| step.min > 0).unwrap_or(steps.len() - 1);
        let is_it = |at: &usize| is(rule, event, steps[*at].symbol, &run.registers);
        let at = (0..=first).rev().find(is_it)?;
        match run.take(rule, at as u32, event) {
            Step::Dead => None,
            step => Some((run, step)),
        }
    }

    fn steps<'r>(&self, rule: &'r PatternRule) -> &'r [LaneStep] {
        &rule.lanes[self.lane as usize]
    }

    /// The steps behind its own that it may take next.
    fn reach(&self, rule: &PatternRule) -> std::ops::Range<usize> {
        let steps = self.steps(rule);
        let at = self.at as usize;
        if self.count < steps[at].min {
            return at + 1..at + 1;
        }
        let more = steps[at + 1..].iter().position(|step| step.min > 0);
        at + 1..more.map_or(steps.len(), |more| at + 2 + more)
    }

    /// Whether its step takes one more event.
    fn repeats(&self, rule: &PatternRule) -> bool {
        self.count < self.steps(rule)[self.at as usize].max
    }

    /// Whether it has all the events that a match must have.
    pub(super) fn is_ready(&self, rule: &PatternRule) -> bool {
        let reach = self.reach(rule);
        let steps = self.steps(rule);
        self.count >= steps[self.at as usize].min
            && reach.end == steps.len()
            && steps[reach].iter().all(|step| step.min == 0)
    }

    fn can_take(&self, rule: &PatternRule, at: usize, event: &Event) -> bool {
        let step = &self.steps(rule)[at];
        let gap_ns = event.place.time_ns.saturating_sub(self.last_ns);
        step.gap_ns.is_none_or(|most_ns| gap_ns <= most_ns)
            && (step.stream.is_none() || self.missed >> at & 1 == 0)
            && is(rule, event, step.symbol, &self.registers)
    }

    /// Where in its lane the run may take an event: as far on as it can.
    pub(super) fn target(&self, rule: &PatternRule, event: &Event) -> Option<u32> {
        let on = self.reach(rule).rev().find(|at| self.can_take(rule, *at, event));
        let own = self.at as usize;
        let again = || (self.repeats(rule) && self.can_take(rule, own, event)).then_some(own);
        on.or_else(again).map(|at| at as u32)
    }

    /// Everywhere in its lane where the run may take an event.
    pub(super) fn targets(&self, rule: &PatternRule, event: &Event) -> Vec<u32> {
        let own = self.repeats(rule).then_some(self.at as usize);
        let all = own.into_iter().chain(self.reach(rule));
        all.filter(|at| self.can_take(rule, *at, event)).map(|at| at as u32).collect()
    }

    /// Whether a match may go on: its last step repeats, or others may come.
    pub(super) fn goes_on(&self, rule: &PatternRule) -> bool {
        self.repeats(rule) || !self.reach(rule).is_empty()
    }

    /// Whether no match can end as late as an event.
    pub(super) fn is_over(&self, rule: &PatternRule, event: &Event) -> bool {
        event.place.time_ns.saturating_sub(self.start.time_ns) > rule.within_ns
    }

    /// Whether an event ends the run as something that must not come, or lets it end.
    pub(super) fn guard(&self, rule: &PatternRule, event: &Event) -> Option<Step> {
        let is = |symbol: u32| is(rule, event, symbol, &self.registers);
        if rule.without.iter().any(|symbol| is(*symbol)) {
            return Some(Step::Dead);
        }
        if self.is_waiting {
            let came = rule.trail.is_some_and(|trail| is(trail.symbol));
            return Some(if came { Step::Dead } else { Step::Goes });
        }
        let ends = rule.until.is_some_and(is);
        ends.then(|| if self.is_ready(rule) { Step::Done } else { Step::Dead })
    }

    /// Shows the run an event.
    pub(super) fn step(&mut self, rule: &PatternRule, event: &Event) -> Step {
        if let Some(step) = self.guard(rule, event) {
            return step;
        }
        match self.target(rule, event) {
            Some(at) => self.take(rule, at, event),
            None => self.miss(rule, event),
        }
    }

    /// Lets an event pass: a `next` step whose stream it is of cannot come any more.
    pub(super) fn miss(&mut self, rule: &PatternRule, event: &Event) -> Step {
        let steps = self.steps(rule);
        let own = self.at as usize;
        for at in self.reach(rule).chain(self.repeats(rule).then_some(own)) {
            if steps[at].stream.is_some_and(|stream| event.is(stream)) {
                self.missed |= 1 << at;
            }
        }
        let is_open = |at: usize| self.missed >> at & 1 == 0;
        let goes = self.reach(rule).any(is_open) || (self.repeats(rule) && is_open(own));
        if goes || self.is_ready(rule) { Step::Goes } else { Step::Dead }
    }

    /// Takes an event at a step of the lane.
    pub(super) fn take(&mut self, rule: &PatternRule, at: u32, event: &Event) -> Step {
        let steps = self.steps(rule);
        self.count = if at == self.at { self.count + 1 } else { 1 };
        self.at = at;
        self.missed = 0;
        self.last_ns = event.place.time_ns;
        self.registers.take(rule, steps[at as usize].symbol, event);
        let most_ns = self.start.time_ns.saturating_add(rule.within_ns);
        if self.is_ready(rule) {
            let is_full = at as usize + 1 == steps.len() && !self.repeats(rule);
            match rule.trail {
                Some(trail) => {
                    self.is_waiting = true;
                    self.deadline_ns = self.last_ns.saturating_add(trail.for_ns);
                    return if self.deadline_ns > most_ns { Step::Dead } else { Step::Goes };
                }
                None if rule.until.is_none() || is_full => return Step::Done,
                None => {}
            }
        }
        let own = self.repeats(rule).then_some(at as usize);
        let gaps = self.reach(rule).chain(own).map(|at| steps[at].gap_ns);
        // The time up to which some step may still come.
        let gap_ns = gaps.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten();
        let gap_end_ns = gap_ns.map_or(i64::MAX, |gap_ns| self.last_ns.saturating_add(gap_ns));
        self.deadline_ns = most_ns.min(gap_end_ns);
        Step::Goes
    }

    /// The number of events that tells runs apart which will not take the same ones.
    pub(super) fn class(&self, rule: &PatternRule) -> (u32, u32, u32, u64, bool) {
        let least = self.steps(rule)[self.at as usize].min.max(1);
        (self.lane, self.at, self.count.min(least), self.missed, self.is_waiting)
    }
}
