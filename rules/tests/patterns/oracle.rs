//! What a pattern finds, by trying: whole lists of events, no state, no deadlines, no watermark
//! but for lateness. Written from `docs/language.md`; shares no code with the engine.

use std::collections::BTreeSet;

use super::outcome::Outcome;

/// One event: second of event time, letter, number of the key, a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) time_s: i64,
    pub(crate) letter: usize,
    pub(crate) key: usize,
    pub(crate) v: i64,
    /// Its place in the log.
    pub(crate) place: usize,
}

/// What a step asks of earlier events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    /// Its number is larger than that of step 0.
    MoreThanFirst,
    /// Its number is not smaller than that of the step's event before.
    NotLess,
}

/// A step: which letters it takes, how often, how near, and whether next to the one before.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) letters: BTreeSet<usize>,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) gap_s: Option<i64>,
    pub(crate) is_next: bool,
    pub(crate) condition: Condition,
}

/// A part of a sequence.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    One(Step),
    Either(Step, Step),
    AnyOrder(Step, Step),
}

/// What must not come, with the number of its step 0 or without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Without {
    pub(crate) letter: usize,
    pub(crate) is_more_than_first: bool,
}

/// A pattern's body.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) elements: Vec<Element>,
    pub(crate) within_s: i64,
    pub(crate) lead: Option<(usize, i64)>,
    pub(crate) trail: Option<(usize, i64)>,
    pub(crate) without: Option<Without>,
    /// The letter up to which the last step collects.
    pub(crate) until: Option<usize>,
}

/// How many matches are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    One,
    Overlap,
    Each,
    All(usize),
}

/// First second, last second, key, and by step the number of events and the sum of their places.
pub(crate) type Match = (i64, i64, usize, Vec<(i64, i64)>);

/// A match that ran out of time: as one, with its deadline as the end; and the step it had come to.
pub(crate) type Timeout = (Match, usize);

/// Indices of steps in the order of the text.
pub(super) type Lane<'b> = Vec<(usize, &'b Step)>;

/// When something is decided: by an event, or by time once all events of that time have come.
pub(super) type End = (i64, usize);

/// A found match: lane, indices of events by step of the lane.
#[derive(Debug, Clone)]
struct Found {
    lane: usize,
    taken: Vec<Vec<usize>>,
    end: End,
}

impl Found {
    fn first(&self) -> usize {
        self.taken.iter().flatten().copied().min().unwrap()
    }

    fn last(&self) -> usize {
        self.taken.iter().flatten().copied().max().unwrap()
    }

    /// Its events and what each of them is in the lane.
    fn events(&self) -> Vec<(usize, usize)> {
        let of = |(at, taken): (usize, &Vec<usize>)| -> Vec<(usize, usize)> {
            taken.iter().map(|index| (*index, at)).collect()
        };
        let mut events: Vec<(usize, usize)> = self.taken.iter().enumerate().flat_map(of).collect();
        events.sort_unstable();
        events
    }
}

