//! What redaction costs, all classes on: a value of 24 bytes without a hit, and frames of spans
//! without one, with one attribute that has one, and walked under a list of allowed keys; as OTLP
//! and as rows of JSON.
//!
//! `cargo bench -p tailwater-engine --bench redact`
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench measures and reports")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater_engine::model::{Compression, DataFrame, PayloadFormat, SourceId, SourceSpec};
use tailwater_engine::plan::{ClassRule, RedactAction, Redaction, ValueClass};
use tailwater_engine::redact::Redactor;

/// Texts of 24 bytes as attributes have them.
const VALUES: [&str; 8] = [
    "checkoutservice-7f9c6b54",
    "/api/v2/cart/{id}/items ",
    "grpc.oteldemo.CartServic",
    "GET HTTP/1.1 keep-alive.",
    "text/html; charset=utf-8",
    "us-east-1a-production-04",
    "opentelemetry-java 1.32 ",
    "Mozilla/5.0 (X11; Linux)",
];

/// Time spent on one measurement.
const TIME: Duration = Duration::from_secs(2);

const SPANS: usize = 1_000;

fn redaction() -> Redaction {
    let rule = |class: ValueClass| ClassRule {
        class,
        action: RedactAction::Mask,
        kept_bits: class.kept_bits().unwrap_or(0),
    };
    Redaction { classes: ValueClass::ALL.into_iter().map(rule).collect(), ..Redaction::default() }
}

fn redactor(redaction: &Redaction) -> Redactor {
    let source = SourceSpec { name: Arc::from("bench"), has_arrival: true, mapping: None };
    Redactor::new(redaction, None, &[source]).expect("nothing is hashed")
}

/// A request of spans with ten attributes each; every so many has an address of mail.
fn frame(hit_every: usize) -> DataFrame {
    let attribute = |key: String, text: String| {
        let value = Some(AnyValue { value: Some(Value::StringValue(text)) });
        KeyValue { key, value, ..KeyValue::default() }
    };
    let span = |index: usize| {
        let mut attributes: Vec<KeyValue> = (0..10)
            .map(|at| attribute(format!("key.number.{at}"), VALUES[(index + at) % 8].to_owned()))
            .collect();
        if hit_every > 0 && index.is_multiple_of(hit_every) {
            attributes[5] = attribute("user".to_owned(), "somebody@example.com".to_owned());
        }
        let id = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Span {
            trace_id: [id.to_be_bytes(), id.rotate_left(17).to_be_bytes()].concat(),
            span_id: id.to_be_bytes().to_vec(),
            name: "GET /api/cart".to_owned(),
            start_time_unix_nano: 1_767_225_600_000_000_000 + index as u64,
            end_time_unix_nano: 1_767_225_600_100_000_000 + index as u64,
            attributes,
            ..Span::default()
        }
    };
    let scope = ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![resource] };
    DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format: PayloadFormat::OtlpTraces,
        compression: Compression::None,
        payload: request.encode_to_vec().into(),
        place: 0,
    }
}

/// The spans of [`frame`] as plain rows: ids in digits of all kinds, times in nanoseconds.
fn rows(hit_every: usize) -> DataFrame {
    let row = |index: usize| {
        let id = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let start = 1_767_225_600_000_000_000 + index as u64 * 12_345_678;
        let text = |at: usize| VALUES[(index + at) % 8];
        let user = if hit_every > 0 && index.is_multiple_of(hit_every) {
            "somebody@example.com"
        } else {
            text(2)
        };
        format!(
            "{{\"trace_id\":\"{id:016x}{:016x}\",\"span_id\":\"{:016x}\",\"start_ns\":{start},\
             \"end_ns\":{},\"name\":\"GET /api/cart\",\"service\":\"{}\",\"host.name\":\"{}\",\
             \"user\":\"{user}\",\"http.route\":\"{}\",\"status\":0}}\n",
            id.rotate_left(17),
            id.rotate_left(34),
            start + id % 100_000_000,
            text(0),
            text(1),
            text(3)
        )
    };
    let payload: String = (0..SPANS).map(row).collect();
    DataFrame { format: PayloadFormat::Ndjson, payload: payload.into(), ..frame(0) }
}

/// Nanoseconds a call.
fn measure(mut work: impl FnMut()) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < TIME {
        for _ in 0..16 {
            work();
        }
        calls += 16;
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn main() {
    let all = redactor(&redaction());
    let ns = measure(|| {
        for value in VALUES {
            black_box(all.text(black_box(value.as_bytes())));
        }
    }) / VALUES.len() as f64;
    println!("value of 24 bytes without a hit: {ns:.1} ns, {:.2} GB/s", 24.0 / ns);
    let allow = Redaction { allow: vec![Arc::from("key.*")], ..redaction() };
    let walked = redactor(&allow);
    for (what, redactor, frame) in [
        ("frame without a hit", &all, frame(0)),
        ("frame with a hit in one span of 100", &all, frame(100)),
        ("frame with a hit in every span", &all, frame(1)),
        ("frame walked under a list of keys", &walked, frame(0)),
        ("rows without a hit", &all, rows(0)),
        ("rows with a hit in one of 100", &all, rows(100)),
        ("rows with a hit in every one", &all, rows(1)),
    ] {
        let bytes = frame.payload.len() as f64;
        let ns = measure(|| {
            black_box(redactor.frame(black_box(frame.clone())));
        });
        let per_span = ns / SPANS as f64;
        println!("{what}: {per_span:.0} ns a span, {:.2} GB/s", bytes / ns);
    }
}
