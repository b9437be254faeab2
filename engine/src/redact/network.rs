//! IPv4, IPv6 and MAC addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::escape::{end_around, joins};
use super::find::{Hit, Look, at, before, run, run_back};
use crate::plan::ValueClass;

/// Bytes of the longest written IPv6 address, with an IPv4 address at its end.
const IPV6_BYTES_MAX: usize = 45;

/// Digits of a group of an IPv6 address.
const IPV6_GROUP_BYTES_MAX: usize = 4;

/// Bytes between a word and its version, at most: `": "`, with backslashes.
const VERSION_JOINT_BYTES_MAX: usize = 6;

/// Bytes of the word before a version that are looked at.
const VERSION_WORD_BYTES_MAX: usize = 32;

/// Names before the versions of browsers in `User-Agent`, as they write them.
const BROWSERS: [&[u8]; 12] = [
    b"Chrome",
    b"HeadlessChrome",
    b"Chromium",
    b"CriOS",
    b"Edg",
    b"EdgA",
    b"EdgiOS",
    b"Edge",
    b"OPR",
    b"Version",
    b"YaBrowser",
    b"SamsungBrowser",
];

/// An IPv4 address that begins with a run of digits.
pub(super) fn ipv4(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    if at(text, end) != b'.' {
        return None;
    }
    let mut place = end;
    for group in 0..3 {
        if at(text, place) != b'.' {
            return None;
        }
        let from = place + 1;
        place = run(text, from, |byte| byte.is_ascii_digit());
        let is_last = group == 2;
        let is_short = place - from <= 3 || (is_last && !look.is_value());
        if place == from || !is_short {
            return None;
        }
    }
    if !look.is_value() {
        return Some((start, place));
    }
    let (head, tail) = (before(text, start), at(text, place));
    let goes_on =
        tail.is_ascii_alphanumeric() || (tail == b'.' && at(text, place + 1).is_ascii_digit());
    if joins(text, start) || head == b'.' || goes_on || is_version(text, start) {
        return None;
    }
    address::<Ipv4Addr>(&text[start..place]).map(|_| (start, place))
}

/// Whether four numbers are a version: right behind the word `version`, or a browser's name and a
/// `/`. Behind any other word (`nginx/1.2.3.4`, `tcp/10.0.0.1`) nothing tells them from an address.
fn is_version(text: &[u8], start: usize) -> bool {
    let is_joint =
        |byte: u8| matches!(byte, b' ' | b'=' | b':' | b'/' | b'-' | b'"' | b'\'' | b'\\');
    let joint = run_back(text, start, VERSION_JOINT_BYTES_MAX, is_joint);
    if joint == start {
        return false;
    }
    let is_letter = |byte: u8| byte.is_ascii_alphabetic();
    let word = run_back(text, joint, VERSION_WORD_BYTES_MAX, is_letter);
    let name = &text[word..joint];
    if text[joint..start] == *b"/" && BROWSERS.contains(&name) {
        return true;
    }
    let Some((label, last)) = name.split_last_chunk::<7>() else { return false };
    // `version`, `appVersion`, but not `conversion`.
    let is_own_word =
        label.is_empty() || (last[0] == b'V' && label.last().is_some_and(u8::is_ascii_lowercase));
    last.eq_ignore_ascii_case(b"version") && is_own_word
}

fn address<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An IPv6 or MAC address around a colon; `wants` says which.
pub(super) fn at_colon(
    text: &[u8],
    colon: usize,
    (wants_ipv6, wants_mac): (bool, bool),
    look: Look,
) -> Option<Hit> {
    if wants_mac && let Some((start, end)) = mac(text, colon, 2, b':', look) {
        return Some(Hit { start, end, class: ValueClass::Mac });
    }
    if !wants_ipv6 {
        return None;
    }
    let (start, end) = ipv6(text, colon, look)?;
    Some(Hit { start, end, class: ValueClass::Ipv6 })
}

/// A MAC address around a `-` or `.`.
pub(super) fn at_joint(text: &[u8], joint: usize, look: Look) -> Option<Hit> {
    let (start, end) = match text[joint] {
        b'-' => mac(text, joint, 2, b'-', look)?,
        _ => mac(text, joint, 4, b'.', look)?,
    };
    Some(Hit { start, end, class: ValueClass::Mac })
}

/// Twelve hexadecimal digits in groups, the first of which ends at `joint`.
fn mac(
    text: &[u8],
    joint: usize,
    group: usize,
    separator: u8,
    look: Look,
) -> Option<(usize, usize)> {
    let start = joint.checked_sub(group)?;
    if at(text, joint + group + 1) != separator {
        return None;
    }
    let end = start + 12 + 12 / group - 1;
    let whole = text.get(start..end)?;
    let fits = whole.iter().enumerate().all(|(place, byte)| match place % (group + 1) {
        place if place == group => *byte == separator,
        _ => byte.is_ascii_hexdigit(),
    });
    let is_time = separator == b'-' && is_time(whole);
    if !fits || is_time || (group == 4 && !whole.iter().any(u8::is_ascii_digit)) {
        return None;
    }
    let head = before(text, start);
    let goes_on = at(text, end) == separator && at(text, end + 1).is_ascii_hexdigit();
    let is_longer = joins(text, start)
        || (head == separator && is_group(text, start - 1, group, separator))
        || at(text, end).is_ascii_alphanumeric()
        || goes_on;
    if !look.is_value() || !is_longer {
        return Some((start, end));
    }
    frame_head(text, (start, end), separator)
}

