//! From when until when a certificate is valid, read from its DER.
//!
//! rustls does not look at a server's own certificate: its clients do, and refuse one that is over.
//! Nothing else of it is read here, and no signature is checked.
//!
//! Source: RFC 5280, 4.1.2.5; ITU-T X.690.

use jiff::civil::date;
use jiff::tz::TimeZone;

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When a certificate is valid, nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub from_ns: i64,
    /// Until then.
    pub until_ns: i64,
}

/// The validity of a certificate; none if it cannot be read.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    let (_, certificate, _) = element(certificate).filter(|found| found.0 == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|found| found.0 == SEQUENCE)?;
    if let Some((VERSION, _, after)) = element(rest) {
        rest = after;
    }
    for _ in ["serial number", "signature", "issuer"] {
        rest = element(rest)?.2;
    }
    let (_, times, _) = element(rest).filter(|found| found.0 == SEQUENCE)?;
    let (tag, from, rest) = element(times)?;
    let from_ns = time_ns(tag, from)?;
    let (tag, until, _) = element(rest)?;
    Some(Validity { from_ns, until_ns: time_ns(tag, until)? })
}

/// The tag and contents of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None; // without an end, or larger than any file that is read
        }
        let (head, tail) = rest.split_at_checked(digits)?;
        length = head.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        rest = tail;
    }
    let (contents, after) = rest.split_at_checked(length)?;
    Some((tag, contents, after))
}

/// `YYMMDDHHMMSSZ`, or with a year of four digits.
fn time_ns(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let years = match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    };
    let (year, rest) = text.split_at_checked(years)?;
    if rest.len() != 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut year: i16 = year.parse().ok()?;
    if tag == UTC_TIME {
        year += if year < 50 { 2_000 } else { 1_900 };
    }
    let part = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let time = date_checked(year, month, day)?.at(hour, minute, second, 0);
    let at = TimeZone::UTC.to_timestamp(time).ok()?;
    // A certificate "without an end" is valid until the year 9999, beyond what 64 bits hold.
    Some(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
}

fn date_checked(year: i16, month: i8, day: i8) -> Option<jiff::civil::Date> {
    let is_date =
        (1..=12).contains(&month) && (1..=date(year, month, 1).days_in_month()).contains(&day);
    is_date.then(|| date(year, month, day))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const DAY_NS: i64 = 86_400_000_000_000;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_times_of_a_certificate_are_read() {
        let found = validity(&certificate((1970, 1, 2), (1999, 12, 31))).unwrap();
        assert_eq!(found, Validity { from_ns: DAY_NS, until_ns: 10_956 * DAY_NS });
        let found = validity(&certificate((2049, 12, 31), (2050, 1, 1))).unwrap();
        assert_eq!(found.until_ns - found.from_ns, DAY_NS, "one of each form");
        let found = validity(&certificate((2026, 2, 28), (4096, 1, 1))).unwrap();
        assert_eq!(found.until_ns, i64::MAX);
    }

    #[test]
    fn what_is_cut_off_or_damaged_has_none() {
        let whole = certificate((2020, 1, 1), (2021, 1, 1));
        for end in 0..whole.len() {
            assert_eq!(validity(&whole[..end]), None);
        }
        for at in 0..200 {
            for wrong in [0, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = wrong;
                let _ = validity(&damaged); // it does not panic
            }
        }
        assert_eq!(time_ns(UTC_TIME, b"209931000000Z"), None);
        assert_eq!(time_ns(UTC_TIME, b"200231000000Z"), None);
        assert_eq!(time_ns(UTC_TIME, b"200101250000Z"), None);
    }
}
