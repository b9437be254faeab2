//! Removal of duplicates, as the plan holds it.

use serde::{Deserialize, Serialize};

/// Items that are the same: equal in all key columns, and near in event time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dedupe {
    /// Index of the signal's plan.
    pub signal: u32,
    /// Another removal of duplicates that items pass before, earlier in the plan, if any.
    pub after: Option<u32>,
    /// The removal of duplicates whose duplicates pass this one, and nothing else: its side, with
    /// the values of that one.
    pub side_of: Option<u32>,
    /// Index of the timeline: event time of the items, and when keys are forgotten.
    pub timeline: u32,
    /// Index of the signal's filter that items pass before, if any.
    pub filter: Option<u32>,
    /// Columns of the batch that must be equal.
    pub key: Vec<u32>,
    /// How far apart in event time duplicates are found, nanoseconds, inclusive.
    pub within_ns: i64,
    /// Keys remembered at once; beyond that the earliest is forgotten.
    pub keys_max: u64,
}
