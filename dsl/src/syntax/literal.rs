//! Numbers with units, points in time, escapes: text becomes values.

use crate::ast::{NumberText, StringText};
use crate::diagnostic::suggest::nearest;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::Literal;
use crate::limits::DURATION_NS_MAX;
use crate::text_range::TextRange;

/// Nanoseconds of the units of time.
const TIME_UNITS: [(&str, i64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("y", 31_536_000_000_000_000),
];

/// Bytes of the units of size (IEC 80000-13 for the binary ones).
const SIZE_UNITS: [(&str, i64); 11] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// Spellings of units that are unmistakable.
const OTHER_UNITS: [(&str, &str); 17] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("kb", "kB"),
    ("mb", "MB"),
];

/// The unit of time or size that a word stands for.
pub(super) fn unit_for(word: &str) -> Option<&'static str> {
    let known = TIME_UNITS.iter().chain(&SIZE_UNITS).map(|unit| unit.0);
    let other = OTHER_UNITS.iter().find(|other| other.0.eq_ignore_ascii_case(word));
    known.into_iter().find(|unit| *unit == word).or(other.map(|other| other.1))
}

/// The value of a number as written.
pub(crate) fn number(number: &NumberText, range: TextRange) -> Result<Literal, Box<Diagnostic>> {
    let text = number.text.as_str();
    if let Some(per) = &number.per {
        return rate(text, &per.text, per.range, range);
    }
    if text.len() > 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T' {
        return time(text).map(Literal::Time).ok_or_else(|| {
            let message = format!("`{text}` is no point in time");
            let help = "it is written `2026-01-31T12:00:00Z`";
            Box::new(Diagnostic::new(codes::LITERAL, range, message).help(help))
        });
    }
    let clean: String = text.chars().filter(|&character| character != '_').collect();
    let sign = clean.starts_with('-');
    let digits = clean.strip_prefix('-').unwrap_or(&clean);
    if let Some(percent) = digits.strip_suffix('%') {
        // Scaled as text, so that 99.9% is the float nearest to 0.999.
        let scaled = format!("{percent}e-2");
        let value = plain(&scaled).ok_or_else(|| bad(range, text, "a ratio is written `5%`"))?;
        return Ok(Literal::Ratio(signed(sign, value)));
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return clean
            .parse()
            .map(Literal::Int)
            .map_err(|_| bad(range, text, "integers have 64 bits, at most 9223372036854775807"));
    }
    if let Some(value) = plain(digits) {
        return Ok(Literal::Float(signed(sign, value)));
    }
    with_unit(digits, sign, range, text)
}

fn signed(sign: bool, value: f64) -> f64 {
    if sign { -value } else { value }
}

fn plain(text: &str) -> Option<f64> {
    let numeric =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let value: f64 = text.bytes().all(numeric).then(|| text.parse().ok())??;
    value.is_finite().then_some(value)
}

fn bad(range: TextRange, text: &str, help: &str) -> Box<Diagnostic> {
    let message = format!("`{text}` cannot be read as a number");
    Box::new(Diagnostic::new(codes::LITERAL, range, message).help(help))
}

fn rate(
    text: &str,
    unit: &str,
    at: TextRange,
    range: TextRange,
) -> Result<Literal, Box<Diagnostic>> {
    let clean: String = text.chars().filter(|&character| character != '_').collect();
    let size = || match with_unit(&clean, false, range, text) {
        Ok(Literal::Size(bytes)) => Some(bytes as f64),
        _ => None,
    };
    let value = plain(&clean).or_else(size);
    let help = "a rate is written `20 per s`, or `1MiB per s`";
    let value = value.ok_or_else(|| bad(range, text, help))?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => {
            let message = format!("`{unit}` is not a unit of a rate");
            let mut diagnostic = Diagnostic::new(codes::LITERAL, at, message);
            let known = OTHER_UNITS.iter().find(|other| other.0 == unit).map(|other| other.1);
            diagnostic = match known {
                Some(known) => diagnostic.help(format!("write `per {known}`")).fix(at, known),
                None => diagnostic.help("rates are `per s`, `per m`, `per h` or `per d`"),
            };
            return Err(Box::new(diagnostic));
        }
    };
    Ok(Literal::Rate(value / seconds))
}

