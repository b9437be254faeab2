//! Mail addresses, and secrets in URLs and forms.

use super::find::{Look, at, before, run, run_back};
use super::mark::is_mark;

/// Bytes of the part of a mail address before its `@` (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// Ends of field names whose values are secret, with their `=`. The first few stand only where a
/// query does: behind `?`, `&`, `;` or at the start.
pub(super) const FIELDS: [&[u8]; 24] = [
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
];

/// Of them, the ones that ordinary text has too.
const QUERY_ONLY: [&[u8]; 8] =
    [b"key", b"sig", b"auth", b"code", b"session", b"sid", b"state", b"pass"];

/// Whether a byte may stand in a mail address before its `@`.
pub(super) fn is_local(byte: u8) -> bool {
    is_domain(byte) || matches!(byte, b'_' | b'%' | b'+' | b'\'')
}

/// Whether a byte may stand in the name of a host.
pub(super) fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'-')
}

/// The mail address around an `@`, or around its percent-encoded form.
pub(super) fn email(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    let from = run_back(text, start, LOCAL_BYTES_MAX, is_local);
    if from == start {
        return None;
    }
    let mut to = run(text, end, is_domain);
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80;
    if !look.is_value() {
        let domain = &text[end..to];
        let has_top = domain
            .windows(3)
            .any(|part| part[0] == b'.' && is_letter(part[1]) && is_letter(part[2]));
        return has_top.then_some((from, to));
    }
    while to > end && matches!(before(text, to), b'.' | b'-') {
        to -= 1;
    }
    let domain = &text[end..to];
    let point = memchr::memrchr(b'.', domain)?;
    let top = &domain[point + 1..];
    let fits = point > 0 && top.len() >= 2 && is_letter(top[0]) && is_letter(top[1]);
    fits.then_some((from, to))
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

/// The value of a secret field whose name stands before an `=`.
pub(super) fn field_before(text: &[u8], equals: usize, look: Look) -> Option<(usize, usize)> {
    let end = equals + 1;
    let last = before(text, equals).to_ascii_lowercase();
    FIELDS.iter().filter(|name| name[name.len() - 2] == last).find_map(|name| {
        let start = end.checked_sub(name.len())?;
        let fits = text[start..end].eq_ignore_ascii_case(name);
        if fits { field(text, start, end, look) } else { None }
    })
}

/// The value of a secret field; `start..end` is the end of its name with the `=`.
fn field(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    let to = run(text, end, |byte| {
        byte > b' ' && !matches!(byte, b'&' | b';' | b'#' | b'"' | b'\'' | b'<' | b'>' | b',')
    });
    if to == end {
        return None;
    }
    if !look.is_value() {
        return Some((end, to));
    }
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$');
    let from = run_back(text, start, LOCAL_BYTES_MAX, is_name);
    let name = text[start..end - 1].to_ascii_lowercase();
    if QUERY_ONLY.contains(&&name[..]) {
        let is_query = matches!(before(text, from), b'?' | b'&' | b';' | 0);
        if from != start || !is_query {
            return None;
        }
    }
    (!is_mark(&text[end..to])).then_some((end, to))
}

/// Whether the byte behind a place is one that a word may go on with.
pub(super) fn goes_on(text: &[u8], place: usize) -> bool {
    let byte = at(text, place);
    byte.is_ascii_alphanumeric() || byte == b'_'
}
