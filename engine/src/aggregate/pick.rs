//! The first values of a group, and events that stand for it.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::ExemplarOrder;
use super::partial::OrderKey;
use crate::limits::{COLLECTED_MAX, EXEMPLARS_MAX};
use crate::model::Value;

/// The first values by order key, up to a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    limit: u32,
    values: Vec<(OrderKey, Value)>,
}

impl Collected {
    /// Nothing yet; the limit is at most [`COLLECTED_MAX`].
    pub fn new(limit: u32) -> Self {
        Self { limit: limit.min(COLLECTED_MAX), values: Vec::new() }
    }

    /// Adds a value, made only if it is kept.
    pub fn add(&mut self, key: OrderKey, value: impl FnOnce() -> Value) {
        let at = self.values.partition_point(|known| known.0 <= key);
        if at < self.limit as usize {
            self.values.insert(at, (key, value()));
            self.values.truncate(self.limit as usize);
        }
    }

    /// Adds other values of the same limit.
    pub fn merge(&mut self, other: Self) {
        self.values.extend(other.values);
        self.values.sort_unstable();
        self.values.truncate(self.limit as usize);
    }

    /// The values in order.
    pub fn list(&self) -> Value {
        Value::List(self.values.iter().map(|(_, value)| value.clone()).collect())
    }

    /// Bytes of heap memory, without the texts of the values.
    pub fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<(OrderKey, Value)>()
    }
}

/// One event that may stand for its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The value by which it was chosen.
    pub value: Value,
    /// Its place; the time is the event's.
    pub key: OrderKey,
    /// Its trace.
    pub trace: [u8; 16],
    /// Its span.
    pub span: [u8; 8],
}

/// The best candidates, at most [`EXEMPLARS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplars {
    order: ExemplarOrder,
    best: Vec<Candidate>,
}

impl Exemplars {
    /// None yet.
    pub fn new(order: ExemplarOrder) -> Self {
        Self { order, best: Vec::new() }
    }

    /// Adds a candidate. Where any item may stand for the group, a trace does so once.
    pub fn add(&mut self, candidate: Candidate) {
        let order = self.order;
        if order == ExemplarOrder::Any
            && let Some(same) = self.best.iter_mut().find(|known| known.trace == candidate.trace)
        {
            if compare(order, &candidate, same).is_lt() {
                *same = candidate;
            }
            return;
        }
        let at = self.best.partition_point(|known| compare(order, known, &candidate).is_lt());
        if at < EXEMPLARS_MAX {
            self.best.insert(at, candidate);
            self.best.truncate(EXEMPLARS_MAX);
        }
    }

    /// Adds other candidates.
    pub fn merge(&mut self, other: Self) {
        other.best.into_iter().for_each(|candidate| self.add(candidate));
    }

    /// A list of maps (`trace_id`, `span_id`, `value`, `time`), the best first. Those that stand
    /// for no value have none.
    pub fn list(&self) -> Value {
        let value = |candidate: &Candidate| match self.order {
            ExemplarOrder::Any => Value::Null,
            ExemplarOrder::Max | ExemplarOrder::Min => candidate.value.clone(),
        };
        let entry = |candidate: &Candidate| {
            Value::map(vec![
                (Arc::from("trace_id"), Value::Bytes(Arc::from(&candidate.trace[..]))),
                (Arc::from("span_id"), Value::Bytes(Arc::from(&candidate.span[..]))),
                (Arc::from("value"), value(candidate)),
                (Arc::from("time"), Value::Time(candidate.key.time_ns)),
            ])
        };
        Value::List(self.best.iter().map(entry).collect())
    }

    /// Bytes of heap memory, without the texts of the values.
    pub fn heap_bytes(&self) -> usize {
        self.best.capacity() * size_of::<Candidate>()
    }
}

/// The better candidate is less; of equal ones the earlier event. Where any may be taken, it is of
/// the trace with the most randomness (the low 56 bits of its id): no share that is kept of traces
/// keeps others and not that one.
fn compare(order: ExemplarOrder, a: &Candidate, b: &Candidate) -> Ordering {
    let by_value = match order {
        ExemplarOrder::Max => b.value.cmp(&a.value),
        ExemplarOrder::Min => a.value.cmp(&b.value),
        ExemplarOrder::Any => b.trace[9..].cmp(&a.trace[9..]).then_with(|| a.trace.cmp(&b.trace)),
    };
    by_value.then_with(|| a.key.cmp(&b.key))
}
