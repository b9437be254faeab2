//! Sampling: what is kept of items and traces.
//!
//! A line that looks at nothing but the case itself decides where the case is. From the first line
//! on that depends on what else was decided, cases go to worker 0, which takes them in one order. A
//! sampling that asks about other rules, or lets log records or linked traces follow, sends all of
//! them there.

mod counts;
mod decide;
mod exemplars;
mod explained;
mod follow;
mod followers;
mod items;
mod late;
mod linked;
mod ordered;
mod traces;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use counts::{DECISION_SECONDS, EarlyClose, LineCounts};
pub(crate) use counts::{Tally, Timing, merge};
pub(crate) use decide::{Decided, Heard, Sampler, SamplerState};
pub use explained::{LineExplained, LineOutcome, TraceExplained};
pub(crate) use items::raw_bytes;
pub(crate) use late::late_case;
pub(crate) use traces::{
    ClosedTrace, Contents, LateSpan, ROW_ID, Sampled, SpansWanted, TraceSampler,
};

use crate::model::{EmittedItem, RuleId, Signal, Value};
use crate::plan::SampleRule;
use crate::sampling::{
    RANDOMNESS_KEY, Randomness, THRESHOLD_KEY, Threshold, Verdict, stamp_log, stamp_span,
    without_attributes,
};

/// How heavy a case is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Weight {
    pub(crate) items: u32,
    pub(crate) bytes: u64,
}

/// An item that may be kept, and what it says about sampling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) item: EmittedItem,
    /// Empty where there is none.
    pub(crate) trace_state: Bytes,
    /// The randomness that whoever sees it next finds, unless other is stated: what it states, or
    /// that of its trace id.
    pub(crate) own: Option<Randomness>,
    /// The threshold that it arrived with, unless that was contradicted.
    pub(crate) arrived: Option<Threshold>,
    /// Whether its tracestate breaks the rules, and so does not leave.
    pub(crate) is_refused: bool,
}

/// A trace or an item whose verdict depends on others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) rule: RuleId,
    pub(crate) decision_ns: i64,
    /// Among those of one time: the trace id, or the item's place in the log.
    pub(crate) order: [u8; 16],
    pub(crate) randomness: Randomness,
    /// The line to go on with.
    pub(crate) line: u16,
    /// By line: whether its condition holds.
    pub(crate) fits: u128,
    /// Keys of lines with keys, by line.
    pub(crate) keys: Vec<(u16, Vec<Value>)>,
    pub(crate) weight: Weight,
    pub(crate) held: Vec<Held>,
    /// What else it is.
    pub(crate) kind: CaseKind,
    /// When a trace began, and why it was decided early.
    pub(crate) timing: Timing,
    /// The row of the trace, where the sampling decides in order of time.
    pub(crate) columns: Vec<Value>,
}

/// What comes to worker 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CaseKind {
    /// A trace or an item, for a verdict.
    Undecided,
    /// A trace whose verdict is known and only remembered here.
    Known(Verdict),
    /// Spans that came after their trace's verdict.
    LateSpans,
    /// A log record of a trace.
    LogOf([u8; 16]),
    /// A trace whose id had closed before: it follows that verdict. Where none is remembered it is
    /// for a verdict, if the sampling takes it.
    Again(bool),
}

/// Under which verdict something leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaving {
    /// Index of the line that decided.
    pub(crate) line: usize,
    /// The threshold of the line; `None` where it keeps by no known probability.
    pub(crate) threshold: Option<Threshold>,
    /// What was compared with it.
    pub(crate) randomness: Randomness,
}

/// What says so on an item: threshold and randomness, as far as they are to be written.
type Said = (Option<Threshold>, Option<Randomness>);

/// What was appended to the last span without a tracestate, as spans of one verdict get the same:
/// its line and what is said.
#[derive(Debug, Default)]
pub(crate) struct LastStamp(Option<(usize, Said, Bytes)>);

