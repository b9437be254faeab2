//! Literals of SQL statements: quoted text and numbers.
//!
//! A statement is told by a verb and the word that goes with it. From there on every literal is
//! taken, to the end of the text: what follows a statement in a log line is mostly its parameters.

use super::find::{Hit, Look, at, before, run};
use super::mark::is_mark;
use super::web::goes_on;
use crate::plan::ValueClass;

/// Words that open a statement.
pub(super) const VERBS: [&[u8]; 10] = [
    b"select", b"insert", b"update", b"delete", b"merge", b"replace", b"exec", b"call", b"set",
    b"values",
];

/// The words of which one goes with a verb.
fn partners(verb: &[u8]) -> &'static [&'static [u8]] {
    match verb.to_ascii_lowercase().first() {
        Some(b's') if verb.len() == 3 => &[b"="],
        Some(b's') => &[b"from", b"select"],
        Some(b'u') => &[b"set"],
        Some(b'd') => &[b"from"],
        Some(b'e' | b'c') => &[b"(", b"@"],
        Some(b'v') => &[b"("],
        _ => &[b"into"],
    }
}

/// Bytes behind a verb in which its partner is looked for.
const PARTNER_BYTES_MAX: usize = 4_096;

/// Whether a byte may stand right behind a verb; in a frame, a blank may be written with `\`.
pub(super) fn follows_verb(byte: u8, look: Look) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b'/' | b'*')
        || (byte == b'\\' && !look.is_value())
}

/// Whether a verb opens a statement.
pub(super) fn opens(text: &[u8], start: usize, end: usize, look: Look) -> bool {
    let is_followed = end < text.len() && follows_verb(text[end], look);
    if !is_followed || !look.is_value() {
        return is_followed;
    }
    let head = before(text, start);
    let is_word = head.is_ascii_alphanumeric() || matches!(head, b'_' | b'.' | b'-');
    if is_word {
        return false;
    }
    let rest = &text[end..text.len().min(end + PARTNER_BYTES_MAX)];
    partners(&text[start..end]).iter().any(|partner| has_word(rest, partner)) || is_constant(rest)
}

/// `SELECT 1`, `SELECT 'x'`: a literal right behind the verb.
fn is_constant(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    rest.first().is_some_and(|byte| *byte == b'\'')
}

fn has_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).enumerate().any(|(place, part)| {
        part.eq_ignore_ascii_case(word)
            && (!word[0].is_ascii_alphabetic()
                || (!before(text, place).is_ascii_alphanumeric()
                    && !goes_on(text, place + word.len())))
    })
}

/// Calls back for every literal from a place on, until told to end.
pub(super) fn literals(text: &[u8], start: usize, found: &mut dyn FnMut(Hit) -> bool) {
    let mut place = start;
    while let Some(&byte) = text.get(place) {
        let end = match byte {
            b'\'' => quoted(text, place, b'\''),
            b'"' if !names(text, place) => quoted(text, place, b'"'),
            b'"' => {
                place = quoted(text, place, b'"');
                continue;
            }
            b'$' => match dollar_quoted(text, place) {
                Some(end) => end,
                None => {
                    place = run(text, place + 1, |byte| byte.is_ascii_digit());
                    continue;
                }
            },
            b'0'..=b'9' => {
                let end = run(text, place, |byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
                });
                end.max(place + 1)
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                place = run(text, place, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                continue;
            }
            b'[' => {
                let close = run(text, place, |byte| byte != b']') + 1;
                let is_marked = text.get(place..close).is_some_and(is_mark);
                place = if is_marked { close } else { place + 1 };
                continue;
            }
            _ => {
                place += 1;
                continue;
            }
        };
        if found(Hit { start: place, end, class: ValueClass::Sql }) {
            return;
        }
        place = end;
    }
}

/// Where a text in quotes ends; doubled quotes and backslashes are part of it, and one that is
/// not closed goes to the end.
fn quoted(text: &[u8], start: usize, quote: u8) -> usize {
    let mut place = start + 1;
    while let Some(&byte) = text.get(place) {
        place += match byte {
            b'\\' => 2,
            _ if byte == quote && at(text, place + 1) == quote => 2,
            _ if byte == quote => return place + 1,
            _ => 1,
        };
    }
    text.len()
}

/// Whether a text in double quotes is a name: behind a word that names follow, or next to a point.
fn names(text: &[u8], start: usize) -> bool {
    let end = quoted(text, start, b'"');
    let head = text[..start].trim_ascii_end();
    let words: [&[u8]; 6] = [b"from", b"join", b"into", b"update", b"table", b"as"];
    at(text, end) == b'.'
        || before(text, start) == b'.'
        || words.iter().any(|word| {
            let from = head.len().saturating_sub(word.len());
            head[from..].eq_ignore_ascii_case(word)
        })
}

/// `$$…$$` and `$tag$…$tag$` of `PostgreSQL`.
fn dollar_quoted(text: &[u8], start: usize) -> Option<usize> {
    let tag_end = run(text, start + 1, |byte| byte.is_ascii_alphabetic() || byte == b'_');
    if at(text, tag_end) != b'$' {
        return None;
    }
    let tag = &text[start..=tag_end];
    let rest = &text[tag_end + 1..];
    Some(memchr::memmem::find(rest, tag).map_or(text.len(), |at| tag_end + 1 + at + tag.len()))
}
