//! Patterns: events in an order, within a time, of one key.

use super::{Expr, SelectItem, SourceRef};

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Names of the key values; empty for `by all`.
    pub by: Vec<String>,
    /// Longest time from the first event to the last, or to the end of a trailing absence, ns,
    /// inclusive.
    pub within_ns: i64,
    /// Which matches are said.
    pub mode: MatchMode,
    /// Everything that an event can be to the pattern: steps, absences, guards, in the order of
    /// the text. Lanes name them by index.
    pub symbols: Vec<PatternSymbol>,
    /// The sequences of which any one is a match, leftmost first: alternatives, branches and
    /// orders written out.
    pub lanes: Vec<Vec<LaneStep>>,
    /// What must not have been before the first step.
    pub lead: Option<Absence>,
    /// What must not come behind the last step.
    pub trail: Option<Absence>,
    /// Symbols that end an unfinished match.
    pub without: Vec<usize>,
    /// The symbol up to which the last step collects.
    pub until: Option<usize>,
    /// Selected values; they see keys and earlier values as `FieldRef::Item`, events of steps as
    /// `ExprKind::Step`.
    pub items: Vec<SelectItem>,
    /// Name under which unfinished matches are read that ran out of time.
    pub timeout: Option<String>,
    /// Names of sinks.
    pub to: Vec<String>,
}

/// Which matches a pattern says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchMode {
    /// Of the matches that an event completes, the one that began last; then the key starts over.
    One {
        /// Whether the key does not start over.
        overlap: bool,
    },
    /// The first match of every event that can begin one.
    Each,
    /// Every combination.
    All {
        /// Matches that one event may complete.
        limit: u64,
    },
}

/// What an event can be to a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternSymbol {
    /// Name of the step; `without`, `until` where a guard has none.
    pub name: String,
    /// What it reads.
    pub input: SourceRef,
    /// Which of it; sees the item's fields, and events of earlier steps as `ExprKind::Step`.
    pub filter: Option<Expr>,
    /// Its key values, in step with `Pattern::by`.
    pub key: Vec<Expr>,
}

/// A step of one lane.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneStep {
    /// Index among the symbols.
    pub symbol: usize,
    /// Fewest events.
    pub min: u32,
    /// Most events; `None` where unbounded.
    pub max: Option<u32>,
    /// Longest time since the event before, ns, inclusive.
    pub gap_ns: Option<i64>,
    /// Whether it is the very next event of its source and key (`next`).
    pub is_next: bool,
}

/// Something that must not be there for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Index among the symbols.
    pub symbol: usize,
    /// How long, ns, both ends inclusive.
    pub for_ns: i64,
}

/// Which of a step's events a value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepPick {
    /// The first that has the value; the only one where the step does not repeat.
    First,
    /// The last so far that has it.
    Last,
    /// The last so far, whether it has it or not.
    Prev,
    /// Number of events, or of those that have the value.
    Count,
    /// Sum of the values that are there.
    Sum,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// Mean of the values that are there.
    Avg,
}
