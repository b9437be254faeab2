//! What a closed trace says beside itself: its time by operation, its edges of the service graph.

use std::sync::Arc;

use super::assembled::Assembled;
use super::spans::SpanState;
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::{EdgesPart, OperationsPart};
use crate::trace::{CriticalPath, EdgeSpan, Edges, Forest, OperationTimes, SpanKind};

/// Who asked, where nobody in the trace did.
const USER: &str = "user";

/// Finds the parts of traces; keeps its memory between them.
#[derive(Default)]
pub(super) struct Parts {
    times: OperationTimes,
    operations: Vec<u32>,
    edges: Edges<u32>,
    /// Services and peers of the trace at hand, by number.
    names: Vec<Value>,
}

/// The kind of a span, by its carried column.
pub(super) fn kind_of(span: &SpanState, column: u32) -> SpanKind {
    match span.carried.get(column as usize) {
        Some(Value::Str(name)) => SpanKind::of_name(name),
        _ => SpanKind::default(),
    }
}

impl Parts {
    /// The rows of a trace's time by service and name, in the order in which they first occur.
    pub(super) fn operations(
        &mut self,
        part: &OperationsPart,
        (trace, forest, path): (&Assembled, &Forest, &CriticalPath),
        out: &mut Vec<Row>,
    ) {
        let (service, name) = (part.service as usize, part.name as usize);
        let mut known: Vec<(&Value, &Value)> = Vec::new();
        let mut errors: Vec<i64> = Vec::new();
        self.operations.clear();
        for (at, span) in (0..).zip(&trace.spans) {
            let own = (&span.carried[service], &span.carried[name]);
            let number = known.iter().position(|known| *known == own).unwrap_or_else(|| {
                known.push(own);
                errors.push(0);
                known.len() - 1
            });
            let stands = forest.place(at).is_some();
            errors[number] += i64::from(stands && span.mask >> part.error & 1 == 1);
            self.operations.push(number as u32);
        }
        for (n, time) in (0..).zip(self.times.sum(forest, path, &self.operations)) {
            let (service, name) = known[time.operation as usize];
            let values = vec![
                service.clone(),
                name.clone(),
                Value::Int(time.spans as i64),
                Value::Int(errors[time.operation as usize]),
                Value::Duration(time.exclusive_ns),
                Value::Duration(time.inclusive_ns),
                Value::Duration(time.self_ns),
            ];
            out.push(row(part.rule, trace, n, values));
        }
    }

    /// The rows of a trace's edges.
    pub(super) fn edges(
        &mut self,
        part: &EdgesPart,
        (trace, forest): (&Assembled, &Forest),
        out: &mut Vec<Row>,
    ) {
        self.names.clear();
        let names = &mut self.names;
        let mut number = |value: &Value| {
            if value.is_null() {
                return None;
            }
            let at = names.iter().position(|known| known == value).unwrap_or_else(|| {
                names.push(value.clone());
                names.len() - 1
            });
            Some(at as u32)
        };
        let span = |span: &SpanState| EdgeSpan {
            service: number(&span.carried[part.service as usize]),
            kind: kind_of(span, part.kind),
            is_error: span.mask >> part.error & 1 == 1,
            duration_ns: span.duration_ns,
            peer: number(&span.carried[part.peer as usize]),
            is_database: span.mask >> part.database & 1 == 1,
        };
        let spans: Vec<EdgeSpan<u32>> = trace.spans.iter().map(span).collect();
        self.edges.find(forest, &spans);
        let name = |number: u32| self.names[number as usize].clone();
        let duration = |ns: Option<i64>| ns.map_or(Value::Null, Value::Duration);
        for (n, edge) in (0..).zip(self.edges.as_slice()) {
            let values = vec![
                edge.client.map_or_else(|| Value::str(USER), name),
                name(edge.server),
                Value::str(edge.connection.label()),
                Value::Bool(edge.is_failed),
                duration(edge.client_ns),
                duration(edge.server_ns),
            ];
            out.push(row(part.rule, trace, n, values));
        }
    }
}

fn row(rule: RuleId, trace: &Assembled, n: i64, values: Vec<Value>) -> Row {
    Row {
        rule,
        decision_ns: trace.decided_ns,
        start_ns: trace.start_ns,
        end_ns: trace.decided_ns,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::from([Value::Bytes(Arc::from(&trace.id[..])), Value::Int(n)]),
        values,
    }
}
