//! Values as people read them, and as JSON.
//!
//! JSON: durations are whole nanoseconds, times RFC 3339 text, ratios and floats numbers (null
//! where not finite), sizes bytes, ids lower-case hex.

use std::fmt::{self, Write};

pub use super::digits::{write_hex, write_int, write_time};
use super::value::Value;

/// As people read them, with six digits; `{:#}` with all digits that tell values apart.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(v) if f.alternate() => f.write_str(&exact_float(*v)),
            Self::Duration(v) if f.alternate() => f.write_str(&exact_duration(*v)),
            Self::Size(v) if f.alternate() => f.write_str(&exact_size(*v)),
            Self::Ratio(v) if f.alternate() => write!(f, "{}%", exact_float(hundredfold(*v))),
            Self::Null => f.write_str("null"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => f.write_str(&float(*v)),
            Self::Str(v) => f.write_str(v),
            Self::Bytes(v) => {
                let mut text = String::with_capacity(v.len() * 2);
                write_hex(v, &mut text);
                f.write_str(&text)
            }
            Self::Duration(v) => f.write_str(&duration(*v)),
            Self::Time(v) => f.write_str(&time(*v)),
            Self::Size(v) => f.write_str(&size(*v)),
            Self::Ratio(v) => write!(f, "{}%", float(*v * 100.0)),
            Self::List(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    fmt::Display::fmt(item, f)?;
                }
                f.write_char(']')
            }
            Self::Map(entries) => {
                f.write_char('{')?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: ", if index > 0 { ", " } else { "" })?;
                    fmt::Display::fmt(value, f)?;
                }
                f.write_char('}')
            }
            Self::Histogram(point) => write!(f, "histogram of {}", point.count),
        }
    }
}