/// `1h30m`, `1.5s`, `4KiB`.
fn with_unit(
    digits: &str,
    sign: bool,
    range: TextRange,
    text: &str,
) -> Result<Literal, Box<Diagnostic>> {
    let mut total: i128 = 0;
    let mut is_time = None;
    let mut last_unit = i128::MAX;
    let mut rest = digits;
    while !rest.is_empty() {
        let cut = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (amount, tail) = rest.split_at(cut);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        rest = tail;
        if unit.is_empty() {
            return Err(bad(range, text, "a number with a unit is written `1h30m` or `4KiB`"));
        }
        let (size, time) =
            unit_of(unit).ok_or_else(|| Box::new(unknown_unit(digits, unit, range)))?;
        if is_time.is_some_and(|before| before != time) || size >= last_unit {
            return Err(bad(range, text, "several units go from large to small: `1h30m`"));
        }
        is_time = Some(time);
        last_unit = size;
        total += scaled(amount, size)
            .ok_or_else(|| bad(range, text, "a number with a unit is written `1h30m` or `4KiB`"))?;
    }
    let total = if sign { -total } else { total };
    let value = i64::try_from(total).ok();
    if is_time == Some(true) {
        let help = "durations go up to 100 years";
        let value = value.filter(|ns| ns.abs() <= DURATION_NS_MAX);
        return value.map(Literal::Duration).ok_or_else(|| bad(range, text, help));
    }
    value.map(Literal::Size).ok_or_else(|| bad(range, text, "sizes go up to 8 EiB"))
}

fn unit_of(unit: &str) -> Option<(i128, bool)> {
    let time = TIME_UNITS.iter().find(|known| known.0 == unit).map(|known| (known.1, true));
    let size = SIZE_UNITS.iter().find(|known| known.0 == unit).map(|known| (known.1, false));
    time.or(size).map(|(value, is_time)| (i128::from(value), is_time))
}

/// Amount times unit, exactly; a fraction below one base unit is cut off.
fn scaled(amount: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return None;
    }
    let whole: i128 = whole.parse().ok().filter(|&value: &i128| value < 1 << 64)?;
    let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10_i128.pow(fraction.len() as u32);
    Some(whole * unit + part * unit / scale)
}

fn unknown_unit(digits: &str, unit: &str, range: TextRange) -> Diagnostic {
    let message = format!("`{unit}` is not a unit");
    let diagnostic = Diagnostic::new(codes::LITERAL, range, message)
        .note("units of time: ns us ms s m h d w y; of size: B kB MB GB TB KiB MiB GiB TiB");
    let other = OTHER_UNITS.iter().find(|other| other.0.eq_ignore_ascii_case(unit));
    if let Some((_, known)) = other {
        let fixed = digits.replacen(unit, known, 1);
        return diagnostic.help(format!("write `{fixed}`")).fix(range, fixed);
    }
    let units = TIME_UNITS.iter().map(|u| u.0).chain(SIZE_UNITS.iter().map(|u| u.0));
    // What follows a unit begins with a digit again: `9x0` is not mended by another unit alone.
    let ends = digits.ends_with(unit);
    match nearest(unit, units) {
        Some(near) if ends => {
            let fixed = digits.replacen(unit, near, 1);
            diagnostic.did_you_mean(range, &fixed)
        }
        _ => diagnostic,
    }
}

