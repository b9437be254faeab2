//! Compact event lines to OTLP/JSON lines.

use serde_json::{Value, json};

const SECOND_NS: i64 = 1_000_000_000;
/// Times of specs count from here: 2026-01-01T00:00:00Z.
pub(super) const BASE_NS: i64 = 1_767_225_600 * SECOND_NS;

/// One record of the log.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// An OTLP/JSON line of a source.
    Line { source: String, text: String },
    /// The recorded clock.
    Tick(i64),
    /// A source has ended.
    End(String),
}

/// The log that input lines stand for.
pub(super) fn log(lines: &[String]) -> Result<Vec<Record>, String> {
    let mut log = Vec::new();
    for line in lines {
        let records = records(line.trim()).map_err(|error| format!("`{line}`: {error}"))?;
        log.extend(records);
    }
    Ok(log)
}

fn records(line: &str) -> Result<Vec<Record>, String> {
    if line.is_empty() || line.starts_with("//") {
        return Ok(Vec::new());
    }
    if line.starts_with('{') {
        let (source, unit_ns) = if is_protocol(line) { (LINES, 1_000_000) } else { ("a", 1) };
        return Ok(vec![Record::Line { source: source.to_owned(), text: times(line, unit_ns)? }]);
    }
    let mut words = split(line)?.into_iter();
    let mut word = |what: &str| words.next().ok_or(format!("expected {what}"));
    match word("a time")?.as_str() {
        "tick" => Ok(vec![Record::Tick(BASE_NS + duration(&word("a time")?)?)]),
        "end" => Ok(vec![Record::End(word("a source")?)]),
        time => {
            let time_ns = BASE_NS + duration(time)?;
            let (kind, service) = (word("`span` or `log`")?, word("a service")?);
            event(time_ns, &kind, &service, &words.collect::<Vec<_>>())
        }
    }
}

/// Words, texts in quotes and maps in braces.
fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (open, c) {
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (None, '"' | '{') => {
                open = Some(if c == '"' { '"' } else { '}' });
                word.push(c);
            }
            (Some(close), c) if c == close => {
                open = None;
                word.push(c);
            }
            (_, c) => word.push(c),
        }
    }
    if let Some(close) = open {
        return Err(format!("expected `{close}`"));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// `1h30m`, `1.5s`, `-3ms` in nanoseconds.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("expected a time such as `1m30s`, found `{text}`");
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "d" => 86_400e9,
                "h" => 3_600e9,
                "m" => 60e9,
                "s" => 1e9,
                "ms" => 1e6,
                "us" => 1e3,
                "ns" => 1.0,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok((sign * total).round() as i64) }
}

/// The source of lines of the line protocol.
const LINES: &str = "lines";

/// Whether a line is one of the line protocol, not an OTLP/JSON request.
pub(super) fn is_protocol(line: &str) -> bool {
    line.starts_with("{\"v\":")
}

/// Replaces `$5s` by that time, in nanoseconds or the unit given.
fn times(line: &str, unit_ns: i64) -> Result<String, String> {
    let mut parts = line.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(part.len());
        out.push_str(&((BASE_NS + duration(&part[..end])?) / unit_ns).to_string());
        out.push_str(&part[end..]);
    }
    Ok(out)
}

fn event(start_ns: i64, kind: &str, service: &str, rest: &[String]) -> Result<Vec<Record>, String> {
    let (mut item, mut attributes, mut source) = (json!({}), Vec::new(), "a".to_owned());
    let (mut length_ns, mut times, mut every_ns, mut numbered) = (0, 1, 0, false);
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if let Some(text) = word.strip_prefix('"') {
            let text = text.trim_end_matches('"');
            if kind == "span" {
                item["name"] = json!(text);
            } else {
                item["body"] = json!({ "stringValue": text });
            }
        } else if word.starts_with('{') {
            attributes.extend(map(word)?);
        } else if let Some(name) = word.strip_prefix('@') {
            name.clone_into(&mut source);
        } else if let Some(id) = word.strip_prefix("trace:") {
            item["traceId"] = json!(format!("{id:0>32}"));
        } else if let Some(id) = word.strip_prefix("span:") {
            numbered = id.ends_with('+');
            item["spanId"] = json!(format!("{:0>16}", id.trim_end_matches('+')));
        } else if let Some(id) = word.strip_prefix("parent:") {
            item["parentSpanId"] = json!(format!("{id:0>16}"));
        } else if let Some(count) = word.strip_prefix('x').and_then(|n| n.parse::<i64>().ok()) {
            times = count;
        } else if word == "every" {
            every_ns = duration(words.next().map_or("", String::as_str))?;
        } else if !known(&mut item, kind, word) {
            length_ns = duration(word)?;
        }
    }
    item["attributes"] = json!(attributes);
    let record = |index: i64| {
        let start_ns = start_ns + index * every_ns;
        let mut item = item.clone();
        if numbered {
            let first = item["spanId"].as_str().and_then(|id| i64::from_str_radix(id, 16).ok());
            let id = first.ok_or("a span id in hex digits before `+`")? + index;
            item["spanId"] = json!(format!("{id:016x}"));
        }
        let text = request(kind, service, item, start_ns, start_ns + length_ns)?;
        Ok(Record::Line { source: source.clone(), text })
    };
    (0..times).map(record).collect()
}

