//! The world that is simulated: services, operations, and traces through them.

use super::Options;
use super::incident::{Incident, IncidentKind};
use super::rng::Rng;

/// Names of services, in the order in which they are used. The first is the entry.
pub(crate) const SERVICES: [&str; 20] = [
    "frontend",
    "cart",
    "checkout",
    "payment",
    "catalog",
    "currency",
    "shipping",
    "email",
    "recommendation",
    "search",
    "inventory",
    "pricing",
    "auth",
    "profile",
    "orders",
    "notify",
    "fraud",
    "ledger",
    "reviews",
    "ads",
];

const VERBS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// Traces that are made to learn how many spans a trace has on average.
const TRIAL_TRACES: u64 = 500;
/// Calls that one service makes for one request at most, but one.
const CALLS_MAX: u64 = 4;
/// Levels of calls.
const DEPTH_MAX: usize = 4;
/// Spans of one trace at most.
const TRACE_SPANS_MAX: usize = 64;

/// Name of an operation.
pub(crate) fn operation_name(service: usize, operation: usize) -> String {
    format!("{} /{}/{operation}", VERBS[operation % VERBS.len()], SERVICES[service])
}

/// What kind of span it is, by OpenTelemetry's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SpanKind {
    Server = 2,
    Client = 3,
}

impl SpanKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// One span.
#[allow(clippy::struct_field_names, reason = "`span_id` is OpenTelemetry's word")]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    /// All zero for a root.
    pub(super) parent_id: [u8; 8],
    /// Index of the service.
    pub(super) service: usize,
    /// Index of the operation at the service that answers.
    pub(super) operation: usize,
    /// The name: the operation's.
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) is_error: bool,
}

impl Span {
    pub(super) fn status_code(&self) -> u16 {
        if self.is_error { 500 } else { 200 }
    }
}

/// Which services call which, and how often operations are used.
pub(super) struct Topology {
    services: usize,
    operations: usize,
    /// By service: those that it calls; later in the list than itself, so that no call returns.
    callees: Vec<Vec<usize>>,
    error_rate: f64,
    median_ns: f64,
    sigma: f64,
}

impl Topology {
    pub(super) fn new(options: &Options) -> Self {
        let services = options.services;
        let callees = |service: usize| -> Vec<usize> {
            let later = services - service - 1;
            let count = later.min(CALLS_MAX as usize);
            (0..count).map(|index| service + 1 + index * later / count).collect()
        };
        let callees = (0..services).map(callees).collect();
        Self {
            services,
            operations: options.operations,
            callees,
            error_rate: options.error_rate,
            median_ns: options.median_ns as f64,
            sigma: options.sigma,
        }
    }

    /// How long the spans of these options take, by the mean of trial traces without incidents.
    pub(super) fn seconds_for(&self, options: &Options) -> f64 {
        let mut rng = Rng::new(!options.seed);
        let spans: usize =
            (0..TRIAL_TRACES).map(|_| self.trace(options.start_ns, &[], &mut rng).len()).sum();
        let traces = options.spans as f64 * TRIAL_TRACES as f64 / spans as f64;
        traces / f64::from(options.traces_per_second)
    }

    /// The spans of a trace that begins then, the root first.
    pub(super) fn trace(&self, now_ns: i64, incidents: &[Incident], rng: &mut Rng) -> Vec<Span> {
        debug_assert!(self.services > 0, "options are checked");
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&(rng.next() | 1).to_be_bytes());
        trace_id[8..].copy_from_slice(&rng.next().to_be_bytes());
        let mut trace = Builder { topology: self, incidents, rng, trace_id, spans: Vec::new() };
        let budget_ns = (self.median_ns * trace.rng.log_normal(self.sigma)) as i64;
        trace.serve([0; 8], 0, now_ns, budget_ns.max(1_000), 0);
        trace.spans
    }
}

struct Builder<'a> {
    topology: &'a Topology,
    incidents: &'a [Incident],
    rng: &'a mut Rng,
    trace_id: [u8; 16],
    spans: Vec<Span>,
}

