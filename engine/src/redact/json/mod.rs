//! JSON, written again without what is taken out: OTLP/JSON, Jaeger, Zipkin, plain objects, lines
//! of the line protocol.
//!
//! Invariant: a value in which nothing was found is copied as it stands, blanks included; line
//! ends are never touched. What cannot be read to its end is replaced by something that is no JSON
//! at all: it stays damage, and what was in it is gone.

mod attribute;
mod otlp;
mod tag;
mod trim;
mod trim_foreign;

use std::borrow::Cow;

use attribute::is_id_name;
pub(super) use trim::{trim, trim_lines};

use super::policy::{Fate, Listing, Policy};
use super::shape::{Members, Shape, ShapeKind};
use super::state::trace_state;
use crate::ingest::Column;
use crate::plan::RedactAction;

/// What stands for text that cannot be read.
pub(super) const BROKEN: &[u8] = b"!";

/// Nesting that is walked.
const DEPTH_MAX: usize = 128;

/// Digits of the longest id: a trace id in hexadecimal digits.
const ID_DIGITS_MAX: usize = 32;

/// Text that cannot be read.
pub(super) struct Broken;

type Result<T> = std::result::Result<T, Broken>;
type Replace = Option<(RedactAction, usize)>;

/// Rewrites documents under a policy.
pub(super) struct Rewriter<'a> {
    policy: &'a Policy,
    data: &'a [u8],
    pos: usize,
    depth: usize,
    path: Vec<u8>,
    /// Whether a column of a plain row is a field rather than an attribute.
    is_field: &'a dyn Fn(&[u8]) -> bool,
    /// What the columns of a plain row stand for.
    columns: &'a [(Vec<u8>, Column)],
}

impl<'a> Rewriter<'a> {
    /// A rewriter at the start of a document.
    pub(super) fn new(
        policy: &'a Policy,
        data: &'a [u8],
        is_field: &'a dyn Fn(&[u8]) -> bool,
    ) -> Self {
        Self { policy, data, pos: 0, depth: 0, path: Vec::new(), is_field, columns: &[] }
    }

    /// A rewriter of documents in which plain rows have these columns.
    pub(super) fn of_rows(
        policy: &'a Policy,
        data: &'a [u8],
        columns: &'a [(Vec<u8>, Column)],
    ) -> Self {
        Self { columns, ..Self::new(policy, data, &|_| false) }
    }

