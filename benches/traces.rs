//! Traces and tail sampling from OTLP protobuf in memory: CPU nanoseconds a span beside prost's
//! full decode of the same requests, and what many live traces hold.
//!
//! `cargo bench -p tailwater-rules --bench traces [-- SPANS [WORK]]` runs W1, W5, both, and W5 with
//! the service graph and the critical path, or the one of that name. `… -- live [SPANS_A_SECOND]`
//! runs W5 over 40 s of event time at a rate, 100 000 spans a second without one, and says what a
//! live span costs.
//! `… -- one WORK [SPANS [WORKERS]]` runs the work of that number, from 0, once, on one worker
//! where nothing else is said: what works cost beside each other is the difference of their
//! instructions.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

#[path = "workload.rs"]
mod workload;

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use tailwater_dsl::diagnostic::human;
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_engine::model::{FrameBody, SourceSpec};
use tailwater_engine::plan::{Plan, RuleKind};
use tailwater_engine::runtime::Engine;
use workload::{Random, SERVICES, SPANS, attribute, cpu_seconds, measure, otlp_frame, text};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STREAM: &str = "edition 1\nstream requests = spans at start lateness 10s\n";

const W1: &str = "
aggregate w1 from requests by service.name, name over tumbling(10s)
  select {
    n: count(), errors: count() where status == error,
    p50(duration), p95(duration), p99(duration)
  }
  limit groups 2_000
";

const W5: &str = "
traces shop from requests close when (root and quiet 10s) or age 60s
sample shop {
  keep 100% when has({status == error}) or root.duration > 1s
  keep 1% otherwise
} to out
";

const EDGES: &str = "
aggregate edges from shop.edges by client, server, connection over tumbling(1m)
  select { n: count(), errors: count() where failed, p95(client.duration) }
";

const PATH: &str = "
aggregate path from shop by root.service.name over tumbling(1m)
  select { p99(critical_path.duration) }
";

fn plan(parts: &[&str]) -> Arc<Plan> {
    let text = parts.concat();
    let file = SourceFile { id: FileId(0), name: "bench.tw".to_owned(), text };
    let analysis =
        tailwater_dsl::compile(&[file], &tailwater_rules::catalog(), &Options::default());
    let said = human(&analysis.diagnostics, &analysis.files, false);
    let program = analysis.program.unwrap_or_else(|| panic!("{said}"));
    Arc::new(tailwater_rules::lower(&program).expect("this version runs it"))
}

/// Places in a trace: whose span it is, its kind, and its parent.
const SHAPE: [(usize, i32, usize); 8] =
    [(0, 2, 0), (0, 3, 0), (1, 2, 1), (0, 3, 0), (2, 2, 3), (2, 3, 4), (3, 2, 5), (3, 3, 6)];

/// Traces of eight spans in four services; a span is sent in a request of 512 of its service.
struct Traffic {
    random: Random,
    spans_a_second: u64,
    made: u64,
    waiting: Vec<Vec<Span>>,
}

impl Traffic {
    fn new(spans_a_second: u64) -> Self {
        let waiting = (0..SERVICES).map(|_| Vec::with_capacity(SPANS)).collect();
        Self { random: Random(7), spans_a_second, made: 0, waiting }
    }

    /// The requests that the next spans fill.
    fn next(&mut self, spans: usize) -> Vec<Bytes> {
        let mut requests = Vec::new();
        for _ in 0..spans / SHAPE.len() {
            self.trace(&mut requests);
        }
        requests
    }

