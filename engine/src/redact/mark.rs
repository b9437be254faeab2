//! What stands where something was taken out: `[email]`, `[email:9f86…]`, `hash:9f86…`.
//!
//! Invariant: a mark is never taken for something to take out, so that redacting twice changes
//! nothing.

use crate::plan::ValueClass;

/// Hexadecimal digits of a hash: 128 bits.
pub(super) const HASH_DIGITS: usize = 32;

/// Bytes of a mark, at most: the longest name of a class and a hash.
pub(super) const MARK_BYTES_MAX: usize = 64;

/// What a mask leaves of the whole value of a key.
pub(super) const MASKED: &[u8] = b"[masked]";

/// What stands before the hash of the whole value of a key.
pub(super) const HASHED: &[u8] = b"hash:";

/// What stands for a literal of a SQL statement.
pub(super) const LITERAL: &[u8] = b"?";

/// Whether a text is a mark.
pub(super) fn is_mark(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else {
        return is_hash(text);
    };
    if text == MASKED {
        return true;
    }
    let end = memchr::memchr(b':', inner).unwrap_or(inner.len());
    let is_class = ValueClass::ALL.iter().any(|class| class.name().as_bytes() == &inner[..end]);
    is_class && (end == inner.len() || is_digest(&inner[end + 1..]))
}

/// Where a text that is cut at a place ends: before a mark that the cut would go through. `None`
/// where all of it is a mark, which stays: half a mark would be replaced when it is redacted again.
pub(super) fn cut_between(text: &[u8], end: usize) -> Option<usize> {
    if is_mark(text) {
        return None;
    }
    let least = end.saturating_sub(MARK_BYTES_MAX);
    let Some(open) = memchr::memrchr(b'[', &text[least..end]) else { return Some(end) };
    let start = least + open;
    let rest = &text[start..text.len().min(start + MARK_BYTES_MAX)];
    let close = memchr::memchr(b']', rest).filter(|close| start + close >= end);
    let is_through = close.is_some_and(|close| is_mark(&rest[..=close]));
    Some(if is_through { start } else { end })
}

/// Whether a text is the hash of a whole value.
pub(super) fn is_hash(text: &[u8]) -> bool {
    text.strip_prefix(HASHED).is_some_and(is_digest)
}

fn is_digest(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    text.len() == HASH_DIGITS && text.iter().all(is_digit)
}
