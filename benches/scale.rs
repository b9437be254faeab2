//! Many rules and many groups: CPU of 100 aggregates beside one, bytes a group of a million.
//!
//! 100 aggregates are 10 filters by 10 windows over the same keys, count and p99 each; the one
//! beside them is the first of them. A million groups get 20 values each in one window, p99; the
//! resident memory is read before, when all values are in, and at its peak.
//!
//! `cargo bench -p tailwater-engine --bench scale -- [aggregates SPANS | one SPANS | all SPANS |
//! groups N]` (`one` and `all` are one and 100 aggregates alone, for profiles)

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

mod workload;

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater_engine::model::{FrameBody, SourceSpec};
use tailwater_engine::plan::Plan;
use workload::{
    Random, drain, engine, in_memory, many, measure, otlp_frame, plan, requests, sliding, text,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VALUES: u64 = 20;
const OPERATIONS: u64 = 1_000;

fn aggregates(spans: usize) {
    let requests = requests(spans);
    for workers in [1, 2] {
        let of = |name: &str, plan: &Arc<Plan>| {
            let label = format!("{name}, {workers} workers");
            measure(&label, spans, || in_memory(plan, &requests, workers))
        };
        let one = of("1 aggregate", &many(1, 1));
        let filters = of("10 filters, 1 window", &many(10, 1));
        let all = of("100 aggregates", &many(10, 10));
        println!("{:<28} {:.2} x one, 10 filters alone {:.2}", "", all / one, filters / one);
    }
}

/// A line of `/proc/self/status` in bytes.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() * 1_024.0
}

/// One value of every operation of a service; services in turn, all within one second.
fn request(groups: u64, index: u64) -> Bytes {
    let (service, round) = (index % (groups / OPERATIONS), index / (groups / OPERATIONS));
    let span = |operation: u64| {
        let number = index * OPERATIONS + operation;
        let start = 1_760_000_040_000_000_000 + number * 1_000_000_000 / (groups * VALUES);
        let mut random = Random(number);
        Span {
            trace_id: number.to_be_bytes().repeat(2),
            span_id: number.to_be_bytes().to_vec(),
            name: format!("operation-{operation}"),
            start_time_unix_nano: start,
            end_time_unix_nano: start + 1_000_000 + (random.next() + round) % 1_000_000_000,
            ..Span::default()
        }
    };
    let scope_spans =
        vec![ScopeSpans { spans: (0..OPERATIONS).map(span).collect(), ..ScopeSpans::default() }];
    let resource = Some(Resource {
        attributes: vec![text("service.name", &format!("service-{service}"))],
        ..Resource::default()
    });
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec())
}

fn groups(groups: u64, workers: usize) {
    let plan = plan(sliding(10, 10), false);
    let source = SourceSpec { name: Arc::from("bench"), has_arrival: false, mapping: None };
    let spans = (groups * VALUES) as usize;
    measure(&format!("{groups} groups, {workers} workers"), spans, || {
        let mut engine = engine(&plan, workers, vec![source]);
        let (mut rows, mut warm) = (0, 0.0);
        let frames = groups / OPERATIONS * VALUES;
        for index in 0..frames {
            if index == 0 {
                warm = memory("VmRSS:");
            }
            let frame = otlp_frame(request(groups, index));
            engine.push(frame).expect("workers run");
            rows += drain(&mut engine);
        }
        // What waits in the queue is no group's.
        engine.flush().expect("workers run");
        loop {
            let Some(output) = engine.poll() else {
                std::thread::sleep(std::time::Duration::from_millis(1));
                continue;
            };
            rows += output.rows.len();
            if output.ledger.frames >= frames {
                break;
            }
        }
        let held = memory("VmRSS:");
        println!("{:>10.0} bytes a group while open", (held - warm) / groups as f64);
        let (outputs, _) = {
            engine.push_body(FrameBody::End).expect("workers run");
            engine.finish().expect("workers run")
        };
        rows += outputs.iter().map(|output| output.rows.len()).sum::<usize>();
        println!("{:>10.0} MB resident at peak", memory("VmHWM:") / 1e6);
        rows
    });
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let what = args.next();
    let size: Option<usize> = args.next().and_then(|n| n.parse().ok());
    if what.as_deref().is_none_or(|what| what == "groups") {
        groups(size.unwrap_or(1_000_000) as u64, 1);
    }
    if let Some(name @ ("one" | "all")) = what.as_deref() {
        let requests = requests(size.unwrap_or(2_000_000));
        let spans = requests.len() * workload::SPANS;
        let plan = if name == "one" { many(1, 1) } else { many(10, 10) };
        measure(name, spans, || in_memory(&plan, &requests, 1));
    } else if what.as_deref() != Some("groups") {
        aggregates(size.unwrap_or(2_000_000));
    }
}
