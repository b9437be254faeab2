//! Mail addresses, and secrets in URLs and forms.

use super::find::{Look, Run, at, before, run, run_back};
use super::mark::is_mark;

/// Bytes of the part of a mail address before its `@` (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// Bytes of a character in UTF-8, at most.
const CHARACTER_BYTES_MAX: usize = 4;

/// Ends of field names whose values are secret, with their `=`. The first few stand only where a
/// query does: behind `?`, `&`, `;` or at the start.
pub(super) const FIELDS: [&[u8]; 31] = [
    b"key=",
    b"sig=",
    b"auth=",
    b"code=",
    b"session=",
    b"sid=",
    b"state=",
    b"pass=",
    b"token=",
    b"secret=",
    b"password=",
    b"passwd=",
    b"pwd=",
    b"apikey=",
    b"api_key=",
    b"api-key=",
    b"access_key=",
    b"accesskey=",
    b"private_key=",
    b"signature=",
    b"credential=",
    b"credentials=",
    b"sessionid=",
    b"session_id=",
    b"secret_key=",
    b"secretkey=",
    b"secret-key=",
    b"access-key=",
    b"passphrase=",
    b"authorization=",
    b"jwt=",
];

/// Of them, the ones that ordinary text has too: at its start only a text without blanks is a form.
const QUERY_ONLY: [&[u8]; 8] =
    [b"key", b"sig", b"auth", b"code", b"session", b"sid", b"state", b"pass"];

/// Schemes of HTTP (RFC 9110, §11.1) with one word behind them.
const SCHEMES: [&[u8]; 9] = [
    b"basic",
    b"bearer",
    b"negotiate",
    b"ntlm",
    b"dpop",
    b"oauth",
    b"token",
    b"apikey",
    b"privatetoken",
];

/// Whether a byte may stand in a mail address before its `@`.
pub(super) fn is_local(byte: u8) -> bool {
    is_domain(byte) || matches!(byte, b'%' | b'+' | b'\'')
}

/// Whether a byte may stand in the name of a host; `_` may not, but does.
pub(super) fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'-' | b'_')
}

/// The mail address around an `@`, or around its percent-encoded form.
pub(super) fn email(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    if !look.is_value() {
        return may_be_email(text, start, end);
    }
    let from = behind_sentence(text, local_start(text, start), start);
    if from == start {
        return None;
    }
    let mut to = domain_end(text, end);
    while to > end && matches!(before(text, to), b'.' | b'-' | b'_') {
        to -= 1;
    }
    to = before_sentence(text, end, to);
    let domain = &text[end..to];
    let point = memchr::memrchr(b'.', domain)?;
    let top = &domain[point + 1..];
    let fits = point > 0 && top.len() >= 2 && opens_label(top[0]) && opens_label(top[1]);
    fits.then_some((from, to))
}

/// Whether a byte may begin the last label of a domain.
fn opens_label(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// The same in a frame: what byte of a letter stands where is not looked at.
fn may_be_email(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let to = run(text, end, is_domain);
    let is_top = |part: &[u8]| part[0] == b'.' && opens_label(part[1]) && opens_label(part[2]);
    let may_be = is_local(before(text, start)) && text[end..to].windows(3).any(is_top);
    may_be.then_some((start, to))
}

/// Where the part of a mail address before its `@` begins.
fn local_start(text: &[u8], start: usize) -> usize {
    let least = start.saturating_sub(LOCAL_BYTES_MAX);
    let mut from = start;
    while from > least && is_local(text[from - 1]) {
        let length = wide_before(&text[..from]);
        if length == 0 || from - length < least {
            break;
        }
        from -= length;
    }
    from
}

/// Where the name of a host ends.
fn domain_end(text: &[u8], end: usize) -> usize {
    let mut to = end;
    while is_domain(at(text, to)) {
        let length = wide_at(&text[to..]);
        if length == 0 {
            break;
        }
        to += length;
    }
    to
}

/// Bytes of the character that a text begins with; 0 if it is wide and stands in no word. Bytes
/// that are no UTF-8 count as letters.
fn wide_at(text: &[u8]) -> usize {
    let first = &text[..text.len().min(CHARACTER_BYTES_MAX)];
    match first.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) {
        Some(letter) if !is_of_word(letter) => 0,
        Some(letter) => letter.len_utf8(),
        None => 1,
    }
}

