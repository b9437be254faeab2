//! Literals of SQL statements: quoted text and numbers.
//!
//! A statement is told by a verb and the word that goes with it. From there on every literal is
//! taken, to the end of the text: what follows a statement in a log line is mostly its parameters.

use super::escape::joins;
use super::find::{Hit, Look, at, before, run};
use super::mark::{MARK_BYTES_MAX, is_mark};
use super::web::goes_on;
use crate::plan::ValueClass;

/// Words that open a statement.
pub(super) const VERBS: [&[u8]; 12] = [
    b"select", b"insert", b"update", b"delete", b"merge", b"replace", b"exec", b"call", b"set",
    b"values", b"create", b"alter",
];

/// Words that go with a verb.
const PARTNERS: [&[u8]; 9] =
    [b"from", b"select", b"set", b"into", b"=", b"(", b"@", b"identified", b"password"];

/// The words of which one goes with a verb, by their place.
fn partners(verb: &[u8]) -> &'static [usize] {
    match verb.to_ascii_lowercase()[..] {
        [b's', _, _] => &[4],
        [b's', ..] => &[0, 1],
        [b'u', ..] => &[2],
        [b'd', ..] => &[0],
        [b'e', ..] | [b'c', b'a', ..] => &[5, 6],
        [b'v', ..] => &[5],
        [b'a' | b'c', ..] => &[7, 8],
        _ => &[3],
    }
}

/// Whether one whole of a frame is searched for the partner as well: log lines often have these
/// verbs.
fn is_common(verb: &[u8]) -> bool {
    verb.eq_ignore_ascii_case(b"create") || verb.eq_ignore_ascii_case(b"alter")
}

/// Where the next of each of the [`PARTNERS`] stands, as far as was looked for it.
#[derive(Debug, Default)]
pub(super) struct Partners([Option<Next>; PARTNERS.len()]);

/// From a place on, a word stands here first.
#[derive(Debug, Clone, Copy)]
struct Next {
    from: usize,
    at: usize,
}

impl Partners {
    /// Whether a word stands behind a place.
    fn has(&mut self, text: &[u8], from: usize, partner: usize, look: Look) -> bool {
        let known = self.0[partner].filter(|next| (next.from..=next.at).contains(&from));
        let next = known.unwrap_or_else(|| {
            let at = word_at(text, from, PARTNERS[partner], look).unwrap_or(usize::MAX);
            Next { from, at }
        });
        self.0[partner] = Some(next);
        next.at != usize::MAX
    }
}

/// Whether a byte may stand right behind a verb; in a frame, a blank may be written with `\`.
pub(super) fn follows_verb(byte: u8, look: Look) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b'/' | b'*')
        || (byte == b'\\' && !look.is_value())
}

/// Whether a verb opens a statement.
pub(super) fn opens(
    text: &[u8],
    (start, end): (usize, usize),
    look: Look,
    past: &mut Partners,
) -> bool {
    let is_followed = end < text.len() && follows_verb(text[end], look);
    let verb = &text[start..end];
    // `call 5 (five)`, `delete 5 files from`: a name goes with these.
    let wants_name = matches!(verb[0] | 0x20, b'c' | b'd' | b'e');
    let rest = text[end.min(text.len())..].trim_ascii_start();
    if look.is_value() && wants_name && rest.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    if !is_followed || (!look.is_value() && !is_common(verb)) {
        return is_followed;
    }
    let is_word = joins(text, start) || matches!(before(text, start), b'_' | b'.' | b'-');
    if look.is_value() && is_word {
        return false;
    }
    partners(verb).iter().any(|partner| past.has(text, end, *partner, look))
        || (look.is_value() && is_constant(&text[end..]))
}

/// `SELECT 'x'`, `SELECT f('x'`: a literal right behind the verb, or behind a function.
fn is_constant(rest: &[u8]) -> bool {
    const NAME_BYTES_MAX: usize = 128;
    let rest = rest.trim_ascii_start();
    let head = &rest[..rest.len().min(NAME_BYTES_MAX)];
    let name = run(head, 0, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let call = rest[name..].strip_prefix(b"(").filter(|_| name > 0);
    call.unwrap_or(rest).first().is_some_and(|byte| *byte == b'\'')
}

fn word_at(text: &[u8], from: usize, word: &[u8], look: Look) -> Option<usize> {
    let is_letter = word[0].is_ascii_alphabetic() && look.is_value();
    let is_here = |place: &usize| {
        let end = place + word.len();
        text.get(*place..end).is_some_and(|part| part.eq_ignore_ascii_case(word))
            && !(is_letter && (joins(text, *place) || goes_on(text, end)))
    };
    let (small, large) = (word[0].to_ascii_lowercase(), word[0].to_ascii_uppercase());
    memchr::memchr2_iter(small, large, &text[from..]).map(|at| from + at).find(is_here)
}

/// How a backslash in quotes is read: in `MySQL` it takes the next quote with it, in standard SQL
/// it is a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Escape,
    Letter,
}

