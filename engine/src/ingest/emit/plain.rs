//! Spans of plain NDJSON, written as OTLP straight from their lines.
//!
//! Invariant: what is written here is what reading the line with everything in it and writing the
//! row would be, byte for byte; a line that is out of the ordinary is left to that way, which costs
//! ten times as much.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::message::attribute;
use crate::ingest::flat::{FlatSource, Meaning, Unit, member_of};
use crate::ingest::hex;
use crate::ingest::item::{KINDS, STATUSES, member};
use crate::ingest::json::{Json, Members, Pattern, owned};
use crate::model::{ColumnMapping, Field, ItemAround, ItemContent, Signal, Value};
use crate::otlp::dropped::is_dropped_count;
use crate::otlp::wire::{Message, varint_len};

/// Members of a line, and bytes of lists, maps and fractions in it, up to which it is ordinary.
/// Together they have fewer names than [`crate::limits::EMIT_KEYS_MAX`], which bounds them on the
/// other way.
const MEMBERS_MAX: usize = 64;
const NESTED_BYTES_MAX: usize = 2 * 1024;
/// Names that are remembered; lines with others are left to the other way.
const NAMES_MAX: usize = 512;

/// Bytes of spans that lie together. In one piece they would be moved as it grows, into memory that
/// the system has to clear first, and a span that waits to be sent would hold all of them.
const OUT_BYTES: usize = 96 * 1024;

/// What a member fills.
#[derive(Debug, Clone, Copy)]
enum Target {
    TraceId,
    SpanId,
    ParentId,
    Start(Unit),
    End(Unit),
    Duration(Unit),
    Kind,
    Status,
    Text(Place),
    /// An attribute under the key of this number.
    Attribute(u16),
    /// What is not written here.
    Other,
    /// No member: the line has ended.
    Nothing,
}

/// A text of a span.
#[derive(Debug, Clone, Copy)]
enum Place {
    Name,
    StatusMessage,
    TraceState,
}

/// The value of an attribute, as far as it can be borrowed.
#[derive(Debug)]
enum Token<'a> {
    Text(Cow<'a, [u8]>),
    Int(i64),
    Other(Value),
}

