//! What a closed trace says beside itself: its time by operation, its edges of the service graph.

use super::assembled::Assembled;
use super::said::{Part, Said};
use super::values::NOTHING;
use crate::model::{Row, RuleId};
use crate::operators::close::Closed;
use crate::operators::local_rows::LocalRowsState;
use crate::plan::{EdgesPart, OperationsPart, Plan, TraceRule};
use crate::self_metrics::EngineGauges;
use crate::trace::{Connection, CriticalPath, EdgeSpan, Edges, Forest, OperationTimes};

/// Texts of rows: who asked, where nobody in the trace did; how two ends are connected.
const TEXTS: [&str; 5] = [
    "user",
    Connection::Request.label(),
    Connection::Messaging.label(),
    Connection::Database.label(),
    Connection::Virtual.label(),
];

/// Which of the texts.
const USER: u8 = 0;

fn connection(connection: Connection) -> u8 {
    match connection {
        Connection::Request => 1,
        Connection::Messaging => 2,
        Connection::Database => 3,
        Connection::Virtual => 4,
    }
}

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
    /// Service and name by operation.
    known: Vec<(u32, u32)>,
    /// By operation.
    errors: Vec<i64>,
    /// By span.
    operations: Vec<u32>,
    edges: Edges<u32>,
    spans: Vec<EdgeSpan<u32>>,
}

impl Parts {
    pub(super) fn new(plan: &Plan, rule: &TraceRule, restored: &LocalRowsState) -> Self {
        let said = |rule: RuleId| Said::new(plan, (rule, &TEXTS), restored);
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
        let Self { known, errors, operations, .. } = self;
        known.clear();
        errors.clear();
        operations.clear();
        let spans = &trace.spans;
        let (services, names) = (&spans.carried[part.service as usize], part.name as usize);
        for (at, own) in services.iter().zip(&spans.carried[names]).enumerate() {
            let own = (*own.0, *own.1);
            let number = known.iter().position(|known| *known == own).unwrap_or_else(|| {
                known.push(own);
                errors.push(0);
                known.len() - 1
            });
            let stands = forest.place(at as u32).is_some();
            errors[number] += i64::from(stands && spans.masks[at] >> part.error & 1 == 1);
            operations.push(number as u32);
        }
        let times = self.times.sum(forest, path, operations);
        for (n, time) in (0..).zip(times) {
            let (service, name) = known[time.operation as usize];
            let row = [
                Part::Carried(service),
                Part::Carried(name),
                Part::Int(time.spans as i64),
                Part::Int(errors[time.operation as usize]),
                Part::Duration(time.exclusive_ns),
                Part::Duration(time.inclusive_ns),
                Part::Duration(time.self_ns),
            ];
            said.row(trace, n, &row, out);
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
        let spans = &trace.spans;
        let name = |number: u32| (number != NOTHING).then_some(number);
        let carried = |column: u32| &spans.carried[column as usize];
        let (services, peers) = (carried(part.service), carried(part.peer));
        let kinds = carried(part.kind).iter().map(|kind| trace.values.kind(*kind).kind);
        let ends = services.iter().zip(peers).zip(kinds);
        let numbers = spans.masks.iter().zip(&spans.durations_ns);
        self.spans.clear();
        self.spans.extend(ends.zip(numbers).map(
            |(((service, peer), kind), (mask, duration_ns))| EdgeSpan {
                service: name(*service),
                kind,
                is_error: mask >> part.error & 1 == 1,
                duration_ns: *duration_ns,
                peer: name(*peer),
                is_database: mask >> part.database & 1 == 1,
            },
        ));
        self.edges.find(forest, &self.spans);
        let edges = self.edges.as_slice();
        let duration = |ns: Option<i64>| ns.map_or(Part::Null, Part::Duration);
        for (n, edge) in (0..).zip(edges) {
            let row = [
                edge.client.map_or(Part::Text(USER), Part::Carried),
                Part::Carried(edge.server),
                Part::Text(connection(edge.connection)),
                Part::Bool(edge.is_failed),
                duration(edge.client_ns),
                duration(edge.server_ns),
            ];
            said.row(trace, n, &row, out);
        }
        edges.len() as u64
    }
}
