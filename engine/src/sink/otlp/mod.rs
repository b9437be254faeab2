//! Rows as OTLP metrics, transitions of alerts as OTLP logs.
//!
//! A final row is one gauge a value, named `RULE.VALUE`, at the end of its window and started at
//! the window's start, with the group key as attributes. A transition is a log record with the
//! event name `tailwater.alert`.
//!
//! Source: opentelemetry-proto 1.11, `metrics/v1`, `logs/v1`, `collector/*/v1`.

mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::push::{Encode, Said};
use super::{AlertShape, RuleShape, Shape};
use crate::model::{AlertState, Row, RowKind, Transition, Value};
use wire::Message;

const PROTOBUF: &str = "application/x-protobuf";

/// Severity numbers of log records: WARN for what is pending or fires, INFO for what is over.
const WARN: u64 = 13;
const INFO: u64 = 9;

/// Encodes rows as `ExportMetricsServiceRequest`.
pub struct Metrics {
    shapes: Arc<[Shape]>,
}

impl Metrics {
    /// Shapes are by rule id.
    pub fn new(shapes: Arc<[Shape]>) -> Self {
        Self { shapes }
    }
}

impl Encode for Metrics {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        // Points of one metric stand together, in the order in which they came.
        let mut metrics: BTreeMap<(String, &'static str), Message> = BTreeMap::new();
        for said in batch {
            let Said::Row(row) = said else { continue };
            let Some(Shape::Rule(shape)) = self.shapes.get(row.rule.0 as usize) else { continue };
            if row.kind != RowKind::Final {
                continue;
            }
            for (name, value) in shape.values.iter().zip(&row.values) {
                let Some((point, unit)) = point(shape, row, value) else { continue };
                let gauge = metrics.entry((format!("{}.{name}", shape.name), unit)).or_default();
                gauge.message(1, &point);
            }
        }
        if metrics.is_empty() {
            return None;
        }
        let mut scoped = scope();
        for ((name, unit), gauge) in &metrics {
            let mut metric = Message::default();
            metric.text(1, name);
            metric.text(3, unit);
            metric.message(5, gauge);
            scoped.message(2, &metric);
        }
        Some((PROTOBUF, request(&scoped)))
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        wire::partial_success(answer)
    }
}

/// Encodes transitions as `ExportLogsServiceRequest`.
pub struct Logs {
    shapes: Arc<[Shape]>,
}

impl Logs {
    /// Shapes are by rule id.
    pub fn new(shapes: Arc<[Shape]>) -> Self {
        Self { shapes }
    }
}

impl Encode for Logs {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let mut scoped = scope();
        let mut is_empty = true;
        for said in batch {
            let Said::Transition(transition) = said else { continue };
            let Some(Shape::Alert(shape)) = self.shapes.get(transition.rule.0 as usize) else {
                continue;
            };
            is_empty = false;
            scoped.message(2, &log_record(shape, transition));
        }
        (!is_empty).then(|| (PROTOBUF, request(&scoped)))
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        wire::partial_success(answer)
    }
}

/// `ResourceMetrics` or `ResourceLogs` around what a scope holds, as a whole request.
fn request(scoped: &Message) -> Bytes {
    let mut resource = Message::default();
    resource.message(1, &attribute("service.name", &Value::str("tailwater")));
    let mut of_resource = Message::default();
    of_resource.message(1, &resource);
    of_resource.message(2, scoped);
    let mut request = Message::default();
    request.message(1, &of_resource);
    request.finish()
}

/// `ScopeMetrics` or `ScopeLogs` that holds nothing yet.
fn scope() -> Message {
    let mut scope = Message::default();
    scope.text(1, "tailwater");
    scope.text(2, env!("CARGO_PKG_VERSION"));
    let mut scoped = Message::default();
    scoped.message(1, &scope);
    scoped
}

/// A `NumberDataPoint` and its unit (UCUM); none for what is no number.
fn point(shape: &RuleShape, row: &Row, value: &Value) -> Option<(Message, &'static str)> {
    let mut point = Message::default();
    point.fixed(2, row.start_ns as u64);
    point.fixed(3, row.end_ns as u64);
    let unit = match value {
        Value::Int(number) => {
            point.fixed(6, *number as u64);
            "1"
        }
        Value::Bool(is_so) => {
            point.fixed(6, u64::from(*is_so));
            "1"
        }
        Value::Float(number) | Value::Ratio(number) => {
            point.fixed(4, number.to_bits());
            "1"
        }
        Value::Duration(nanos) => {
            point.fixed(4, (*nanos as f64 / 1e9).to_bits());
            "s"
        }
        Value::Size(bytes) => {
            point.fixed(6, *bytes as u64);
            "By"
        }
        _ => return None,
    };
    for attribute in attributes(row.is_other, &shape.keys, &row.key) {
        point.message(7, &attribute);
    }
    Some((point, unit))
}

fn log_record(shape: &AlertShape, transition: &Transition) -> Message {
    let mut record = Message::default();
    let time_ns = transition.decision_ns as u64;
    record.fixed(1, time_ns);
    let is_over = matches!(transition.state, AlertState::Resolved | AlertState::Inactive);
    record.varint(2, if is_over { INFO } else { WARN });
    record.text(3, if is_over { "INFO" } else { "WARN" });
    let mut body = Message::default();
    body.text(1, &format!("{} {}", shape.name, transition.state.word()));
    record.message(5, &body);
    let mut all = attributes(transition.is_other, &shape.keys, &transition.key);
    let texts = [
        ("alert.name", Some(shape.name.to_string())),
        ("alert.state", Some(transition.state.word().to_owned())),
        ("alert.severity", shape.severity.as_ref().map(ToString::to_string)),
    ];
    for (key, text) in texts {
        all.extend(text.map(|text| attribute(key, &Value::str(&text))));
    }
    for (prefix, names, values) in [
        ("alert.labels.", &shape.labels, &transition.labels),
        ("alert.annotations.", &shape.annotations, &transition.annotations),
    ] {
        for (name, value) in names.iter().zip(values).filter(|(_, value)| !value.is_null()) {
            all.push(attribute(&format!("{prefix}{name}"), value));
        }
    }
    for attribute in &all {
        record.message(6, attribute);
    }
    record.fixed(11, time_ns);
    record.text(12, "tailwater.alert");
    record
}

fn attributes(is_other: bool, names: &[Arc<str>], values: &[Value]) -> Vec<Message> {
    if is_other {
        return vec![attribute("otel.metric.overflow", &Value::Bool(true))];
    }
    let pairs = names.iter().zip(values).filter(|(_, value)| !value.is_null());
    pairs.map(|(name, value)| attribute(name, value)).collect()
}

/// A `KeyValue`; what has no kind of its own in OTLP is text.
fn attribute(key: &str, value: &Value) -> Message {
    let mut any = Message::default();
    match value {
        Value::Bool(is_so) => any.varint(2, u64::from(*is_so)),
        Value::Int(number) | Value::Size(number) => any.varint(3, *number as u64),
        Value::Float(number) | Value::Ratio(number) => any.fixed(4, number.to_bits()),
        Value::Str(text) => any.text(1, text),
        other => any.text(1, &super::prometheus::label_text(other)),
    }
    let mut pair = Message::default();
    pair.text(1, key);
    pair.message(2, &any);
    pair
}