/// The same of the one that a text ends with.
fn wide_before(text: &[u8]) -> usize {
    let is_rest = |byte: &u8| byte & 0xc0 == 0x80;
    let rest = text.iter().rev().take(CHARACTER_BYTES_MAX - 1).take_while(|byte| is_rest(byte));
    let from = text.len().saturating_sub(rest.count() + 1);
    let length = text.len() - from;
    match std::str::from_utf8(&text[from..]).ok().and_then(|letter| letter.chars().next()) {
        Some(letter) if !is_of_word(letter) => 0,
        Some(_) => length,
        None => 1,
    }
}

/// Whether a character may stand in a word: no blank, no punctuation, no sign. Of one byte all may
/// that stand in names.
fn is_of_word(letter: char) -> bool {
    letter.is_ascii() || regex_syntax::is_word_character(letter)
}

/// Whether a byte ends user, password and host of a URL.
pub(super) fn ends_authority(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<')
}

/// User and password in front of the host of a URL; `start` is behind `://`.
pub(super) fn user_info(text: &[u8], start: usize, look: Look) -> Option<(usize, usize)> {
    let end = run(text, start, |byte| !ends_authority(byte));
    let host = memchr::memrchr(b'@', &text[start..end])? + start;
    let user = &text[start..host];
    let is_new = !look.is_value() || !is_mark(user);
    (host > start && is_new).then_some((start, host))
}

/// User and password where `://`, and the `@` behind them, are percent-encoded.
pub(super) fn encoded_user_info(text: &[u8], start: usize, look: Look) -> Option<(usize, usize)> {
    // `%2F` ends user, password and host, as `/` does.
    let is_slash = |at: &usize| matches!(text.get(at + 2), Some(b'f' | b'F'));
    let mut signs = memchr::memmem::find_iter(&text[start..], b"%2").map(|at| start + at);
    let slash = signs.find(is_slash).unwrap_or(text.len());
    let end = run(&text[..slash], start, |byte| !ends_authority(byte) && byte != b'&');
    let rest = &text[start..end];
    let user = memchr::memmem::rfind(rest, b"%40")?;
    let is_new = !look.is_value() || !is_mark(&rest[..user]);
    (user > 0 && is_new).then_some((start, start + user))
}

/// Whether a byte begins a letter of a script that is written without blanks, or a sign: nothing
/// divides it from an address in Latin letters.
fn opens_wide(byte: u8) -> bool {
    byte >= 0xe2
}

/// Where an address begins whose last letters are not those of the sentence before them.
fn behind_sentence(text: &[u8], from: usize, start: usize) -> usize {
    let local = &text[from..start];
    let wide = local.iter().rposition(|byte| opens_wide(*byte));
    let behind = wide.map_or(from, |at| from + at + if local[at] >= 0xf0 { 4 } else { 3 });
    let is_mixed =
        text.get(behind..start).is_some_and(|rest| rest.iter().any(u8::is_ascii_alphanumeric));
    if is_mixed { behind } else { from }
}

/// Where an address ends whose last label is in Latin letters, and the sentence is not.
fn before_sentence(text: &[u8], start: usize, end: usize) -> usize {
    let domain = &text[start..end];
    let label = memchr::memrchr(b'.', domain).map_or(0, |point| point + 1);
    let is_latin = domain.get(label).is_some_and(u8::is_ascii_alphabetic);
    let wide = domain[label..].iter().position(|byte| opens_wide(*byte));
    wide.filter(|_| is_latin).map_or(end, |at| start + label + at)
}

/// Values of fields that were walked, and what was passed up to an encoded `&` or `#`.
#[derive(Debug, Default)]
pub(super) struct FieldRuns {
    value: Run,
    encoded: Run,
}

/// The value of a secret field whose name stands before an `=`, or before `%3D`.
pub(super) fn field_before(
    text: &[u8],
    (equals, behind): (usize, usize),
    look: Look,
    past: &mut FieldRuns,
) -> Option<(usize, usize)> {
    let last = before(text, equals).to_ascii_lowercase();
    FIELDS.iter().filter(|name| name[name.len() - 2] == last).find_map(|name| {
        let name = &name[..name.len() - 1];
        let start = equals.checked_sub(name.len())?;
        let fits = text[start..equals].eq_ignore_ascii_case(name);
        if fits { field(text, (start, equals), behind, look, past) } else { None }
    })
}

