//! Small texts: durations in four characters or so, cut and padded words.

use tailwater_engine::model::render::duration;

use crate::log::is_unsafe;

/// A duration with three digits: `1.24ms`, `182ms`, `12.3s`, from a minute on `1m30s`.
pub(crate) fn short_duration(duration_ns: i64) -> String {
    let ns = duration_ns.unsigned_abs();
    if ns == 0 {
        return "0".to_owned();
    }
    if ns >= 60_000_000_000 {
        return duration(duration_ns / 1_000_000_000 * 1_000_000_000);
    }
    let (unit_ns, unit) = match ns {
        0..1_000 => return format!("{duration_ns}ns"),
        1_000..1_000_000 => (1e3, "µs"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let number = duration_ns as f64 / unit_ns;
    let digits = match number.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}{unit}")
}

/// A share in percent, as narrow as it can be: ` 7%`, `45%`, nothing for nothing.
pub(super) fn share(part: i64, whole: i64) -> String {
    if part <= 0 || whole <= 0 {
        return String::new();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        ..0.5 => "<1%".to_owned(),
        99.5.. if part < whole => ">99%".to_owned(),
        _ => format!("{percent:.0}%"),
    }
}

/// The text on one line, without what would move the cursor, in at most so many characters.
pub(super) fn cut(text: &str, chars: usize) -> String {
    let clean = text.chars().map(|c| if is_unsafe(c) { ' ' } else { c });
    let mut kept: String = clean.clone().take(chars).collect();
    if clean.count() > chars {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// Number of characters of a text.
pub(super) fn chars(text: &str) -> usize {
    text.chars().count()
}

/// Blanks that fill a text up to a width.
pub(super) fn blanks(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(chars(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (ns, text) in [
            (0, "0"),
            (999, "999ns"),
            (1_239_000, "1.24ms"),
            (9_996_000, "10.0ms"),
            (182_345_678, "182ms"),
            (12_345_678_901, "12.3s"),
            (90_400_000_000, "1m30s"),
            (-1_500, "-1.50µs"),
        ] {
            assert_eq!(short_duration(ns), text);
        }
    }

    #[test]
    fn texts_are_cut_and_harmless() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("a\u{1b}[2Jb", 9), "a [2Jb");
        assert_eq!((share(999, 1000), share(5, 5)), (">99%".into(), "100%".into()));
        assert_eq!(
            (share(1, 1000), share(455, 1000), share(0, 5)),
            ("<1%".into(), "46%".into(), String::new())
        );
    }
}