impl LastStamp {
    fn get(&mut self, line: usize, said: Said, make: impl FnOnce() -> Vec<u8>) -> Bytes {
        match &self.0 {
            Some((known, same, stamp)) if (*known, *same) == (line, said) => stamp.clone(),
            _ => {
                let stamp = Bytes::from(make());
                self.0 = Some((line, said, stamp.clone()));
                stamp
            }
        }
    }
}

impl Held {
    /// Bytes of the item.
    pub(crate) fn bytes(&self) -> u64 {
        self.item.content.item_len() as u64
    }

    /// What is compared with a threshold where nothing is known of its trace.
    fn randomness(&self) -> Randomness {
        self.own.unwrap_or_else(|| Randomness::of_trace_id([0; 16])) // of traces all have one
    }

    /// What it leaves with. The threshold is the tighter of the line's and the one that it came
    /// with; where the randomness of its trace, stated elsewhere, contradicts that, it stands for
    /// no known number. Randomness is stated where whoever sees it next would find other.
    fn said(&self, leaving: Leaving) -> Said {
        let threshold = leaving.threshold.map(|own| own.tightened(self.arrived.unwrap_or(own)));
        let threshold = threshold.filter(|threshold| threshold.admits(leaving.randomness));
        let is_other = match self.own {
            Some(own) => own != leaving.randomness,
            None => threshold.is_some_and(|threshold| threshold > Threshold::ALWAYS),
        };
        (threshold, is_other.then_some(leaving.randomness))
    }

    /// The item as it leaves under a verdict. The last stamp is one of the same rule.
    pub(crate) fn kept(
        self,
        rule: &SampleRule,
        leaving: Leaving,
        counts: &mut LineCounts,
        last: &mut LastStamp,
    ) -> EmittedItem {
        // What only counts sends tracestates as they came.
        counts.tracestates_refused += u64::from(self.is_refused && !rule.is_shadow);
        let said = Some(self.said(leaving));
        let mut item = self.item;
        let name = &rule.lines[leaving.line].name;
        let mark = rule.mark.as_ref().map(|key| (&**key, &**name));
        let said = said.filter(|_| !rule.is_shadow);
        let anew = anew(item.signal, said, mark);
        if let Some(left) = without_attributes(&item.content.item, item.signal, &anew) {
            item.content.item = left;
        }
        let append = match (item.signal, said) {
            // All is sent: what arrived stays true.
            (Signal::Spans, None) => stamp_span("", (None, None), mark),
            (Signal::Spans, Some(said)) if self.trace_state.is_empty() => {
                let stamp = || stamp_span("", said, mark);
                item.content.append = last.get(leaving.line, said, stamp);
                return item;
            }
            (Signal::Spans, Some(said)) => {
                let state = std::str::from_utf8(&self.trace_state).unwrap_or_default();
                stamp_span(state, said, mark)
            }
            (Signal::Logs, said) => log_stamp(said.unwrap_or_default(), mark),
            _ => Vec::new(),
        };
        item.content.append = Bytes::from(append);
        item
    }
}

/// The attributes that are written anew: what stands in their place goes.
fn anew<'a>(signal: Signal, said: Option<Said>, mark: Option<(&'a str, &str)>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = mark.into_iter().map(|(key, _)| key).collect();
    if let (Signal::Logs, Some((_, randomness))) = (signal, said) {
        keys.push(THRESHOLD_KEY);
        keys.extend(randomness.map(|_| RANDOMNESS_KEY));
    }
    keys
}

/// The attributes of a kept log record.
fn log_stamp((threshold, randomness): Said, mark: Option<(&str, &str)>) -> Vec<u8> {
    let threshold = threshold.and_then(Threshold::to_hex);
    let randomness = randomness.map(Randomness::to_hex);
    let threshold = threshold.as_deref().map(|hex| (THRESHOLD_KEY, hex));
    let randomness = randomness.as_deref().map(|hex| (RANDOMNESS_KEY, hex));
    let pairs: Vec<(&str, &str)> = threshold.into_iter().chain(randomness).chain(mark).collect();
    stamp_log(&pairs)
}
