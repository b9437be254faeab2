//! `match all`: every combination of a key's events, made anew for each event that ends one.
//!
//! The events of the last `within` are held, with the unfinished combinations nowhere: their
//! number has no bound. A walk from the first event on tries each lane; what cannot reach the end
//! any more, conditions on other events aside, is left out before (the idea of constant-delay
//! enumeration over a compact structure, Grez, Riveros and Ugarte).

use serde::{Deserialize, Serialize};

use super::found::FoundKind;
use super::key::{Key, Said};
use super::run::{Run, Step, is};
use crate::keyed_events::{Event, Place};
use crate::limits::{PATTERN_EVENTS_PER_KEY_MAX, PATTERN_WALK_MAX};
use crate::plan::{LaneStep, PatternRule};

/// An event of which combinations are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) event: Event,
    /// Whether nothing forbade a match to begin with it.
    pub(super) begins: bool,
}

/// A combination: its events and what each of them is in the lane, and the run that took them.
struct Combination {
    places: Vec<(Place, u32)>,
    run: Run,
}

/// One walk over the events of a key.
struct Walk<'a> {
    rule: &'a PatternRule,
    held: &'a [Held],
    /// By event and step: whether a combination with the event at that step can reach the end.
    reaches: Vec<Vec<bool>>,
    limit: usize,
    /// Tries left.
    left: usize,
    places: Vec<(Place, u32)>,
    found: Vec<Combination>,
}

impl Key {
    /// Takes an event, and says the first of the combinations that it completes.
    pub(super) fn combine(
        &mut self,
        rule: &PatternRule,
        event: &Event,
        limit: u32,
        said: &mut Said,
    ) {
        self.runs.retain_mut(|run| run.guard(rule, event) != Some(Step::Dead));
        let oldest_ns = event.place.time_ns.saturating_sub(rule.within_ns);
        self.held.retain(|held| held.event.place.time_ns >= oldest_ns);
        let is_unconditional =
            |symbol: &u32| event.is(*symbol) && rule.symbols[*symbol as usize].condition.is_none();
        if rule.without.iter().any(is_unconditional) {
            self.held.clear();
            return;
        }
        if !is_part(rule, event) {
            return;
        }
        let begins = self.may_begin(rule, event);
        self.held.push(Held { event: event.clone(), begins });
        let (mut found, mut left) = (Vec::new(), PATTERN_WALK_MAX);
        for lane in (0..rule.lanes.len()).filter(|lane| may_end(&rule.lanes[*lane], event)) {
            found.extend(walk(rule, &self.held, lane, limit as usize, &mut left));
        }
        found.sort_by(|a, b| a.places.cmp(&b.places).then(a.run.lane.cmp(&b.run.lane)));
        found.truncate(limit as usize);
        said.refused += u64::from(left == 0);
        for combination in found {
            if combination.run.is_waiting {
                self.runs.push(combination.run);
            } else {
                let end_ns = event.place.time_ns;
                said.found.push(self.found(combination.run, end_ns, FoundKind::Match));
            }
        }
        if self.held.len() > PATTERN_EVENTS_PER_KEY_MAX {
            self.held.pop();
            said.refused += 1;
        }
        let bound = PATTERN_EVENTS_PER_KEY_MAX.max(limit as usize);
        if self.runs.len() > bound {
            said.refused += (self.runs.len() - bound) as u64;
            self.runs.truncate(bound);
        }
    }
}

/// Whether combinations are made of an event, or fail because of it.
fn is_part(rule: &PatternRule, event: &Event) -> bool {
    let is_step =
        |step: &LaneStep| event.is(step.symbol) || step.stream.is_some_and(|s| event.is(s));
    rule.lanes.iter().flatten().any(is_step) || rule.without.iter().any(|s| event.is(*s))
}

/// Whether a lane may end with an event.
fn may_end(lane: &[LaneStep], event: &Event) -> bool {
    let last = lane.iter().rposition(|step| step.min > 0).unwrap_or(0);
    lane[last..].iter().any(|step| event.is(step.symbol))
}

