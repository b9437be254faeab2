//! `Retry-After`: seconds, or a date.
//!
//! Source: RFC 9110, 10.2.3. A date is measured from the answer's own `Date` where it has one, so
//! that clocks that disagree do no harm.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long a receiver wants to be left alone, if it says so in a way that can be read.
pub(super) fn retry_after(headers: &HeaderMap, now_ns: impl Fn() -> i64) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(asked.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let said = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = said.unwrap_or_else(|| wall(now_ns()));
    Some(until.duration_since(now).unwrap_or_default())
}

fn wall(now_ns: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(now_ns.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn found(asked: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(asked));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        // 1994-11-06T08:49:37Z
        retry_after(&headers, || 784_111_777_000_000_000).map(|time| time.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(found("120", None), Some(120));
        assert_eq!(found(" 0 ", None), Some(0));
        assert_eq!(found("Sun, 06 Nov 1994 08:50:37 GMT", None), Some(60));
        let date = Some("Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(found("Sun, 06 Nov 1994 08:50:37 GMT", date), Some(30));
        assert_eq!(found("Sunday, 06-Nov-94 08:50:37 GMT", date), Some(30), "RFC 850");
        assert_eq!(found("Sun Nov  6 08:50:37 1994", date), Some(30), "asctime");
        assert_eq!(found("Sun, 06 Nov 1994 08:00:00 GMT", date), Some(0), "it is over");
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for asked in ["", "-1", "1.5", "soon", "+3", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            assert_eq!(found(asked, None), None, "{asked}");
        }
        let huge = found("99999999999999999999999", None);
        assert_eq!(huge, Some(u64::from(u32::MAX)));
        assert_eq!(retry_after(&HeaderMap::new(), || 0), None);
    }
}