    fn trace(&mut self, requests: &mut Vec<Bytes>) {
        let start = 1_760_000_040_000_000_000 + self.made * 1_000_000_000 / self.spans_a_second;
        self.made += SHAPE.len() as u64;
        let trace_id =
            [self.random.next().to_be_bytes(), self.random.next().to_be_bytes()].concat();
        let services: [usize; 4] =
            std::array::from_fn(|_| (self.random.next() % SERVICES as u64) as usize);
        let ids: [u64; 8] = std::array::from_fn(|_| self.random.next() | 1);
        let length = 5_000_000 + self.random.next() % 200_000_000;
        for (place, (service, kind, parent)) in SHAPE.iter().enumerate() {
            let operation = self.random.next() % 50;
            let begins = start + length * place as u64 / 20;
            let code = if self.random.next().is_multiple_of(100) { 2 } else { 0 };
            let parent_span_id =
                if place == 0 { Vec::new() } else { ids[*parent].to_be_bytes().into() };
            let verb = ["GET", "POST", "PUT", "DELETE", "PATCH"][operation as usize % 5];
            let route = format!("/s{}/items/{operation}", services[*service]);
            let mut attributes = vec![
                text("http.request.method", verb),
                text("http.route", &route),
                attribute("http.response.status_code", Value::IntValue(200)),
                text("host.name", "host-17"),
                text("region", "eu-1"),
            ];
            if place == 7 {
                attributes.push(text("db.system", "postgresql"));
            }
            let waiting = &mut self.waiting[services[*service]];
            waiting.push(Span {
                trace_id: trace_id.clone(),
                span_id: ids[place].to_be_bytes().to_vec(),
                parent_span_id,
                name: format!("{verb} {route}"),
                kind: *kind,
                start_time_unix_nano: begins,
                end_time_unix_nano: begins + length - length * place as u64 / 10,
                attributes,
                status: Some(Status { code, ..Status::default() }),
                ..Span::default()
            });
            if waiting.len() == SPANS {
                let spans = std::mem::replace(waiting, Vec::with_capacity(SPANS));
                requests.push(request(services[*service], spans));
            }
        }
    }
}

fn request(service: usize, spans: Vec<Span>) -> Bytes {
    let attributes = vec![
        text("service.name", &format!("service-{service}")),
        text("service.version", "1.4.2"),
        text("deployment.environment.name", "bench"),
    ];
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    Bytes::from(ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec())
}

fn engine(plan: &Arc<Plan>, workers: usize) -> Engine {
    let source = SourceSpec { name: Arc::from("bench"), has_arrival: false, mapping: None };
    let builder = Engine::builder(Arc::clone(plan)).sources(vec![source]).workers(workers);
    builder.build().expect("the plan runs")
}

/// Rows and items that have come.
fn drain(engine: &mut Engine) -> usize {
    std::iter::from_fn(|| engine.poll()).map(|said| said.rows.len() + said.items.len()).sum()
}

fn finish(mut engine: Engine, said: usize) -> usize {
    engine.push_body(FrameBody::End).expect("workers run");
    let (outputs, _) = engine.finish().expect("workers run");
    said + outputs.iter().map(|said| said.rows.len() + said.items.len()).sum::<usize>()
}

fn in_memory(plan: &Arc<Plan>, requests: &[Bytes], workers: usize) -> usize {
    let mut engine = engine(plan, workers);
    let mut said = 0;
    for payload in requests {
        engine.push(otlp_frame(payload.clone())).expect("workers run");
        said += drain(&mut engine);
    }
    finish(engine, said)
}

