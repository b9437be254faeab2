//! Given items as the bytes that a sender would have sent.

use std::fmt::Write;

use bytes::Bytes;
use tailwater_dsl::hir::{Given, GivenKind, Literal, TableColumn};
use tailwater_engine::model::render::write_json_text;
use tailwater_engine::model::{Compression, DataFrame, PayloadFormat, SourceId};
use xxhash_rust::xxh3::xxh3_128;

use super::TEST_START_NS;

/// The items as frames, one item each, in the order in which they arrive.
pub(super) fn frames(given: &[Given]) -> Vec<DataFrame> {
    let mut items = Vec::new();
    for (place, line) in given.iter().enumerate() {
        for index in 0..line.times {
            let later_ns = line.every_ns.saturating_mul(index as i64);
            let at_ns = line.at_ns.saturating_add(later_ns);
            let end_ns = at_ns.saturating_add(line.duration_ns.unwrap_or(0));
            let arrives_ns = line.arrives_ns.map_or(end_ns, |first| first.saturating_add(later_ns));
            items.push((arrives_ns, line, at_ns, (place, index + 1)));
        }
    }
    items.sort_by_key(|(arrives_ns, ..)| *arrives_ns);
    let frame = |(arrives_ns, line, at_ns, of): (i64, &Given, i64, (usize, u64))| {
        let time_ns = TEST_START_NS.saturating_add(at_ns);
        let (format, payload) = match line.times {
            1 => payload(line, time_ns, of),
            _ => payload(&numbered(line, of.1), time_ns, of),
        };
        DataFrame {
            source: SourceId(0),
            arrival_ns: Some(TEST_START_NS.saturating_add(arrives_ns)),
            format,
            compression: Compression::None,
            payload: Bytes::from(payload),
            place: 1,
        }
    };
    items.into_iter().map(frame).collect()
}

/// The place of an item's number in texts, from 1.
const NUMBER: &str = "{n}";

/// One of several items of a line: texts may hold its number.
fn numbered(line: &Given, number: u64) -> Given {
    let number = number.to_string();
    let mut given = line.clone();
    let values = given.attributes.iter_mut().filter_map(|(_, value)| match value {
        Literal::String(text) => Some(text),
        _ => None,
    });
    for text in given.name.iter_mut().chain([&mut given.service]).chain(values) {
        *text = text.replace(NUMBER, &number);
    }
    given
}

/// The digits of an id: hex digits of its length are the id, any other text gives one its own.
pub(super) fn id(text: &str, bytes: usize) -> String {
    let is_id = text.len() == bytes * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id || text.is_empty() {
        return text.to_owned();
    }
    let hash = xxh3_128(text.as_bytes()).max(1);
    format!("{hash:032x}").split_off(32 - bytes * 2)
}

fn payload(given: &Given, time_ns: i64, of: (usize, u64)) -> (PayloadFormat, String) {
    match given.kind {
        GivenKind::Span => (PayloadFormat::OtlpJson, span(given, time_ns, of)),
        GivenKind::Log => (PayloadFormat::OtlpJson, log(given, time_ns)),
        GivenKind::Metric => (PayloadFormat::OtlpJson, metric(given, time_ns)),
        GivenKind::Event | GivenKind::Progress | GivenKind::Resource | GivenKind::Heartbeat => {
            (PayloadFormat::Lines, line(given, time_ns))
        }
    }
}

/// Fields of a span or log that are written beside its attributes.
const IDS: [(&str, &str, usize); 3] =
    [("trace.id", "traceId", 16), ("span.id", "spanId", 8), ("parent.id", "parentSpanId", 8)];

fn json(text: &str) -> String {
    let mut out = String::new();
    write_json_text(text, &mut out);
    out
}

