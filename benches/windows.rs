//! Windows over spans: CPU nanoseconds a span from OTLP protobuf in memory to rows.
//!
//! W1: tumbling 10 s by service and operation, count, errors, p50/p95/p99. W2: 60 s every 10 s.
//! W3: sessions by trace, gap 5 s. Beside them, in the same run: prost's full decode of the same
//! requests. With a file argument the same work is done on its lines (NDJSON, 10 columns).
//!
//! `cargo bench -p tailwater-engine --bench windows [-- SPANS [FILE]]`

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::model::{
    AttributePlace, ColumnSpec, Compression, DataFrame, Field, FrameBody, PayloadFormat, RuleId,
    Signal, SourceId, SourceSpec, Value,
};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    AggregateCall, AggregateRule, Plan, Results, Rule, RuleKind, RulePlace, SignalPlan, Table,
    TableAccumulator, TableWindow, TimeColumn, Timeline, WindowShape,
};
use tailwater_engine::runtime::Engine;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECOND: i64 = 1_000_000_000;
const SPANS: usize = 512;
const SERVICES: usize = 20;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

/// Requests of 512 spans of one service each; 5 000 spans a second of event time, traces of 8.
fn requests(spans: usize) -> Vec<Bytes> {
    const VERBS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
    let mut random = Random(42);
    let mut number = 0u64;
    let mut span = |service: usize| {
        let operation = (random.next() % 50) as usize;
        let (verb, route) = (VERBS[operation % 5], format!("/s{service}/items/{operation}"));
        number += 1;
        // A trace's spans are spread over 20 services and so over 20 requests.
        let trace = (number % 512 + number / 10_240 * 512) / 3;
        let start = 1_760_000_040_000_000_000 + number * 200_000;
        let code = if random.next().is_multiple_of(100) { 2 } else { 0 };
        let id = Random(trace).next();
        Span {
            trace_id: [id.to_be_bytes(), (!id).to_be_bytes()].concat(),
            span_id: random.next().to_be_bytes().to_vec(),
            parent_span_id: random.next().to_be_bytes().to_vec(),
            name: format!("{verb} {route}"),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: start + 1_000_000 + random.next() % 100_000_000,
            attributes: vec![
                text("http.request.method", verb),
                text("http.route", &route),
                attribute("http.response.status_code", any_value::Value::IntValue(200)),
                text("host.name", "host-17"),
                text("region", "eu-1"),
            ],
            status: Some(Status { code, ..Status::default() }),
            ..Span::default()
        }
    };
    let mut request = |i: usize| {
        let service = i % SERVICES;
        let resource = Resource {
            attributes: vec![
                text("service.name", &format!("service-{service}")),
                text("service.version", "1.4.2"),
                text("deployment.environment.name", "bench"),
            ],
            ..Resource::default()
        };
        let spans = (0..SPANS).map(|_| span(service)).collect();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource = Some(resource);
        let resource = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![resource] }
    };
    (0..spans / SPANS).map(|i| Bytes::from(request(i).encode_to_vec())).collect()
}

/// The plan of one work.
fn plan(shape: WindowShape, by_trace: bool) -> Arc<Plan> {
    let columns = vec![
        ColumnSpec::Field(Field::Start),
        ColumnSpec::Attribute { place: AttributePlace::Any, key: Arc::from("service.name") },
        ColumnSpec::Field(Field::Name),
        ColumnSpec::Field(Field::Status),
        ColumnSpec::Field(Field::Duration),
        ColumnSpec::Field(Field::TraceId),
    ];
    let columns = if by_trace { columns } else { columns[..5].to_vec() };
    let errors = Expr::binary(BinaryOp::Eq, Expr::Column(3), Expr::Const(Value::str("error")));
    let accumulator = |kind, arguments, filter| TableAccumulator { kind, arguments, filter };
    let mut accumulators = vec![
        accumulator(AccumulatorKind::Count, Vec::new(), None),
        accumulator(AccumulatorKind::Count, Vec::new(), Some(0)),
    ];
    let mut calls = vec![
        AggregateCall { accumulator: 0, finisher: Finisher::Count },
        AggregateCall { accumulator: 1, finisher: Finisher::Count },
    ];
    if !by_trace {
        accumulators.push(accumulator(AccumulatorKind::Sketch { digits: 2 }, vec![4], None));
        let quantile = |q| AggregateCall { accumulator: 2, finisher: Finisher::Quantile(q) };
        calls.extend([500_000, 950_000, 990_000].map(quantile));
    }
    let keys = if by_trace { 1 } else { 2 };
    let names = ["n", "errors", "p50", "p95", "p99"];
    let value = |i: usize| (Arc::from(names[i]), Expr::Column((keys + i) as u32));
    let rule = AggregateRule {
        input: None,
        key_names: ["service", "operation"][..keys].iter().map(|name| Arc::from(*name)).collect(),
        values: (0..calls.len()).map(value).collect(),
        calls,
        pasts: Vec::new(),
        having: None,
    };
    let width_ns = match shape {
        WindowShape::Session { gap_ns, .. } => gap_ns,
        shape => shape.every_ns(),
    };
    let place = RulePlace { timelines: vec![0], ..RulePlace::default() };
    Arc::new(Plan {
        signals: vec![SignalPlan {
            signal: Signal::Spans,
            columns,
            computed: Vec::new(),
            filters: vec![errors],
        }],
        time_columns: vec![TimeColumn { signal: 0, column: 0 }],
        timelines: vec![Timeline {
            time_column: 0,
            lateness_ns: 10 * SECOND,
            idle_ns: 30 * SECOND,
        }],
        dedupes: Vec::new(),
        tables: vec![Table {
            signal: 0,
            timeline: 0,
            filter: None,
            dedupe: None,
            key: if by_trace { vec![5] } else { vec![1, 2] },
            width_ns,
            offset_ns: 0,
            accumulators,
            windows: vec![TableWindow { shape, rule: RuleId(0), results: Results::Final }],
            groups_max: 1_000_000,
            amend_ns: 0,
            late: None,
            hash: 1,
        }],
        routes: Vec::new(),
        row_inputs: Vec::new(),
        row_tables: Vec::new(),
        rules: vec![Rule { name: Arc::from("work"), kind: RuleKind::Aggregate(rule), place }],
    })
}