    /// The type of the line that is the document; empty where it has none.
    pub(super) fn kind_of_line(mut self) -> Cow<'a, [u8]> {
        match self.peek() {
            b'{' => self.text_of_member(b"type").unwrap_or_default(),
            _ => Cow::Borrowed(b""),
        }
    }

    /// Where the next byte is read.
    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// Reads on from another place, as if nothing had been read.
    pub(super) fn seek(&mut self, pos: usize) {
        self.pos = pos;
        self.depth = 0;
    }

    /// Copies blanks, and says whether there is anything behind them.
    pub(super) fn blanks(&mut self, out: &mut Vec<u8>) -> bool {
        let start = self.pos;
        self.peek();
        out.extend_from_slice(&self.data[start..self.pos]);
        self.pos < self.data.len()
    }

    /// Writes one value, changed or as it was; says whether it was changed.
    pub(super) fn document(&mut self, shape: Shape, out: &mut Vec<u8>) -> Result<bool> {
        let (from, start) = (self.pos, out.len());
        self.path.clear();
        match self.value(shape, out)? {
            Fate::Changed => Ok(true),
            Fate::Same => {
                out.truncate(start);
                out.extend_from_slice(&self.data[from..self.pos]);
                Ok(false)
            }
            Fate::Drop => {
                out.truncate(start);
                out.extend_from_slice(b"null");
                Ok(true)
            }
        }
    }

    fn peek(&mut self) -> u8 {
        while let Some(byte) = self.data.get(self.pos) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return *byte;
            }
            self.pos += 1;
        }
        0
    }

    /// The bytes between the quotes of a string.
    fn raw_string(&mut self) -> Result<&'a [u8]> {
        if self.peek() != b'"' {
            return Err(Broken);
        }
        let start = self.pos + 1;
        let mut at = start;
        loop {
            let rest = self.data.get(at..).ok_or(Broken)?;
            at += memchr::memchr2(b'"', b'\\', rest).ok_or(Broken)?;
            if self.data[at] == b'"' {
                break;
            }
            at += 2;
        }
        self.pos = at + 1;
        Ok(&self.data[start..at])
    }

    fn string(&mut self) -> Result<Cow<'a, [u8]>> {
        let raw = self.raw_string()?;
        if !raw.contains(&b'\\') {
            return Ok(Cow::Borrowed(raw));
        }
        let quoted = [b"\"", raw, b"\""].concat();
        let text = serde_json::from_slice::<String>(&quoted);
        Ok(Cow::Owned(text.map_or_else(|_| unescaped(raw), String::into_bytes)))
    }

    /// Passes over `true`, `null` or a number.
    fn scalar(&mut self) -> Result<&'a [u8]> {
        self.peek();
        let start = self.pos;
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        while self.data.get(self.pos).is_some_and(is_part) {
            self.pos += 1;
        }
        let found = &self.data[start..self.pos];
        let is_known = matches!(found, b"true" | b"false" | b"null");
        let is_number = found.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-');
        if is_known || is_number { Ok(found) } else { Err(Broken) }
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Broken) } else { Ok(()) }
    }

    fn value(&mut self, shape: Shape, out: &mut Vec<u8>) -> Result<Fate> {
        let next = self.peek();
        if next == b'n' {
            return self.scalar().map(|_| Fate::Same);
        }
        if next == b'[' && (shape.is_list || matches!(shape.kind, ShapeKind::Keep)) {
            let of = Shape { is_list: false, ..shape };
            return self.list(out, |rewriter, out| rewriter.value(of, out));
        }
        match (shape.kind, next) {
            (ShapeKind::Keep, b'"') => {
                let text = self.string()?;
                if text.len() <= ID_DIGITS_MAX && text.iter().all(|b| is_of_number(*b)) {
                    return Ok(Fate::Same);
                }
                Ok(self.quoted(Fate::Changed, |policy, out| policy.text(&text, out), out))
            }
            (ShapeKind::Keep, b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.scalar().map(|_| Fate::Same)
            }
            (ShapeKind::Service(key), b'"') => self.service(key.as_bytes(), out),
            (ShapeKind::Text, b'"') => {
                let text = self.string()?;
                Ok(self.quoted(Fate::Changed, |policy, out| policy.text(&text, out), out))
            }
            (ShapeKind::TraceState, b'"') => {
                let text = self.string()?;
                Ok(self.quoted(Fate::Changed, |policy, out| trace_state(policy, &text, out), out))
            }
            (ShapeKind::Object(members), b'{') => self.object(members, out),
            (ShapeKind::MapOf(members), b'{') => self.map_of(members, out),
            (ShapeKind::Attribute, b'{') => {
                self.path.clear();
                self.key_value(Listing::Unlisted, 0, out)
            }
            (ShapeKind::Value, b'{') => {
                self.path.clear();
                self.any_value(Listing::Listed, None, 0, out)
            }
            (ShapeKind::Tag, b'{') => self.tag(out),
            (ShapeKind::Map, b'{') => {
                self.path.clear();
                self.map(Listing::Unlisted, None, out)
            }
            (ShapeKind::Row, b'{') => self.row(out),
            // Not of the kind that stands here: whatever it is, it is looked through.
            _ => self.plain(Listing::Listed, None, out),
        }
    }

    /// Writes a string by what the callback makes of it. A text that leaves becomes empty where
    /// `dropped` is [`Fate::Changed`].
    fn quoted(
        &self,
        dropped: Fate,
        each: impl FnOnce(&Policy, &mut Vec<u8>) -> Fate,
        out: &mut Vec<u8>,
    ) -> Fate {
        let mut text = Vec::new();
        match each(self.policy, &mut text) {
            Fate::Changed => {
                put_string(&text, out);
                Fate::Changed
            }
            Fate::Drop if dropped == Fate::Changed => {
                out.extend_from_slice(b"\"\"");
                Fate::Changed
            }
            fate => fate,
        }
    }

    fn list(
        &mut self,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&mut Self, &mut Vec<u8>) -> Result<Fate>,
    ) -> Result<Fate> {
        self.enter()?;
        self.pos += 1;
        out.push(b'[');
        let (mut is_changed, mut is_first, mut has_any) = (false, true, false);
        loop {
            if !self.goes_on(b']', is_first)? {
                break;
            }
            is_first = false;
            let (from, start) = (self.pos, out.len());
            if has_any {
                out.push(b',');
            }
            let body = out.len();
            match each(self, out)? {
                Fate::Same => {
                    out.truncate(body);
                    out.extend_from_slice(self.data[from..self.pos].trim_ascii());
                    has_any = true;
                }
                Fate::Changed => {
                    is_changed = true;
                    has_any = true;
                }
                Fate::Drop => {
                    out.truncate(start);
                    is_changed = true;
                }
            }
        }
        self.pos += 1;
        self.depth -= 1;
        out.push(b']');
        Ok(if is_changed { Fate::Changed } else { Fate::Same })
    }

    /// Whether a list or object has one more part; the cursor is then at it.
    fn goes_on(&mut self, close: u8, is_first: bool) -> Result<bool> {
        match self.peek() {
            byte if byte == close => Ok(false),
            b',' if !is_first => {
                self.pos += 1;
                self.peek();
                Ok(true)
            }
            _ if is_first => Ok(true),
            _ => Err(Broken),
        }
    }

    /// Walks the members of an object; the callback gets the key, its cursor at the value, and may
    /// write another key.
    fn members(
        &mut self,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&mut Self, &[u8], &mut Member<'_>) -> Result<Fate>,
    ) -> Result<Fate> {
        self.enter()?;
        self.peek();
        self.pos += 1;
        out.push(b'{');
        let (mut is_changed, mut is_first, mut has_any) = (false, true, false);
        loop {
            if !self.goes_on(b'}', is_first)? {
                break;
            }
            is_first = false;
            let (from, start) = (self.pos, out.len());
            let key = self.string()?;
            let raw_key = &self.data[from..self.pos];
            if self.peek() != b':' {
                return Err(Broken);
            }
            self.pos += 1;
            self.peek();
            let mut member = Member { key: None, value: Vec::new() };
            let value_from = self.pos;
            let fate = each(self, &key, &mut member)?;
            if fate == Fate::Drop {
                out.truncate(start);
                is_changed = true;
                continue;
            }
            if has_any {
                out.push(b',');
            }
            has_any = true;
            is_changed |= fate == Fate::Changed || member.key.is_some();
            match &member.key {
                Some(key) => put_string(key, out),
                None => out.extend_from_slice(raw_key),
            }
            out.push(b':');
            match fate {
                Fate::Changed => out.extend_from_slice(&member.value),
                _ => out.extend_from_slice(&self.data[value_from..self.pos]),
            }
        }
        self.pos += 1;
        self.depth -= 1;
        out.push(b'}');
        Ok(if is_changed { Fate::Changed } else { Fate::Same })
    }

    fn object(&mut self, known: Members, out: &mut Vec<u8>) -> Result<Fate> {
        self.members(out, |rewriter, key, member| match known.find(key) {
            Some(shape) => {
                let fate = rewriter.value(shape, &mut member.value)?;
                Ok(kept(fate, member))
            }
            None => {
                rewriter.path.clear();
                rewriter.named(key, Listing::Unlisted, None, member)
            }
        })
    }

    /// An object whose keys are names of objects of one kind.
    fn map_of(&mut self, known: Members, out: &mut Vec<u8>) -> Result<Fate> {
        let shape = Shape { kind: ShapeKind::Object(known), is_list: false };
        self.members(out, |rewriter, key, member| {
            let mut renamed = Vec::new();
            if rewriter.policy.text(key, &mut renamed) != Fate::Same {
                member.key = Some(Cow::Owned(renamed));
            }
            let fate = rewriter.value(shape, &mut member.value)?;
            Ok(kept(fate, member))
        })
    }
}

