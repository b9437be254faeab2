//! How many bytes an item adds to a request, at most: so batches keep their bound without being
//! encoded twice.

use std::sync::Arc;

use crate::limits::SINK_HISTOGRAM_BUCKETS_MAX;
use crate::model::Value;
use crate::sink::Shape;
use crate::sink::push::Said;

/// Bytes of a text, where JSON escapes every character of it (`\u001b`).
const ESCAPED: usize = 6;

/// Bytes around a value: tags, lengths, member names of JSON, times.
const AROUND: usize = 320;

/// How many times as long an item may be in JSON, nearly: the names of its members are written out.
const ITEM_FACTOR: usize = 8;

/// Bytes of one bucket's count, in JSON.
const BUCKET: usize = 24;

/// At most so many bytes are added by an item, in either encoding.
pub(super) fn of(shapes: &[Shape], said: &Said) -> usize {
    match said {
        Said::Row(row) => {
            let Some(Shape::Rule(shape)) = shapes.get(row.rule.0 as usize) else { return 0 };
            let attributes = pairs(&shape.keys, &row.key);
            // Each value is a point with all attributes, and perhaps the first of its metric.
            let names =
                text(&shape.name) * 2 + shape.values.iter().map(|n| text(n) * 2).max().unwrap_or(0);
            let exemplars: usize = row.values.iter().map(exemplars).sum();
            let each = attributes + names + exemplars + AROUND * 2;
            row.values.iter().map(|value| each + size(value)).sum::<usize>() + each
        }
        Said::Transition(transition) => {
            let Some(Shape::Alert(shape)) = shapes.get(transition.rule.0 as usize) else {
                return 0;
            };
            let severity = shape.severity.as_deref().map_or(0, text);
            pairs(&shape.keys, &transition.key)
                + pairs(&shape.labels, &transition.labels)
                + pairs(&shape.annotations, &transition.annotations)
                + text(&shape.name) * 2
                + severity
                + AROUND * 5
        }
        Said::Item(item) => AROUND + item.content.len() * ITEM_FACTOR,
    }
}

fn text(text: &str) -> usize {
    text.len() * ESCAPED
}

fn pairs(names: &[Arc<str>], values: &[Value]) -> usize {
    names.iter().zip(values).map(|(name, value)| AROUND + text(name) + size(value)).sum()
}

fn exemplars(value: &Value) -> usize {
    match value {
        Value::List(items) => items.len() * AROUND,
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Str(held) => text(held),
        Value::Bytes(bytes) => bytes.len() * 2,
        Value::List(items) => items.iter().map(|item| AROUND + size(item)).sum(),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| AROUND + text(key) + size(value)).sum()
        }
        // With what is added up, it may be as long as any.
        Value::Histogram(point) => {
            (SINK_HISTOGRAM_BUCKETS_MAX * 4 + point.bounds.len() * 2 + 2) * BUCKET + AROUND
        }
        _ => AROUND,
    }
}