fn works() -> [(&'static str, Arc<Plan>); 3] {
    let sliding = |size: i64, every: i64| WindowShape::Sliding {
        size_ns: size * SECOND,
        every_ns: every * SECOND,
    };
    [
        ("W1", plan(sliding(10, 10), false)),
        ("W2", plan(sliding(60, 10), false)),
        ("W3", plan(WindowShape::Session { gap_ns: 5 * SECOND, max_ns: None }, true)),
    ]
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|tick| tick.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn engine(plan: &Arc<Plan>, workers: usize, sources: Vec<SourceSpec>) -> Engine {
    let builder = Engine::builder(Arc::clone(plan)).sources(sources).workers(workers);
    builder.build().expect("the plan runs")
}

fn drain(engine: &mut Engine) -> usize {
    std::iter::from_fn(|| engine.poll()).map(|output| output.rows.len()).sum()
}

fn in_memory(plan: &Arc<Plan>, requests: &[Bytes], workers: usize) -> usize {
    let source = SourceSpec { name: Arc::from("bench"), has_arrival: false, mapping: None };
    let mut engine = engine(plan, workers, vec![source]);
    let mut rows = 0;
    for payload in requests {
        let frame = DataFrame {
            source: SourceId(0),
            arrival_ns: Some(i64::MAX / 2),
            format: PayloadFormat::OtlpTraces,
            compression: Compression::None,
            payload: payload.clone(),
            place: 0,
        };
        engine.push(frame).expect("workers run");
        rows += drain(&mut engine);
    }
    finish(engine, rows)
}

fn finish(mut engine: Engine, rows: usize) -> usize {
    engine.push_body(FrameBody::End).expect("workers run");
    let (outputs, _) = engine.finish().expect("workers run");
    rows + outputs.iter().map(|output| output.rows.len()).sum::<usize>()
}

fn from_file(plan: &Arc<Plan>, path: &Path, workers: usize) -> usize {
    let input = Input::file(path).expect("the file is there");
    let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).expect("NDJSON");
    let mut engine = engine(plan, workers, reader.sources());
    let mut rows = 0;
    while let Some(frame) = reader.next_frame().expect("readable") {
        engine.push(frame).expect("workers run");
        rows += drain(&mut engine);
    }
    finish(engine, rows)
}

fn measure(name: &str, spans: usize, work: impl FnOnce() -> usize) -> f64 {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let rows = work();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let ns = cpu / spans as f64 * 1e9;
    println!(
        "{name:<28} {ns:>7.0} ns CPU a span, {:>6.2} M/s, {rows} rows",
        spans as f64 / wall / 1e6
    );
    ns
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let spans = args.next().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let file = args.next();
    let requests = requests(spans);
    let prost = measure("prost full decode", spans, || {
        requests
            .iter()
            .map(|bytes| {
                ExportTraceServiceRequest::decode(&bytes[..]).map_or(0, |r| r.resource_spans.len())
            })
            .sum()
    });
    for (name, plan) in works() {
        for workers in [1, 2] {
            let label = format!("{name} OTLP, {workers} workers");
            let ns = measure(&label, spans, || in_memory(&plan, &requests, workers));
            println!("{:<28} {:.2} x prost", "", ns / prost);
        }
    }
    if let Some(file) = file {
        let lines = std::fs::metadata(&file).map_or(0, |m| m.len() / 400) as usize;
        for (name, plan) in works() {
            measure(&format!("{name} NDJSON, 2 workers"), lines, || {
                from_file(&plan, Path::new(&file), 2)
            });
        }
    }
}
