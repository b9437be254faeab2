//! Routes of telemetry: which items leave as they came.

use serde::{Deserialize, Serialize};

/// Items that leave for sinks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteRule {
    /// Index of the signal's plan, which keeps where items lie.
    pub signal: u32,
    /// Index of the filter that an item must pass.
    pub filter: Option<u32>,
    /// Index of the removal of duplicates before it.
    pub dedupe: Option<u32>,
    /// Index of the timeline that its items count by. No item is late for it: it has no windows.
    pub timeline: u32,
}
