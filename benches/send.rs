//! Sending over OTLP: CPU an item to encode a batch and to compress it, and what that saves.
//!
//! A batch of 500 rows as rules make them: service and operation as key, a count, errors, three
//! percentiles and a distribution; metrics are cumulative. gzip and zstd are what a sink offers,
//! lz4 stands beside them. Times are of this thread; each figure is the lowest of five rounds.
//!
//! `cargo bench -p tailwater-engine --bench send [-- BATCHES]`

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use tailwater_engine::model::{ExponentialBuckets, HistogramPoint, Row, RowKind, RuleId, Value};
use tailwater_engine::sink::otlp::{Encoding, Metrics, MetricsConfig};
use tailwater_engine::sink::push::{Encode, Said};
use tailwater_engine::sink::{Compression, RuleShape, Shape};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 500;
const ROUNDS: usize = 5;

/// Nanoseconds that this thread has run.
fn cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds come first")
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn shapes() -> Arc<[Shape]> {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    Arc::from([Shape::Rule(RuleShape {
        name: Arc::from("http"),
        keys: names(&["service.name", "http.route"]),
        values: names(&["n", "errors", "p50", "p95", "p99", "times"]),
        counts: vec![true, true, false, false, false, false],
        histograms: vec![false, false, false, false, false, true],
        every_ns: 10_000_000_000,
        ..RuleShape::default()
    })])
}

/// Rows of 20 services with 50 operations each.
fn batch(window: i64, numbers: &mut Numbers) -> Vec<Said> {
    let row = |index: usize| {
        let mut duration = || Value::Duration(1_000_000 + numbers.below(400_000_000) as i64);
        let mut values = vec![duration(), duration(), duration()];
        let counts: Vec<u64> = (0..60).map(|_| numbers.below(40)).collect();
        let count: u64 = counts.iter().sum();
        let buckets = ExponentialBuckets {
            scale: 4,
            positive_offset: -120,
            positive: counts,
            ..ExponentialBuckets::default()
        };
        let times = HistogramPoint {
            count,
            sum: Some(count as f64 * 0.012_345),
            min: Some(0.001),
            max: Some(0.4),
            exponential: Some(buckets),
            ..HistogramPoint::default()
        };
        values.insert(0, Value::Int(count as i64));
        values.insert(1, Value::Int(numbers.below(20) as i64));
        values.push(Value::Histogram(Arc::new(times)));
        let end_ns = 1_700_000_000_000_000_000 + window * 10_000_000_000;
        let key = [format!("service-{}", index % 20), format!("/api/v1/operation/{}", index / 20)];
        Said::Row(Arc::new(Row {
            rule: RuleId(0),
            decision_ns: end_ns,
            start_ns: end_ns - 10_000_000_000,
            end_ns,
            kind: RowKind::Final,
            is_other: false,
            key: key.iter().map(|text| Value::str(text)).collect(),
            values,
        }))
    };
    (0..ROWS).map(row).collect()
}

/// The lowest CPU time of a few rounds, nanoseconds a row.
fn lowest(batches: usize, mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let before = cpu_ns();
        round();
        best = best.min((cpu_ns() - before) / (batches * ROWS) as f64);
    }
    best
}

fn lz4(body: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

fn gzip(level: u32) -> impl Fn(&[u8]) -> Vec<u8> {
    move |body| {
        let level = flate2::Compression::new(level);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(body).expect("memory");
        encoder.finish().expect("memory")
    }
}

fn zstd_at(level: i32) -> impl Fn(&[u8]) -> Vec<u8> {
    move |body| zstd::bulk::compress(body, level).expect("memory")
}

fn compressed(name: &str, bodies: &[Vec<u8>], encode_ns: f64, pack: &dyn Fn(&[u8]) -> Vec<u8>) {
    let size = |bodies: &[Vec<u8>]| bodies.iter().map(Vec::len).sum::<usize>() as f64;
    let packed: Vec<Vec<u8>> = bodies.iter().map(|body| pack(body)).collect();
    let ns = lowest(bodies.len(), || bodies.iter().for_each(|body| drop(black_box(pack(body)))));
    let rows = (bodies.len() * ROWS) as f64;
    println!(
        "| {name} | {ns:.0} | {:.0} | {:.0} | {:.1} |",
        encode_ns + ns,
        size(&packed) / rows,
        size(bodies) / size(&packed)
    );
}

fn main() {
    let batches = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(40);
    let mut numbers = Numbers(7);
    let said: Vec<Vec<Said>> = (0..batches).map(|at| batch(at as i64, &mut numbers)).collect();
    for (title, encoding) in [("protobuf", Encoding::Protobuf), ("JSON", Encoding::Json)] {
        let config = MetricsConfig { encoding, ..MetricsConfig::default() };
        let encode = || {
            let mut metrics = Metrics::with(config, shapes());
            let body = |batch: &Vec<Said>| metrics.encode(batch).expect("rows are sent").1.to_vec();
            said.iter().map(body).collect::<Vec<_>>()
        };
        let bodies = encode();
        let ns = lowest(batches, || drop(black_box(encode())));
        let bytes = bodies.iter().map(Vec::len).sum::<usize>() / (batches * ROWS);
        println!("\n{title}: {ns:.0} ns a row to encode, {bytes} bytes a row\n");
        println!("| compression | ns a row | with encoding | bytes a row | ratio |");
        println!("|---|---|---|---|---|");
        let sink = |compression: Compression| {
            move |body: &[u8]| compression.compress(body).expect("memory")
        };
        compressed("gzip, as sinks send", &bodies, ns, &sink(Compression::Gzip));
        for level in [1, 2, 3, 4, 6] {
            compressed(&format!("gzip {level}"), &bodies, ns, &gzip(level));
        }
        compressed("zstd, as sinks send", &bodies, ns, &sink(Compression::Zstd));
        for level in [-1, 1, 3] {
            compressed(&format!("zstd {level}"), &bodies, ns, &zstd_at(level));
        }
        compressed("lz4", &bodies, ns, &lz4);
    }
}