/// An attribute's value in OTLP/JSON.
fn any_value(value: &Literal) -> String {
    match value {
        Literal::Null => "{}".to_owned(),
        Literal::Bool(v) => format!(r#"{{"boolValue":{v}}}"#),
        Literal::Int(v) | Literal::Duration(v) | Literal::Time(v) | Literal::Size(v) => {
            format!(r#"{{"intValue":"{v}"}}"#)
        }
        Literal::Float(v) | Literal::Ratio(v) | Literal::Rate(v) => {
            format!(r#"{{"doubleValue":{v:?}}}"#)
        }
        Literal::String(v) | Literal::Enum(v) => format!(r#"{{"stringValue":{}}}"#, json(v)),
        Literal::List(items) => {
            let items: Vec<String> = items.iter().map(any_value).collect();
            format!(r#"{{"arrayValue":{{"values":[{}]}}}}"#, items.join(","))
        }
        Literal::Map(entries) | Literal::Table(TableColumn { values: entries, .. }) => {
            let entry = |(key, value): &(String, Literal)| key_value(key, value);
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!(r#"{{"kvlistValue":{{"values":[{}]}}}}"#, entries.join(","))
        }
    }
}

fn key_value(key: &str, value: &Literal) -> String {
    format!(r#"{{"key":{},"value":{}}}"#, json(key), any_value(value))
}

fn attributes(given: &Given) -> String {
    let own = given.attributes.iter().filter(|(key, _)| IDS.iter().all(|(id, ..)| id != key));
    let own: Vec<String> = own.map(|(key, value)| key_value(key, value)).collect();
    format!(r#""attributes":[{}]"#, own.join(","))
}

fn ids(given: &Given) -> String {
    let mut out = String::new();
    for (key, value) in &given.attributes {
        if let (Some((_, name, bytes)), Literal::String(text)) =
            (IDS.iter().find(|(id, ..)| id == key), value)
        {
            let _ = write!(out, r#","{name}":{}"#, json(&id(text, *bytes)));
        }
    }
    out
}

fn resource(given: &Given) -> String {
    let service = Literal::String(given.service.clone());
    format!(r#""resource":{{"attributes":[{}]}}"#, key_value("service.name", &service))
}

fn place<T: PartialEq<str>>(word: Option<&T>, words: &[&str]) -> usize {
    word.and_then(|word| words.iter().position(|known| word == *known)).unwrap_or(0)
}

/// Ids of a span that says none: a span is one of its own, and a trace of its own, as two that
/// were sent are.
fn own_ids(given: &Given, (line, number): (usize, u64)) -> String {
    let mut out = String::new();
    for (key, name, bytes) in &IDS[..2] {
        if given.attributes.iter().all(|(given, _)| given != key) {
            let text = format!("{key} of line {line}, item {number}");
            let _ = write!(out, r#","{name}":"{}""#, id(&text, *bytes));
        }
    }
    out
}

fn span(given: &Given, start_ns: i64, of: (usize, u64)) -> String {
    let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
    let end_ns = start_ns.saturating_add(given.duration_ns.unwrap_or(0));
    format!(
        r#"{{"resourceSpans":[{{{},"scopeSpans":[{{"spans":[{{"name":{},"kind":{},"startTimeUnixNano":"{start_ns}","endTimeUnixNano":"{end_ns}","status":{{"code":{}}},{}{}{}}}]}}]}}]}}"#,
        resource(given),
        json(given.name.as_deref().unwrap_or("")),
        place(given.span_kind.as_ref(), &kinds),
        place(given.status.as_ref(), &["unset", "ok", "error"]),
        attributes(given),
        ids(given),
        own_ids(given, of)
    )
}

fn log(given: &Given, time_ns: i64) -> String {
    let severities = ["", "trace", "debug", "info", "warn", "error", "fatal"];
    // The first number of each range: 1, 5, 9, 13, 17, 21.
    let number = match place(given.severity.as_ref(), &severities) {
        0 => 0,
        range => range * 4 - 3,
    };
    format!(
        r#"{{"resourceLogs":[{{{},"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{time_ns}","severityNumber":{number},"body":{{"stringValue":{}}},{}{}}}]}}]}}]}}"#,
        resource(given),
        json(given.name.as_deref().unwrap_or("")),
        attributes(given),
        ids(given)
    )
}

fn metric(given: &Given, time_ns: i64) -> String {
    format!(
        r#"{{"resourceMetrics":[{{{},"scopeMetrics":[{{"metrics":[{{"name":{},"gauge":{{"dataPoints":[{{"timeUnixNano":"{time_ns}","asDouble":{:?},{}}}]}}}}]}}]}}]}}"#,
        resource(given),
        json(given.name.as_deref().unwrap_or("")),
        given.value.unwrap_or(0.0),
        attributes(given)
    )
}

/// A value as plain JSON.
fn plain(value: &Literal) -> String {
    match value {
        Literal::Null => "null".to_owned(),
        Literal::Bool(v) => v.to_string(),
        Literal::Int(v) | Literal::Duration(v) | Literal::Time(v) | Literal::Size(v) => {
            v.to_string()
        }
        Literal::Float(v) | Literal::Ratio(v) | Literal::Rate(v) => format!("{v:?}"),
        Literal::String(v) | Literal::Enum(v) => json(v),
        Literal::List(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(","))
        }
        Literal::Map(entries) | Literal::Table(TableColumn { values: entries, .. }) => {
            object(entries)
        }
    }
}

fn object(entries: &[(String, Literal)]) -> String {
    let entry = |(key, value): &(String, Literal)| format!("{}:{}", json(key), plain(value));
    format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
}

/// An item of the line protocol.
fn line(given: &Given, time_ns: i64) -> String {
    let name = json(given.name.as_deref().unwrap_or(""));
    let status = json(given.status.as_deref().unwrap_or(""));
    let (kind, data) = match given.kind {
        GivenKind::Progress => {
            let percent = given.value.map(|value| format!(r#""percent":{value:?},"#));
            let percent = percent.unwrap_or_default();
            ("progress", format!(r#"{{"job_id":{name},{percent}"status":{status}}}"#))
        }
        GivenKind::Resource => ("resource", object(&given.attributes)),
        GivenKind::Heartbeat => ("heartbeat", "{}".to_owned()),
        _ => (
            "event",
            format!(
                r#"{{"level":{},"msg":{name},"ctx":{}}}"#,
                json(given.severity.as_deref().unwrap_or("info")),
                object(&given.attributes)
            ),
        ),
    };
    let (source, ms) = (json(&given.service), time_ns / 1_000_000);
    format!(r#"{{"v":1,"src":{source},"ts":{ms},"type":"{kind}","data":{data}}}"#)
}
