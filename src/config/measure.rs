//! Durations and sizes, which have a unit.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::scalar::{Raw, Scalar, Unread};

/// Factors of durations, nanoseconds; the largest first.
const TIME_UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The longest duration: a hundred years are none that anybody means.
const TIME_NS_MAX: u128 = 36_500 * 86_400_000_000_000;

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration such as `5s`, `250ms` or `1h30m`";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        let (mut rest, mut total) = (raw.text, 0_u128);
        if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Some(format!("add a unit: `{rest}s` are seconds")));
        }
        let mut last = u128::MAX;
        while !rest.is_empty() {
            let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let unit = rest[number..].len()
                - rest[number..].trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let count: u128 = rest[..number].parse().map_err(|_| None)?;
            let name = &rest[number..number + unit];
            let (_, factor) = TIME_UNITS.iter().find(|(known, _)| *known == name).ok_or(None)?;
            if *factor >= last {
                return Err(Some("units stand from the largest to the smallest".to_owned()));
            }
            total = count.checked_mul(*factor).and_then(|ns| ns.checked_add(total)).ok_or(None)?;
            (rest, last) = (&rest[number + unit..], *factor);
        }
        match total {
            0 => Err(Some("it is longer than nothing".to_owned())),
            TIME_NS_MAX.. => Err(Some("it is at most 36500d".to_owned())),
            total => Ok(Self::from_nanos(total as u64)),
        }
    }

    fn json(&self) -> Json {
        let (mut rest, mut text) = (self.as_nanos(), String::new());
        for (name, factor) in TIME_UNITS {
            if rest >= factor {
                let _ = write!(text, "{}{name}", rest / factor);
                rest %= factor;
            }
        }
        Json::String(text)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([0-9]+(d|h|m|s|ms|us|ns))+$" })
    }
}

/// Factors of sizes, bytes.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of bytes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl Scalar for Bytes {
    const EXPECTED: &'static str = "a size such as `64MiB` or `500kB`";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        if !raw.text.is_empty() && raw.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Some(format!("add a unit: `{}B` are bytes", raw.text)));
        }
        let number = raw.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &raw.text[number.len()..];
        let (_, factor) = SIZE_UNITS.iter().find(|(known, _)| *known == unit).ok_or(None)?;
        let count: u64 = number.trim_end().parse().map_err(|_| None)?;
        count.checked_mul(*factor).filter(|bytes| *bytes > 0).map(Self).ok_or(None)
    }

    fn json(&self) -> Json {
        let unit = SIZE_UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (name, factor) = unit.copied().unwrap_or(("B", 1));
        json!(format!("{}{name}", self.0 / factor))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+ ?([KMG]iB|[kKMG]?B)$" })
    }
}
