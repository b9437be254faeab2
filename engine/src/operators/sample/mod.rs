//! Sampling: what is kept of items and traces.
//!
//! A line that looks at nothing but the case itself decides where the case is. From the first line
//! on that depends on what else was decided, cases go to worker 0, which takes them in one order.

mod decide;
mod items;
mod traces;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(crate) use decide::{Sampler, SamplerState};
pub(crate) use traces::{ClosedTrace, Contents, KeptTrace, Sampled, TraceSampler};

use crate::model::{EmittedItem, RuleId, Signal, Value};
use crate::plan::SampleRule;
use crate::sampling::{Randomness, Threshold, Verdict, stamp_log, stamp_span};

/// What one line of a sampling did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// Traces or items that it fitted, no line before having decided.
    pub cases: u64,
    /// Of these, kept.
    pub kept: u64,
    /// Spans, log records or data points in kept cases.
    pub items_kept: u64,
    /// The same in dropped ones.
    pub items_dropped: u64,
    /// Bytes of kept items, as received.
    pub bytes_kept: u64,
    /// Bytes of dropped items.
    pub bytes_dropped: u64,
    /// Spans that came after their trace's verdict, by this line, and were kept like it.
    pub late_kept: u64,
    /// The same, dropped.
    pub late_dropped: u64,
    /// Tracestates of kept spans that broke W3C's rules and so were dropped as a whole.
    pub tracestates_refused: u64,
}

impl LineCounts {
    /// Adds the counts of another worker or epoch.
    pub fn merge(&mut self, other: &Self) {
        self.cases += other.cases;
        self.kept += other.kept;
        self.items_kept += other.items_kept;
        self.items_dropped += other.items_dropped;
        self.bytes_kept += other.bytes_kept;
        self.bytes_dropped += other.bytes_dropped;
        self.late_kept += other.late_kept;
        self.late_dropped += other.late_dropped;
        self.tracestates_refused += other.tracestates_refused;
    }

    fn count(&mut self, is_kept: bool, weight: Weight) {
        self.cases += 1;
        if is_kept {
            self.kept += 1;
            self.items_kept += u64::from(weight.items);
            self.bytes_kept += weight.bytes;
        } else {
            self.items_dropped += u64::from(weight.items);
            self.bytes_dropped += weight.bytes;
        }
    }
}

/// Counts of lines: by rule and line.
pub(crate) type Tally = BTreeMap<(RuleId, u16), LineCounts>;

/// Adds counts.
pub(crate) fn merge(mine: &mut Tally, theirs: &Tally) {
    for (line, counts) in theirs {
        mine.entry(*line).or_default().merge(counts);
    }
}

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
    /// The verdict, where it is known and only remembered here.
    pub(crate) known: Option<Verdict>,
    /// Whether these are spans that came after their trace's verdict.
    pub(crate) is_late: bool,
}

impl Held {
    /// The item as it leaves under the verdict of a line; `threshold` is that of the line.
    pub(crate) fn kept(
        self,
        rule: &SampleRule,
        line: usize,
        threshold: Option<Threshold>,
        counts: &mut LineCounts,
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
