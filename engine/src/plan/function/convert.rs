//! Conversions: the only functions that read numbers out of text.

use jiff::Timestamp;

use super::ResultKind::Fixed;
use super::time::time_of;
use super::{Body, FunctionDef, Kind, Param, bounded, or_null};
use crate::model::Value::{
    self, Bool, Bytes, Duration, Float, Histogram, Int, List, Map, Null, Ratio, Size, Str, Time,
};

const VALUE: Param = Param::new("value", &[Kind::Any]);

const fn define(
    name: &'static str,
    result: Kind,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&Value) -> Value,
) -> FunctionDef {
    FunctionDef::new(name, &[VALUE], Fixed(result), doc, example, Body::One(body)).nullable()
}

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "int",
        Kind::Int,
        "A whole number from a number (cut), a truth value (0, 1) or a text.",
        (r#"int("42")"#, "42"),
        to_int,
    ),
    define(
        "float",
        Kind::Float,
        "A float from a number or a text.",
        (r#"float("2.5")"#, "2.5"),
        to_float,
    ),
    define(
        "string",
        Kind::Text,
        "The value as text, with all the digits that tell it apart.",
        ("string(200)", r#""200""#),
        |value| bounded(&format!("{value:#}")),
    ),
    define(
        "bool",
        Kind::Bool,
        "A truth value from `true` or `false`, or from a number (0 is false).",
        (r#"bool("true")"#, "true"),
        to_bool,
    ),
    define(
        "duration",
        Kind::Duration,
        "A duration from a text such as `1m30s`, or from a number of nanoseconds.",
        (r#"duration("1m30s")"#, "1m30s"),
        |value| match value {
            Duration(_) => value.clone(),
            Int(ns) => Duration(*ns),
            Float(ns) => in_unit(*ns, Duration),
            Str(text) => or_null(parse_duration(text.trim()).map(Duration)),
            _ => Null,
        },
    ),
    define(
        "size",
        Kind::Size,
        "A size from a text such as `1.5MiB`, or from a number of bytes.",
        (r#"size("1.5 MiB")"#, "1.5MiB"),
        |value| match value {
            Size(_) => value.clone(),
            Int(bytes) => Size(*bytes),
            Float(bytes) => in_unit(*bytes, Size),
            Str(text) => or_null(parse_size(text.trim())),
            _ => Null,
        },
    ),
    define(
        "time",
        Kind::Time,
        "A time from an RFC 3339 text, or from a number of seconds since 1970-01-01.",
        (r#"time("2026-03-01T10:20:30+01:00")"#, r#"time("2026-03-01T09:20:30Z")"#),
        |value| match value {
            Time(_) => value.clone(),
            Int(seconds) => seconds.checked_mul(1_000_000_000).map_or(Null, Time),
            Float(seconds) => in_unit(seconds * 1e9, Time),
            Str(text) => or_null(text.parse::<Timestamp>().ok().and_then(time_of)),
            _ => Null,
        },
    ),
    define(
        "ratio_of",
        Kind::Ratio,
        "A ratio from a number (1 is 100 %) or a text such as `5%`.",
        (r#"ratio_of("5%")"#, "5%"),
        |value| match value {
            Str(text) => match text.trim().strip_suffix('%') {
                Some(percent) => number(percent).map_or(Null, |percent| Ratio(percent / 100.0)),
                None => number(text).map_or(Null, Ratio),
            },
            value => match to_float(value) {
                Float(v) => Ratio(v),
                _ => Null,
            },
        },
    ),
    define(
        "type_of",
        Kind::Text,
        "The name of the value's type.",
        ("type_of(250ms)", r#""duration""#),
        |value| Value::str(type_name(value)),
    ),
];

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A float without a fraction as an int; null where it does not fit.
pub(super) fn whole(number: f64) -> Value {
    in_unit(number.trunc(), Int)
}

fn in_unit(number: f64, unit: fn(i64) -> Value) -> Value {
    // The largest float below 2^63; a NaN is not in the range either.
    const EDGE: f64 = 9_223_372_036_854_774_784.0;
    if (-EDGE..=EDGE).contains(&number) { unit(number.round() as i64) } else { Null }
}

fn to_int(value: &Value) -> Value {
    match value {
        Int(v) => Int(*v),
        Bool(v) => Int(i64::from(*v)),
        Float(v) | Ratio(v) => whole(*v),
        Str(text) => text.trim().parse().map_or(Null, Int),
        _ => Null,
    }
}

fn to_float(value: &Value) -> Value {
    match value {
        Int(v) => Float(*v as f64),
        Float(v) | Ratio(v) => Float(*v),
        Str(text) => number(text).map_or(Null, Float),
        _ => Null,
    }
}

fn to_bool(value: &Value) -> Value {
    match value {
        Bool(v) => Bool(*v),
        Int(v) => Bool(*v != 0),
        Float(v) if !v.is_nan() => Bool(*v != 0.0),
        Str(text) if text.eq_ignore_ascii_case("true") => Bool(true),
        Str(text) if text.eq_ignore_ascii_case("false") => Bool(false),
        _ => Null,
    }
}

const DURATION_UNITS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
    ("d", 86_400e9),
    ("w", 604_800e9),
];

const SIZE_UNITS: [(&str, f64); 10] = [
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

/// The number at the start of a text, and the rest.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    number(&text[..end]).map(|number| (number, &text[end..]))
}

fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total_ns = 0_i64;
    loop {
        let (amount, after) = leading_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit = after[..end].trim();
        let (_, unit_ns) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
        let Duration(ns) = in_unit(amount * unit_ns, Duration) else { return None };
        total_ns = total_ns.checked_add(ns)?;
        rest = after[end..].trim_start();
        if rest.is_empty() {
            return Some(sign * total_ns);
        }
    }
}

fn parse_size(text: &str) -> Option<Value> {
    let (amount, unit) = leading_number(text)?;
    let unit = unit.trim();
    let (_, unit_bytes) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(in_unit(amount * unit_bytes, Size))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Null => "null",
        Bool(_) => "bool",
        Int(_) => "int",
        Float(_) => "float",
        Str(_) => "string",
        Bytes(_) => "bytes",
        Duration(_) => "duration",
        Time(_) => "time",
        Size(_) => "size",
        Ratio(_) => "ratio",
        List(_) => "list",
        Map(_) => "map",
        Histogram(_) => "histogram",
    }
}
