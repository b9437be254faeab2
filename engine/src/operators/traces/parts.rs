//! What a closed trace says beside itself: its time by operation, its edges of the service graph.

use std::sync::Arc;

use super::assembled::Assembled;
use super::said::Said;
use super::spans::SpanState;
use crate::model::{Row, RuleId, Value};
use crate::operators::close::Closed;
use crate::operators::local_rows::LocalRowsState;
use crate::plan::{EdgesPart, OperationsPart, Plan, TraceRule};
use crate::self_metrics::EngineGauges;
use crate::trace::{CriticalPath, EdgeSpan, Edges, Forest, OperationTimes, SpanKind};

/// Who asked, where nobody in the trace did.
const USER: &str = "user";

/// Finds the parts of traces; keeps its memory between them.
pub(super) struct Parts {
    of_operations: Option<(OperationsPart, Said)>,
    of_edges: Option<(EdgesPart, Said)>,
    found: Found,
    /// Rows said since this was last asked.
    said: [u64; 2],
}

/// What parts are made of.
#[derive(Default)]
struct Found {
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
    pub(super) fn new(plan: &Plan, rule: &TraceRule, restored: &LocalRowsState) -> Self {
        let said = |rule: RuleId| Said::new(plan, rule, restored);
        Self {
            of_operations: rule.operations.map(|part| (part, said(part.rule))),
            of_edges: rule.edges.map(|part| (part, said(part.rule))),
            found: Found::default(),
            said: [0; 2],
        }
    }

    /// Whether any rule reads parts.
    pub(super) fn is_asked(&self) -> bool {
        self.of_operations.is_some() || self.of_edges.is_some()
    }

    /// Says the parts of a trace.
    pub(super) fn say(
        &mut self,
        trace: &Assembled,
        (forest, path): (&Forest, &CriticalPath),
        out: &mut Vec<Row>,
    ) {
        if let Some((part, said)) = &mut self.of_operations {
            said.begin(trace);
            self.said[0] += self.found.operations(part, (trace, forest, path), said, out);
        }
        if let Some((part, said)) = &mut self.of_edges {
            said.begin(trace);
            self.said[1] += self.found.edges(part, (trace, forest), said, out);
        }
    }

    /// Aggregates what was said in an epoch, and counts it.
    pub(super) fn step(&mut self, plan: &Plan, watermark_ns: i64, out: &mut Closed) {
        let operations = self.of_operations.as_mut().map(|(part, said)| (part.rule, said));
        let edges = self.of_edges.as_mut().map(|(part, said)| (part.rule, said));
        for (part, rows) in [operations, edges].into_iter().zip(&mut self.said) {
            let Some((rule, said)) = part else { continue };
            let (counts, rows) = (&mut out.rules[rule.0 as usize], std::mem::take(rows));
            counts.taken += rows;
            counts.used += rows;
            said.step(plan, watermark_ns, out);
        }
    }

    /// Tells what is held on a worker.
    pub(super) fn tell(&mut self, gauges: &EngineGauges, worker: usize) {
        self.all().for_each(|said| said.tell(gauges, worker));
    }

    /// What a snapshot holds.
    pub(super) fn state(&self) -> LocalRowsState {
        let operations = self.of_operations.iter().map(|(_, said)| said);
        let edges = self.of_edges.iter().map(|(_, said)| said);
        operations.chain(edges).flat_map(Said::state).collect()
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Said> {
        let operations = self.of_operations.iter_mut().map(|(_, said)| said);
        operations.chain(self.of_edges.iter_mut().map(|(_, said)| said))
    }
}

impl Found {
    /// The rows of a trace's time by service and name, in the order in which they first occur;
    /// their number.
    fn operations(
        &mut self,
        part: &OperationsPart,
        (trace, forest, path): (&Assembled, &Forest, &CriticalPath),
        said: &mut Said,
        out: &mut Vec<Row>,
    ) -> u64 {
        let (service, name) = (part.service as usize, part.name as usize);
        let id = Value::Bytes(Arc::from(&trace.id[..]));
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
        let times = self.times.sum(forest, path, &self.operations);
        for (n, time) in (0..).zip(times) {
            let (service, name) = known[time.operation as usize];
            let values = [
                service.clone(),
                name.clone(),
                Value::Int(time.spans as i64),
                Value::Int(errors[time.operation as usize]),
                Value::Duration(time.exclusive_ns),
                Value::Duration(time.inclusive_ns),
                Value::Duration(time.self_ns),
            ];
            said.say(trace, &[id.clone(), Value::Int(n)], &values, out);
        }
        times.len() as u64
    }

    /// The rows of a trace's edges; their number.
    fn edges(
        &mut self,
        part: &EdgesPart,
        (trace, forest): (&Assembled, &Forest),
        said: &mut Said,
        out: &mut Vec<Row>,
    ) -> u64 {
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
        let id = Value::Bytes(Arc::from(&trace.id[..]));
        let name = |number: u32| self.names[number as usize].clone();
        let duration = |ns: Option<i64>| ns.map_or(Value::Null, Value::Duration);
        for (n, edge) in (0..).zip(self.edges.as_slice()) {
            let values = [
                edge.client.map_or_else(|| Value::str(USER), name),
                name(edge.server),
                Value::str(edge.connection.label()),
                Value::Bool(edge.is_failed),
                duration(edge.client_ns),
                duration(edge.server_ns),
            ];
            said.say(trace, &[id.clone(), Value::Int(n)], &values, out);
        }
        self.edges.as_slice().len() as u64
    }
}
