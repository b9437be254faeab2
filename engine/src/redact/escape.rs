//! Escapes inside a value: what stands there in a longer form, as `%0A`, `\n` or a colour.
//!
//! A letter or digit that ends an escape is no neighbour of what follows it: in `%0A10.1.2.3` and
//! in `\n10.1.2.3` an address begins behind the escape. Must not know what is searched.

use super::find::{before, run_back};

/// Bytes of the numbers in a terminal's colour, at most.
const COLOUR_BYTES_MAX: usize = 16;

/// How an escape begins, and how many hexadecimal digits follow. `%2520` is encoded twice.
const CODED: [(&[u8], usize); 4] = [(b"%", 2), (b"\\x", 2), (b"\\u", 4), (b"%25", 2)];

/// Bytes of those, at most.
const CODED_BYTES_MAX: usize = 6;

/// How a terminal's escape begins: as it is, and as it is written.
const COLOUR_STARTS: [&[u8]; 5] = [b"\x1b[", b"\\u001b[", b"\\x1b[", b"\\033[", b"\\e["];

/// Whether a letter or digit right before a place is of one word with what begins there.
pub(super) fn joins(text: &[u8], at: usize) -> bool {
    before(text, at).is_ascii_alphanumeric() && !ends_at(text, at)
}

/// Whether an escape ends right before a place.
fn ends_at(text: &[u8], at: usize) -> bool {
    let head = &text[..at];
    let is_letter = matches!(head, [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f']);
    is_letter
        || CODED.iter().any(|(start, digits)| {
            at.checked_sub(start.len() + digits).is_some_and(|from| is_coded(text, from, start, at))
        })
        || ends_colour(head)
}

/// Where the escape that a place is within ends, of several the one that ends first; the place
/// itself where there is none. `%25` may be the start of `%2520`: who finds nothing behind one end
/// asks again from there.
pub(super) fn end_around(text: &[u8], place: usize) -> usize {
    let head = &text[place.saturating_sub(CODED_BYTES_MAX)..place];
    if !head.iter().any(|byte| matches!(byte, b'%' | b'\\')) {
        return place;
    }
    let ends = CODED.iter().flat_map(|&(start, digits)| {
        let length = start.len() + digits;
        (1..length).filter_map(move |behind| {
            let from = place.checked_sub(behind)?;
            is_coded(text, from, start, from + length).then_some(from + length)
        })
    });
    ends.min().unwrap_or(place)
}

/// The byte that a percent escape at a place stands for, and where it ends.
pub(super) fn percent(text: &[u8], place: usize) -> Option<(u8, usize)> {
    let digits = |from: usize| {
        let digits = text.get(from..from + 2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        Some((digit(0)? * 16 + digit(1)?) as u8)
    };
    let byte = if before(text, place + 1) == b'%' { digits(place + 1)? } else { return None };
    match digits(place + 3) {
        Some(inner) if byte == b'%' => Some((inner, place + 5)),
        _ => Some((byte, place + 3)),
    }
}

fn is_coded(text: &[u8], from: usize, start: &[u8], end: usize) -> bool {
    let whole = text.get(from..end);
    let digits = whole.and_then(|whole| whole.strip_prefix(start));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// `ESC [ 3 1 m`: the colours of a log that was written for a terminal.
fn ends_colour(head: &[u8]) -> bool {
    let Some((_, rest)) = head.split_last().filter(|(last, _)| last.is_ascii_alphabetic()) else {
        return false;
    };
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b';';
    let from = run_back(rest, rest.len(), COLOUR_BYTES_MAX, is_number);
    let start = &rest[..from];
    start.ends_with(b"[")
        && COLOUR_STARTS.iter().any(|known| {
            let tail = &start[start.len().saturating_sub(known.len())..];
            tail.eq_ignore_ascii_case(known)
        })
}

/// Joints between the groups of a number, as they are written in text and in URLs.
const JOINTS: [&[u8]; 7] = [
    b" ",
    b"-",
    b"%20",
    "\u{a0}".as_bytes(),
    "\u{202f}".as_bytes(),
    "\u{2010}".as_bytes(),
    "\u{2011}".as_bytes(),
];

/// The joint of groups at a place.
pub(super) fn joint(text: &[u8], place: usize) -> Option<&'static [u8]> {
    let rest = text.get(place..)?;
    JOINTS.into_iter().find(|joint| rest.starts_with(joint))
}

#[cfg(test)]
mod tests {
    use super::{end_around, joins, percent};

    #[test]
    fn an_escape_is_no_part_of_the_word_behind_it() {
        let joins_last = |head: &str| joins(format!("{head}1").as_bytes(), head.len());
        for head in ["a", "x1", "n", "31m", "[31m", "\\y", "%4", "\\u12a"] {
            assert!(joins_last(head), "{head}");
        }
        for head in [
            "",
            " ",
            "%0A",
            "%3d",
            "%2520",
            "%25%20",
            "\\n",
            "\\u000a",
            "\\x1b",
            "\x1b[0;31m",
            "\\u001b[m",
        ] {
            assert!(!joins_last(head), "{head}");
        }
    }

    #[test]
    fn digits_of_an_escape_are_told_from_those_behind_it() {
        assert_eq!(end_around(b"%2010", 1), 3);
        assert_eq!(end_around(b"%A210", 2), 3);
        assert_eq!(end_around(b"\\u002010", 2), 6);
        assert_eq!(end_around(b"%2010", 3), 3);
        // `%25` and what is in it.
        assert_eq!(end_around(b"%252010", 1), 3);
        assert_eq!(end_around(b"%252010", 3), 5);
        assert_eq!(end_around(b"%252010", 5), 5);
        assert_eq!(end_around(b"2010", 0), 0);
    }

    #[test]
    fn percent_escapes_stand_for_a_byte() {
        assert_eq!(percent(b"a%2B", 1), Some((b'+', 4)));
        assert_eq!(percent(b"%252b", 0), Some((b'+', 5)));
        assert_eq!(percent(b"%25x", 0), Some((b'%', 3)));
        assert_eq!(percent(b"%2", 0), None);
        assert_eq!(percent(b"%+2", 0), None);
        assert_eq!(percent(b"20", 0), None);
        assert_eq!(percent(b"", 0), None);
    }
}
