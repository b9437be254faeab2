//! Samplings as the plan holds them: what is sampled, and lines of which the first that fits
//! decides.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use crate::model::RuleId;
use crate::sampling::{Goal, RateLimit, Threshold};

/// A sampling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampleRule {
    /// What is sampled.
    pub from: SampledFrom,
    /// The lines, at most 100; the last one takes what is left.
    pub lines: Vec<SampleLine>,
    /// Whether all is kept, and verdicts are only counted.
    pub is_shadow: bool,
    /// The attribute of kept items that names the line.
    pub mark: Option<Arc<str>>,
    /// What its lines ask about other rules.
    pub facts: Vec<SampleFact>,
    /// The rules whose rows or alerts may name a trace, where a line asks for `named`.
    pub named_by: Vec<RuleId>,
    /// How long items wait for being named, nanoseconds of event time; 0 where none asks.
    pub named_wait_ns: i64,
    /// Log records that follow the verdict of their trace.
    pub logs: Option<FollowingLogs>,
    /// Column of the rows of traces with the traces that they link to, where linked ones are kept
    /// together.
    pub links: Option<u32>,
    /// Hash of what decides verdicts: the identity of the state.
    pub hash: u64,
}

/// Something that a line asks about other rules, as of the time when a trace closes or an item
/// is decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampleFact {
    /// What is asked.
    pub about: SampleAbout,
    /// Column of the row of a trace or an item that holds the keys by which it is meant;
    /// conditions see the answer in its place.
    pub column: u32,
    /// How long before the verdict a match may have been decided, nanoseconds; `None` reaches
    /// back to the start of the trace.
    pub reach_ns: Option<i64>,
}

/// What of an item travels with it, for conditions with questions: its row has the keys of each
/// question first, then these values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AskingColumns {
    /// By question: the columns that hold its keys.
    pub keys: Vec<Vec<u32>>,
    /// Columns that conditions with questions read.
    pub values: Vec<u32>,
}

/// What is asked about another rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SampleAbout {
    /// Whether a match of the pattern was decided since the trace began.
    Matched(RuleId),
    /// Whether an instance of the alert is firing.
    Firing(RuleId),
    /// Whether a row or an alert that left has named the trace, or the trace of the item.
    Named,
}

/// Which log records follow the verdict of their trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FollowingLogs {
    /// Index of the plan of log records.
    pub signal: u32,
    /// Index of the filter that takes those with a trace id.
    pub filter: u32,
    /// Index of the timeline that they count by.
    pub timeline: u32,
    /// Column of the trace id.
    pub trace_id: u32,
    /// How long a record waits for the verdict, nanoseconds of event time.
    pub wait_ns: i64,
}

impl SampleRule {
    /// Whether verdicts depend on more than the case and the lines: then worker 0 takes all
    /// cases in order of time.
    pub fn is_ordered(&self) -> bool {
        !self.facts.is_empty() || self.logs.is_some() || self.links.is_some()
    }

    /// Whether a line asks for what was named.
    pub fn asks_named(&self) -> bool {
        self.facts.iter().any(|fact| fact.about == SampleAbout::Named)
    }

    /// The rules that lines ask about: a verdict waits for what they say up to its time.
    pub fn asked(&self) -> impl Iterator<Item = RuleId> + '_ {
        let of_fact = |fact: &SampleFact| match fact.about {
            SampleAbout::Matched(rule) | SampleAbout::Firing(rule) => Some(rule),
            SampleAbout::Named => None,
        };
        self.facts.iter().filter_map(of_fact).chain(self.named_by.iter().copied())
    }

    /// Whether a case that comes to this line may have to ask on its way.
    pub fn asks_from(&self, line: usize, fits: u128) -> bool {
        for (index, line) in self.lines.iter().enumerate().skip(line) {
            match line.fits {
                SampleFit::Row(_) => return true,
                SampleFit::All | SampleFit::Filter(_) => {
                    if fits >> index & 1 == 1 && !line.is_shadow {
                        return false;
                    }
                }
            }
        }
        false
    }
}

/// What is sampled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SampledFrom {
    /// Items, each by itself, as they come.
    Items {
        /// Index of the signal's plan, which keeps where items lie.
        signal: u32,
        /// Index of the filter that an item must pass.
        filter: Option<u32>,
        /// Index of the removal of duplicates before it.
        dedupe: Option<u32>,
        /// Index of the timeline that its items count by.
        timeline: u32,
        /// Column of the trace id, where items have one.
        trace_id: Option<u32>,
        /// Column of the tracestate, where items have one.
        trace_state: Option<u32>,
        /// Columns of the threshold and the randomness that log records may state.
        stated: Option<[u32; 2]>,
        /// What conditions with questions read.
        asking: AskingColumns,
    },
    /// Traces, when they close.
    Traces {
        /// The rule that puts them together.
        rule: RuleId,
        /// Which of them, over the columns of its rows.
        filter: Option<Expr>,
    },
    /// Late items of a stream, as rules find them late.
    Late {
        /// The rule that takes them.
        rule: RuleId,
        /// Index of the signal's plan, which keeps where items lie.
        signal: u32,
        /// Which of them, over the columns of its rows.
        filter: Option<Expr>,
        /// Column of its rows with the trace id, where items have one.
        trace_id: Option<u32>,
        /// Column of its rows with the tracestate, where items have one.
        trace_state: Option<u32>,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampleLine {
    /// Its name, or `line 1`, ….
    pub name: Arc<str>,
    /// Whether it is only counted and decides nothing.
    pub is_shadow: bool,
    /// What it does.
    pub verb: SampleVerb,
    /// What it fits; `None` fits all.
    pub fits: SampleFit,
    /// The keys of a rate or a target.
    pub keys: SampleKeys,
}

/// How a line's condition is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SampleFit {
    /// It fits all.
    All,
    /// Index of a filter of the signal.
    Filter(u32),
    /// An expression over the columns of a row of traces; of items, over what travels with them.
    Row(Expr),
}

/// How a line's keys are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SampleKeys {
    /// Columns of the signal.
    Columns(Vec<u32>),
    /// Expressions over the columns of a row of traces.
    Row(Vec<Expr>),
}

/// What a line does with what it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SampleVerb {
    /// Drops it.
    Drop,
    /// Keeps a share of it, by a threshold.
    Keep(Threshold),
    /// Keeps no more than so much a second.
    Rate(RateLimit, SampleMeasure),
    /// Keeps about so much, spread over keys.
    Target(Goal, SampleMeasure),
}

/// What rates and targets count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SampleMeasure {
    /// Traces, or items where items are sampled.
    Cases,
    /// Spans.
    Items,
    /// Bytes, as received.
    Bytes,
}

impl SampleVerb {
    /// Whether the verdict depends on what else was decided, so that one place decides.
    pub fn is_global(self) -> bool {
        matches!(self, Self::Rate(..) | Self::Target(..))
    }
}