/// Whether six numbers are a date and a time, `24-11-02-03-04-05`.
fn is_time(groups: &[u8]) -> bool {
    const MOST: [u32; 6] = [99, 12, 31, 23, 59, 59];
    groups.split(|byte| *byte == b'-').zip(MOST).enumerate().all(|(place, (group, most))| {
        let number = std::str::from_utf8(group).ok().and_then(|text| text.parse::<u32>().ok());
        number.is_some_and(|number| number <= most && (number > 0 || !matches!(place, 1 | 2)))
    })
}

/// Whether a group of hexadecimal digits ends at a place: `id:` and `ac:` are labels.
fn is_group(text: &[u8], end: usize, group: usize, separator: u8) -> bool {
    let start = run_back(text, end, group + 1, |byte| byte.is_ascii_alphanumeric());
    let found = &text[start..end];
    let is_word = found.iter().all(u8::is_ascii_alphabetic) && before(text, start) != separator;
    found.len() == group && found.iter().all(u8::is_ascii_hexdigit) && !is_word
}

/// The head of an Ethernet frame as a firewall writes it: receiver, sender and type, in 14 groups.
fn frame_head(text: &[u8], (start, end): (usize, usize), separator: u8) -> Option<(usize, usize)> {
    const GROUPS: usize = 14;
    let to = start + 3 * GROUPS - 1;
    let whole = text.get(start..to)?;
    let fits = separator == b':'
        && end - start == 17
        && whole.iter().enumerate().all(|(place, byte)| match place % 3 {
            2 => *byte == separator,
            _ => byte.is_ascii_hexdigit(),
        });
    let is_alone = !joins(text, start)
        && before(text, start) != separator
        && !at(text, to).is_ascii_alphanumeric()
        && at(text, to) != separator;
    (fits && is_alone).then_some((start, to))
}

fn ipv6(text: &[u8], colon: usize, look: Look) -> Option<(usize, usize)> {
    let next = text.get(colon + 1..).unwrap_or_default();
    let next = &next[..next.len().min(IPV6_GROUP_BYTES_MAX + 1)];
    if look.is_value() && !next.contains(&b':') {
        return None; // a time, a port
    }
    // Only the first colon of a run is looked at.
    let mut start = run_back(text, colon, IPV6_BYTES_MAX, |byte| byte.is_ascii_hexdigit());
    let is_first = before(text, start) != b':';
    if !is_first {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let most = text.len().min(colon + 1 + IPV6_BYTES_MAX);
    let mut end = run(&text[..most], colon, is_part);
    if !look.is_value() {
        let found = &text[start..end];
        let colons = memchr::memchr_iter(b':', found).count();
        let may_be = colons > 5 || (colons > 1 && memchr::memmem::find(found, b"::").is_some());
        return (may_be && is_telling(found)).then_some((start, end));
    }
    // A sentence's point, or the colon behind an address, is no part of it.
    while matches!(before(text, end), b'.' | b':') && end > colon + 1 {
        if before(text, end) == b':' && before(text, end - 1) == b':' {
            break;
        }
        end -= 1;
    }
    start = start.max(end_around(text, start).min(colon));
    loop {
        let found = ipv6_from(text, start, colon, end);
        let behind = end_around(text, start).min(colon);
        if found.is_some() || behind <= start {
            return found;
        }
        start = behind;
    }
}

/// The same where the first group begins at a place.
fn ipv6_from(text: &[u8], start: usize, colon: usize, end: usize) -> Option<(usize, usize)> {
    let is_inside = |start: usize| joins(text, start) || before(text, start) == b'_';
    // `ip:fe80::1`, `src:fe80::1`: the colon is the label's.
    let is_label = (start == colon || is_inside(start)) && at(text, colon + 1) != b':';
    let start = if is_label { colon + 1 } else { start };
    let tail = at(text, end);
    if is_inside(start) || tail.is_ascii_alphanumeric() || tail == b'_' {
        return None;
    }
    let found = text.get(start..end)?;
    let found = if is_address(found) { found } else { without_port(found)? };
    let address = address::<Ipv6Addr>(found).filter(|_| is_address(found))?;
    (!address.is_unspecified()).then_some((start, start + found.len()))
}

fn is_address(text: &[u8]) -> bool {
    text.len() <= IPV6_BYTES_MAX && is_telling(text) && address::<Ipv6Addr>(text).is_some()
}

/// An address without the port behind it: `1:2:3:4:5:6:7:8:443`, `fe80::1.443`.
fn without_port(text: &[u8]) -> Option<&[u8]> {
    let joint = memchr::memrchr2(b':', b'.', text)?;
    let port = &text[joint + 1..];
    let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    is_port.then_some(&text[..joint])
}

/// Whether digits or several groups tell an address from names joined by `::`.
fn is_telling(text: &[u8]) -> bool {
    let groups = text.split(|byte| *byte == b':').filter(|group| !group.is_empty());
    text.iter().any(u8::is_ascii_digit) || groups.count() > 2
}

/// The network of an address: its first bits, the others zero. `None` where it is no address.
pub(super) fn network_of(text: &[u8], class: ValueClass, kept_bits: u8) -> Option<String> {
    let bits = u32::from(kept_bits);
    Some(match class {
        ValueClass::Ipv4 => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            Ipv4Addr::from_bits(address::<Ipv4Addr>(text)?.to_bits() & mask).to_string()
        }
        ValueClass::Ipv6 => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            Ipv6Addr::from_bits(address::<Ipv6Addr>(text)?.to_bits() & mask).to_string()
        }
        _ => return None,
    })
}