impl Builder<'_> {
    fn id(&mut self) -> [u8; 8] {
        (self.rng.next() | 1).to_be_bytes()
    }

    /// Earlier operations are used more: each half as much as the one before it, at most.
    fn operation(&mut self) -> usize {
        let first = self.rng.below(self.topology.operations as u64);
        self.rng.below(first + 1) as usize
    }

    fn hit(&self, start_ns: i64, service: usize, operation: usize) -> Option<IncidentKind> {
        let hit = self.incidents.iter().find(|it| it.hits(start_ns, service, operation));
        hit.map(|incident| incident.kind)
    }

    /// A request to a service, as it answers it: its span and those of its calls. Returns its end
    /// and whether it failed.
    fn serve(
        &mut self,
        parent_id: [u8; 8],
        service: usize,
        start_ns: i64,
        budget_ns: i64,
        depth: usize,
    ) -> (i64, bool) {
        let operation = self.operation();
        let kind = self.hit(start_ns, service, operation);
        if kind == Some(IncidentKind::ServiceDown) {
            return (start_ns + budget_ns, true);
        }
        let own_ns = match kind {
            Some(IncidentKind::LatencyShift) => budget_ns * Incident::SHIFT_FACTOR,
            _ => budget_ns,
        };
        let at = self.spans.len();
        let name = operation_name(service, operation);
        let mut span = self.span(parent_id, service, operation, name, SpanKind::Server, start_ns);
        span.end_ns = start_ns + own_ns;
        let span_id = span.span_id;
        self.spans.push(span);
        let (end_ns, a_call_failed) = self.calls(span_id, service, start_ns, own_ns, depth);
        let rate = match kind {
            Some(IncidentKind::ErrorBurst) => Incident::BURST_ERROR_RATE,
            _ => self.topology.error_rate,
        };
        let is_error = self.rng.chance(rate) || (a_call_failed && self.rng.chance(0.5));
        let span = &mut self.spans[at];
        span.end_ns = span.end_ns.max(end_ns);
        span.is_error = is_error;
        (span.end_ns, is_error)
    }

    /// The calls of a service, one after another. Returns when the last ended, and whether one
    /// failed.
    fn calls(
        &mut self,
        parent_id: [u8; 8],
        service: usize,
        start_ns: i64,
        own_ns: i64,
        depth: usize,
    ) -> (i64, bool) {
        let callees = &self.topology.callees[service];
        let (mut now_ns, mut failed) = (start_ns, false);
        if callees.is_empty() || depth >= DEPTH_MAX {
            return (now_ns, failed);
        }
        let calls = self.rng.below(if depth == 0 { CALLS_MAX } else { CALLS_MAX - 1 });
        for _ in 0..calls {
            if self.spans.len() + 2 > TRACE_SPANS_MAX {
                break;
            }
            let callee = callees[self.rng.below(callees.len() as u64) as usize];
            let share = 0.1 + 0.5 * self.rng.unit();
            let budget_ns = ((own_ns as f64 * share / calls as f64) as i64).max(1_000);
            now_ns += budget_ns / 8;
            let at = self.spans.len();
            let name = format!("call {}", SERVICES[callee]);
            // The caller's own operation: incidents are about the service that answers.
            let client = self.span(parent_id, service, usize::MAX, name, SpanKind::Client, now_ns);
            let client_id = client.span_id;
            self.spans.push(client);
            let network_ns = 200_000.min(budget_ns / 4);
            let (end_ns, is_error) =
                self.serve(client_id, callee, now_ns + network_ns, budget_ns, depth + 1);
            let client = &mut self.spans[at];
            client.end_ns = end_ns + network_ns;
            client.is_error = is_error;
            now_ns = client.end_ns;
            failed |= is_error;
        }
        (now_ns, failed)
    }

    fn span(
        &mut self,
        parent_id: [u8; 8],
        service: usize,
        operation: usize,
        name: String,
        kind: SpanKind,
        start_ns: i64,
    ) -> Span {
        Span {
            trace_id: self.trace_id,
            span_id: self.id(),
            parent_id,
            service,
            operation,
            name,
            kind,
            start_ns,
            end_ns: start_ns,
            is_error: false,
        }
    }
}