/// Nanoseconds since the Unix epoch of an RFC 3339 point in time.
fn time(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once('T')?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let zone_at = clock.find(['Z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second_ns = scaled(parts.next().unwrap_or("0"), 1_000_000_000)?;
    let valid = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && second_ns < 61_000_000_000;
    if !valid {
        return None;
    }
    let offset_s = zone_offset(zone)?;
    let seconds =
        days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 - offset_s;
    i64::try_from(i128::from(seconds) * 1_000_000_000 + second_ns).ok()
}

fn zone_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years from March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The text with its escapes replaced; what cannot be read is reported and kept as it stands.
pub(crate) fn unescape(text: &StringText, diagnostics: &mut Vec<Diagnostic>) -> String {
    if text.is_raw || !text.text.contains('\\') {
        return text.text.clone();
    }
    let mut result = String::with_capacity(text.text.len());
    let mut characters = text.text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character != '\\' {
            result.push(character);
            continue;
        }
        match characters.next().map(|next| next.1) {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some(plain @ ('"' | '\\' | '\'' | '{' | '}')) => result.push(plain),
            other => {
                let start = text.range.start as usize + 1 + at;
                let end = start + 1 + other.map_or(0, char::len_utf8);
                let range = TextRange::new(text.range.file, start, end);
                diagnostics.push(bad_escape(range, other, &text.text, text.range));
            }
        }
    }
    result
}

fn bad_escape(range: TextRange, other: Option<char>, text: &str, whole: TextRange) -> Diagnostic {
    let shown = other.map_or(String::new(), |character| character.to_string());
    let message = format!("`\\{shown}` is not an escape");
    let diagnostic = Diagnostic::new(codes::ESCAPE, range, message)
        .note("escapes are `\\n`, `\\t`, `\\r`, `\\\"`, `\\\\`, `\\{` and `\\}`");
    if text.contains("\\\"") {
        return diagnostic.help("write a backslash as `\\\\`");
    }
    let message = "write a backslash as `\\\\`, or make it a raw text: `r\"…\"`";
    diagnostic.help(message).fix(whole.at_start(), "r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_range::FileId;

    fn value(text: &str) -> Option<Literal> {
        let written = NumberText { text: text.to_owned(), per: None };
        number(&written, TextRange::new(FileId(0), 0, text.len())).ok()
    }

    #[test]
    fn points_in_time_are_counted_by_the_calendar() {
        // Seconds as Python's `datetime` counts them.
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T23:59:58Z", 1_709_251_198),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2100-02-28T00:00:00Z", 4_107_456_000),
            ("1969-12-31T23:00:00Z", -3_600),
            ("2026-03-01T01:30:00+02:30", 1_772_319_600),
            ("2025-12-31T23:59:00-23:59", 1_767_311_880),
        ];
        for (text, seconds) in cases {
            assert_eq!(time(text), Some(seconds * 1_000_000_000), "{text}");
        }
        assert_eq!(value("1970-01-01T00:00:00.25Z"), Some(Literal::Time(250_000_000)));
        assert_eq!(value("1969-12-31T23:59:59.5Z"), Some(Literal::Time(-500_000_000)));
        let none = [
            "2023-02-29T00:00Z",
            "2100-02-29T00:00Z",
            "2024-04-31T00:00Z",
            "2024-13-01T00:00Z",
            "2024-01-01T24:00Z",
            "2024-01-01T00:60Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00+24:00",
            "2024-01-01T00:00+01:60",
        ];
        for text in none {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn units_scale_exactly() {
        assert_eq!(value("1h30m"), Some(Literal::Duration(5_400_000_000_000)));
        assert_eq!(value("1.5s"), Some(Literal::Duration(1_500_000_000)));
        assert_eq!(value("4KiB"), Some(Literal::Size(4_096)));
        assert_eq!(value("10MB"), Some(Literal::Size(10_000_000)));
        assert_eq!(value("1_000"), Some(Literal::Int(1_000)));
        assert_eq!(value("1e3"), Some(Literal::Float(1_000.0)));
        assert_eq!(value("5%"), Some(Literal::Ratio(0.05)));
        assert_eq!(value("30m1h"), None, "units go from large to small");
        assert_eq!(value("5parsec"), None);
        assert_eq!(value("99999999999999999999"), None);
    }
}