fn works() -> [(&'static str, Arc<Plan>); 6] {
    [
        ("W1", plan(&[STREAM, W1])),
        ("W5", plan(&[STREAM, W5])),
        ("W5 and W1", plan(&[STREAM, W5, W1])),
        ("W5 and edges", plan(&[STREAM, W5, EDGES])),
        ("W5 and critical path", plan(&[STREAM, W5, PATH])),
        ("W5, edges, critical path", plan(&[STREAM, W5, EDGES, PATH])),
    ]
}

/// One work once, for tools that count instructions or take samples.
fn one(number: usize, spans: usize, workers: usize) {
    let requests = Traffic::new(5_000).next(spans);
    let (name, plan) = &works()[number];
    measure(name, requests.len() * SPANS, || in_memory(plan, &requests, workers));
}

/// Decodes all requests by prost, on threads of which each takes its share.
fn prost(requests: &[Bytes], threads: usize) -> usize {
    let decode = |bytes: &Bytes| {
        ExportTraceServiceRequest::decode(&bytes[..]).map_or(0, |r| r.resource_spans.len())
    };
    let share = |requests: &[Bytes]| requests.iter().map(decode).sum::<usize>();
    std::thread::scope(|scope| {
        let shares = requests.chunks(requests.len().div_ceil(threads));
        let running: Vec<_> = shares.map(|own| scope.spawn(move || share(own))).collect();
        running.into_iter().map(|own| own.join().unwrap_or(0)).sum()
    })
}

fn ratios(spans: usize, only: Option<&str>) {
    let requests = Traffic::new(5_000).next(spans);
    let spans = requests.len() * SPANS;
    let works = works();
    let is_asked = |name: &str| only.is_none_or(|only| only == name);
    for round in 0..2 {
        println!("round {round}");
        // Two threads at once wait for each other's memory, whatever they do.
        let prost = [1, 2].map(|threads| {
            let name = format!("prost full decode, {threads} threads");
            measure(&name, spans, || prost(&requests, threads))
        });
        for (name, plan) in works.iter().filter(|work| is_asked(work.0)) {
            for workers in [1, 2] {
                let label = format!("{name}, {workers} workers");
                let ns = measure(&label, spans, || in_memory(plan, &requests, workers));
                let [one, as_many] = [prost[0], prost[workers - 1]].map(|prost| ns / prost);
                println!("{:<28} {one:.2} x prost, {as_many:.2} on as many threads", "");
            }
        }
    }
}

/// Nanoseconds of CPU that this thread has had.
fn own_cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}

fn live(spans_a_second: u64) {
    const SECONDS: u64 = 40;
    /// Bytes by which the engine counts a closed trace that is remembered, for how many seconds.
    const CLOSED: (u64, u64) = (38, 60);
    let plan = plan(&[STREAM, W5]);
    let is_traces = |rule: &tailwater_engine::plan::Rule| matches!(rule.kind, RuleKind::Traces(_));
    let rule = plan.rules.iter().position(is_traces).expect("there is one");
    let mut traffic = Traffic::new(spans_a_second);
    let mut engine = engine(&plan, 2);
    let gauges = engine.gauges();
    let (before_mb, cpu) = (resident_mb(), cpu_seconds());
    let (mut made_ns, mut bytes, mut spans, mut said) = (0, 0_u64, 0, 0);
    for second in 1..=SECONDS {
        let begun = own_cpu_ns();
        let requests = traffic.next(spans_a_second as usize);
        made_ns += own_cpu_ns() - begun;
        for payload in requests {
            bytes += payload.len() as u64;
            spans += SPANS as u64;
            engine.push(otlp_frame(payload)).expect("workers run");
            said += drain(&mut engine);
        }
        if second % 5 == 0 {
            let open = gauges.groups(rule);
            let closed = (spans / SHAPE.len() as u64).saturating_sub(open);
            let closed = closed.min(spans_a_second / SHAPE.len() as u64 * CLOSED.1);
            let payload = gauges.payload_bytes(rule);
            let index = gauges.state_bytes(rule).saturating_sub(payload + closed * CLOSED.0);
            let live = (open * SHAPE.len() as u64).max(1);
            println!(
                "{second:>3} s: {open} traces live, {:.1} bytes of index a live span, {} MB \
                 resident, {} of them before, {} MB of payload pinned",
                index as f64 / live as f64,
                resident_mb(),
                before_mb,
                payload / 1_000_000,
            );
        }
    }
    let said = finish(engine, said);
    let ns = (cpu_seconds() - cpu) * 1e9 - made_ns as f64;
    println!(
        "{:.0} ns CPU a span of {} bytes, {said} spans kept",
        ns / spans as f64,
        bytes / spans
    );
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    match args.next().as_deref() {
        Some("live") => live(args.next().and_then(|n| n.parse().ok()).unwrap_or(100_000)),
        Some("one") => {
            let mut number = |or| args.next().and_then(|n| n.parse().ok()).unwrap_or(or);
            one(number(0).min(5), number(100_000), number(1));
        }
        count => {
            let spans = count.and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
            ratios(spans, args.next().as_deref());
        }
    }
}
