//! Points in time from text: RFC 3339, the part of it that people type.

/// Nanoseconds since the Unix epoch of `2026-03-01`, `2026-03-01T12:00`, `2026-03-01T12:00:30.5Z`
/// or with an offset such as `+01:00`; UTC where none is given.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers::<3>(date, '-')?;
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let (second_of_day, ns) = match rest.strip_prefix(['T', 't', ' ']) {
        Some(clock) => clock_time(clock)?,
        None if rest.is_empty() => (0, 0),
        None => return None,
    };
    (days.checked_mul(86_400)?.checked_add(second_of_day)?)
        .checked_mul(1_000_000_000)?
        .checked_add(ns)
}

/// Nanoseconds of `250ms`, `1.5s`, `1m30s`: numbers with units, largest first or not.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3_600e9),
        ("d", 86_400e9),
    ];
    let (mut rest, mut total_ns) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.');
        let end = unit_end.map_or(rest.len(), |at| at + digits);
        let number: f64 = rest[..digits].parse().ok()?;
        let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == &rest[digits..end])?;
        total_ns += number * unit_ns;
        rest = &rest[end..];
    }
    (!text.is_empty() && total_ns < 9e18).then_some(total_ns.round() as i64)
}

/// Second of the UTC day (beyond it where an offset leads there) and nanosecond.
fn clock_time(text: &str) -> Option<(i64, i64)> {
    let (clock, offset_s) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (&text[..at], offset_seconds(&text[at..])?),
        None => (text, 0),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (hour, minute, second) = match numbers::<3>(clock, ':') {
        Some([hour, minute, second]) => (hour, minute, second),
        None => numbers::<2>(clock, ':').map(|[hour, minute]| (hour, minute, 0))?,
    };
    let is_digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if hour > 23 || minute > 59 || second > 60 || !is_digits || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let ns = format!("{fraction:0<9}").parse().ok()?;
    Some((hour * 3_600 + minute * 60 + second - offset_s, ns))
}

fn offset_seconds(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at(1);
    let [hours, minutes] = numbers::<2>(rest, ':')?;
    let seconds = hours * 3_600 + minutes * 60;
    (hours <= 23 && minutes <= 59).then_some(if sign == "-" { -seconds } else { seconds })
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for number in &mut numbers {
        let part = parts.next()?;
        let is_digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = if is_digits { part.parse().ok()? } else { return None };
    }
    parts.next().is_none().then_some(numbers)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by the method of Howard Hinnant's "chrono-Compatible Low-Level Date
/// Algorithms": years begin in March, so that the leap day is the last one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{parse_duration, parse_time};
    use tailwater_engine::model::render::time;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, ns) in [("40ms", 40_000_000), ("1m30s", 90_000_000_000), ("1.5us", 1_500)] {
            assert_eq!(parse_duration(text), Some(ns));
        }
        for text in ["", "5", "s", "5 s", "5x", "1..5s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59.5Z", "2022-08-22T05:18:16.5Z"] {
            assert_eq!(parse_time(text).map(time).as_deref(), Some(text));
        }
        let zero = |text| parse_time(text) == Some(0);
        assert!(
            zero("1970-01-01") && zero("1970-01-01T01:00:00+01:00") && zero("1970-01-01 00:00")
        );
        for text in ["", "now", "2022-13-01", "2022-02-30", "2022-08-22T25:00Z", "2022-08-22Tx"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
