//! Why a trace was kept or dropped: what each line said of it.

use serde::{Deserialize, Serialize};

use super::{Case, EarlyClose};
use crate::model::{RuleId, Value};
use crate::plan::{SampleRule, SampleVerb};
use crate::sampling::{Past, Randomness, Threshold, Verdict};

/// What a sampling made of one trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceExplained {
    /// The sampling.
    pub rule: RuleId,
    /// The trace.
    pub trace_id: [u8; 16],
    /// The earliest start of its spans, nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// When it closed, nanoseconds since the Unix epoch.
    pub closed_ns: i64,
    /// Its spans.
    pub spans: u32,
    /// Their bytes, as received.
    pub bytes: u64,
    /// Why it closed before its time, where it did.
    pub early: Option<EarlyClose>,
    /// What thresholds are compared with.
    pub randomness: Randomness,
    /// The columns of its row, in the plan's order, with answers in the place of questions.
    pub columns: Vec<Value>,
    /// Of each line, in order.
    pub lines: Vec<LineExplained>,
    /// The verdict; `None` where the sampling does not take the trace.
    pub verdict: Option<Verdict>,
    /// Whether it is kept only because a trace that is linked to it is.
    pub is_linked: bool,
    /// Whether these are spans that came long after their trace was decided, and follow its
    /// verdict: no line was asked. `verdict` is that one, `None` where it is only known that the
    /// trace was dropped.
    pub is_again: bool,
}

/// What one line said of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineExplained {
    /// Whether its condition held.
    pub fits: bool,
    /// What it did with the trace.
    pub outcome: LineOutcome,
}

/// What a line did with a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineOutcome {
    /// Nothing: its condition did not hold.
    Unfit,
    /// Nothing: a line before it had decided.
    NotAsked,
    /// It compared the randomness with its threshold.
    Chance(Threshold, bool),
    /// It dropped the trace.
    Drop,
    /// Its rate had room, or not.
    Rate(bool),
    /// It compared the randomness with the threshold that its target had come to.
    Target(Threshold, bool),
}

/// A line that was asked, and what it did.
pub(crate) type Tried = (u16, LineOutcome);

impl LineOutcome {
    pub(super) fn of(verb: SampleVerb, is_kept: bool, threshold: Option<Threshold>) -> Self {
        match (verb, threshold) {
            (SampleVerb::Drop, _) => Self::Drop,
            (SampleVerb::Target(..), Some(threshold)) => Self::Target(threshold, is_kept),
            (_, Some(threshold)) => Self::Chance(threshold, is_kept),
            (_, None) => Self::Rate(is_kept),
        }
    }
}

impl TraceExplained {
    /// A trace that was decided on worker 0.
    pub(super) fn of_case(
        sample: &SampleRule,
        case: &Case,
        verdict: Verdict,
        tried: &[Tried],
    ) -> Self {
        let last = tried.last().map_or(verdict.line, |tried| tried.0);
        let lines = lines(sample, (case.fits, case.randomness), last, tried);
        let by_own = tried.last().is_some_and(|(line, outcome)| {
            *line == verdict.line && outcome.is_kept() == verdict.is_kept
        });
        Self {
            rule: case.rule,
            trace_id: case.order,
            start_ns: case.timing.start_ns,
            closed_ns: case.decision_ns,
            spans: case.weight.items,
            bytes: case.weight.bytes,
            early: case.timing.early,
            randomness: case.randomness,
            columns: case.columns.clone(),
            lines,
            verdict: Some(verdict),
            is_linked: !by_own,
            is_again: false,
        }
    }

    /// Spans of a trace that had closed before, on worker 0.
    pub(super) fn of_again(sample: &SampleRule, case: &Case, past: Past) -> Self {
        let none = Verdict {
            is_kept: false,
            line: 0,
            threshold: None,
            randomness: case.randomness,
            at_ns: case.decision_ns,
        };
        let verdict = past.exact();
        let own = Self::of_case(sample, case, verdict.unwrap_or(none), &[]);
        Self { verdict, lines: Vec::new(), is_linked: false, is_again: true, ..own }
    }
}

impl LineOutcome {
    /// Whether it speaks for keeping the trace.
    pub fn is_kept(self) -> bool {
        match self {
            Self::Unfit | Self::NotAsked | Self::Drop => false,
            Self::Chance(_, is_kept) | Self::Rate(is_kept) | Self::Target(_, is_kept) => is_kept,
        }
    }
}

/// What each line said, by which conditions held, up to the line that decided.
pub(super) fn lines(
    sample: &SampleRule,
    (fits, randomness): (u128, Randomness),
    last: u16,
    tried: &[Tried],
) -> Vec<LineExplained> {
    let line = |(index, line): (usize, &crate::plan::SampleLine)| {
        let fits = fits >> index & 1 == 1;
        let known = tried.iter().find(|(at, _)| *at as usize == index).map(|tried| tried.1);
        let outcome = match (known, line.verb) {
            _ if !fits => LineOutcome::Unfit,
            (Some(known), _) => known,
            _ if index > last as usize => LineOutcome::NotAsked,
            (None, SampleVerb::Drop) => LineOutcome::Drop,
            (None, SampleVerb::Keep(threshold)) => {
                LineOutcome::Chance(threshold, threshold.admits(randomness))
            }
            (None, SampleVerb::Rate(..) | SampleVerb::Target(..)) => LineOutcome::NotAsked,
        };
        LineExplained { fits, outcome }
    };
    sample.lines.iter().enumerate().map(line).collect()
}
