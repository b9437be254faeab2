//! Transitions of alerts as OTLP logs, and rows where they are asked for.
//!
//! A transition is a record with the event name `tailwater.alert`, a row one with
//! `tailwater.row`.

use std::sync::Arc;

use bytes::Bytes;

use super::items::{items_of, joined};
use super::weight;
use super::wire::{Encoding, Items, Record};
use crate::model::{AlertState, Row, RowKind, Signal, Transition, Value};
use crate::sink::push::{Encode, Said};
use crate::sink::{AlertShape, RuleShape, Shape};

/// Severity numbers: WARN for what is pending or fires, INFO for what is over and for rows.
const WARN: (u64, &str) = (13, "WARN");
const INFO: (u64, &str) = (9, "INFO");

/// Encodes transitions, rows, and log records as they came, as `ExportLogsServiceRequest`.
pub struct Logs {
    encoding: Encoding,
    shapes: Arc<[Shape]>,
    left_out: usize,
}

impl Logs {
    /// In protobuf; shapes are by rule id.
    pub fn new(shapes: Arc<[Shape]>) -> Self {
        Self::with(Encoding::default(), shapes)
    }

    /// Shapes are by rule id.
    pub fn with(encoding: Encoding, shapes: Arc<[Shape]>) -> Self {
        Self { encoding, shapes, left_out: 0 }
    }

    fn append(&self, said: &Said, records: &mut Vec<u8>) {
        match (said, self.shapes.get(said.rule().0 as usize)) {
            (Said::Transition(transition), Some(Shape::Alert(shape))) => {
                self.transition(shape, transition, records);
            }
            (Said::Row(row), Some(Shape::Rule(shape))) if row.kind == RowKind::Final => {
                self.row(shape, row, records);
            }
            _ => {}
        }
    }

    fn transition(&self, shape: &AlertShape, transition: &Transition, records: &mut Vec<u8>) {
        let is_over = matches!(transition.state, AlertState::Resolved | AlertState::Inactive);
        let mut all = keys(transition.is_other, &shape.keys, &transition.key);
        let texts = [
            ("alert.name", Some(&*shape.name)),
            ("alert.state", Some(transition.state.word())),
            ("alert.severity", shape.severity.as_deref()),
        ];
        for (key, text) in texts {
            all.extend(text.map(|text| (key.to_owned(), Value::str(text))));
        }
        all.extend(prefixed("alert.labels.", &shape.labels, &transition.labels));
        all.extend(prefixed("alert.annotations.", &shape.annotations, &transition.annotations));
        let record = Record {
            time_ns: transition.decision_ns,
            severity: if is_over { INFO } else { WARN },
            body: format!("{} {}", shape.name, transition.state.word()),
            event: "tailwater.alert",
            attributes: &all,
        };
        self.encoding.record(&record, records);
    }

    fn row(&self, shape: &RuleShape, row: &Row, records: &mut Vec<u8>) {
        let mut all = keys(row.is_other, &shape.keys, &row.key);
        all.push(("rule.name".to_owned(), Value::str(&shape.name)));
        for (name, time_ns) in [("window.start", row.start_ns), ("window.end", row.end_ns)] {
            all.push((name.to_owned(), Value::Time(time_ns)));
        }
        all.extend(prefixed("rule.values.", &shape.values, &row.values));
        let record = Record {
            time_ns: row.end_ns,
            severity: INFO,
            body: shape.name.to_string(),
            event: "tailwater.row",
            attributes: &all,
        };
        self.encoding.record(&record, records);
    }
}

impl Encode for Logs {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let mut records = Vec::new();
        batch.iter().for_each(|said| self.append(said, &mut records));
        let own = (!records.is_empty()).then(|| self.encoding.request(Items::Logs, &records));
        let items = items_of(self.encoding, Signal::Logs, batch);
        self.left_out = items.as_ref().map_or(0, |items| items.left_out);
        let body = joined(self.encoding, own, items)?;
        Some((self.encoding.content_type(), body))
    }

    fn left_out(&self) -> usize {
        self.left_out
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        self.encoding.partial_success(answer)
    }

    fn weight(&self, said: &Said) -> usize {
        weight::of(&self.shapes, said)
    }

    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

fn keys(is_other: bool, names: &[Arc<str>], values: &[Value]) -> Vec<(String, Value)> {
    if is_other {
        return vec![("otel.metric.overflow".to_owned(), Value::Bool(true))];
    }
    prefixed("", names, values).collect()
}

fn prefixed<'a>(
    prefix: &'a str,
    names: &'a [Arc<str>],
    values: &'a [Value],
) -> impl Iterator<Item = (String, Value)> + 'a {
    let pairs = names.iter().zip(values).filter(|(_, value)| !value.is_null());
    pairs.map(move |(name, value)| (format!("{prefix}{name}"), value.clone()))
}