/// A line under way.
#[derive(Default)]
struct Line<'a> {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_id: [u8; 8],
    start_ns: i64,
    end_ns: Option<i64>,
    duration_ns: Option<i64>,
    kind: u8,
    status: u8,
    /// By [`Place`].
    texts: [Cow<'a, [u8]>; 3],
    attributes: SmallVec<[(u16, Token<'a>); 16]>,
    nested_bytes: usize,
}

/// The key of an attribute.
struct Key {
    text: Box<str>,
    /// Its place among all of them in their order.
    rank: u16,
    /// Whether it says of what service a span is.
    is_of_service: bool,
    /// As a `KeyValue` begins.
    field: Vec<u8>,
}

/// Writes spans of lines with one mapping.
pub(super) struct PlainSpans {
    source: FlatSource,
    keys: Vec<Key>,
    known: Vec<(Box<[u8]>, Target)>,
    /// Names where the line before had them, and what they fill.
    expected: Vec<(Pattern, Target)>,
    /// What is full, and what is being filled.
    full: Vec<Bytes>,
    out: Message,
    /// Of each span: in which of these it lies, what stands around it there, and where itself.
    places: Vec<Option<(usize, [Range<usize>; 2])>>,
}

impl PlainSpans {
    /// A writer; `None` where rows are no spans.
    pub(super) fn new(mapping: Option<&ColumnMapping>) -> Option<Self> {
        let source = FlatSource::new(mapping);
        (source.signal == Signal::Spans).then(|| Self {
            source,
            keys: Vec::new(),
            known: Vec::new(),
            expected: Vec::new(),
            full: Vec::new(),
            out: Message::default(),
            places: Vec::new(),
        })
    }

    /// Writes the span of a line, if it is an ordinary one.
    pub(super) fn add(&mut self, text: &[u8]) {
        let place = self.line(text).and_then(|line| self.write(line));
        self.places.push(place.map(|place| (self.full.len(), place)));
        if self.out.len() >= OUT_BYTES {
            let next = Message::with_capacity(OUT_BYTES + OUT_BYTES / 8);
            self.full.push(std::mem::replace(&mut self.out, next).finish());
        }
    }

    /// The spans in the order in which they came; `None` for those that are not ordinary.
    pub(super) fn finish(mut self) -> Vec<Option<ItemContent>> {
        self.full.push(self.out.finish());
        // Most spans of a payload are of a few services.
        let mut known: HashMap<&[u8], Arc<ItemAround>, FixedState> = HashMap::default();
        let mut content = |(made, [resource, item]): (usize, [Range<usize>; 2])| {
            let made = &self.full[made];
            let around = known.entry(&made[resource.clone()]).or_insert_with(|| {
                let resource = made.slice(resource);
                Arc::new(ItemAround { resource, ..ItemAround::default() })
            });
            let (around, append) = (Arc::clone(around), Bytes::new());
            ItemContent { around, item: made.slice(item), append }
        };
        self.places.into_iter().map(|place| place.map(&mut content)).collect()
    }

    fn line<'a>(&mut self, text: &'a [u8]) -> Option<Line<'a>> {
        std::str::from_utf8(text).ok()?;
        let mut json = Json::at(text, 0);
        if json.peek() != b'{' {
            return None;
        }
        let (mut line, mut place) = (Line::default(), 0);
        let mut members = json.object().ok()?;
        loop {
            let target = self.next(&mut json, &mut members, place)?;
            if matches!(target, Target::Nothing) {
                break;
            }
            place += 1;
            if !json.null() {
                line.take(target, &mut json)?;
            }
        }
        let is_ordinary = place <= MEMBERS_MAX && line.nested_bytes <= NESTED_BYTES_MAX;
        (is_ordinary && json.is_at_end()).then_some(line)
    }

    /// What the next member fills, with the cursor at its value.
    fn next(&mut self, json: &mut Json<'_>, members: &mut Members, place: usize) -> Option<Target> {
        if let Some((pattern, target)) = self.expected.get(place)
            && json.take_pattern(pattern)
        {
            *members = Members::Further;
            json.peek();
            return Some(*target);
        }
        if !json.member(members).ok()? {
            return Some(Target::Nothing);
        }
        let name = json.name().ok()?.plain()?;
        json.peek();
        let target = self.target(name)?;
        if place <= self.expected.len() && place < MEMBERS_MAX {
            let comma: &[u8] = if place == 0 { b"" } else { b"," };
            let pattern = Pattern::new(&[comma, b"\"", name, b"\":"].concat());
            match self.expected.get_mut(place) {
                Some(known) => *known = (pattern, target),
                None => self.expected.push((pattern, target)),
            }
        }
        Some(target)
    }

    fn target(&mut self, name: &[u8]) -> Option<Target> {
        if let Some((_, target)) = self.known.iter().find(|(known, _)| **known == *name) {
            return Some(*target);
        }
        let target = match self.source.meaning(std::str::from_utf8(name).ok()?) {
            Meaning::Field(field, unit) => match field {
                Field::TraceId => Target::TraceId,
                Field::SpanId => Target::SpanId,
                Field::ParentId => Target::ParentId,
                Field::Start => Target::Start(unit),
                Field::End => Target::End(unit),
                Field::Duration => Target::Duration(unit),
                Field::Kind => Target::Kind,
                Field::Status => Target::Status,
                Field::Name => Target::Text(Place::Name),
                Field::StatusMessage => Target::Text(Place::StatusMessage),
                Field::TraceState => Target::Text(Place::TraceState),
                _ => Target::Other,
            },
            Meaning::Attribute(key) if is_dropped_count(key.as_bytes()) => Target::Other,
            Meaning::Attribute(key) => {
                let known = self.keys.iter().position(|known| known.text == key);
                Target::Attribute(known.unwrap_or_else(|| self.add_key(key)) as u16)
            }
        };
        if self.known.len() >= NAMES_MAX {
            return None;
        }
        self.known.push((name.into(), target));
        Some(target)
    }

    /// Adds a key; its number.
    fn add_key(&mut self, text: Box<str>) -> usize {
        let mut field = Message::default();
        field.text(1, &text);
        let rank = self.keys.iter().filter(|known| known.text < text).count() as u16;
        self.keys.iter_mut().filter(|known| known.text > text).for_each(|known| known.rank += 1);
        let is_of_service = text.starts_with("service.");
        self.keys.push(Key { text, rank, is_of_service, field: field.as_bytes().to_vec() });
        self.keys.len() - 1
    }

    /// Writes a span. Attributes stand in the order of their keys; of one that stands in a line
    /// twice the last is the one that counts.
    fn write(&mut self, mut line: Line<'_>) -> Option<[Range<usize>; 2]> {
        let end_ns = line.end_ns()?;
        let (keys, out) = (&self.keys, &mut self.out);
        let attributes = &mut line.attributes;
        attributes.sort_by_key(|(key, _)| keys[*key as usize].rank);
        attributes.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        let attributes = || attributes.iter().map(|(key, token)| (&keys[*key as usize], token));
        let resource = out.len();
        let around = attributes().filter(|(key, _)| key.is_of_service);
        around.for_each(|(key, token)| token.write(1, key, out));
        let item = out.len();
        id(1, &line.trace_id, out);
        id(2, &line.span_id, out);
        text(3, &line.texts[Place::TraceState as usize], out);
        id(4, &line.parent_id, out);
        text(5, &line.texts[Place::Name as usize], out);
        number(6, line.kind, out);
        out.fixed(7, line.start_ns as u64);
        out.fixed(8, end_ns as u64);
        let own = attributes().filter(|(key, _)| !key.is_of_service);
        own.for_each(|(key, token)| token.write(9, key, out));
        let mut status = Message::default();
        text(2, &line.texts[Place::StatusMessage as usize], &mut status);
        number(3, line.status, &mut status);
        if status.len() > 0 {
            out.message(15, &status);
        }
        Some([resource..item, item..out.len()])
    }
}