/// Whether a byte may stand in the value of a field.
fn is_of_field(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, b'&' | b';' | b'#' | b'"' | b'\'' | b'<' | b'>' | b',')
}

/// The value of a secret field whose name stands at `name` and whose value begins at `behind`.
fn field(
    text: &[u8],
    name: (usize, usize),
    behind: usize,
    look: Look,
    past: &mut FieldRuns,
) -> Option<(usize, usize)> {
    let quoted = in_quotes(text, behind);
    if !look.is_value() && quoted.is_some() {
        return quoted; // where it ends, escapes may hide
    }
    let (from, to) = quoted.unwrap_or_else(|| (behind, past.value.end(text, behind, is_of_field)));
    if to == from {
        return None;
    }
    if !look.is_value() {
        return Some((from, to));
    }
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$');
    let start = run_back(text, name.0, LOCAL_BYTES_MAX, is_name);
    let word = text[name.0..name.1].to_ascii_lowercase();
    if QUERY_ONLY.contains(&&word[..]) {
        let is_form = || start == 0 && !text[to..].iter().any(u8::is_ascii_whitespace);
        let is_whole =
            start == name.0 && (matches!(before(text, start), b'?' | b'&' | b';') || is_form());
        let is_query = is_whole || ends_with_encoded_joint(&text[..name.0]);
        if from != behind || !is_query {
            return None;
        }
    }
    // Behind an encoded `=` an encoded `&` or `#` ends the value.
    let is_encoded = text[name.1] == b'%';
    let found = &text[from..to];
    let length = if is_encoded {
        found.len().min(past.encoded.to(from, || encoded_end(text, from)) - from)
    } else {
        found.len()
    };
    let to = behind_scheme(text, (from, from + length), past);
    (length > 0 && !is_mark(&found[..length])).then_some((from, to))
}

/// Where a value ends, with the credential that a blank divides from its scheme:
/// `authorization=Basic dXNl…`.
fn behind_scheme(text: &[u8], (from, to): (usize, usize), past: &mut FieldRuns) -> usize {
    let word = &text[from..to];
    let is_scheme = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    let next = run(text, to, |byte| matches!(byte, b' ' | b'\t'));
    if !is_scheme || next == to {
        return to;
    }
    let (start, end) =
        in_quotes(text, next).unwrap_or_else(|| (next, past.value.end(text, next, is_of_field)));
    if start == end || is_mark(&text[start..end]) { to } else { end }
}

/// Whether `?` or `&` stand last, percent-encoded.
fn ends_with_encoded_joint(head: &[u8]) -> bool {
    let tail = &head[head.len().saturating_sub(3)..];
    tail.eq_ignore_ascii_case(b"%3F") || tail == b"%26"
}

fn encoded_end(text: &[u8], from: usize) -> usize {
    let mut signs = memchr::memchr_iter(b'%', &text[from..]).map(|at| from + at);
    let end = signs.find(|at| matches!(text.get(at + 1..at + 3), Some(b"26" | b"23")));
    end.unwrap_or(text.len())
}

/// The text in quotes at a place: `'…'`, `"…"`, `\"…\"`. One that is not closed goes to the end of
/// its line.
fn in_quotes(text: &[u8], place: usize) -> Option<(usize, usize)> {
    let start = place + usize::from(at(text, place) == b'\\');
    let quote = at(text, start);
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let rest = &text[start + 1..];
    let end = memchr::memchr2(quote, b'\n', rest).unwrap_or(rest.len());
    // The quote that closes is written as the one that opens.
    let is_escaped = start > place && rest[..end].ends_with(b"\\");
    Some((start + 1, start + 1 + end - usize::from(is_escaped)))
}

/// Whether the byte behind a place is one that a word may go on with.
pub(super) fn goes_on(text: &[u8], place: usize) -> bool {
    let byte = at(text, place);
    byte.is_ascii_alphanumeric() || byte == b'_'
}
