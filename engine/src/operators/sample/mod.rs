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
use crate::sampling::{Randomness, Threshold, Verdict, stamp_log, stamp_span};

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
}

/// What was appended to the last span without a tracestate, as spans of one verdict get the same:
/// its line and threshold.
#[derive(Debug, Default)]
pub(crate) struct LastStamp(Option<(usize, Option<Threshold>, Bytes)>);

impl LastStamp {
    fn get(
        &mut self,
        line: usize,
        threshold: Option<Threshold>,
        make: impl FnOnce() -> Vec<u8>,
    ) -> Bytes {
        match &self.0 {
            Some((known, same, stamp)) if (*known, *same) == (line, threshold) => stamp.clone(),
            _ => {
                let stamp = Bytes::from(make());
                self.0 = Some((line, threshold, stamp.clone()));
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

    /// The item as it leaves under the verdict of a line; `threshold` is that of the line. The last
    /// stamp is one of the same rule.
    pub(crate) fn kept(
        self,
        rule: &SampleRule,
        (line, threshold): (usize, Option<Threshold>),
        counts: &mut LineCounts,
        last: &mut LastStamp,
    ) -> EmittedItem {
        // What only counts sends tracestates as they came.
        counts.tracestates_refused += u64::from(self.is_refused && !rule.is_shadow);
        let mut item = self.item;
        let name = &rule.lines[line].name;
        let mark = rule.mark.as_ref().map(|key| (&**key, &**name));
        let threshold = threshold.map(|own| own.tightened(self.arrived.unwrap_or(own)));
        let append = match item.signal {
            Signal::Spans if rule.is_shadow => {
                // All is sent: what arrived stays true.
                stamp_span("", None, mark)
            }
            Signal::Spans if self.trace_state.is_empty() => {
                let stamp = || stamp_span("", threshold, mark);
                item.content.append = last.get(line, threshold, stamp);
                return item;
            }
            Signal::Spans => {
                let state = std::str::from_utf8(&self.trace_state).unwrap_or_default();
                stamp_span(state, threshold, mark)
            }
            Signal::Logs => {
                let hex = threshold.and_then(Threshold::to_hex).filter(|_| !rule.is_shadow);
                let threshold = hex.as_deref().map(|hex| (THRESHOLD_KEY, hex));
                let pairs: Vec<(&str, &str)> = threshold.into_iter().chain(mark).collect();
                stamp_log(&pairs)
            }
            _ => Vec::new(),
        };
        item.content.append = Bytes::from(append);
        item
    }
}

/// The attribute of log records that carries a threshold, as the Collector's probabilistic sampler
/// writes it.
const THRESHOLD_KEY: &str = "sampling.threshold";
