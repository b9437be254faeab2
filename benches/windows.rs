//! Windows over spans: CPU nanoseconds a span from OTLP protobuf in memory to rows.
//!
//! W1: tumbling 10 s by service and operation, count, errors, p50/p95/p99. W2: 60 s every 10 s,
//! and the same over an hour: what a slide costs must not grow with the window.
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

mod workload;

use std::path::Path;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::plan::{Plan, WindowShape};
use workload::{SECOND, drain, engine, finish, in_memory, measure, plan, requests, sliding};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn works() -> [(&'static str, Arc<Plan>); 4] {
    [
        ("W1", plan(sliding(10, 10), false)),
        ("W2", plan(sliding(60, 10), false)),
        ("1 h every 10 s", plan(sliding(3_600, 10), false)),
        ("W3", plan(WindowShape::Session { gap_ns: 5 * SECOND, max_ns: None }, true)),
    ]
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