impl Body {
    pub(crate) fn steps(&self) -> Vec<&Step> {
        let mut steps = Vec::new();
        for element in &self.elements {
            match element {
                Element::One(step) => steps.push(step),
                Element::Either(a, b) | Element::AnyOrder(a, b) => steps.extend([a, b]),
            }
        }
        steps
    }

    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        let mut lanes: Vec<Lane<'_>> = vec![Vec::new()];
        let mut at = 0;
        for element in &self.elements {
            let (more, steps): (Vec<Lane<'_>>, usize) = match element {
                Element::One(step) => (vec![vec![(at, step)]], 1),
                Element::Either(a, b) => (vec![vec![(at, a)], vec![(at + 1, b)]], 2),
                Element::AnyOrder(a, b) => {
                    let (a, b) = ((at, a), (at + 1, b));
                    (vec![vec![a, b], vec![b, a]], 2)
                }
            };
            at += steps;
            let mut grown = Vec::new();
            for lane in &lanes {
                for next in &more {
                    grown.push(lane.iter().chain(next).copied().collect());
                }
            }
            lanes = grown;
        }
        lanes
    }

    /// What is on time in the log, by key.
    fn on_time(log: &[Event], lateness_s: i64) -> Vec<Vec<Event>> {
        let mut high_s = i64::MIN;
        let mut on_time = Vec::new();
        for event in log {
            if high_s == i64::MIN || event.time_s > high_s - lateness_s {
                on_time.push(*event);
            }
            high_s = high_s.max(event.time_s);
        }
        on_time.sort_by_key(|event| (event.time_s, event.place));
        let keys: BTreeSet<usize> = on_time.iter().map(|event| event.key).collect();
        let of = |key| on_time.iter().filter(|event| event.key == key).copied().collect();
        keys.into_iter().map(of).collect()
    }

    /// All matches in the log.
    pub(crate) fn matches(&self, log: &[Event], lateness_s: i64, mode: Mode) -> Vec<Match> {
        let mut all = Vec::new();
        for own in Self::on_time(log, lateness_s) {
            let found = match mode {
                Mode::All(limit) => self.every(&own, limit),
                mode => self.chosen(&own, mode),
            };
            all.extend(found.iter().map(|found| self.row(&own, found)));
        }
        all.sort();
        all
    }

    /// What `match each` leaves unfinished: of every start without a match what came furthest, if
    /// nothing of that start goes on.
    pub(crate) fn timeouts(&self, log: &[Event], lateness_s: i64) -> Vec<Timeout> {
        let (lanes, mut all) = (self.lanes(), Vec::new());
        for own in Self::on_time(log, lateness_s) {
            for start in (0..own.len()).filter(|start| self.may_begin(&own, *start)) {
                let outcome = |(at, lane)| Some((at, self.follow(lane, &own, start)?));
                let outcomes: Vec<(usize, Outcome)> =
                    lanes.iter().enumerate().filter_map(outcome).collect();
                let last_s = outcomes.iter().map(|(_, outcome)| outcome.end_s()).max();
                if outcomes.iter().any(|(_, o)| matches!(o, Outcome::Match { .. })) {
                    continue;
                }
                let late = outcomes.into_iter().filter_map(|(lane, outcome)| match outcome {
                    Outcome::Timeout { taken, at_s, reached } if Some(at_s) == last_s => {
                        Some((reached, Found { lane, taken, end: (at_s, usize::MAX) }))
                    }
                    _ => None,
                });
                let furthest = late.min_by_key(|(reached, found)| {
                    (std::cmp::Reverse((*reached, found.taken[*reached].len())), found.lane)
                });
                if let Some((reached, found)) = furthest {
                    all.push((self.row(&own, &found), lanes[found.lane][reached].0));
                }
            }
        }
        all.sort();
        all
    }

    fn row(&self, events: &[Event], found: &Found) -> Match {
        let lane = &self.lanes()[found.lane];
        let mut steps = vec![(0, 0); self.steps().len()];
        for ((at, _), taken) in lane.iter().zip(&found.taken) {
            let places = taken.iter().map(|index| events[*index].place as i64);
            steps[*at] = (taken.len() as i64, places.sum());
        }
        (events[found.first()].time_s, found.end.0, events[0].key, steps)
    }

    fn may_begin(&self, events: &[Event], at: usize) -> bool {
        let event = &events[at];
        let is_quiet = self.lead.is_none_or(|(letter, for_s)| {
            !events[..at].iter().any(|e| e.letter == letter && e.time_s >= event.time_s - for_s)
        });
        // Its step 0 has no event yet: a guard that asks for it does not hold.
        let ends = self.without.is_some_and(|w| w.letter == event.letter && !w.is_more_than_first);
        is_quiet && !ends && self.until != Some(event.letter)
    }

    /// The number of the event of step 0, if it has come.
    pub(super) fn first_v(lane: &Lane<'_>, taken: &[Vec<usize>], events: &[Event]) -> Option<i64> {
        let at = lane.iter().position(|(step, _)| *step == 0)?;
        taken[at].first().map(|index| events[*index].v)
    }

    pub(super) fn kills(&self, event: &Event, first_v: Option<i64>) -> bool {
        self.without.is_some_and(|without| {
            let is_more = first_v.is_some_and(|v| event.v > v);
            event.letter == without.letter && (!without.is_more_than_first || is_more)
        })
    }

    pub(super) fn fits(
        lane: &Lane<'_>,
        (taken, at): (&[Vec<usize>], usize),
        events: &[Event],
        index: usize,
    ) -> bool {
        let (step, event) = (lane[at].1, &events[index]);
        let before = taken.iter().flatten().copied().max();
        let near = before.is_none_or(|before| {
            let gap_s = event.time_s - events[before].time_s;
            step.gap_s.is_none_or(|most_s| gap_s <= most_s)
                && (!step.is_next || index == before + 1)
        });
        let fulfils = match step.condition {
            Condition::None => true,
            Condition::MoreThanFirst => {
                Self::first_v(lane, taken, events).is_some_and(|v| event.v > v)
            }
            Condition::NotLess => taken[at].last().is_none_or(|index| event.v >= events[*index].v),
        };
        step.letters.contains(&event.letter) && near && fulfils
    }

    pub(super) fn is_whole(lane: &Lane<'_>, taken: &[Vec<usize>]) -> bool {
        lane.iter().zip(taken).all(|((_, step), taken)| taken.len() >= step.min)
    }

    fn chosen(&self, events: &[Event], mode: Mode) -> Vec<Found> {
        let lanes = self.lanes();
        let mut by_start: Vec<Found> = Vec::new();
        for start in (0..events.len()).filter(|start| self.may_begin(events, *start)) {
            let found = lanes.iter().enumerate();
            let found = found.filter_map(|(lane, steps)| self.found((lane, steps), events, start));
            by_start.extend(found.min_by_key(|found| (found.end, found.lane)));
        }
        if mode == Mode::Each {
            return by_start;
        }
        // Of those that end together the one that began last.
        let mut chosen: Vec<Found> = Vec::new();
        let mut rest = if mode == Mode::One { self.by_lane(events) } else { by_start };
        while !rest.is_empty() {
            let newest = |a: &Found, b: &Found| {
                let key = |found: &Found| {
                    let start = std::cmp::Reverse(found.first());
                    (found.end, start, found.lane)
                };
                key(a).cmp(&key(b))
            };
            let next = rest.iter().min_by(|a, b| newest(a, b)).unwrap().clone();
            let end = next.end;
            rest.retain(|other| {
                let start = other.first();
                match mode {
                    Mode::One => (events[start].time_s, start) > end,
                    _ => other.end != end,
                }
            });
            chosen.push(next);
        }
        chosen
    }

    /// The matches of every start in every lane.
    fn by_lane(&self, events: &[Event]) -> Vec<Found> {
        let mut all = Vec::new();
        for (lane, steps) in self.lanes().iter().enumerate() {
            for start in (0..events.len()).filter(|start| self.may_begin(events, *start)) {
                all.extend(self.found((lane, steps), events, start));
            }
        }
        all
    }

    /// The match of a start in a lane.
    fn found(
        &self,
        (lane, steps): (usize, &Lane<'_>),
        events: &[Event],
        start: usize,
    ) -> Option<Found> {
        let Outcome::Match { taken, end } = self.follow(steps, events, start)? else { return None };
        Some(Found { lane, taken, end })
    }

    /// Every combination; of those with one last event the first by places.
    fn every(&self, events: &[Event], limit: usize) -> Vec<Found> {
        let mut all: Vec<Found> = Vec::new();
        for (lane, steps) in self.lanes().iter().enumerate() {
            for start in (0..events.len()).filter(|start| self.may_begin(events, *start)) {
                let mut taken = vec![Vec::new(); steps.len()];
                self.combine(steps, events, (start, start), (0, &mut taken), &mut |taken| {
                    let (taken, end) = (taken.to_vec(), (0, 0));
                    all.push(Found { lane, taken, end });
                });
            }
        }
        let mut chosen = Vec::new();
        for last in 0..events.len() {
            let mut own: Vec<Found> = all.iter().filter(|f| f.last() == last).cloned().collect();
            own.sort_by_key(|found| (found.events(), found.lane));
            chosen.extend(own.into_iter().take(limit));
        }
        let lanes = self.lanes();
        let decide = |found: Found| {
            let Outcome::Match { taken, end } = self.whole(&lanes[found.lane], events, found.taken)
            else {
                return None;
            };
            Some(Found { taken, end, ..found })
        };
        chosen.into_iter().filter_map(decide).collect()
    }

    fn combine(
        &self,
        lane: &Lane<'_>,
        events: &[Event],
        (start, index): (usize, usize),
        (from, taken): (usize, &mut Vec<Vec<usize>>),
        say: &mut dyn FnMut(&[Vec<usize>]),
    ) {
        let Some(event) = events.get(index) else { return };
        let is_over = event.time_s - events[start].time_s > self.within_s;
        let is_first = index == start;
        let first_v = Self::first_v(lane, taken, events);
        if is_over || (!is_first && self.kills(event, first_v)) {
            return;
        }
        for at in from..lane.len() {
            let is_skipped = (from..at).any(|step| taken[step].len() < lane[step].1.min);
            let is_full = taken[at].len() >= lane[at].1.max;
            if is_skipped || is_full || !Self::fits(lane, (taken, at), events, index) {
                continue;
            }
            taken[at].push(index);
            let is_timely = self.trail.is_none_or(|(_, for_s)| {
                event.time_s + for_s - events[start].time_s <= self.within_s
            });
            if Self::is_whole(lane, taken) && is_timely {
                say(taken);
            }
            self.combine(lane, events, (start, index + 1), (at, taken), say);
            taken[at].pop();
        }
        if !is_first {
            self.combine(lane, events, (start, index + 1), (from, taken), say);
        }
    }
}
