//! Spans to bytes: OTLP/JSON lines, plain NDJSON, or length-delimited OTLP protobuf.
//!
//! Requests hold one service's spans in order of arrival; a new one begins when the service changes
//! or the request is full.

use std::io::{self, Write};

use super::REQUEST_SPANS;
use super::trace::{SERVICES, Span};

/// How spans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One `ExportTraceServiceRequest` in JSON a line, as the Collector's file exporter.
    OtlpJson,
    /// One flat object a line.
    Ndjson,
    /// `ExportTraceServiceRequest`s in protobuf, each after its length as big-endian u32, as the
    /// Collector's file exporter.
    OtlpDelimited,
}

const SCOPE: &str = "tailwater.gen";
const NAMESPACE: &str = "generated";

/// Gathers spans into requests and writes them.
pub(super) struct Encoder {
    format: Format,
    request: Vec<Span>,
}

impl Encoder {
    pub(super) fn new(format: Format) -> Self {
        Self { format, request: Vec::with_capacity(REQUEST_SPANS) }
    }

    pub(super) fn add(&mut self, span: &Span, out: &mut dyn Write) -> io::Result<()> {
        if self.format == Format::Ndjson {
            return flat(span, out);
        }
        let is_other = self.request.last().is_some_and(|last| last.service != span.service);
        if is_other || self.request.len() == REQUEST_SPANS {
            self.finish(out)?;
        }
        self.request.push(span.clone());
        Ok(())
    }

    /// Writes the request under way, if any.
    pub(super) fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.request.is_empty() {
            return Ok(());
        }
        match self.format {
            Format::OtlpDelimited => {
                let message = protobuf(&self.request);
                out.write_all(&(message.len() as u32).to_be_bytes())?;
                out.write_all(&message)?;
            }
            Format::OtlpJson | Format::Ndjson => json(&self.request, out)?,
        }
        self.request.clear();
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn is_root(span: &Span) -> bool {
    span.parent_id == [0; 8]
}

fn parent_hex(span: &Span) -> String {
    if is_root(span) { String::new() } else { hex(&span.parent_id) }
}

fn flat(span: &Span, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{{\"trace_id\":\"{}\",\"span_id\":\"{}\",\"parent_span_id\":\"{}\",\"service\":\"{}\",\
         \"name\":\"{}\",\"kind\":\"{}\",\"start_ns\":{},\"end_ns\":{},\"status\":\"{}\",\
         \"http.response.status_code\":{}}}",
        hex(&span.trace_id),
        hex(&span.span_id),
        parent_hex(span),
        SERVICES[span.service],
        span.name,
        span.kind.as_str(),
        span.start_ns,
        span.end_ns,
        if span.is_error { "error" } else { "unset" },
        span.status_code(),
    )
}

// Names are our own and need no escapes.
fn json(request: &[Span], out: &mut dyn Write) -> io::Result<()> {
    let service = request.first().map_or("", |span| SERVICES[span.service]);
    write!(
        out,
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[\
         {{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"{service}\"}}}},\
         {{\"key\":\"service.namespace\",\"value\":{{\"stringValue\":\"{NAMESPACE}\"}}}}]}},\
         \"scopeSpans\":[{{\"scope\":{{\"name\":\"{SCOPE}\"}},\"spans\":["
    )?;
    for (index, span) in request.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let status = if span.is_error { ",\"status\":{\"code\":2}" } else { "" };
        write!(
            out,
            "{comma}{{\"traceId\":\"{}\",\"spanId\":\"{}\",\"parentSpanId\":\"{}\",\
             \"name\":\"{}\",\"kind\":{},\"startTimeUnixNano\":\"{}\",\"endTimeUnixNano\":\"{}\",\
             \"attributes\":[{{\"key\":\"http.response.status_code\",\
             \"value\":{{\"intValue\":\"{}\"}}}}]{status}}}",
            hex(&span.trace_id),
            hex(&span.span_id),
            parent_hex(span),
            span.name,
            span.kind as u8,
            span.start_ns,
            span.end_ns,
            span.status_code(),
        )?;
    }
    out.write_all(b"]}]}]}\n")
}

/// `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`; field numbers are those of
/// OTLP 1.x.
fn protobuf(request: &[Span]) -> Vec<u8> {
    let service = request.first().map_or("", |span| SERVICES[span.service]);
    let mut resource = Vec::new();
    message(&mut resource, 1, &attribute("service.name", &text_value(service)));
    message(&mut resource, 1, &attribute("service.namespace", &text_value(NAMESPACE)));
    let mut scope = Vec::new();
    message(&mut scope, 1, SCOPE.as_bytes());
    let mut scope_spans = Vec::new();
    message(&mut scope_spans, 1, &scope);
    for span in request {
        message(&mut scope_spans, 2, &span_message(span));
    }
    let mut resource_spans = Vec::new();
    message(&mut resource_spans, 1, &resource);
    message(&mut resource_spans, 2, &scope_spans);
    let mut out = Vec::new();
    message(&mut out, 1, &resource_spans);
    out
}

fn span_message(span: &Span) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    message(&mut out, 1, &span.trace_id);
    message(&mut out, 2, &span.span_id);
    if !is_root(span) {
        message(&mut out, 4, &span.parent_id);
    }
    message(&mut out, 5, span.name.as_bytes());
    varint_field(&mut out, 6, span.kind as u64);
    fixed64(&mut out, 7, span.start_ns as u64);
    fixed64(&mut out, 8, span.end_ns as u64);
    let mut code = Vec::new();
    varint_field(&mut code, 3, u64::from(span.status_code()));
    message(&mut out, 9, &attribute("http.response.status_code", &code));
    if span.is_error {
        let mut status = Vec::new();
        varint_field(&mut status, 3, 2);
        message(&mut out, 15, &status);
    }
    out
}

fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, key.as_bytes());
    message(&mut out, 2, value);
    out
}

fn text_value(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, text.as_bytes());
    out
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint_field(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3);
    varint(out, number);
}

fn fixed64(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&number.to_le_bytes());
}

fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
