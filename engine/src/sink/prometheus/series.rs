//! One series: what it says now, and how what rows say is added to it.
//!
//! Invariant: a counter never goes back; a histogram with other bounds than before begins anew.

use crate::limits::EXEMPLARS_MAX;
use crate::model::{ExemplarVerdict, HistogramPoint};
use crate::sink::exemplar::Exemplar;
use crate::sink::merge;

/// What a series says now.
#[derive(Debug, Clone)]
pub(super) enum Sample {
    Number(f64),
    Histogram(Box<HistogramPoint>),
}

/// One series.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) value: Sample,
    /// Items that stand for what was added last.
    pub(super) exemplars: Vec<Exemplar>,
    /// Others of which it is not known yet that their trace is kept.
    pub(super) open: Vec<Exemplar>,
    /// When it was made, nanoseconds since the Unix epoch: a counter counts since then.
    pub(super) created_ns: i64,
    pub(super) expires_ns: i64,
}

/// What a row says of a series.
pub(super) enum Added<'a> {
    /// How things are.
    Now(f64),
    /// How much came.
    More(f64, &'a [Exemplar]),
    /// What came.
    Histogram(&'a HistogramPoint, &'a [Exemplar]),
}

impl Series {
    /// A series that began with what a row says.
    pub(super) fn new(added: &Added<'_>, created_ns: i64, expires_ns: i64) -> Self {
        let (value, exemplars) = match added {
            Added::Now(number) => (Sample::Number(*number), &[][..]),
            Added::More(number, exemplars) => (Sample::Number(*number), *exemplars),
            Added::Histogram(window, exemplars) => {
                (Sample::Histogram(Box::new((*window).clone())), *exemplars)
            }
        };
        let (open, exemplars) = exemplars.iter().copied().partition(|one| one.is_open);
        Self { value, exemplars, open, created_ns, expires_ns }
    }

    /// A trace got its verdict.
    pub(super) fn decided(&mut self, verdict: &ExemplarVerdict) {
        while let Some(at) = self.open.iter().position(|one| one.trace_id == verdict.trace_id) {
            let one = Exemplar { is_open: false, ..self.open.remove(at) };
            if verdict.is_kept {
                self.exemplars.insert(0, one);
                self.exemplars.truncate(EXEMPLARS_MAX);
            }
        }
    }

    /// Adds what a row says.
    pub(super) fn add(&mut self, added: &Added<'_>, now_ns: i64) {
        let is_added = match (&mut self.value, added) {
            (Sample::Number(held), Added::Now(number)) => {
                *held = *number;
                true
            }
            (Sample::Number(held), Added::More(number, _)) => {
                *held += number;
                true
            }
            (Sample::Histogram(held), Added::Histogram(window, _)) => merge::add(held, window),
            _ => false,
        };
        if !is_added {
            // Other bounds than before: it begins anew, and says since when.
            *self = Self::new(added, now_ns, self.expires_ns);
        }
        match added {
            Added::More(_, exemplars) | Added::Histogram(_, exemplars) if !exemplars.is_empty() => {
                let (open, kept): (_, Vec<_>) =
                    exemplars.iter().copied().partition(|one| one.is_open);
                self.open = open;
                if !kept.is_empty() {
                    self.exemplars = kept;
                }
            }
            _ => {}
        }
    }
}
