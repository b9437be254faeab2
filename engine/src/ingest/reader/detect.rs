//! Which format a file has, by its first bytes.

use super::cut::Framing;
use crate::ingest::json::Json;
use crate::ingest::protobuf;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::PayloadFormat;

/// A recognised file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Detected {
    /// How payloads are encoded.
    pub(super) format: PayloadFormat,
    /// How the file is cut.
    pub(super) framing: Framing,
    /// Bytes before the content (a byte order mark).
    pub(super) skip: usize,
}

/// Lines that are tried before a file is taken for something else than JSON lines.
const LINES_TRIED: usize = 100;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether the first item does not end in these first bytes, so that more should be read.
pub(super) fn needs_more(head: &[u8]) -> bool {
    is_request(head) || memchr::memchr(b'\n', head).is_none()
}

/// Recognises a file, or fits a given format to it. `None` if it is of no known format.
pub(super) fn detect(head: &[u8], format: Option<PayloadFormat>) -> Option<Detected> {
    let skip = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let text = &head[skip..];
    let format = match format {
        Some(format) => format,
        None => recognise(text)?,
    };
    let framing = match format {
        PayloadFormat::OtlpTraces
        | PayloadFormat::OtlpLogs
        | PayloadFormat::OtlpMetrics
        | PayloadFormat::OtlpTracesSampled { .. } => Framing::Message,
        PayloadFormat::OtlpDelimited => Framing::Delimited,
        PayloadFormat::OtlpJson if whole_line(text).is_some() => Framing::Lines,
        PayloadFormat::OtlpJson | PayloadFormat::Jaeger | PayloadFormat::Zipkin => {
            Framing::Document
        }
        PayloadFormat::Lines | PayloadFormat::Ndjson => Framing::Lines,
        PayloadFormat::Csv => Framing::Records { header: Vec::new() },
    };
    Some(Detected { format, framing, skip })
}

fn recognise(head: &[u8]) -> Option<PayloadFormat> {
    if is_request(head) {
        return protobuf::signal_of_payload(head);
    }
    if is_delimited(head) {
        return Some(PayloadFormat::OtlpDelimited);
    }
    match Json::at(head, 0).peek() {
        0 if head.iter().all(u8::is_ascii_whitespace) => Some(PayloadFormat::Ndjson),
        b'{' => object_format(head),
        b'[' => list_format(head),
        _ if whole_line(head).is_some() => object_format(head),
        _ => {
            let line = first_line(head);
            let is_text = std::str::from_utf8(line).is_ok_and(|line| {
                line.contains(',')
                    && !line.chars().any(|c| c.is_control() && c != '\t' && c != '\r')
            });
            is_text.then_some(PayloadFormat::Csv)
        }
    }
}

fn first_line(head: &[u8]) -> &[u8] {
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let head = &head[start..];
    &head[..memchr::memchr(b'\n', head).unwrap_or(head.len())]
}

/// The first line that is a whole JSON object, among the first lines: a damaged line at the start
/// must not hide what the file is. Lines of a document printed over several lines are indented.
fn whole_line(head: &[u8]) -> Option<&[u8]> {
    let lines = head.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut lines = lines.take(LINES_TRIED).enumerate();
    lines.find_map(|(index, line)| {
        let starts = if index == 0 { line.trim_ascii_start() } else { line };
        let mut json = Json::at(line, 0);
        let is_whole = starts.first() == Some(&b'{') && json.skip().is_ok() && json.is_at_end();
        is_whole.then_some(line)
    })
}

/// A protobuf request: its first field is a list, and text does not look like what follows.
fn is_request(head: &[u8]) -> bool {
    head.first() == Some(&0x0a)
        && head[..head.len().min(512)].iter().any(|byte| matches!(byte, 0..=8 | 0x0e..=0x1f))
}

fn is_delimited(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<4>() else {
        return false;
    };
    let length = u32::from_be_bytes(*length) as usize;
    length <= MESSAGE_BYTES_MAX && head[0] < 9 && (rest.first() == Some(&0x0a) || length == 0)
}

/// The names of an object's members, as far as the head shows them.
fn member_names(json: &mut Json<'_>) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let Ok(mut members) = json.object() else {
        return names;
    };
    while let Ok(Some(key)) = json.key(&mut members) {
        if let Ok(name) = key.bytes() {
            names.push(name.into_owned());
        }
        if json.skip().is_err() {
            break;
        }
    }
    names
}

/// The column names of the first whole line of NDJSON.
pub(super) fn first_names(head: &[u8]) -> Vec<Vec<u8>> {
    member_names(&mut Json::at(whole_line(head).unwrap_or(head), 0))
}

fn object_format(head: &[u8]) -> Option<PayloadFormat> {
    let names = first_names(head);
    let has = |name: &[u8]| names.iter().any(|known| known == name);
    let is_line = whole_line(head).is_some();
    if has(b"resourceSpans") || has(b"resourceLogs") || has(b"resourceMetrics") {
        Some(PayloadFormat::OtlpJson)
    } else if has(b"data") && !has(b"v") && !is_line
        || has(b"data") && !has(b"type") && (has(b"errors") || holds_traces(head))
        || has(b"traceID") && has(b"spans")
    {
        Some(PayloadFormat::Jaeger)
    } else if has(b"v") && has(b"src") && has(b"type") {
        Some(PayloadFormat::Lines)
    } else {
        is_line.then_some(PayloadFormat::Ndjson)
    }
}

/// Whether the member `data` of the first line is a list of Jaeger's traces.
fn holds_traces(head: &[u8]) -> bool {
    let mut json = Json::at(whole_line(head).unwrap_or(head), 0);
    let Ok(mut members) = json.object() else {
        return false;
    };
    while let Ok(Some(key)) = json.key(&mut members) {
        if key.bytes().is_ok_and(|name| *name == *b"data") {
            let mut first = json.array().ok();
            let is_there = first.as_mut().is_some_and(|list| json.element(list) == Ok(true));
            let names = if is_there { member_names(&mut json) } else { Vec::new() };
            let has = |name: &[u8]| names.iter().any(|known| known == name);
            return has(b"traceID") && has(b"spans");
        }
        if json.skip().is_err() {
            return false;
        }
    }
    false
}

fn list_format(head: &[u8]) -> Option<PayloadFormat> {
    let mut json = Json::at(head, 0);
    let mut elements = json.array().ok()?;
    if !json.element(&mut elements).ok()? {
        return Some(PayloadFormat::Zipkin);
    }
    let names = member_names(&mut json);
    let has = |name: &[u8]| names.iter().any(|known| known == name);
    if has(b"traceId") && has(b"id") {
        Some(PayloadFormat::Zipkin)
    } else if has(b"traceID") && has(b"spans") {
        Some(PayloadFormat::Jaeger)
    } else {
        None
    }
}