/// Words of a fixed meaning: status and kind of a span, severity of a log record.
fn known(item: &mut Value, kind: &str, word: &str) -> bool {
    const KINDS: [&str; 5] = ["internal", "server", "client", "producer", "consumer"];
    const SEVERITIES: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
    if kind == "log" {
        let found = SEVERITIES.iter().position(|severity| *severity == word);
        if let Some(at) = found {
            item["severityNumber"] = json!(at * 4 + 1);
        }
        return found.is_some();
    }
    if let Some(at) = KINDS.iter().position(|kind| *kind == word) {
        item["kind"] = json!(at + 1);
        return true;
    }
    if let Some(at) = ["unset", "ok", "error"].iter().position(|status| *status == word) {
        item["status"] = json!({ "code": at });
        return true;
    }
    false
}

/// `{a: 1, b: "x", c: 2.5, d: true}` as attributes.
fn map(text: &str) -> Result<Vec<Value>, String> {
    let inside = text.trim_start_matches('{').trim_end_matches('}');
    let entries = inside.split(',').filter(|entry| !entry.trim().is_empty());
    entries
        .map(|entry| {
            let (key, value) =
                entry.split_once(": ").ok_or(format!("expected `key: value`, found `{entry}`"))?;
            let value = value.trim();
            let value = if let Some(text) = value.strip_prefix('"') {
                json!({ "stringValue": text.trim_end_matches('"') })
            } else if let Ok(number) = value.parse::<i64>() {
                json!({ "intValue": number.to_string() })
            } else if let Ok(number) = value.parse::<f64>() {
                json!({ "doubleValue": number })
            } else {
                json!({ "boolValue": value == "true" })
            };
            Ok(json!({ "key": key.trim(), "value": value }))
        })
        .collect()
}

fn request(
    kind: &str,
    service: &str,
    mut item: Value,
    start_ns: i64,
    end_ns: i64,
) -> Result<String, String> {
    let resource = json!({
        "attributes": [{ "key": "service.name", "value": { "stringValue": service } }]
    });
    let request = match kind {
        "span" => {
            item["startTimeUnixNano"] = json!(start_ns.to_string());
            item["endTimeUnixNano"] = json!(end_ns.to_string());
            json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [item] }] }] })
        }
        "log" => {
            item["timeUnixNano"] = json!(start_ns.to_string());
            json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [item] }] }] })
        }
        other => return Err(format!("expected `span` or `log`, found `{other}`")),
    };
    Ok(request.to_string())
}

#[test]
fn lines_are_events() {
    let line = |text: &str| log(&[text.to_owned()]).unwrap();
    let found = line("1s span shop \"GET /\" error 1.5s {a: 1, b: \"x\"} x2 every 500ms @b");
    assert_eq!(found.len(), 2);
    let Record::Line { source, text } = &found[1] else { panic!("a line") };
    assert_eq!(source, "b");
    let request: Value = serde_json::from_str(text).unwrap();
    let span = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "GET /");
    assert_eq!(span["status"]["code"], 2);
    assert_eq!(span["attributes"][1]["value"]["stringValue"], "x");
    assert_eq!(span["startTimeUnixNano"], (BASE_NS + 1_500_000_000).to_string());
    assert_eq!(span["endTimeUnixNano"], (BASE_NS + 3_000_000_000).to_string());
    assert_eq!(line("tick 1m30s"), vec![Record::Tick(BASE_NS + 90_000_000_000)]);
    assert_eq!(line("end b"), vec![Record::End("b".to_owned())]);
    let raw = format!("{{\"t\":\"{}\"}}", BASE_NS + 2_000_000_000);
    assert_eq!(line("{\"t\":\"$2s\"}"), vec![Record::Line { source: "a".to_owned(), text: raw }]);
}

#[test]
fn a_wrong_line_is_named() {
    let error = |text: &str| log(&[text.to_owned()]).unwrap_err();
    assert!(error("soon span shop").contains("found `soon`"));
    assert!(error("1s trace shop").contains("found `trace`"));
    assert!(error("1s span shop \"GET").contains("expected `\"`"));
}
