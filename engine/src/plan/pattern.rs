//! Patterns as the plan holds them: what an event can be to them, and in which order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use crate::model::RuleId;

/// Columns of expressions over the events of a run from here on are its registers; those below
/// are slots of the event at hand, or, in selected values, the key.
pub const REGISTERS_FROM: u32 = 1 << 16;

/// Columns of selected values from here on are the values before them.
pub const VALUES_FROM: u32 = 1 << 17;

/// The column of selected values that holds the place of the first event in the log, as bytes that
/// are in the order of places.
pub const START_PLACE: u32 = 1 << 18;

/// Rows from events in an order. Symbols are what an event can be; lanes are the orders.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PatternRule {
    /// Names of the key values.
    pub key_names: Vec<Arc<str>>,
    /// Longest time of a match, nanoseconds, inclusive.
    pub within_ns: i64,
    /// Which matches are said.
    pub mode: MatchMode,
    /// What it reads.
    pub inputs: Vec<PatternInput>,
    /// What an event can be, 128 at most.
    pub symbols: Vec<PatternSymbol>,
    /// Number of values that an event carries, of all inputs.
    pub slots: u32,
    /// What a run remembers of its events.
    pub registers: Vec<Register>,
    /// The orders of which any one is a match, leftmost first.
    pub lanes: Vec<Vec<LaneStep>>,
    /// What must not have been before the first event.
    pub lead: Option<Absence>,
    /// What must not come behind the last event.
    pub trail: Option<Absence>,
    /// Symbols that end an unfinished match.
    pub without: Vec<u32>,
    /// The symbol up to which the last step collects.
    pub until: Option<u32>,
    /// (name, expression) of every value.
    pub values: Vec<(Arc<str>, Expr)>,
    /// The rule that takes unfinished matches.
    pub timeout: Option<RuleId>,
    /// Hash of the rule and what it reads: the identity of its state.
    pub hash: u64,
}

/// Unfinished matches as rows, for whoever reads them; their columns are those of the pattern,
/// and the name of the last step that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeoutRule {
    /// The pattern.
    pub of: RuleId,
    /// Names of the key values.
    pub key_names: Vec<Arc<str>>,
    /// Names of the values.
    pub value_names: Vec<Arc<str>>,
    /// The identity of the pattern.
    pub hash: u64,
}

/// Which matches a pattern says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MatchMode {
    /// Of those that end together the one that began last.
    One {
        /// Whether the key does not start over.
        overlap: bool,
    },
    /// The first of each start.
    Each,
    /// All, so many at one end.
    All {
        /// Matches that one event may complete.
        limit: u32,
    },
}

/// Something that a pattern reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PatternInput {
    /// Where its events come from.
    pub from: PatternSource,
    /// The slots that its columns fill: slot, column.
    pub slots: Vec<(u32, u32)>,
    /// The slot of the item as it came, where that is read.
    pub item_slot: Option<u32>,
}

/// Where events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PatternSource {
    /// Items of a signal.
    Signal {
        /// Index of the signal's plan.
        signal: u32,
        /// Index of the timeline.
        timeline: u32,
        /// The removal of duplicates that they pass.
        dedupe: Option<u32>,
        /// The rule that takes late ones.
        late: Option<RuleId>,
    },
    /// Rows of a rule.
    Rows {
        /// Index among the plan's row inputs.
        input: u32,
        /// The rule.
        rule: RuleId,
    },
}

/// What an event can be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PatternSymbol {
    /// Name of the step.
    pub name: Arc<str>,
    /// Index of the input.
    pub input: u32,
    /// Index of the input's filter.
    pub filter: Option<u32>,
    /// Columns of the input that make the key.
    pub key: Vec<u32>,
    /// What it must fulfil beside its earlier events: slots, registers.
    pub condition: Option<Expr>,
}

/// A step of one lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LaneStep {
    /// Index of the symbol.
    pub symbol: u32,
    /// Fewest events.
    pub min: u32,
    /// Most events; `u32::MAX` where unbounded.
    pub max: u32,
    /// Longest time since the event before, nanoseconds, inclusive.
    pub gap_ns: Option<i64>,
    /// For `next`: the symbol that every event of its stream and key is.
    pub stream: Option<u32>,
}

/// Something that must not be there for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Absence {
    /// Index of the symbol.
    pub symbol: u32,
    /// How long, nanoseconds, both ends inclusive.
    pub for_ns: i64,
}

/// Something that a run remembers of the events that were one symbol.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register {
    /// Index of the symbol.
    pub symbol: u32,
    /// What is made of them.
    pub pick: Pick,
    /// The slot that it is made of; not read for numbers of events.
    pub slot: u32,
}

/// What is made of the values of several events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pick {
    /// The first that is there.
    First,
    /// The last that is there.
    Last,
    /// That of the last event, there or not.
    Prev,
    /// How many events.
    Count,
    /// How many are there.
    Values,
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their mean.
    Avg,
}

impl PatternRule {
    /// Whether a step or guard depends on the events before it.
    pub fn has_conditions(&self) -> bool {
        self.symbols.iter().any(|symbol| symbol.condition.is_some())
    }

    /// Whether of two unfinished matches at the same step only the one that began last matters:
    /// both take the same events from there on.
    pub fn keeps_newest(&self) -> bool {
        let MatchMode::One { overlap } = self.mode else { return false };
        // Where the key does not start over, a start that gave way in one lane may end in another,
        // and so may one that takes as a step of its choice what ends the match of the newer one.
        let outlives = overlap && (self.trail.is_some() || self.lanes.len() > 1 || self.chooses());
        !self.has_conditions() && self.until.is_none() && !outlives
    }

    /// Whether a lane leaves open how many events a step takes before the next one.
    fn chooses(&self) -> bool {
        let open = |step: &LaneStep| step.min != step.max;
        self.lanes.iter().any(|lane| {
            let (last, before) = lane.split_last().map_or((None, &lane[..]), |(l, b)| (Some(l), b));
            before.iter().any(open) || last.is_some_and(|last| last.min == 0)
        })
    }

    /// Unfinished matches of a key, where [`PatternRule::keeps_newest`]: one a step and repetition.
    pub fn states(&self) -> u64 {
        let of_lane =
            |lane: &Vec<LaneStep>| lane.iter().map(|s| u64::from(s.min.max(1))).sum::<u64>();
        let trail = u64::from(self.trail.is_some());
        self.lanes.iter().map(|lane| of_lane(lane) - 1 + trail).sum()
    }
}