/// Calls back for every literal from a place on, until told to end. Where a backslash before a
/// quote leaves two readings, the literals of both are taken.
pub(super) fn literals(text: &[u8], start: usize, found: &mut dyn FnMut(Hit) -> bool) {
    let rest = &text[start..];
    let has_two_readings =
        memchr::memchr_iter(b'\\', rest).any(|at| matches!(rest.get(at + 1), Some(b'\'' | b'"')));
    literals_as(text, start, Backslash::Escape, found);
    if has_two_readings {
        literals_as(text, start, Backslash::Letter, found);
    }
}

fn literals_as(
    text: &[u8],
    start: usize,
    backslash: Backslash,
    found: &mut dyn FnMut(Hit) -> bool,
) {
    let (mut place, mut remark) = (start, 0);
    while let Some(&byte) = text.get(place) {
        if place >= remark {
            remark = remark_end(text, place).unwrap_or(remark);
        }
        let within = if place < remark { &text[..remark] } else { text };
        let is_apostrophe = place < remark
            && byte == b'\''
            && before(text, place).is_ascii_alphabetic()
            && at(text, place + 1).is_ascii_alphabetic();
        let (end, is_literal) =
            if is_apostrophe { (place + 1, false) } else { next(within, place, byte, backslash) };
        if is_literal && found(Hit { start: place, end, class: ValueClass::Sql }) {
            return;
        }
        place = end;
    }
}

/// Where a remark ends that begins at a place: what is in quotes in it is taken as well, but its
/// apostrophes open none.
fn remark_end(text: &[u8], place: usize) -> Option<usize> {
    let rest = &text[place..];
    let (mark, open): (&[u8], &[u8]) = match rest {
        [b'/', b'*', ..] => (b"*/", b"/*"),
        [b'-', b'-', ..] => (b"\n", b"--"),
        _ => return None,
    };
    let end = memchr::memmem::find(&rest[open.len()..], mark);
    Some(end.map_or(text.len(), |at| place + open.len() + at + mark.len()))
}

/// Where the part of a statement at a place ends, and whether it is a literal.
fn next(text: &[u8], place: usize, byte: u8, backslash: Backslash) -> (usize, bool) {
    match byte {
        b'\'' => (quoted(text, place, b'\'', backslash), true),
        b'"' => {
            let end = quoted(text, place, b'"', backslash);
            (end, !names(text, place, end))
        }
        b'$' => match dollar_quoted(text, place) {
            Some(end) => (end, true),
            None => (run(text, place + 1, |byte| byte.is_ascii_digit()), false),
        },
        b'0'..=b'9' => {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
            (run(text, place, is_part), true)
        }
        byte if byte.is_ascii_alphabetic() || byte == b'_' => {
            let end = run(text, place, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
            match alternative(text, place, end) {
                Some(end) => (end, true),
                None => (end, false),
            }
        }
        b'[' => {
            let rest = &text[..text.len().min(place + MARK_BYTES_MAX)];
            let close = run(rest, place, |byte| byte != b']') + 1;
            let is_marked = text.get(place..close).is_some_and(is_mark);
            (if is_marked { close } else { place + 1 }, false)
        }
        _ => (place + 1, false),
    }
}

/// Where a text in quotes ends; doubled quotes are part of it, and one that is not closed goes to
/// the end.
fn quoted(text: &[u8], start: usize, quote: u8, backslash: Backslash) -> usize {
    let mut place = start + 1;
    while let Some(&byte) = text.get(place) {
        place += match byte {
            b'\\' if backslash == Backslash::Escape => 2,
            _ if byte == quote && at(text, place + 1) == quote => 2,
            _ if byte == quote => return place + 1,
            _ => 1,
        };
    }
    text.len()
}

/// Oracle's `q'[…]'`: where it ends, if a word is its start.
fn alternative(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let is_start = matches!(&text[start..end], b"q" | b"Q" | b"nq" | b"Nq" | b"NQ" | b"nQ");
    if !is_start || at(text, end) != b'\'' {
        return None;
    }
    let close = match text.get(end + 1)? {
        b'[' => b']',
        b'{' => b'}',
        b'(' => b')',
        b'<' => b'>',
        other if other.is_ascii_graphic() => *other,
        _ => return None,
    };
    let rest = text.get(end + 2..)?;
    Some(memchr::memmem::find(rest, &[close, b'\'']).map_or(text.len(), |at| end + 4 + at))
}

/// Whether a text in double quotes is a name: behind a word that names follow, or joined to another
/// name by a point.
fn names(text: &[u8], start: usize, end: usize) -> bool {
    let head = text[..start].trim_ascii_end();
    let words: [&[u8]; 6] = [b"from", b"join", b"into", b"update", b"table", b"as"];
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'"' | b'*');
    (at(text, end) == b'.' && is_name(at(text, end + 1)))
        || before(text, start) == b'.'
        || words.iter().any(|word| {
            let from = head.len().saturating_sub(word.len());
            head[from..].eq_ignore_ascii_case(word)
        })
}

/// `$$…$$` and `$tag$…$tag$` of `PostgreSQL`.
fn dollar_quoted(text: &[u8], start: usize) -> Option<usize> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let tag_end = run(text, start + 1, is_part);
    if at(text, tag_end) != b'$' || at(text, start + 1).is_ascii_digit() {
        return None;
    }
    let tag = &text[start..=tag_end];
    let rest = &text[tag_end + 1..];
    Some(memchr::memmem::find(rest, tag).map_or(text.len(), |at| tag_end + 1 + at + tag.len()))
}