impl<'a> Line<'a> {
    /// Takes a member's value, which is not null; `None` for one that is out of the ordinary.
    fn take(&mut self, target: Target, json: &mut Json<'a>) -> Option<()> {
        match target {
            Target::Start(unit) => self.start_ns = unit.of_integer(digits(json)?),
            Target::End(unit) => self.end_ns = Some(unit.of_integer(digits(json)?)),
            Target::Duration(unit) => self.duration_ns = Some(unit.of_integer(digits(json)?)),
            Target::Kind => self.kind = member_at(Field::Kind, KINDS, self.kind, json)?,
            Target::Status => self.status = member_at(Field::Status, STATUSES, self.status, json)?,
            Target::Attribute(key) => {
                let start = json.pos();
                let token = token(json)?;
                if matches!(token, Token::Other(_)) {
                    self.nested_bytes += json.pos() - start;
                }
                self.attributes.push((key, token));
            }
            Target::Other | Target::Nothing => return None,
            Target::TraceId | Target::SpanId | Target::ParentId | Target::Text(_) => {
                let text = plain(json)?;
                match target {
                    _ if text.is_empty() => {}
                    Target::TraceId => self.trace_id = hex::trace_id(text, 0).ok()?,
                    Target::SpanId => self.span_id = hex::span_id(text, 0).ok()?,
                    Target::ParentId if text == b"root" || text == b"null" => {}
                    Target::ParentId => self.parent_id = hex::span_id(text, 0).ok()?,
                    Target::Text(place) => self.texts[place as usize] = Cow::Borrowed(text),
                    _ => return None,
                }
            }
        }
        Some(())
    }

    /// The end by what the line says, where it says when the span started.
    fn end_ns(&self) -> Option<i64> {
        if self.start_ns <= 0 {
            return None;
        }
        let by_duration = || self.start_ns.saturating_add(self.duration_ns.unwrap_or(0));
        Some(self.end_ns.unwrap_or_else(by_duration).max(self.start_ns))
    }
}

/// A string without escapes.
fn plain<'a>(json: &mut Json<'a>) -> Option<&'a [u8]> {
    json.text().ok()?.plain()
}

/// A whole number as JSON writes it: without zeros before it.
fn digits(json: &mut Json<'_>) -> Option<i64> {
    let start = json.pos();
    let value = json.digits()?;
    let is_short = json.pos() == start + 1;
    (is_short || json.slice(start, start + 1) != b"0").then_some(value)
}

/// A member of an enumeration by number or name; `before` where an empty text says nothing.
fn member_at(field: Field, members: u8, before: u8, json: &mut Json<'_>) -> Option<u8> {
    if json.peek().is_ascii_digit() {
        return Some(member(digits(json)?, members));
    }
    match plain(json)? {
        b"" => Some(before),
        name => member_of(field, name).map(|at| at as u8),
    }
}

/// The value of an attribute.
fn token<'a>(json: &mut Json<'a>) -> Option<Token<'a>> {
    let start = json.pos();
    match json.peek() {
        b'"' => {
            let text = json.text().ok()?;
            if let Some(plain) = text.plain() {
                return Some(Token::Text(Cow::Borrowed(plain)));
            }
            // Which escapes are text is for JSON's own rules to say.
            let text: String = serde_json::from_slice(json.slice(start, json.pos())).ok()?;
            Some(Token::Text(Cow::Owned(text.into_bytes())))
        }
        b't' | b'f' => json.boolean().ok().map(|is_so| Token::Other(Value::Bool(is_so))),
        byte => {
            if byte.is_ascii_digit()
                && let Some(value) = digits(json)
            {
                return Some(Token::Int(value));
            }
            json.seek(start);
            let value = owned(json, 0).ok()?;
            let text = json.slice(start, json.pos());
            let is_json = || serde_json::from_slice::<serde_json::Value>(text).is_ok();
            (text.len() <= NESTED_BYTES_MAX && is_json()).then_some(Token::Other(value))
        }
    }
}

impl Token<'_> {
    fn write(&self, field: u32, key: &Key, out: &mut Message) {
        match self {
            Self::Other(value) => attribute(field, &key.text, value, out),
            Self::Int(value) => {
                pair(field, key, 1 + varint_len(*value as u64), out);
                out.varint(3, *value as u64);
            }
            Self::Text(text) => {
                pair(field, key, 1 + varint_len(text.len() as u64) + text.len(), out);
                out.delimited(1, text);
            }
        }
    }
}

/// A `KeyValue` up to its value, which has so many bytes.
fn pair(field: u32, key: &Key, value_bytes: usize, out: &mut Message) {
    let value = 1 + varint_len(value_bytes as u64) + value_bytes;
    out.begin(field, key.field.len() + value);
    out.append(&key.field);
    out.begin(2, value_bytes);
}

fn id(field: u32, id: &[u8], out: &mut Message) {
    if id.iter().any(|byte| *byte != 0) {
        out.delimited(field, id);
    }
}

fn text(field: u32, text: &[u8], out: &mut Message) {
    if !text.is_empty() {
        out.delimited(field, text);
    }
}

fn number(field: u32, number: u8, out: &mut Message) {
    if number > 0 {
        out.varint(field, number.into());
    }
}

#[cfg(test)]
mod tests;
