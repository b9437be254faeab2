//! The runs of one key: `match one` and `match each`.

use serde::{Deserialize, Serialize};

use super::combine::Held;
use super::found::{Found, FoundKind};
use super::run::{Run, Step, is};
use crate::keyed_events::{Event, Place};
use crate::limits::PATTERN_RUNS_PER_KEY_MAX;
use crate::model::Value;
use crate::plan::{MatchMode, PatternRule};

/// The state of one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(super) hash: u128,
    pub(super) values: Vec<Value>,
    pub(super) runs: Vec<Run>,
    /// When what must not be before a match was there last.
    pub(super) lead_ns: Option<i64>,
    /// `match all`: the events of which matches may be made.
    pub(super) held: Vec<Held>,
    /// When the key is looked at next, if no event comes.
    pub(super) wake_ns: i64,
}

/// What a key says and counts.
#[derive(Default)]
pub(super) struct Said {
    pub(super) found: Vec<Found>,
    /// Events or starts that a bound left no room for.
    pub(super) refused: u64,
}

impl Key {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            hash: event.key_hash,
            values: event.key.clone(),
            runs: Vec::new(),
            lead_ns: None,
            held: Vec::new(),
            wake_ns: i64::MAX,
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.lead_ns.is_none() && self.held.is_empty()
    }

    /// The first time at which something ends without an event.
    pub(super) fn deadline_ns(&self, rule: &PatternRule) -> i64 {
        let runs = self.runs.iter().map(|run| run.deadline_ns);
        let lead = self.lead_end_ns(rule);
        let held = self.held.last().map(|held| held.event.place.time_ns);
        let held = held.map(|time_ns| time_ns.saturating_add(rule.within_ns));
        runs.chain(lead).chain(held).min().unwrap_or(i64::MAX)
    }

    fn lead_end_ns(&self, rule: &PatternRule) -> Option<i64> {
        Some(self.lead_ns?.saturating_add(rule.lead?.for_ns))
    }

    pub(super) fn found(&self, run: Run, end_ns: i64, kind: FoundKind) -> Found {
        let (start, registers) = (run.start, run.registers);
        Found { kind, key: self.values.clone(), start, end_ns, registers }
    }

    /// Takes an event. What ended before it has been taken care of.
    pub(super) fn take(&mut self, rule: &PatternRule, event: &Event, said: &mut Said) {
        if let MatchMode::All { limit } = rule.mode {
            self.combine(rule, event, limit, said);
        } else {
            let mut done: Vec<Run> = Vec::new();
            let mut runs = std::mem::take(&mut self.runs);
            runs.retain_mut(|run| match run.step(rule, event) {
                Step::Goes => true,
                Step::Done => {
                    done.push(run.clone());
                    false
                }
                Step::Dead => false,
            });
            self.runs = runs;
            self.begin(rule, event, &mut done, said);
            self.complete(rule, done, event.place.time_ns, said);
            if rule.keeps_newest() {
                self.keep_newest(rule);
            }
        }
        if rule.lead.is_some_and(|lead| event.is(lead.symbol)) {
            self.lead_ns = Some(event.place.time_ns);
        }
    }

    /// Whether an event may be the first of a match.
    pub(super) fn may_begin(&self, rule: &PatternRule, event: &Event) -> bool {
        let is_free = self.lead_end_ns(rule).is_none_or(|end_ns| end_ns < event.place.time_ns);
        let none = super::register::Registers::new(rule);
        let ends = |symbol: &u32| is(rule, event, *symbol, &none);
        is_free && !rule.without.iter().chain(&rule.until).any(ends)
    }

    fn begin(&mut self, rule: &PatternRule, event: &Event, done: &mut Vec<Run>, said: &mut Said) {
        if !self.may_begin(rule, event) {
            return;
        }
        let mut is_refused = false;
        for lane in 0..rule.lanes.len() as u32 {
            match Run::begin(rule, lane, event) {
                None => {}
                Some((run, Step::Done)) => done.push(run),
                Some(_) if self.runs.len() >= PATTERN_RUNS_PER_KEY_MAX => is_refused = true,
                Some((run, _)) => {
                    // Most keys have one run: room for four from the start took 400 bytes more.
                    if self.runs.capacity() == 0 {
                        self.runs.reserve_exact(1);
                    }
                    self.runs.push(run);
                }
            }
        }
        said.refused += u64::from(is_refused);
    }

    /// Says what ended together, as the mode wants it.
    fn complete(&mut self, rule: &PatternRule, mut done: Vec<Run>, end_ns: i64, said: &mut Said) {
        if done.is_empty() {
            return;
        }
        done.sort_by_key(|run| (run.start, run.lane));
        if let MatchMode::One { overlap } = rule.mode {
            let newest = done.last().map(|run| run.start);
            // The first match of a start is its only one, said or not.
            self.runs.retain(|other| done.iter().all(|run| run.start != other.start));
            let Some(run) = done.into_iter().find(|run| Some(run.start) == newest) else { return };
            if !overlap {
                self.runs.clear();
            }
            said.found.push(self.found(run, end_ns, FoundKind::Match));
            return;
        }
        done.dedup_by_key(|run| run.start);
        for run in done {
            self.runs.retain(|other| other.start != run.start);
            said.found.push(self.found(run, end_ns, FoundKind::Match));
        }
    }

    /// Of the runs that will take the same events from here on, only the one that began last can
    /// ever be said; of those that wait for the same time only the one that ends first.
    fn keep_newest(&mut self, rule: &PatternRule) {
        let order = |run: &Run| {
            let (place, deadline_ns) = (std::cmp::Reverse(run.start), run.deadline_ns);
            (run.class(rule), if run.is_waiting { deadline_ns } else { 0 }, place)
        };
        self.runs.sort_by_key(order);
        self.runs.dedup_by_key(|run| run.class(rule));
    }

    /// Ends what has waited up to a time, which is at most the first deadline.
    pub(super) fn expire(&mut self, rule: &PatternRule, now_ns: i64, said: &mut Said) {
        let is_over = |run: &mut Run| run.deadline_ns <= now_ns;
        let (mut done, mut late): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
        for run in self.runs.extract_if(.., is_over) {
            let collects = rule.until.is_some() && run.is_ready(rule);
            if run.is_waiting || collects { done.push(run) } else { late.push(run) }
        }
        if !done.is_empty() && rule.mode == (MatchMode::One { overlap: false }) {
            late.clear(); // the key starts over
        }
        // A start that is a match has not run out of time in another order.
        late.retain(|run| done.iter().all(|whole| whole.start != run.start));
        self.complete_all(rule, done, now_ns, said);
        if rule.timeout.is_some() {
            self.time_out(rule, late, now_ns, said);
        }
        if self.lead_end_ns(rule).is_some_and(|end_ns| end_ns <= now_ns) {
            self.lead_ns = None;
        }
        self.held.retain(|held| held.event.place.time_ns.saturating_add(rule.within_ns) > now_ns);
    }

    fn complete_all(&mut self, rule: &PatternRule, done: Vec<Run>, end_ns: i64, said: &mut Said) {
        if !matches!(rule.mode, MatchMode::All { .. }) {
            return self.complete(rule, done, end_ns, said);
        }
        for run in done {
            said.found.push(self.found(run, end_ns, FoundKind::Match));
        }
    }

    /// Says what ran out of time, once a start: what came furthest, unless another lane goes on.
    fn time_out(&mut self, rule: &PatternRule, mut late: Vec<Run>, end_ns: i64, said: &mut Said) {
        late.sort_by_key(|run| (run.start, std::cmp::Reverse((run.at, run.count)), run.lane));
        late.dedup_by_key(|run| run.start);
        let goes_on = |start: Place| self.runs.iter().any(|run| run.start == start);
        let over: Vec<Run> = late.into_iter().filter(|run| !goes_on(run.start)).collect();
        for run in over {
            let symbol = rule.lanes[run.lane as usize][run.at as usize].symbol;
            said.found.push(self.found(run, end_ns, FoundKind::Timeout { symbol }));
        }
    }
}
