//! Times of flat rows: integers of a unit, or RFC 3339.

/// The unit of a numeric time or duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(in crate::ingest) enum Unit {
    /// One of this many nanoseconds.
    Nanoseconds(i64),
    /// By magnitude.
    Auto,
}

impl Unit {
    /// The unit of that suffix.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "ns" => Self::Nanoseconds(1),
            "us" => Self::Nanoseconds(1_000),
            "ms" => Self::Nanoseconds(1_000_000),
            "s" => Self::Nanoseconds(1_000_000_000),
            "auto" => Self::Auto,
            _ => return None,
        })
    }

    fn factor(self, magnitude: f64) -> i64 {
        match self {
            Self::Nanoseconds(factor) => factor,
            Self::Auto if magnitude < 1e11 => 1_000_000_000,
            Self::Auto if magnitude < 1e14 => 1_000_000,
            Self::Auto if magnitude < 1e17 => 1_000,
            Self::Auto => 1,
        }
    }

    /// Nanoseconds of a whole number of this unit, saturating.
    #[inline]
    pub(in crate::ingest) fn of_integer(self, value: i64) -> i64 {
        match self {
            Self::Nanoseconds(1) => value,
            _ => value.saturating_mul(self.factor(value.unsigned_abs() as f64)),
        }
    }

    /// Nanoseconds of a fractional number of this unit, saturating.
    pub(super) fn of_float(self, value: f64) -> i64 {
        (value * self.factor(value.abs()) as f64).round() as i64
    }
}

/// Nanoseconds since the Unix epoch of an RFC 3339 time; a space may stand for the `T`, and
/// digits beyond nanoseconds are dropped. `None` if it is none.
pub(super) fn rfc3339_ns(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let year = number(&date[..4])?;
    let month = number(&date[5..7]).filter(|month| (1..=12).contains(month))?;
    let day = number(&date[8..]).filter(|day| (1..=31).contains(day))?;
    let (time, rest) = rest.split_first_chunk::<9>()?;
    if !matches!(time[0], b'T' | b't' | b' ') || time[3] != b':' || time[6] != b':' {
        return None;
    }
    let hour = number(&time[1..3]).filter(|&hour| hour < 24)?;
    let minute = number(&time[4..6]).filter(|&minute| minute < 60)?;
    let second = number(&time[7..]).filter(|&second| second <= 60)?;
    let (fraction_ns, rest) = fraction(rest)?;
    let offset_minutes = offset(rest)?;
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction_ns)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let kept = digits.min(9);
    let value = number(&rest[..kept])?;
    Some((value * 10_i64.pow(9 - kept as u32), &rest[digits..]))
}

fn offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = number(&[*h1, *h2])? * 60 + number(&[*m1, *m2])?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by counting years from March so
/// that the leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::{Unit, rfc3339_ns};

    #[test]
    fn times_are_read_with_fraction_and_offset() {
        assert_eq!(rfc3339_ns(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339_ns(b"2022-08-22T05:18:42.908318Z"), Some(1_661_145_522_908_318_000));
        assert_eq!(
            rfc3339_ns(b"2022-08-22 07:18:42.908318+02:00"),
            Some(1_661_145_522_908_318_000)
        );
        assert_eq!(rfc3339_ns(b"2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000_000));
        assert_eq!(rfc3339_ns(b"1969-12-31T23:59:59.5Z"), Some(-500_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2022-08-22",
            "2022-13-01T00:00:00Z",
            "2022-08-22T24:00:00Z",
            "2022-08-22T00:00:00",
            "2022-08-22T00:00:00.Z",
            "9999-08-22T00:00:00Z",
            "yesterday",
        ] {
            assert_eq!(rfc3339_ns(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_magnitude_tells_the_unit() {
        let expected = 1_700_000_000_000_000_000;
        for value in [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, expected] {
            assert_eq!(Unit::Auto.of_integer(value), expected);
        }
        assert_eq!(Unit::Auto.of_float(1_700_000_000.5), expected + 500_000_000);
    }
}