/// A float with at most six digits, without an exponent where it is readable.
fn float(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return format!("{number}");
    }
    let magnitude = number.abs().log10().floor() as i32;
    if !(-6..15).contains(&magnitude) {
        return format!("{number:e}");
    }
    let digits = (5 - magnitude).clamp(0, 12) as usize;
    let text = format!("{number:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

/// A float with all digits that tell it apart, without an exponent where it is readable.
fn exact_float(number: f64) -> String {
    match number.abs() {
        1e-6..1e15 => number.to_string(),
        _ => float(number),
    }
}

/// A hundred times the number that its digits say: multiplied, 0.07 is 7.000000000000001.
fn hundredfold(number: f64) -> f64 {
    let digits = format!("{number:e}");
    let parts = digits.split_once('e');
    let moved = parts.and_then(|(digits, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        format!("{digits}e{}", exponent + 2).parse().ok()
    });
    moved.unwrap_or(number * 100.0)
}

/// The unit of a duration below a minute, its nanoseconds and the places behind its point.
fn below_a_minute(ns: u64) -> Option<(u64, &'static str, usize)> {
    match ns {
        0..1_000 => Some((1, "ns", 0)),
        1_000..1_000_000 => Some((1_000, "us", 3)),
        1_000_000..1_000_000_000 => Some((1_000_000, "ms", 6)),
        1_000_000_000..60_000_000_000 => Some((1_000_000_000, "s", 9)),
        _ => None,
    }
}

fn exact_duration(duration_ns: i64) -> String {
    let ns = duration_ns.unsigned_abs();
    let Some((unit_ns, unit, places)) = below_a_minute(ns).filter(|unit| unit.2 > 0) else {
        return duration(duration_ns); // whole in each of its units
    };
    let text = format!("{}.{:0places$}", ns / unit_ns, ns % unit_ns);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{text}{unit}", if duration_ns < 0 { "-" } else { "" })
}

/// Units of sizes and their bytes, the largest first.
const SIZE_UNITS: [(u64, &str); 4] =
    [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// In the largest unit in which six digits say all of it.
fn exact_size(bytes: i64) -> String {
    let fitting = SIZE_UNITS.into_iter().filter(|(unit, _)| bytes.unsigned_abs() >= *unit);
    let mut said = fitting.map(|(unit, name)| (unit, float(bytes as f64 / unit as f64), name));
    let is_whole = |(unit, text, _): &(u64, String, &str)| {
        let said = text.parse::<f64>().map_or(f64::NAN, |number| number * *unit as f64);
        said.total_cmp(&(bytes as f64)).is_eq() && bytes.unsigned_abs() < 1 << 53
    };
    said.find(is_whole).map_or(format!("{bytes}B"), |(_, text, name)| format!("{text}{name}"))
}

/// A duration in its largest fitting unit below a minute, in units from there on: `1m30s`.
pub fn duration(duration_ns: i64) -> String {
    let sign = if duration_ns < 0 { "-" } else { "" };
    let ns = duration_ns.unsigned_abs();
    if ns == 0 {
        return "0s".to_string();
    }
    if let Some((unit_ns, unit, _)) = below_a_minute(ns) {
        return format!("{sign}{}{unit}", float(ns as f64 / unit_ns as f64));
    }
    let mut text = sign.to_string();
    let mut rest = ns;
    for (unit_ns, unit) in [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ] {
        let count = rest / unit_ns;
        rest %= unit_ns;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    text
}

fn size(bytes: i64) -> String {
    let magnitude = bytes.unsigned_abs();
    for (unit_bytes, unit) in SIZE_UNITS {
        if magnitude >= unit_bytes {
            return format!("{}{unit}", float(bytes as f64 / unit_bytes as f64));
        }
    }
    format!("{bytes}B")
}

/// A time as RFC 3339 in UTC, with as many digits of a second as it needs.
pub fn time(time_ns: i64) -> String {
    let mut text = String::with_capacity(32);
    write_time(time_ns, &mut text);
    text
}

impl Value {
    /// Appends the value as people read it.
    pub fn write_plain(&self, out: &mut String) {
        match self {
            Self::Bytes(bytes) => write_hex(bytes, out),
            Self::Time(time_ns) => write_time(*time_ns, out),
            Self::Int(number) => write_int(*number, out),
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }

    /// Appends the value as JSON.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null | Self::Histogram(_) => out.push_str("null"),
            Self::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
            Self::Int(v) | Self::Duration(v) | Self::Size(v) => write_int(*v, out),
            Self::Float(v) | Self::Ratio(v) => write_json_float(*v, out),
            Self::Str(v) => write_json_text(v, out),
            Self::Bytes(_) | Self::Time(_) => {
                out.push('"');
                self.write_plain(out);
                out.push('"');
            }
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_json_text(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_json_float(number: f64, out: &mut String) {
    if number.is_finite() {
        let _ = write!(out, "{number:?}");
    } else {
        out.push_str("null");
    }
}

/// Appends a text as a JSON string.
pub fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        for (value, text) in [
            (Value::Duration(750_000_000), "750ms"),
            (Value::Duration(90_000_000_000), "1m30s"),
            (Value::Duration(1_239_000), "1.239ms"),
            (Value::Duration(-5), "-5ns"),
            (Value::Ratio(0.052), "5.2%"),
            (Value::Size(1_572_864), "1.5MiB"),
            (Value::Time(1_661_145_496_511_090_700), "2022-08-22T05:18:16.5110907Z"),
            (Value::Time(0), "1970-01-01T00:00:00Z"),
            (Value::Time(951_782_400_000_000_000), "2000-02-29T00:00:00Z"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1_234_567.0), "1234567"),
        ] {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn what_differs_reads_differently_with_all_digits() {
        for (value, text) in [
            (Value::Duration(1_234_567_891), "1.234567891s"),
            (Value::Duration(-1_234_567), "-1.234567ms"),
            (Value::Duration(1_500), "1.5us"),
            (Value::Duration(2_000_000), "2ms"),
            (Value::Duration(999), "999ns"),
            (Value::Duration(90_000_000_001), "1m30s1ns"),
            (Value::Size(1_572_864), "1.5MiB"),
            (Value::Size(1_572_865), "1572865B"),
            (Value::Size(1_536), "1.5KiB"),
            (Value::Size(-5), "-5B"),
            (Value::Size(i64::MAX), "9223372036854775807B"),
            (Value::Ratio(0.07), "7%"),
            (Value::Ratio(0.123_456_789), "12.3456789%"),
            (Value::Ratio(0.0), "0%"),
            (Value::Float(0.1 + 0.2), "0.30000000000000004"),
            (Value::List([Value::Duration(1_234_567_891)].into()), "[1.234567891s]"),
        ] {
            assert_eq!(format!("{value:#}"), text);
        }
    }
}
