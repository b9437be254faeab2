//! Decoding alone: nanoseconds a span of the walker, beside prost in the same run.
//!
//! Data: requests of 512 spans of one service, five attributes a span (the shape that an SDK's
//! batch processor sends), and the same spans as NDJSON lines of about 400 bytes and OTLP/JSON.
//! The demand is that of a W1 rule: service, name, start, duration, status, and for a second
//! row three attributes as well. One thread; mimalloc, because prost allocates.
//!
//! `cargo bench -p tailwater-engine --bench decode [-- ROUNDS | FILE.ndjson]`

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::ingest::{DecodeReport, Decoder};
use tailwater_engine::model::{
    AttributePlace, ColumnSpec, Compression, DataFrame, Demand, Field, Interner, PayloadFormat,
    Signal, SourceId, SourceSpec,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REQUESTS: usize = 200;
const SPANS: usize = 512;
const SERVICES: usize = 20;

/// splitmix64: the data is the same in every run.
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

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn span(random: &mut Random, service: usize) -> Span {
    const VERBS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
    let operation = (random.next() % 50) as usize;
    let (verb, route) = (VERBS[operation % 5], format!("/service-{service}/items/{operation}"));
    let start = 1_760_000_040_000_000_000 + random.next() % 1_000_000_000_000;
    let host = random.next() % 100;
    let code = if random.next().is_multiple_of(100) { 2 } else { 0 };
    let ids: Vec<u8> = (0..4).flat_map(|_| random.next().to_be_bytes()).collect();
    Span {
        trace_id: ids[..16].to_vec(),
        span_id: ids[16..24].to_vec(),
        parent_span_id: ids[24..].to_vec(),
        name: format!("{verb} {route}"),
        kind: (random.next() % 4) as i32 + 1,
        start_time_unix_nano: start,
        end_time_unix_nano: start + random.next() % 100_000_000,
        attributes: vec![
            text("http.request.method", verb),
            text("http.route", &route),
            attribute(
                "http.response.status_code",
                any_value::Value::IntValue(if code == 2 { 500 } else { 200 }),
            ),
            text("host.name", &format!("host-{host:02}")),
            text("region", &format!("eu-{}", host % 4)),
        ],
        status: Some(Status { code, ..Status::default() }),
        ..Span::default()
    }
}

fn requests() -> Vec<ExportTraceServiceRequest> {
    let mut random = Random(42);
    let request = |i: usize| {
        let service = i % SERVICES;
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: vec![
                        text("service.name", &format!("service-{service}")),
                        text("service.version", "1.4.2"),
                        text("deployment.environment.name", "bench"),
                    ],
                    ..Resource::default()
                }),
                scope_spans: vec![ScopeSpans {
                    spans: (0..SPANS).map(|_| span(&mut random, service)).collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    };
    (0..REQUESTS).map(request).collect()
}

fn value(entry: &KeyValue) -> String {
    match entry.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => format!("\"{text}\""),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        _ => "null".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all");
    }
    text
}

/// The spans as flat lines.
fn ndjson(requests: &[ExportTraceServiceRequest]) -> Vec<u8> {
    let mut out = String::new();
    for (i, request) in requests.iter().enumerate() {
        for span in &request.resource_spans[0].scope_spans[0].spans {
            write!(
                out,
                "{{\"trace_id\":\"{}\",\"span_id\":\"{}\",\"parent_span_id\":\"{}\",\
                 \"service\":\"service-{}\",\"operation\":\"{}\",\"kind\":{},\"start_ns\":{},\
                 \"end_ns\":{},\"duration_ns\":{},\"status\":{}",
                hex(&span.trace_id),
                hex(&span.span_id),
                hex(&span.parent_span_id),
                i % SERVICES,
                span.name,
                span.kind,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                span.end_time_unix_nano - span.start_time_unix_nano,
                span.status.as_ref().map_or(0, |status| status.code)
            )
            .expect("a string takes all");
            for entry in &span.attributes {
                write!(out, ",\"{}\":{}", entry.key, value(entry)).expect("a string takes all");
            }
            out += "}\n";
        }
    }
    out.into_bytes()
}

/// The requests as OTLP/JSON, one a line.
fn otlp_json(requests: &[ExportTraceServiceRequest]) -> Vec<u8> {
    let list = |entries: &[KeyValue]| {
        let parts: Vec<String> = entries
            .iter()
            .map(|entry| {
                let kind = match value(entry).as_bytes()[0] {
                    b'"' => "stringValue",
                    _ => "intValue",
                };
                format!("{{\"key\":\"{}\",\"value\":{{\"{kind}\":{}}}}}", entry.key, value(entry))
            })
            .collect();
        parts.join(",")
    };
    let mut out = String::new();
    for request in requests {
        let group = &request.resource_spans[0];
        let resource = group.resource.as_ref().expect("made with one");
        write!(
            out,
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{}]}},\
             \"scopeSpans\":[{{\"spans\":[",
            list(&resource.attributes)
        )
        .expect("a string takes all");
        for (i, span) in group.scope_spans[0].spans.iter().enumerate() {
            write!(
                out,
                "{}{{\"traceId\":\"{}\",\"spanId\":\"{}\",\"parentSpanId\":\"{}\",\"name\":\"{}\",\
                 \"kind\":{},\"startTimeUnixNano\":\"{}\",\"endTimeUnixNano\":\"{}\",\
                 \"attributes\":[{}],\"status\":{{\"code\":{}}}}}",
                if i == 0 { "" } else { "," },
                hex(&span.trace_id),
                hex(&span.span_id),
                hex(&span.parent_span_id),
                span.name,
                span.kind,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                list(&span.attributes),
                span.status.as_ref().map_or(0, |status| status.code)
            )
            .expect("a string takes all");
        }
        out += "]}]}]}\n";
    }
    out.into_bytes()
}

