//! Accumulators: exact values on small examples, error bounds on large ones, and that neither
//! order nor partition of the updates shows in results or bytes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod examples;
mod partition;
mod standing;

use std::sync::Arc;

use tailwater_engine::aggregate::{AccumulatorKind, Accumulators, Finisher, OrderColumn, Partial};
use tailwater_engine::model::{
    Batch, Cell, Column, ExponentialBuckets, HistogramPoint, Interner, Signal, SourceId, Value,
};

/// One update: event time and value; each is a frame of its own, so order keys differ.
type Update = (i64, Value);

fn cell(value: &Value, heap: &mut Vec<Value>) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(v) => Cell::Bool(*v),
        Value::Int(v) => Cell::Int(*v),
        Value::Float(v) => Cell::Float(*v),
        Value::Duration(v) => Cell::Duration(*v),
        Value::Size(v) => Cell::Size(*v),
        Value::Ratio(v) => Cell::Ratio(*v),
        other => {
            heap.push(other.clone());
            Cell::Heap(heap.len() as u32 - 1)
        }
    }
}

/// Updates of the frames `first..`, each with its place in the log.
fn partial_of(kind: &AccumulatorKind, updates: &[(u64, Update)]) -> Partial {
    partial_standing(kind, updates, 1)
}

/// The same where each stands for several.
fn partial_standing(kind: &AccumulatorKind, updates: &[(u64, Update)], stands_for: u32) -> Partial {
    let mut accumulators = Accumulators::new(kind);
    accumulators.ensure_slots(2);
    for (frame_seq, (time_ns, value)) in updates {
        let mut heap = Vec::new();
        let values = Column::Cells(vec![cell(value, &mut heap)]);
        let traces = Column::Ids16(vec![[(frame_seq % 200) as u8 + 1; 16]]);
        let spans = Column::Ids8(vec![[7; 8]]);
        let batch = Batch {
            signal: Signal::Spans,
            source: SourceId(0),
            frame_seq: *frame_seq,
            rows: 1,
            stands_for,
            columns: Vec::new(),
            heap,
            symbols: Interner::shared(),
            offsets: Vec::new(),
            raw: None,
        };
        let order = OrderColumn { times: &[*time_ns], source: 0, frame_seq: *frame_seq };
        accumulators.update(&[0], &[1], &[&values, &traces, &spans], &batch, &order);
    }
    let taken = accumulators.take(1);
    assert_eq!(accumulators.take(1), accumulators.take(0), "a taken slot is empty");
    taken
}

fn numbered(updates: Vec<Update>) -> Vec<(u64, Update)> {
    updates.into_iter().enumerate().map(|(at, update)| (at as u64, update)).collect()
}

fn result(kind: &AccumulatorKind, values: &[Value], finisher: Finisher) -> Value {
    let updates = values.iter().enumerate().map(|(at, value)| (at as i64, value.clone()));
    let mut partial = partial_of(kind, &numbered(updates.collect()));
    partial.seal();
    partial.finish(&finisher, 10_000_000_000)
}

fn exponential(scale: i32, offset: i32, counts: &[u64]) -> HistogramPoint {
    HistogramPoint {
        count: counts.iter().copied().fold(0, u64::saturating_add),
        exponential: Some(ExponentialBuckets {
            scale,
            positive_offset: offset,
            positive: counts.to_vec(),
            ..ExponentialBuckets::default()
        }),
        ..HistogramPoint::default()
    }
}

fn explicit(bounds: &[f64], counts: &[u64]) -> HistogramPoint {
    HistogramPoint {
        count: counts.iter().copied().fold(0, u64::saturating_add),
        bounds: bounds.to_vec(),
        counts: counts.to_vec(),
        ..HistogramPoint::default()
    }
}

fn point(point: HistogramPoint) -> Value {
    Value::Histogram(Arc::new(point))
}
