//! CSV by RFC 4180: a payload starts with the header line.
//!
//! Fields in quotes are text; others are a number, `true` or `false` where they read as one (a
//! number with leading zeros is text), and absent where they are empty.

use std::borrow::Cow;

use super::row::{Row, set_attribute};
use super::target::{FlatSource, Target};
use crate::ingest::damage::{Damage, Reason};
use crate::ingest::json::integer_of;
use crate::ingest::writer::Writer;
use crate::model::{ByteRange, Cell};

/// Decodes all records of a payload; a damaged one is set aside.
pub(in crate::ingest) fn decode(payload: &[u8], source: &mut FlatSource, w: &mut Writer<'_>) {
    let mut records = Records { data: payload, pos: 0 };
    let targets = match header(&mut records, source, w) {
        Ok(targets) => targets,
        Err(damage) => return w.set_aside(damage),
    };
    while records.pos < payload.len() {
        let start = records.pos;
        if records.is_blank_line() {
            continue;
        }
        if let Err(damage) = record(&mut records, &targets, source, w) {
            w.set_aside(damage);
            records.pos = start;
            records.skip_record();
        }
    }
}

/// The column names of a CSV file's first line.
pub(in crate::ingest) fn header_names(head: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Records { data: head, pos: 0 };
    let mut names = Vec::new();
    while let Ok(field) = records.field() {
        names.push(field.text.into_owned());
        if field.is_last {
            break;
        }
    }
    names
}

fn header(
    records: &mut Records<'_>,
    source: &mut FlatSource,
    w: &mut Writer<'_>,
) -> Result<Vec<Target>, Damage> {
    let mut targets = Vec::new();
    loop {
        let field = records.field()?;
        let name = field.text.trim_ascii();
        targets.push(source.target(name, &w.table(source.signal).layout));
        if field.is_last {
            return Ok(targets);
        }
    }
}

fn record(
    records: &mut Records<'_>,
    targets: &[Target],
    source: &FlatSource,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let start = records.pos;
    let mut row = Row::begin(source, w);
    for (i, &target) in targets.iter().enumerate() {
        let at = records.pos;
        let field = records.field()?;
        if field.is_last != (i + 1 == targets.len()) {
            return Err(Damage::new(start, Reason::CsvColumns));
        }
        match (target, typed(&field)) {
            (Target::Skip, _) => {}
            (Target::Attribute(index), Some(cell)) => set_attribute(index, cell, source, w),
            (Target::Any(path), Some(cell)) => row.set_cell(path, cell, at)?,
            _ => row.set_text(target, &field.text, at, source, w)?,
        }
    }
    w.range = ByteRange::new(start, records.pos);
    row.finish(source, w)
}

/// The number or truth value of a field without quotes.
fn typed(field: &CsvField<'_>) -> Option<Cell> {
    if field.is_quoted {
        return None;
    }
    let text = &*field.text;
    match text {
        b"true" | b"TRUE" | b"True" => return Some(Cell::Bool(true)),
        b"false" | b"FALSE" | b"False" => return Some(Cell::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number = match digits {
        [b'0'] => true,
        [b'0', next, ..] => *next == b'.',
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    if !is_number {
        return None;
    }
    if digits.iter().all(u8::is_ascii_digit) {
        return integer_of(text).map(Cell::Int);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(Cell::Float(value))
}

/// One field of a record.
struct CsvField<'a> {
    text: Cow<'a, [u8]>,
    is_quoted: bool,
    /// Whether the record ends with it.
    is_last: bool,
}

/// A cursor over records.
struct Records<'a> {
    data: &'a [u8],
    pos: usize,
}

impl<'a> Records<'a> {
    fn field(&mut self) -> Result<CsvField<'a>, Damage> {
        if self.data.get(self.pos) == Some(&b'"') {
            return self.quoted_field();
        }
        let rest = &self.data[self.pos..];
        let length = memchr::memchr2(b',', b'\n', rest).unwrap_or(rest.len());
        let is_last = rest.get(length) != Some(&b',');
        self.pos += (length + 1).min(rest.len());
        let mut text = &rest[..length];
        if is_last {
            text = text.strip_suffix(b"\r").unwrap_or(text);
        }
        Ok(CsvField { text: Cow::Borrowed(text), is_quoted: false, is_last })
    }

    fn quoted_field(&mut self) -> Result<CsvField<'a>, Damage> {
        let start = self.pos + 1;
        let mut pos = start;
        let mut has_quotes = false;
        let end = loop {
            let Some(offset) = memchr::memchr(b'"', self.data.get(pos..).unwrap_or(&[])) else {
                return Err(Damage::new(self.pos, Reason::CsvQuote));
            };
            let quote = pos + offset;
            if self.data.get(quote + 1) != Some(&b'"') {
                break quote;
            }
            has_quotes = true;
            pos = quote + 2;
        };
        let after = &self.data[end + 1..];
        let (is_last, length) = match after {
            [b',', ..] => (false, 1),
            [b'\n', ..] => (true, 1),
            [b'\r', b'\n', ..] => (true, 2),
            [] => (true, 0),
            [b'\r'] => (true, 1),
            _ => return Err(Damage::new(end + 1, Reason::CsvQuote)),
        };
        self.pos = end + 1 + length;
        let raw = &self.data[start..end];
        Ok(CsvField {
            text: if has_quotes {
                Cow::Owned(without_doubled_quotes(raw))
            } else {
                Cow::Borrowed(raw)
            },
            is_quoted: true,
            is_last,
        })
    }

    /// Passes over a line with nothing in it.
    fn is_blank_line(&mut self) -> bool {
        let length = match &self.data[self.pos..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return false,
        };
        self.pos += length;
        true
    }

    /// Passes over a record that cannot be read, to its line end outside quotes.
    fn skip_record(&mut self) {
        let mut quoted = false;
        for at in memchr::memchr2_iter(b'"', b'\n', &self.data[self.pos..]) {
            if self.data[self.pos + at] == b'"' {
                quoted = !quoted;
            } else if !quoted {
                self.pos += at + 1;
                return;
            }
        }
        self.pos = self.data.len();
    }
}

fn without_doubled_quotes(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        text.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    text.extend_from_slice(rest);
    text
}