fn demand(fields: &[Field], keys: &[&str]) -> Demand {
    let mut demand = Demand::default();
    for &field in fields {
        demand.column(Signal::Spans, ColumnSpec::Field(field));
    }
    for &key in keys {
        let key = Arc::from(key);
        let place = AttributePlace::Any;
        demand.column(Signal::Spans, ColumnSpec::Attribute { place, key });
    }
    demand
}

fn frames_of(bytes: Vec<u8>) -> (Vec<DataFrame>, Vec<SourceSpec>) {
    let input = Input::new("bench", std::io::Cursor::new(bytes));
    let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).expect("a format");
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().expect("memory is readable") {
        frames.push(frame);
    }
    (frames, reader.sources())
}

/// Nanoseconds a span of the fastest round.
fn fastest(rounds: usize, mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_nanos() as f64);
    }
    best / (REQUESTS * SPANS) as f64
}

fn walk(rounds: usize, frames: &[DataFrame], sources: &[SourceSpec], demand: &Demand) -> f64 {
    let mut decoder = Decoder::new(Arc::new(demand.clone()), sources.to_vec().into());
    let symbols = Interner::shared();
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    let mut done = 0;
    let ns = fastest(rounds, || {
        for frame in frames {
            decoder.decode(0, frame, &symbols, &mut batches, &mut report);
            for batch in batches.drain(..) {
                done += black_box(&batch).rows;
                decoder.recycle(batch);
            }
        }
    });
    assert_eq!(done, rounds * REQUESTS * SPANS, "every span is decoded");
    ns
}

fn protobuf_frames(payloads: &[Bytes]) -> Vec<DataFrame> {
    let frame = |payload: &Bytes| DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format: PayloadFormat::OtlpTraces,
        compression: Compression::None,
        payload: payload.clone(),
        place: 0,
    };
    payloads.iter().map(frame).collect()
}

fn demands() -> [(&'static str, Demand); 3] {
    let w1 = [Field::Name, Field::Start, Field::Duration, Field::Status];
    let all = [
        Field::TraceId,
        Field::SpanId,
        Field::ParentId,
        Field::Name,
        Field::Kind,
        Field::Status,
        Field::Start,
        Field::End,
        Field::Duration,
    ];
    let keys = ["service.name", "http.route", "http.response.status_code", "region"];
    [
        ("nothing", demand(&[], &[])),
        ("W1", demand(&w1, &["service.name"])),
        ("ids, times, 4 attributes", demand(&all, &keys)),
    ]
}

/// Reads and decodes a file for W1, on this thread.
fn file(path: &str) {
    let start = Instant::now();
    let input = Input::file(std::path::Path::new(path)).expect("a file");
    let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).expect("a format");
    let [_, (_, demand), _] = demands();
    let mut decoder = Decoder::new(Arc::new(demand), reader.sources().into());
    let symbols = Interner::shared();
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    let mut reading = 0;
    let mut spans = 0;
    loop {
        let before = Instant::now();
        let Some(frame) = reader.next_frame().expect("readable") else {
            break;
        };
        reading += before.elapsed().as_nanos();
        decoder.decode(0, &frame, &symbols, &mut batches, &mut report);
        for batch in batches.drain(..) {
            spans += black_box(&batch).rows;
            decoder.recycle(batch);
        }
    }
    let all = start.elapsed().as_nanos() as f64 / spans as f64;
    let reading = reading as f64 / spans as f64;
    println!("{path}: {spans} spans, {all:.1} ns a span, {reading:.1} of it reading");
}

fn main() {
    if let Some(path) = std::env::args().find(|word| word.contains('/') && word.contains(".ndjson"))
    {
        return file(&path);
    }
    let rounds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(15);
    let requests = requests();
    let payloads: Vec<Bytes> = requests.iter().map(|r| r.encode_to_vec().into()).collect();
    let bytes: usize = payloads.iter().map(Bytes::len).sum();
    println!("{} spans, {} bytes a span in protobuf", REQUESTS * SPANS, bytes / REQUESTS / SPANS);
    let prost = fastest(rounds, || {
        for payload in &payloads {
            black_box(ExportTraceServiceRequest::decode(&payload[..]).expect("valid"));
        }
    });
    println!("prost, full decode                     {prost:7.1} ns a span");
    let frames = protobuf_frames(&payloads);
    let sources = [SourceSpec { name: Arc::from("bench"), has_arrival: false, mapping: None }];
    let (lines, line_sources) = frames_of(ndjson(&requests));
    let (documents, document_sources) = frames_of(otlp_json(&requests));
    for (name, mut demand) in demands() {
        demand.want(Signal::Spans);
        let ns = walk(rounds, &frames, &sources, &demand);
        println!("protobuf, {name:25}    {ns:7.1} ns a span, {:.3} of prost", ns / prost);
        let ns = walk(rounds, &lines, &line_sources, &demand);
        println!("NDJSON, {name:25}      {ns:7.1} ns a span");
        let ns = walk(rounds, &documents, &document_sources, &demand);
        println!("OTLP/JSON, {name:25}   {ns:7.1} ns a span");
    }
}
