//! CSV, written again without what is taken out.
//!
//! Invariant: the columns stay; a value that leaves is empty. A record that cannot be read is
//! replaced by one that no decoder reads either.

use std::borrow::Cow;

use super::policy::{Fate, KeyFate, Listing, Policy};
use crate::ingest::Column;
use crate::plan::RedactAction;

/// What stands for a record that cannot be read: text behind a closed quote.
const BROKEN: &[u8] = b"\"\"!\n";

/// What is done with a column.
#[derive(Debug, Clone, Copy)]
enum ColumnFate {
    Keep,
    Look,
    /// Its values leave, and this counter counts them.
    Empty(usize),
    Replace(RedactAction, usize),
}

/// Writes a payload again; says whether anything changed.
pub(super) fn rewrite(
    policy: &Policy,
    data: &[u8],
    known: &[(Vec<u8>, Column)],
    out: &mut Vec<u8>,
) -> bool {
    let (mut pos, mut is_changed) = (0, false);
    let mut columns: Option<Vec<ColumnFate>> = None;
    while pos < data.len() {
        let start = pos;
        let Some(fields) = record(data, &mut pos) else {
            policy.counters.could_not_read();
            pos = after_line(data, start);
            out.extend_from_slice(BROKEN);
            is_changed = true;
            columns.get_or_insert_default();
            continue;
        };
        let fates = columns.as_deref();
        is_changed |= put_record(&fields, &data[start..pos], out, |index, field, out| {
            let column = fates.and_then(|fates| fates.get(index).copied());
            value(policy, field, column.unwrap_or(ColumnFate::Look), out)
        });
        if columns.is_none() {
            columns = Some(fields.iter().map(|f| column(policy, &f.text, known)).collect());
        }
    }
    is_changed
}

/// Writes a record field by field; one in which no field changed stays to the byte as it stood.
/// Says whether any did.
pub(super) fn put_record(
    fields: &[Field<'_>],
    original: &[u8],
    out: &mut Vec<u8>,
    mut put: impl FnMut(usize, &Field<'_>, &mut Vec<u8>) -> bool,
) -> bool {
    let (mark, mut is_changed) = (out.len(), false);
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        is_changed |= put(index, field, out);
    }
    if is_changed {
        out.push(b'\n');
    } else {
        out.truncate(mark);
        out.extend_from_slice(original);
    }
    is_changed
}

fn column(policy: &Policy, name: &[u8], known: &[(Vec<u8>, Column)]) -> ColumnFate {
    let name = name.trim_ascii();
    let known = known.iter().find(|(column, _)| column == name).map(|(_, known)| known);
    let (key, is_listed) = match known {
        Some(Column::Attribute(key)) => (&**key, policy.allows(name)),
        Some(_) => (name, true),
        None => (name, false),
    };
    let mut listing = if is_listed { Listing::Listed } else { Listing::Unlisted };
    match policy.key(key, name, &mut listing) {
        KeyFate::Drop(counter) => return ColumnFate::Empty(counter),
        KeyFate::Replace(action, counter) => return ColumnFate::Replace(action, counter),
        KeyFate::Look => {}
    }
    if let Some(counter) = policy.shuts_out(listing) {
        return ColumnFate::Empty(counter);
    }
    if known == Some(&Column::Id) { ColumnFate::Keep } else { ColumnFate::Look }
}

/// Writes one field; says whether it changed.
fn value(policy: &Policy, field: &Field<'_>, column: ColumnFate, out: &mut Vec<u8>) -> bool {
    let mut text = Vec::new();
    let is_id = field.text.iter().all(u8::is_ascii_hexdigit);
    let fate = match column {
        ColumnFate::Keep if is_id => Fate::Same,
        ColumnFate::Keep | ColumnFate::Look => policy.text(&field.text, &mut text),
        ColumnFate::Empty(_) if field.raw.is_empty() => Fate::Same,
        ColumnFate::Empty(counter) => {
            policy.counters.add(counter);
            Fate::Drop
        }
        ColumnFate::Replace(..) if field.raw.is_empty() => Fate::Same,
        ColumnFate::Replace(action, counter) => {
            policy.replace((action, counter), &field.text, &mut text)
        }
    };
    match fate {
        Fate::Same => out.extend_from_slice(field.raw),
        Fate::Drop => {}
        Fate::Changed => put_quoted(&text, out),
    }
    fate != Fate::Same
}

/// Writes a text in quotes.
pub(super) fn put_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        out.push(byte);
        if byte == b'"' {
            out.push(byte);
        }
    }
    out.push(b'"');
}

/// A field of a record.
pub(super) struct Field<'a> {
    /// As it stands, quotes included.
    pub(super) raw: &'a [u8],
    pub(super) text: Cow<'a, [u8]>,
}

/// The fields of the record at a position, which is then behind its line end.
pub(super) fn record<'a>(data: &'a [u8], pos: &mut usize) -> Option<Vec<Field<'a>>> {
    let mut fields = Vec::new();
    loop {
        let start = *pos;
        if data.get(start) == Some(&b'"') {
            let end = closing_quote(data, start + 1)?;
            let raw = &data[start..=end];
            let inner = &data[start + 1..end];
            let text = if inner.contains(&b'"') {
                Cow::Owned(undoubled(inner))
            } else {
                Cow::Borrowed(inner)
            };
            fields.push(Field { raw, text });
            *pos = end + 1;
        } else {
            let rest = &data[start..];
            let length = memchr::memchr2(b',', b'\n', rest).unwrap_or(rest.len());
            let mut raw = &rest[..length];
            *pos = start + length;
            if data.get(*pos) != Some(&b',') {
                raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            }
            fields.push(Field { raw, text: Cow::Borrowed(raw) });
        }
        match &data[*pos..] {
            [b',', ..] => *pos += 1,
            [b'\n', ..] => {
                *pos += 1;
                return Some(fields);
            }
            [b'\r', b'\n', ..] => {
                *pos += 2;
                return Some(fields);
            }
            [] => return Some(fields),
            [b'\r'] => {
                *pos += 1;
                return Some(fields);
            }
            _ => return None,
        }
    }
}

fn closing_quote(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr(b'"', data.get(at..)?)?;
        if data.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn undoubled(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut was_quote = false;
    for &byte in text {
        was_quote = byte == b'"' && !was_quote;
        if byte != b'"' || was_quote {
            out.push(byte);
        }
    }
    out
}

/// Where the record at a place ends: at a line end outside quotes.
pub(super) fn after_line(data: &[u8], start: usize) -> usize {
    let mut is_quoted = false;
    for at in memchr::memchr2_iter(b'"', b'\n', &data[start..]) {
        match data[start + at] {
            b'"' => is_quoted = !is_quoted,
            _ if !is_quoted => return start + at + 1,
            _ => {}
        }
    }
    data.len()
}
