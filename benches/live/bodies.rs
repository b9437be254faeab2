//! Ready-made requests whose timestamps can be shifted in place.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::workload;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Json,
    Lines,
}

/// A request, and where its timestamps stand in it.
struct Body {
    bytes: Vec<u8>,
    times: Vec<(usize, u64)>,
    first_ns: u64,
    last_ns: u64,
}

/// The requests of one loop.
pub(super) struct Bodies {
    form: Form,
    all: Vec<Body>,
}

impl Bodies {
    pub(super) fn new(form: Form, spans: usize) -> Self {
        let requests = workload::requests(spans);
        let all = requests.iter().map(|request| body(form, request)).collect();
        Self { form, all }
    }

    /// Every so many requests, one comes so many requests later than its turn.
    pub(super) fn disorder(&mut self, every: usize, behind: usize) {
        for at in (0..self.all.len().saturating_sub(behind)).step_by(every).rev() {
            let body = self.all.remove(at);
            self.all.insert(at + behind, body);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn spans(&self) -> usize {
        self.all.len() * workload::SPANS
    }

    /// Event time of one loop, ns.
    pub(super) fn length_ns(&self) -> u64 {
        self.spans() as u64 * 200_000
    }

    /// The first and the last start in a request of a loop.
    pub(super) fn starts_ns(&self, index: usize, of_loop: u64) -> (u64, u64) {
        let shift_ns = of_loop * self.length_ns();
        (self.all[index].first_ns + shift_ns, self.all[index].last_ns + shift_ns)
    }

    /// The bytes of a request of a loop.
    pub(super) fn write(&self, index: usize, of_loop: u64, to: &mut Vec<u8>) {
        let body = &self.all[index];
        let shift_ns = of_loop * self.length_ns();
        let from = to.len();
        to.extend_from_slice(&body.bytes);
        for &(at, time_ns) in &body.times {
            let (at, time_ns) = (from + at, time_ns + shift_ns);
            match self.form {
                Form::Protobuf => to[at..at + 8].copy_from_slice(&time_ns.to_le_bytes()),
                Form::Json => to[at..at + 19].copy_from_slice(time_ns.to_string().as_bytes()),
                Form::Lines => {
                    let ms = (time_ns / 1_000_000).to_string();
                    to[at..at + 13].copy_from_slice(ms.as_bytes());
                }
            }
        }
    }
}

fn body(form: Form, request: &[u8]) -> Body {
    let decoded = ExportTraceServiceRequest::decode(request).unwrap();
    let resource = &decoded.resource_spans[0];
    let service = text(&resource.resource.as_ref().unwrap().attributes[0]);
    let spans = &resource.scope_spans[0].spans;
    let starts = spans.iter().map(|span| span.start_time_unix_nano);
    let (first_ns, last_ns) = (starts.clone().min().unwrap(), starts.max().unwrap());
    let (bytes, times) = match form {
        Form::Protobuf => (request.to_vec(), fixed_times(request, spans)),
        Form::Json => json(&service, spans),
        Form::Lines => lines(&service, spans),
    };
    Body { bytes, times, first_ns, last_ns }
}

/// Fields 7 and 8 of a span are eight bytes each, one after the other.
fn fixed_times(request: &[u8], spans: &[Span]) -> Vec<(usize, u64)> {
    let mut times = Vec::new();
    let mut from = 0;
    for span in spans {
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        let wanted = [&[0x39][..], &start.to_le_bytes(), &[0x41], &end.to_le_bytes()].concat();
        let found = request[from..].windows(wanted.len()).position(|part| part == wanted);
        from += found.unwrap();
        times.extend([(from + 1, start), (from + 10, end)]);
    }
    times
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[digit as usize])).collect()
}

