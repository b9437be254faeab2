//! What becomes of one start in one lane, event by event.

use super::oracle::{Body, End, Event, Lane};

/// What became of a start.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Its events by step, and when it was decided.
    Match { taken: Vec<Vec<usize>>, end: End },
    /// Its events by step, the second of its deadline, the step of the lane that it had come to.
    Timeout { taken: Vec<Vec<usize>>, at_s: i64, reached: usize },
    /// It ended as nothing in this second.
    Dead(i64),
}

impl Outcome {
    pub(super) fn end_s(&self) -> i64 {
        match self {
            Self::Match { end, .. } => end.0,
            Self::Timeout { at_s, .. } | Self::Dead(at_s) => *at_s,
        }
    }
}

impl Body {
    /// A match that has all its events, as far as a trailing absence lets it be one.
    pub(super) fn whole(
        &self,
        lane: &Lane<'_>,
        events: &[Event],
        taken: Vec<Vec<usize>>,
    ) -> Outcome {
        let all = || taken.iter().flatten().copied();
        let (first, last) = (all().min().unwrap(), all().max().unwrap());
        let Some((letter, for_s)) = self.trail else {
            return Outcome::Match { taken, end: (events[last].time_s, last) };
        };
        let end_s = events[last].time_s + for_s;
        if end_s - events[first].time_s > self.within_s {
            return Outcome::Dead(events[last].time_s);
        }
        let first_v = Self::first_v(lane, &taken, events);
        let mut later = events[last + 1..].iter().take_while(|event| event.time_s <= end_s);
        match later.find(|e| e.letter == letter || self.kills(e, first_v)) {
            Some(event) => Outcome::Dead(event.time_s),
            None => Outcome::Match { taken, end: (end_s, usize::MAX) },
        }
    }

    /// The step that a run is at, and those of which it may take its next event.
    fn steps_next(lane: &Lane<'_>, taken: &[Vec<usize>]) -> (usize, Vec<usize>) {
        let now = taken.iter().rposition(|taken| !taken.is_empty()).unwrap();
        let mut next: Vec<usize> = Vec::new();
        if taken[now].len() < lane[now].1.max {
            next.push(now);
        }
        if taken[now].len() >= lane[now].1.min {
            for (at, (_, step)) in lane.iter().enumerate().skip(now + 1) {
                next.push(at);
                if step.min > 0 {
                    break;
                }
            }
        }
        (now, next)
    }

    /// The last second in which it may take an event: `within`, and the longest gap if all that may
    /// come have one.
    fn deadline_s(&self, lane: &Lane<'_>, taken: &[Vec<usize>], events: &[Event]) -> i64 {
        let all = || taken.iter().flatten().copied();
        let (first, last) = (all().min().unwrap(), all().max().unwrap());
        let gaps: Option<Vec<i64>> =
            Self::steps_next(lane, taken).1.into_iter().map(|at| lane[at].1.gap_s).collect();
        let gap_s = gaps.and_then(|gaps| gaps.into_iter().max()).unwrap_or(i64::MAX / 4);
        (events[first].time_s + self.within_s).min(events[last].time_s + gap_s)
    }

    /// What a start comes to: it takes the next event that fits, the furthest step first. `None`
    /// where it begins nothing.
    pub(super) fn follow(
        &self,
        lane: &Lane<'_>,
        events: &[Event],
        start: usize,
    ) -> Option<Outcome> {
        let mut taken: Vec<Vec<usize>> = vec![Vec::new(); lane.len()];
        let needed = lane.iter().position(|(_, step)| step.min > 0).unwrap_or(lane.len() - 1);
        let begins = (0..=needed).rev().find(|at| Self::fits(lane, (&taken, *at), events, start));
        taken[begins?].push(start);
        for (index, event) in events.iter().enumerate().skip(start + 1) {
            let is_whole = Self::is_whole(lane, &taken);
            let (_, next) = Self::steps_next(lane, &taken);
            if is_whole && (self.until.is_none() || next.is_empty()) {
                break;
            }
            if event.time_s > self.deadline_s(lane, &taken, events) {
                break;
            }
            if self.kills(event, Self::first_v(lane, &taken, events)) {
                return Some(Outcome::Dead(event.time_s));
            }
            if self.until == Some(event.letter) {
                let end = (event.time_s, index);
                let whole = Outcome::Match { taken, end };
                return Some(if is_whole { whole } else { Outcome::Dead(event.time_s) });
            }
            let fits = |at: &usize| Self::fits(lane, (&taken, *at), events, index);
            match next.iter().rev().copied().find(fits) {
                Some(at) => taken[at].push(index),
                // The very next event was another one: what had to be next never comes.
                None if !is_whole && next.iter().all(|at| lane[*at].1.is_next) => {
                    return Some(Outcome::Dead(event.time_s));
                }
                None => {}
            }
        }
        let (reached, next) = Self::steps_next(lane, &taken);
        let at_s = self.deadline_s(lane, &taken, events);
        Some(match (Self::is_whole(lane, &taken), self.until) {
            (true, Some(_)) if !next.is_empty() => {
                Outcome::Match { taken, end: (at_s, usize::MAX) }
            }
            (true, _) => self.whole(lane, events, taken),
            (false, _) => Outcome::Timeout { taken, at_s, reached },
        })
    }
}
