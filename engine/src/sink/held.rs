//! Bytes that wait in a sink, and their bound.
//!
//! Invariant: what is taken is given back, whatever becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::push::Said;
use crate::model::{HistogramPoint, Row, Value};

/// Bytes that wait, or are being sent.
#[derive(Debug)]
pub(super) struct Held {
    limit: usize,
    bytes: AtomicUsize,
    /// Bytes of what is being sent, encoded, beside the items themselves.
    encoded: AtomicUsize,
}

impl Held {
    /// Room for so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: AtomicUsize::default(), encoded: AtomicUsize::default() }
    }

    /// Takes room for bytes, where there is any. What is larger than all of it finds room when
    /// nothing else is there, or else it never would.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let room = |held: usize| {
            let sum = held.checked_add(bytes)?;
            (sum <= self.limit || held == 0).then_some(sum)
        };
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    /// Takes room whether there is any or not, for one who waits elsewhere.
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn free(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes how large is what is being sent, encoded.
    pub(super) fn encodes(&self, bytes: usize) {
        self.encoded.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of what is being sent, encoded.
    pub(super) fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }

    /// Bytes held, and as many as may be.
    pub(super) fn of(&self) -> (usize, usize) {
        (self.bytes.load(Ordering::Relaxed), self.limit)
    }
}

impl Said {
    /// Bytes that it holds, about: of telemetry those of its parts, of rows and transitions those
    /// of their values.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Row(row) => of_row(row),
            Self::Transition(one) => {
                let values = of_values(&one.key) + of_values(&one.labels);
                let evidence = one.evidence.as_ref().map_or(0, of_row);
                size_of_val(&**one) + values + of_values(&one.annotations) + evidence
            }
            Self::Item(item) => item.content.len(),
        }
    }
}

fn of_row(row: &Row) -> usize {
    size_of_val(row) + of_values(&row.key) + of_values(&row.values)
}

fn of_values(values: &[Value]) -> usize {
    values.iter().map(of_value).sum()
}

fn of_value(value: &Value) -> usize {
    let more = match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => of_values(items),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| key.len() + of_value(value)).sum(),
        Value::Histogram(point) => of_histogram(point),
        _ => 0,
    };
    size_of::<Value>() + more
}

pub(super) fn of_histogram(point: &HistogramPoint) -> usize {
    let buckets = point.exponential.as_ref().map_or(0, |e| e.positive.len() + e.negative.len());
    size_of_val(point) + (point.bounds.len() + point.counts.len() + buckets) * size_of::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RowKind, RuleId};

    #[test]
    fn what_is_beyond_the_bound_finds_no_room() {
        let held = Held::new(100);
        assert!(held.take(60) && !held.take(41) && held.take(40));
        assert_eq!(held.of(), (100, 100));
        held.free(100);
        assert!(held.take(1_000), "alone, what is larger than all of it finds room");
        assert!(!held.take(1));
        held.free(1_000);
        assert_eq!(held.of(), (0, 100));
    }

    #[test]
    fn long_values_weigh_more() {
        let row = |text: &str| {
            let list = Value::List([Value::str(text), Value::Int(1)].into_iter().collect());
            let row = Row {
                rule: RuleId(0),
                decision_ns: 0,
                start_ns: 0,
                end_ns: 0,
                kind: RowKind::Final,
                is_other: false,
                key: [Value::str(text)].into(),
                values: vec![list],
            };
            Said::Row(row.into())
        };
        let (short, long) = (row("a").held_bytes(), row(&"a".repeat(1_001)).held_bytes());
        assert_eq!(long - short, 2_000);
    }
}
