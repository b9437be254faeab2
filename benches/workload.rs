//! What the window benches share: OTLP requests, plans and the drive through the engine.

#![allow(dead_code, reason = "each bench uses a part")]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
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

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const SPANS: usize = 512;
pub(crate) const SERVICES: usize = 20;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub(crate) fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

/// Requests of 512 spans of one service each; 5 000 spans a second of event time, traces of 8.
pub(crate) fn requests(spans: usize) -> Vec<Bytes> {
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

pub(crate) fn sliding(size: i64, every: i64) -> WindowShape {
    WindowShape::Sliding { size_ns: size * SECOND, every_ns: every * SECOND }
}

/// The plan of one work.
pub(crate) fn plan(shape: WindowShape, by_trace: bool) -> Arc<Plan> {
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
            raw: false,
            offsets: false,
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
        redaction: None,
        explained: None,
        items_unread: false,
    })
}

/// `filters` by `windows` aggregates over the same keys, each with count and p99: durations from
/// 0, 10, 20 … ms over tumbling and sliding windows on a grid of 10 s.
pub(crate) fn many(filters: usize, windows: usize) -> Arc<Plan> {
    const SHAPES: [(i64, i64); 10] = [
        (10, 10),
        (20, 20),
        (30, 30),
        (60, 60),
        (60, 10),
        (120, 20),
        (120, 120),
        (300, 60),
        (300, 300),
        (600, 60),
    ];
    let base = plan(sliding(10, 10), false);
    let mut plan = Plan::clone(&base);
    let RuleKind::Aggregate(rule) = &plan.rules[0].kind else { return base };
    let mut rule = rule.clone();
    rule.calls = vec![
        AggregateCall { accumulator: 0, finisher: Finisher::Count },
        AggregateCall { accumulator: 1, finisher: Finisher::Quantile(990_000) },
    ];
    rule.values.truncate(2);
    let mut table = plan.tables[0].clone();
    table.accumulators.remove(1);
    table.windows.clear();
    plan.signals[0].filters.clear();
    plan.tables.clear();
    plan.rules.clear();
    for filter in 0..filters {
        let from = Expr::Const(Value::Duration(filter as i64 * 10_000_000));
        plan.signals[0].filters.push(Expr::binary(BinaryOp::Ge, Expr::Column(4), from));
        let mut table = table.clone();
        table.filter = Some(filter as u32);
        table.hash = filter as u64 + 1;
        for (size, every) in &SHAPES[..windows] {
            let id = RuleId(plan.rules.len() as u32);
            let shape = sliding(*size, *every);
            table.windows.push(TableWindow { shape, rule: id, results: Results::Final });
            let name = format!("work_{}", id.0);
            let kind = RuleKind::Aggregate(rule.clone());
            let place = RulePlace { timelines: vec![0], ..RulePlace::default() };
            plan.rules.push(Rule { name: Arc::from(name), kind, place });
        }
        plan.tables.push(table);
    }
    Arc::new(plan)
}

pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|tick| tick.parse::<f64>().ok()).sum::<f64>() / 100.0
}

pub(crate) fn engine(plan: &Arc<Plan>, workers: usize, sources: Vec<SourceSpec>) -> Engine {
    let builder = Engine::builder(Arc::clone(plan)).sources(sources).workers(workers);
    builder.build().expect("the plan runs")
}

pub(crate) fn drain(engine: &mut Engine) -> usize {
    std::iter::from_fn(|| engine.poll()).map(|output| output.rows.len()).sum()
}

/// A request as it comes in, long after its spans.
pub(crate) fn otlp_frame(payload: Bytes) -> DataFrame {
    DataFrame {
        source: SourceId(0),
        arrival_ns: Some(i64::MAX / 2),
        format: PayloadFormat::OtlpTraces,
        compression: Compression::None,
        payload,
        place: 0,
    }
}

pub(crate) fn in_memory(plan: &Arc<Plan>, requests: &[Bytes], workers: usize) -> usize {
    let source = SourceSpec { name: Arc::from("bench"), has_arrival: false, mapping: None };
    let mut engine = engine(plan, workers, vec![source]);
    let mut rows = 0;
    for payload in requests {
        engine.push(otlp_frame(payload.clone())).expect("workers run");
        rows += drain(&mut engine);
    }
    finish(engine, rows)
}

pub(crate) fn finish(mut engine: Engine, rows: usize) -> usize {
    engine.push_body(FrameBody::End).expect("workers run");
    let (outputs, _) = engine.finish().expect("workers run");
    rows + outputs.iter().map(|output| output.rows.len()).sum::<usize>()
}

pub(crate) fn measure(name: &str, spans: usize, work: impl FnOnce() -> usize) -> f64 {
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
