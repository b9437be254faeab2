//! Functions over times and durations. Calendars are UTC; nothing here knows the present.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{FunctionDef, Kind, Param, bounded, define_fixed as define, or_null};
use crate::model::Value::{self, Duration, Float, Int, Null, Str, Time};

const TIME: Param = Param::new("time", &[Kind::Time]);
const FORMAT: Param = Param::new("format", &[Kind::Text]);

const fn part(
    name: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    define(name, &[TIME], Kind::Int, doc, example, body)
}

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    part("year", "The year.", (r#"year(time("2026-03-01T10:20:30Z"))"#, "2026"), |args| {
        civil(args, |t| t.year().into())
    }),
    part("month", "The month, 1 to 12.", (r#"month(time("2026-03-01T10:20:30Z"))"#, "3"), |args| {
        civil(args, |t| t.month().into())
    }),
    part(
        "day",
        "The day of the month, from 1.",
        (r#"day(time("2026-03-01T10:20:30Z"))"#, "1"),
        |a| civil(a, |t| t.day().into()),
    ),
    part("hour", "The hour, 0 to 23.", (r#"hour(time("2026-03-01T10:20:30Z"))"#, "10"), |args| {
        civil(args, |t| t.hour().into())
    }),
    part(
        "minute",
        "The minute, 0 to 59.",
        (r#"minute(time("2026-03-01T10:20:30Z"))"#, "20"),
        |a| civil(a, |t| t.minute().into()),
    ),
    part(
        "second",
        "The second, 0 to 59.",
        (r#"second(time("2026-03-01T10:20:30Z"))"#, "30"),
        |a| civil(a, |t| t.second().into()),
    ),
    part(
        "weekday",
        "The day of the week, Monday 1 to Sunday 7.",
        (r#"weekday(time("2026-03-01T10:20:30Z"))"#, "7"),
        |args| civil(args, |t| t.weekday().to_monday_one_offset().into()),
    ),
    part(
        "day_of_year",
        "The day of the year, from 1.",
        (r#"day_of_year(time("2026-03-01T10:20:30Z"))"#, "60"),
        |args| civil(args, |t| t.date().day_of_year().into()),
    ),
    part(
        "unix",
        "Whole seconds since 1970-01-01, cut.",
        (r#"unix(time("1970-01-02T00:00:01.9Z"))"#, "86401"),
        |args| unix(args, 1_000_000_000),
    ),
    part(
        "unix_ms",
        "Whole milliseconds since 1970-01-01, cut.",
        (r#"unix_ms(time("1970-01-01T00:00:01.5Z"))"#, "1500"),
        |args| unix(args, 1_000_000),
    ),
    part(
        "unix_ns",
        "Nanoseconds since 1970-01-01.",
        (r#"unix_ns(time("1970-01-01T00:00:01Z"))"#, "1000000000"),
        |args| unix(args, 1),
    ),
    define(
        "floor_time",
        &[TIME, Param::new("step", &[Kind::Duration])],
        Kind::Time,
        "The time cut to a multiple of a step since 1970-01-01.",
        (r#"floor_time(time("2026-03-01T10:20:30Z"), 15m)"#, r#"time("2026-03-01T10:15:00Z")"#),
        |args| match args {
            [Time(time), Duration(step)] if *step > 0 => {
                time.checked_sub(time.rem_euclid(*step)).map_or(Null, Time)
            }
            _ => Null,
        },
    )
    .nullable(),
    define(
        "format_time",
        &[TIME, FORMAT],
        Kind::Text,
        "The time in UTC by a format with the directives of strftime.",
        (r#"format_time(time("2026-03-01T10:20:30Z"), "%Y/%m/%d %H:%M")"#, r#""2026/03/01 10:20""#),
        |args| match args {
            [Time(time), Str(format)] => format_time(*time, format),
            _ => Null,
        },
    )
    .nullable(),
    define(
        "parse_time",
        &[Param::new("text", &[Kind::Text]), FORMAT],
        Kind::Time,
        "The time in a text, by a format with the directives of strptime; UTC without an offset.",
        (
            r#"parse_time("01/Mar/2026:10:20:30 +0100", "%d/%b/%Y:%H:%M:%S %z")"#,
            r#"time("2026-03-01T09:20:30Z")"#,
        ),
        |args| match args {
            [Str(text), Str(format)] => or_null(parse_time(text, format)),
            _ => Null,
        },
    )
    .nullable(),
    define(
        "seconds",
        &[Param::new("duration", &[Kind::Duration])],
        Kind::Float,
        "The length of a duration in seconds.",
        ("seconds(1m30s)", "90"),
        |args| amount(args, 1e9),
    ),
    define(
        "milliseconds",
        &[Param::new("duration", &[Kind::Duration])],
        Kind::Float,
        "The length of a duration in milliseconds.",
        ("milliseconds(1.5s)", "1500"),
        |args| amount(args, 1e6),
    ),
    define(
        "nanoseconds",
        &[Param::new("duration", &[Kind::Duration])],
        Kind::Int,
        "The length of a duration in nanoseconds.",
        ("nanoseconds(1.5ms)", "1500000"),
        |args| if let [Duration(ns)] = args { Int(*ns) } else { Null },
    ),
];

fn civil(args: &[Value], f: fn(DateTime) -> i64) -> Value {
    let [Time(time)] = args else { return Null };
    or_null(
        Timestamp::from_nanosecond(i128::from(*time))
            .ok()
            .map(|timestamp| Int(f(TimeZone::UTC.to_datetime(timestamp)))),
    )
}

fn unix(args: &[Value], unit_ns: i64) -> Value {
    if let [Time(time)] = args { Int(time.div_euclid(unit_ns)) } else { Null }
}

fn amount(args: &[Value], unit_ns: f64) -> Value {
    if let [Duration(ns)] = args { Float(*ns as f64 / unit_ns) } else { Null }
}

fn format_time(time_ns: i64, format: &str) -> Value {
    let Ok(timestamp) = Timestamp::from_nanosecond(i128::from(time_ns)) else { return Null };
    // The printer takes padding widths from the format: a short format is a short text.
    if format.len() > 256 {
        return Null;
    }
    let zoned = timestamp.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &zoned).map_or(Null, |text| bounded(&text))
}

fn parse_time(text: &str, format: &str) -> Option<Value> {
    let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
    let timestamp = match parsed.to_timestamp() {
        Ok(timestamp) => timestamp,
        // Without an offset, or without a time of day: midnight.
        Err(_) => {
            let date = parsed.to_date().ok()?;
            let time = parsed.to_time().unwrap_or_default();
            TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?
        }
    };
    time_of(timestamp)
}

/// A timestamp as a value, if it fits 64 bits of nanoseconds.
pub(super) fn time_of(timestamp: Timestamp) -> Option<Value> {
    i64::try_from(timestamp.as_nanosecond()).ok().map(Time)
}
