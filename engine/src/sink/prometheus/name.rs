//! Names for Prometheus, by OpenTelemetry's compatibility rules.
//!
//! Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility": characters that
//! may not stand in a name become `_`, several in a row one; units follow the name.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::model::Value;

/// Nanoseconds of a second, for values in seconds.
const SECOND_NS: f64 = 1e9;

/// A value as a sample, with the unit that its metric's name ends with; `None` where it is no
/// number.
pub(super) fn sample(value: &Value) -> Option<(f64, &'static str)> {
    match value {
        Value::Bool(v) => Some((f64::from(u8::from(*v)), "")),
        Value::Int(v) => Some((*v as f64, "")),
        Value::Float(v) => Some((*v, "")),
        Value::Duration(v) => Some((*v as f64 / SECOND_NS, "seconds")),
        Value::Time(v) => Some((*v as f64 / SECOND_NS, "timestamp_seconds")),
        Value::Size(v) => Some((*v as f64, "bytes")),
        Value::Ratio(v) => Some((*v, "ratio")),
        _ => None,
    }
}

/// The name of the metric for a value of a rule.
pub(super) fn metric(rule: &str, value: &str, unit: &str) -> String {
    let mut name = String::with_capacity(rule.len() + value.len() + unit.len() + 2);
    append_first(rule, &mut name);
    name.push('_');
    append(value, &mut name);
    let has_unit = unit.is_empty() || name.ends_with(&format!("_{unit}"));
    if !has_unit {
        name.push('_');
        name.push_str(unit);
    }
    // A suffix of OpenMetrics' own at the end of a gauge's name would be read as another metric's.
    for reserved in ["_total", "_count", "_sum", "_bucket", "_created", "_info"] {
        if name.ends_with(reserved) {
            name.push_str("_value");
        }
    }
    name
}

/// The name of a label.
pub(in crate::sink) fn label(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    append_first(key, &mut name);
    if name.starts_with("__") {
        name.insert_str(0, "key");
    }
    // Labels that Prometheus or this page gives a meaning.
    if matches!(name.as_str(), "le" | "quantile" | "job" | "instance" | "alertname" | "alertstate")
    {
        name.insert_str(0, "exported_");
    }
    name
}

/// The first part of a name, which begins with no digit.
fn append_first(text: &str, out: &mut String) {
    let start = out.len();
    append(text, out);
    if out.as_bytes()[start].is_ascii_digit() {
        out.insert(start, '_');
    }
}

fn append(text: &str, out: &mut String) {
    let start = out.len();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
        } else if !out[start..].ends_with('_') {
            out.push('_');
        }
    }
    if out.len() == start {
        out.push('_');
    }
}

/// The text of a value as a label.
pub(in crate::sink) fn label_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Str(text) => text.to_string(),
        Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
        other => other.to_string(),
    }
}

/// Label pairs, sorted by name; values of names that fall together are joined by `;`, as
/// OpenTelemetry has it. A pair without text stands for an absent label, and is left out.
pub(super) fn labels(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = pairs.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out: Vec<(String, String)> = Vec::with_capacity(pairs.len());
    for (name, text) in pairs {
        match out.last_mut() {
            Some(last) if last.0 == name => {
                last.1.push(';');
                last.1.push_str(&text);
            }
            _ => out.push((name, text)),
        }
    }
    out
}

/// Text between quotes on a page.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_only_letters_that_prometheus_takes() {
        assert_eq!(metric("http", "p99", "seconds"), "http_p99_seconds");
        assert_eq!(metric("pay.http", "error rate", "ratio"), "pay_http_error_rate_ratio");
        assert_eq!(metric("9lives", "größe", "bytes"), "_9lives_gr_e_bytes");
        assert_eq!(metric("a", "wait_seconds", "seconds"), "a_wait_seconds");
        assert_eq!(metric("a", "count", ""), "a_count_value");
        assert_eq!(label("service.name"), "service_name");
        assert_eq!(label("a..b--c"), "a_b_c");
        assert_eq!(label("__name__"), "key__name__");
        assert_eq!(label("job"), "exported_job");
        assert_eq!(label("日本"), "_");
    }

    #[test]
    fn labels_that_fall_together_are_joined() {
        let pair = |name: &str, text: &str| (label(name), text.to_owned());
        let found = labels(vec![pair("b", "1"), pair("a.b", "x"), pair("a/b", "y"), pair("c", "")]);
        assert_eq!(found, [("a_b".into(), "x;y".into()), ("b".into(), "1".into())]);
    }

    #[test]
    fn what_ends_a_label_is_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
        assert_eq!(escaped("plain"), "plain");
    }
}