fn walk(
    rule: &PatternRule,
    held: &[Held],
    lane: usize,
    limit: usize,
    left: &mut usize,
) -> Vec<Combination> {
    let steps = &rule.lanes[lane];
    let mut walk = Walk {
        rule,
        held,
        reaches: reaches(steps, held),
        limit,
        left: *left,
        places: Vec::new(),
        found: Vec::new(),
    };
    for (at, first) in held.iter().enumerate().filter(|(_, first)| first.begins) {
        if !walk.reaches[at].iter().any(|reaches| *reaches) {
            continue;
        }
        // A combination may begin with any step that those before it need not come for.
        let firsts = steps.iter().position(|step| step.min > 0).unwrap_or(0);
        for step in 0..=firsts {
            if let Some((run, done)) = begin(rule, lane as u32, step, &first.event) {
                walk.places.push((first.event.place, step as u32));
                walk.on(at, &run, done);
                walk.places.pop();
            }
        }
    }
    *left = walk.left;
    walk.found
}

fn begin(rule: &PatternRule, lane: u32, at: usize, event: &Event) -> Option<(Run, Step)> {
    let mut run = Run::blank(rule, lane, event);
    if !is(rule, event, rule.lanes[lane as usize][at].symbol, &run.registers) {
        return None;
    }
    let step = run.take(rule, at as u32, event);
    (step != Step::Dead).then_some((run, step))
}

impl Walk<'_> {
    /// Goes on behind an event that a run has taken.
    fn on(&mut self, at: usize, run: &Run, done: Step) {
        if self.found.len() >= self.limit || self.left == 0 {
            return;
        }
        if done == Step::Done || run.is_waiting {
            if at + 1 == self.held.len() {
                let (places, run) = (self.places.clone(), run.clone());
                self.found.push(Combination { places, run });
            }
            if !run.goes_on(self.rule) {
                return;
            }
        }
        let mut run = Run { is_waiting: false, ..run.clone() };
        for (next, held) in self.held.iter().enumerate().skip(at + 1) {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let event = &held.event;
            if run.is_over(self.rule, event) || run.guard(self.rule, event) == Some(Step::Dead) {
                return;
            }
            for step in run.targets(self.rule, event) {
                if !self.reaches[next][step as usize] {
                    continue;
                }
                let mut taken = run.clone();
                let done = taken.take(self.rule, step, event);
                if done != Step::Dead {
                    self.places.push((event.place, step));
                    self.on(next, &taken, done);
                    self.places.pop();
                }
            }
            if run.miss(self.rule, event) == Step::Dead {
                return;
            }
        }
    }
}

/// By event and step: whether, with the event at that step, the last event can be reached as the
/// end of the lane. Conditions on other events, `next` and repetitions' counts are left to the
/// walk.
fn reaches(lane: &[LaneStep], held: &[Held]) -> Vec<Vec<bool>> {
    let last = held.len() - 1;
    let mut reaches = vec![vec![false; lane.len()]; held.len()];
    // By step: the first event behind that reaches the end from it.
    let mut nearest: Vec<Option<i64>> = vec![None; lane.len()];
    for (at, held) in held.iter().enumerate().rev() {
        let time_ns = held.event.place.time_ns;
        for (step, own) in lane.iter().enumerate().filter(|(_, own)| held.event.is(own.symbol)) {
            let is_end = at == last && lane[step + 1..].iter().all(|step| step.min == 0);
            let again = (own.max > 1).then_some(step);
            let more = lane[step + 1..].iter().position(|step| step.min > 0);
            let to = more.map_or(lane.len(), |more| step + 2 + more);
            let goes = (step + 1..to).chain(again).any(|next| {
                let gap_ns = lane[next].gap_ns.unwrap_or(i64::MAX);
                nearest[next].is_some_and(|next_ns| next_ns - time_ns <= gap_ns)
            });
            reaches[at][step] = is_end || goes;
        }
        for step in 0..lane.len() {
            if reaches[at][step] {
                nearest[step] = Some(time_ns);
            }
        }
    }
    reaches
}
