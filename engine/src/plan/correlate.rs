//! Correlations as the plan holds them: two sides, what is equal, how far apart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use super::pattern::{PatternInput, PatternSymbol};
use super::rule::RuleKind;
use crate::model::RuleId;

/// Index of the left side among the symbols of a correlation.
pub const LEFT: u32 = 0;
/// Index of the right side.
pub const RIGHT: u32 = 1;

/// Columns of selected values from here on are slots of the right item; those below are slots of
/// the left one. Values selected before stand from [`super::VALUES_FROM`] on.
pub const RIGHT_FROM: u32 = 1 << 16;
/// Columns of selected values from here on are the key.
pub const KEY_FROM: u32 = 1 << 18;

/// Pairs of items of two sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CorrelateRule {
    /// Names of the key values.
    pub key_names: Vec<Arc<str>>,
    /// What it reads.
    pub inputs: Vec<PatternInput>,
    /// The left side and the right one.
    pub symbols: Vec<PatternSymbol>,
    /// Number of values that an item carries, of all inputs.
    pub slots: u32,
    /// Least and most time of the right item minus that of the left one, nanoseconds, inclusive.
    pub within_ns: (i64, i64),
    /// Which right items a left one takes.
    pub pick: PickMode,
    /// (name, expression) of every value.
    pub values: Vec<(Arc<str>, Expr)>,
    /// The rules that take left items that found none, right ones that none could take, and right
    /// ones that none took.
    pub others: [RuleId; 3],
    /// By outcome, pairs first: the rule that takes its rows with the items as they came.
    pub with_items: [Option<RuleId>; 4],
    /// By side: the slot of the item as it came.
    pub item_slots: [Option<u32>; 2],
    /// Hash of the rule and what it reads: the identity of its state.
    pub hash: u64,
}

/// An outcome of a correlation beside the pairs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutcomeRule {
    /// The correlation.
    pub of: RuleId,
    /// Names of the key values.
    pub key_names: Vec<Arc<str>>,
    /// Names of the values.
    pub value_names: Vec<Arc<str>>,
    /// Whether its rows hold the items as they came behind their values: left, right.
    pub with_items: bool,
    /// The identity of the correlation and of the outcome.
    pub hash: u64,
}

/// Which right items a left one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PickMode {
    /// The first so many, each once both are there.
    First(u32),
    /// The last, once no later one can come.
    Last,
}

impl CorrelateRule {
    /// How long after a left item its last right one may come, nanoseconds, not negative.
    pub fn left_waits_ns(&self) -> i64 {
        self.within_ns.1.max(0)
    }

    /// How long after a right item its last left one may come, nanoseconds, not negative.
    pub fn right_waits_ns(&self) -> i64 {
        self.within_ns.0.saturating_neg().max(0)
    }
}

/// What a rule takes of items and rows as events of keys.
#[derive(Debug, Clone, Copy)]
pub struct EventInputs<'p> {
    /// What it reads.
    pub inputs: &'p [PatternInput],
    /// What an event can be.
    pub symbols: &'p [PatternSymbol],
    /// Number of values that an event carries.
    pub slots: u32,
}

impl RuleKind {
    /// What the rule takes as events; `None` where it takes none.
    pub fn events(&self) -> Option<EventInputs<'_>> {
        match self {
            Self::Pattern(rule) => Some(EventInputs {
                inputs: &rule.inputs,
                symbols: &rule.symbols,
                slots: rule.slots,
            }),
            Self::Correlate(rule) => Some(EventInputs {
                inputs: &rule.inputs,
                symbols: &rule.symbols,
                slots: rule.slots,
            }),
            _ => None,
        }
    }
}
