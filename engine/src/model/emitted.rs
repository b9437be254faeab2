//! Items on their way out: telemetry that a rule says again, as OTLP messages.
//!
//! Parts are slices of the buffer that was received, wherever it was OTLP in protobuf: an item
//! leaves in the bytes that it came in. Whoever changes an item appends fields to it: in protobuf a
//! later scalar replaces an earlier one, and repeated fields add up.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::frame::SourceId;
use super::row::RuleId;
use super::signal::Signal;

/// An item's place in the log, and its time.
#[derive(
    Default, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ItemKey {
    /// Place of its frame in the log.
    pub frame_seq: u64,
    /// Its row among the items of its signal in the frame.
    pub row: u32,
    /// Its event time, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Where it came from.
    pub source: SourceId,
}

/// What an item is: OTLP messages in protobuf, each without the tag and length of its field.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemContent {
    /// Shared by items that came together.
    pub around: Arc<ItemAround>,
    /// `Span`, `LogRecord`, or a `Metric` with one data point.
    pub item: Bytes,
    /// Fields that follow those of `item`.
    pub append: Bytes,
}

/// What stands around an item: OTLP messages in protobuf as in [`ItemContent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemAround {
    /// `Resource`; empty where there was none.
    pub resource: Bytes,
    /// Text: the schema URL of the resource and what is below it.
    pub resource_schema_url: Bytes,
    /// `InstrumentationScope`; empty where there was none.
    pub scope: Bytes,
    /// Text: the schema URL of the scope's items.
    pub scope_schema_url: Bytes,
}

impl ItemContent {
    /// Bytes of all its parts.
    pub fn len(&self) -> usize {
        self.shared_len() + self.item_len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the item itself, with what is appended.
    pub fn item_len(&self) -> usize {
        self.item.len() + self.append.len()
    }

    /// Bytes that it may share with other items: resource, scope and their schemas.
    pub fn shared_len(&self) -> usize {
        self.around.resource.len()
            + self.around.resource_schema_url.len()
            + self.around.scope.len()
            + self.around.scope_schema_url.len()
    }
}

/// An item that a rule says again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmittedItem {
    /// The rule that says it: a route, a sampling.
    pub rule: RuleId,
    /// Spans, logs or metrics.
    pub signal: Signal,
    /// When it was decided, in event time: nanoseconds since the Unix epoch.
    pub decision_ns: i64,
    /// Its place in the log.
    pub key: ItemKey,
    /// The item.
    pub content: ItemContent,
}

impl EmittedItem {
    /// What decides where it leaves, but among what was made of one item.
    fn place(&self) -> (i64, RuleId, Signal, ItemKey) {
        (self.decision_ns, self.rule, self.signal, self.key)
    }

    /// The order in which items leave: decision time, rule, signal, place in the log; of what was
    /// made of one item, its content.
    pub fn output_cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place()).then_with(|| self.content.cmp(&other.content))
    }

    /// Puts items in output order. They are moved once: most of the order is decided by small keys.
    pub(crate) fn sort(items: &mut [Self]) {
        items.sort_by_cached_key(Self::place);
        for alike in items.chunk_by_mut(|a, b| a.place() == b.place()) {
            alike.sort_by(|a, b| a.content.cmp(&b.content));
        }
    }
}