/// A field that leaves becomes `null`: its absence might be damage.
fn kept(fate: Fate, member: &mut Member<'_>) -> Fate {
    if fate == Fate::Drop {
        member.value.clear();
        member.value.extend_from_slice(b"null");
        return Fate::Changed;
    }
    fate
}

/// What is written of a member.
struct Member<'k> {
    /// Another key than the one it had.
    key: Option<Cow<'k, [u8]>>,
    value: Vec<u8>,
}

/// A string with an escape that stands for nothing, as half of a surrogate pair: its item may be
/// damage, the document is not. What such an escape stands for is the replacement character.
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(raw.len()), raw);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        // A pair is one letter, of six bytes and six.
        let letter = [12, 6, 2].into_iter().find_map(|length| {
            let text = std::str::from_utf8(rest.get(..length)?).ok()?;
            let letter: String = serde_json::from_str(&format!("\"{text}\"")).ok()?;
            (length < 12 || letter.chars().count() == 1).then_some((letter, length))
        });
        let is_unicode = rest.get(1) == Some(&b'u');
        let digits = rest.iter().skip(2).take(4).take_while(|byte| byte.is_ascii_hexdigit());
        let unknown = if is_unicode { 2 + digits.count() } else { 1 };
        let (letter, length) = letter.unwrap_or_else(|| ('\u{fffd}'.to_string(), unknown));
        out.extend_from_slice(letter.as_bytes());
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
    out
}

/// Whether a byte may stand in an id or a time.
fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'-'
}

/// Writes a string; bytes that are no UTF-8 stay as they are.
pub(super) fn put_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