fn json(service: &str, spans: &[Span]) -> (Vec<u8>, Vec<(usize, u64)>) {
    let mut out = format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":\
         {{\"stringValue\":\"{service}\"}}}},{{\"key\":\"service.version\",\"value\":{{\
         \"stringValue\":\"1.4.2\"}}}},{{\"key\":\"deployment.environment.name\",\"value\":{{\
         \"stringValue\":\"bench\"}}}}]}},\"scopeSpans\":[{{\"scope\":{{}},\"spans\":["
    );
    let mut times = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        out += if index > 0 { "," } else { "" };
        out += &format!(
            "{{\"traceId\":\"{}\",\"spanId\":\"{}\",\"parentSpanId\":\"{}\",\"name\":\"{}\",\
             \"kind\":2,\"startTimeUnixNano\":\"",
            hex(&span.trace_id),
            hex(&span.span_id),
            hex(&span.parent_span_id),
            span.name
        );
        times.push((out.len(), span.start_time_unix_nano));
        out += &format!("{}\",\"endTimeUnixNano\":\"", span.start_time_unix_nano);
        times.push((out.len(), span.end_time_unix_nano));
        out += &format!("{}\",\"attributes\":[", span.end_time_unix_nano);
        for (index, attribute) in span.attributes.iter().enumerate() {
            let kind = if index == 2 { "intValue" } else { "stringValue" };
            out += if index > 0 { "," } else { "" };
            let (key, value) = (&attribute.key, text(attribute));
            out += &format!("{{\"key\":\"{key}\",\"value\":{{\"{kind}\":\"{value}\"}}}}");
        }
        let code = span.status.as_ref().map_or(0, |status| status.code);
        out += &format!("],\"status\":{{\"code\":{code}}}}}");
    }
    out += "]}]}]}";
    (out.into_bytes(), times)
}

fn lines(service: &str, spans: &[Span]) -> (Vec<u8>, Vec<(usize, u64)>) {
    let mut out = String::new();
    let mut times = Vec::new();
    for span in spans {
        out += &format!("{{\"v\":1,\"src\":\"{service}\",\"ts\":");
        times.push((out.len(), span.start_time_unix_nano));
        out += &format!(
            "{},\"type\":\"span\",\"tid\":\"{}\",\"sid\":\"{}\",\"pid\":\"{}\",\"data\":{}}}\n",
            span.start_time_unix_nano / 1_000_000,
            hex(&span.trace_id),
            hex(&span.span_id),
            hex(&span.parent_span_id),
            flat(service, span)
        );
    }
    (out.into_bytes(), times)
}

/// What a span holds beside its ids and its start, as one flat object.
fn flat(service: &str, span: &Span) -> String {
    let status = span.status.as_ref().map_or(0, |status| status.code);
    let duration_ns = span.end_time_unix_nano - span.start_time_unix_nano;
    let mut out = format!(
        "{{\"service\":\"{service}\",\"name\":\"{}\",\"kind\":2,\"duration_ns\":{duration_ns},\
         \"status\":{status}",
        span.name
    );
    for attribute in &span.attributes {
        out += &format!(",\"{}\":\"{}\"", attribute.key, text(attribute));
    }
    out + "}"
}

/// The spans of one loop as plain NDJSON, one object a span.
pub(super) fn ndjson(spans: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for request in workload::requests(spans) {
        let decoded = ExportTraceServiceRequest::decode(request).unwrap();
        let resource = &decoded.resource_spans[0];
        let service = text(&resource.resource.as_ref().unwrap().attributes[0]);
        for span in &resource.scope_spans[0].spans {
            let ids = format!(
                "{{\"trace_id\":\"{}\",\"span_id\":\"{}\",\"parent_span_id\":\"{}\",\
                 \"start_ns\":{},\"end_ns\":{},",
                hex(&span.trace_id),
                hex(&span.span_id),
                hex(&span.parent_span_id),
                span.start_time_unix_nano,
                span.end_time_unix_nano
            );
            out.extend_from_slice(ids.as_bytes());
            out.extend_from_slice(&flat(&service, span).as_bytes()[1..]);
            out.push(b'\n');
        }
    }
    out
}
