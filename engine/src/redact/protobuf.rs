//! OTLP in protobuf, written again without what is taken out.
//!
//! Invariant: a field in which nothing was found is copied byte for byte; the lengths around one
//! that changed are new. A message that cannot be walked is replaced by one that no decoder reads
//! either: it stays damage, and what was in it is gone.

mod numbers;
mod trim;

use numbers::{is_card, may_hold_card};
pub(super) use trim::trim;

use super::find::Look;
use super::policy::{Fate, KeyFate, Listing, Policy};
use super::schema::{Field, Kind, Message};
use super::state::trace_state;
use crate::limits::VALUE_DEPTH_MAX;
use crate::plan::RedactAction;

/// A message that cannot be walked.
#[derive(Clone, Copy)]
pub(super) struct Broken;

/// What stands for a message that cannot be walked: no field has the tag 0.
pub(super) const BROKEN: &[u8] = &[0];

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

// Fields of `KeyValue`, `AnyValue`, `ArrayValue` and `KeyValueList`.
const KEY: u32 = 1;
const VALUE: u32 = 2;
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
const KVLIST: u32 = 6;
const RAW: u32 = 7;
const ITEMS: u32 = 1;

/// How many messages may be nested around a value: request, resource, scope, metric, points,
/// point, exemplar.
const MESSAGE_DEPTH_MAX: usize = 16;

/// Messages up to this size are searched before they are walked, bytes.
const SEARCHED_BYTES_MAX: usize = 4_096;

/// Replaces the whole value of a key: what, and its counter.
type Replace = Option<(RedactAction, usize)>;

/// What the keys around a value have decided for it.
#[derive(Clone, Copy)]
struct Around {
    listing: Listing,
    replace: Replace,
    /// Lists and maps around it.
    depth: usize,
}

impl Around {
    /// A value under no key yet.
    fn outermost(listing: Listing) -> Self {
        Self { listing, replace: None, depth: 0 }
    }

    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

/// One field as it stands.
struct Part<'a> {
    number: u32,
    wire_type: u32,
    /// The value: without its length for bytes.
    value: &'a [u8],
    /// The whole field.
    whole: &'a [u8],
}

/// Walks the fields of a message.
struct Parts<'a> {
    data: &'a [u8],
    pos: usize,
}

impl<'a> Parts<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0 }
    }

    fn next(&mut self) -> Result<Option<Part<'a>>, Broken> {
        if self.pos >= self.data.len() {
            return Ok(None);
        }
        let start = self.pos;
        let tag = u32::try_from(self.varint()?).map_err(|_| Broken)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        let from = self.pos;
        let value = match wire_type {
            VARINT => {
                self.varint()?;
                &self.data[from..self.pos]
            }
            FIXED64 => self.take(8)?,
            FIXED32 => self.take(4)?,
            BYTES => {
                let length = usize::try_from(self.varint()?).map_err(|_| Broken)?;
                self.take(length)?
            }
            _ => return Err(Broken),
        };
        if number == 0 {
            return Err(Broken);
        }
        Ok(Some(Part { number, wire_type, value, whole: &self.data[start..self.pos] }))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let end = self.pos.checked_add(length).ok_or(Broken)?;
        let bytes = self.data.get(self.pos..end).ok_or(Broken)?;
        self.pos = end;
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let (value, length) =
            varint(self.data.get(self.pos..).unwrap_or_default()).ok_or(Broken)?;
        self.pos += length;
        Ok(value)
    }
}

/// A varint at the start of some bytes, and its length.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, &byte) in bytes.iter().take(10).enumerate() {
        if place == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some((value, place + 1));
        }
    }
    None
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Puts tag and length in front of what was written from `start` on.
fn wrap(number: u32, start: usize, out: &mut Vec<u8>) {
    let end = out.len();
    put_varint(u64::from(number << 3 | BYTES), out);
    put_varint((end - start) as u64, out);
    let head = out.len() - end;
    out[start..].rotate_right(head);
}

/// Rewrites requests under a policy.
pub(super) struct Rewriter<'p> {
    policy: &'p Policy,
    /// The keys around the value that is looked at, joined by points.
    path: Vec<u8>,
}

impl<'p> Rewriter<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        Self { policy, path: Vec::new() }
    }

    /// Writes a request again where something in it is taken out.
    pub(super) fn request(&mut self, data: &[u8], schema: &Message, out: &mut Vec<u8>) -> Fate {
        let start = out.len();
        let result = self.message(data, schema, 0, out);
        self.contained(result, start, out)
    }

    /// What could not be walked becomes what nobody can walk.
    fn contained(&self, result: Result<Fate, Broken>, start: usize, out: &mut Vec<u8>) -> Fate {
        match result {
            Ok(fate) => {
                if fate != Fate::Changed {
                    out.truncate(start);
                }
                fate
            }
            Err(Broken) => {
                self.policy.counters.could_not_read();
                out.truncate(start);
                out.extend_from_slice(BROKEN);
                Fate::Changed
            }
        }
    }

    fn message(
        &mut self,
        data: &[u8],
        schema: &Message,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<Fate, Broken> {
        if depth > MESSAGE_DEPTH_MAX {
            return Err(Broken);
        }
        self.fields(data, out, |rewriter, part, out| {
            let field = schema.fields.iter().find(|field| field.number == part.number);
            let fate = match field {
                Some(field) => rewriter.field(part, field, depth, out),
                None => rewriter.unknown(part),
            };
            Ok((fate, part.number))
        })
    }

    /// Walks fields and writes them again: each by what the callback says and wrote, under the
    /// number it gives.
    fn fields(
        &mut self,
        data: &[u8],
        out: &mut Vec<u8>,
        mut each: impl FnMut(&mut Self, &Part<'_>, &mut Vec<u8>) -> Result<(Fate, u32), Broken>,
    ) -> Result<Fate, Broken> {
        let mut is_changed = false;
        let mut parts = Parts::new(data);
        while let Some(part) = parts.next()? {
            let start = out.len();
            let (fate, number) = each(self, &part, out)?;
            match fate {
                Fate::Changed => wrap(number, start, out),
                Fate::Same => {
                    out.truncate(start);
                    out.extend_from_slice(part.whole);
                }
                Fate::Drop => out.truncate(start),
            }
            is_changed |= fate != Fate::Same;
        }
        Ok(if is_changed { Fate::Changed } else { Fate::Same })
    }

    fn field(&mut self, part: &Part<'_>, field: &Field, depth: usize, out: &mut Vec<u8>) -> Fate {
        if part.wire_type != BYTES {
            return Fate::Same;
        }
        let start = out.len();
        match field.kind {
            Kind::Keep if is_of_bytes(field.name, part.value.len()) => Fate::Same,
            // A number that comes as bytes: no decoder reads it.
            Kind::Keep => self.unknown(part),
            Kind::Text => self.policy.text(part.value, out),
            Kind::TraceState => trace_state(self.policy, part.value, out),
            Kind::Message(_) if self.passes_over(part.value) => Fate::Same,
            Kind::Message(schema) => {
                let result = self.message(part.value, schema, depth + 1, out);
                self.contained(result, start, out)
            }
            Kind::Attribute => {
                self.path.clear();
                let result = self.key_value(part.value, Around::outermost(Listing::Unlisted), out);
                self.contained(result, start, out)
            }
            Kind::Value => {
                self.path.clear();
                let result = self.value(part.value, Around::outermost(Listing::Listed), out);
                self.contained(result, start, out)
            }
        }
    }

    /// Whether a message is small, as an item is, and has nothing to take out: a search costs a
    /// third of a walk, and of a large one the search of the whole frame has said that it pays.
    fn passes_over(&self, data: &[u8]) -> bool {
        data.len() <= SEARCHED_BYTES_MAX && !may_concern(self.policy, data)
    }

    /// A field that nobody knows leaves if its bytes hold something.
    fn unknown(&self, part: &Part<'_>) -> Fate {
        let is_out = part.wire_type == BYTES
            && (self.policy.is_closed() || self.policy.may_concern(part.value, Look::Bytes));
        if is_out {
            self.policy.counters.could_not_read();
        }
        if is_out { Fate::Drop } else { Fate::Same }
    }

    fn key_value(
        &mut self,
        data: &[u8],
        around: Around,
        out: &mut Vec<u8>,
    ) -> Result<Fate, Broken> {
        let length = self.path.len();
        let fate = self.keyed_value(data, around, out);
        self.path.truncate(length);
        fate
    }

    fn keyed_value(
        &mut self,
        data: &[u8],
        mut around: Around,
        out: &mut Vec<u8>,
    ) -> Result<Fate, Broken> {
        let (mut key, mut parts) = (&[][..], Parts::new(data));
        while let Some(part) = parts.next()? {
            if part.number == KEY && part.wire_type == BYTES {
                key = part.value; // the last one counts
            }
        }
        if !self.path.is_empty() {
            self.path.push(b'.');
        }
        self.path.extend_from_slice(key);
        around.replace = match self.policy.key(&self.path, key, &mut around.listing) {
            KeyFate::Drop(counter) => {
                self.policy.counters.add(counter);
                return Ok(Fate::Drop);
            }
            KeyFate::Replace(action, counter) => Some((action, counter)),
            KeyFate::Look => None,
        };
        if around.depth == 0 && self.policy.is_shut_out(around.listing) {
            return Ok(Fate::Drop);
        }
        self.entry(data, around, None, out)
    }

    /// A key and its value, once it is known what the key does to the value: the entry leaves
    /// where either does. `replaced` is what is done with the key itself.
    fn entry(
        &mut self,
        data: &[u8],
        around: Around,
        replaced: Replace,
        out: &mut Vec<u8>,
    ) -> Result<Fate, Broken> {
        let mut leaves = false;
        let fate = self.fields(data, out, |rewriter, part, out| {
            let start = out.len();
            let fate = match (part.number, part.wire_type) {
                (KEY, BYTES) => match replaced {
                    Some(replaced) => rewriter.policy.replace(replaced, part.value, out),
                    None => rewriter.policy.text(part.value, out),
                },
                (VALUE, BYTES) => {
                    let result = rewriter.value(part.value, around, out);
                    rewriter.contained(result, start, out)
                }
                _ => rewriter.unknown(part),
            };
            leaves |= fate == Fate::Drop && matches!(part.number, KEY | VALUE);
            Ok((fate, part.number))
        })?;
        Ok(if leaves { Fate::Drop } else { fate })
    }

    fn value(&mut self, data: &[u8], around: Around, out: &mut Vec<u8>) -> Result<Fate, Broken> {
        if around.depth >= VALUE_DEPTH_MAX {
            return Err(Broken);
        }
        let mut leaves = false;
        let fate = self.fields(data, out, |rewriter, part, out| {
            let start = out.len();
            let (fate, number) = match (part.number, part.wire_type) {
                (STRING | RAW, BYTES) => match around.replace {
                    Some(replace) => (rewriter.policy.replace(replace, part.value, out), STRING),
                    None => (rewriter.policy.text(part.value, out), part.number),
                },
                (ARRAY, BYTES) => {
                    let list = rewriter.items(part.value, out, |rewriter, item, out| {
                        rewriter.value(item, around.deeper(), out)
                    });
                    (rewriter.contained(list, start, out), ARRAY)
                }
                (KVLIST, BYTES) if is_masked(around.replace) => {
                    let masked = around.replace.unwrap_or((RedactAction::Mask, usize::MAX));
                    (rewriter.policy.replace(masked, b"", out), STRING)
                }
                (KVLIST, BYTES) => {
                    let map = rewriter.items(part.value, out, |rewriter, entry, out| {
                        rewriter.map_entry(entry, around.deeper(), out)
                    });
                    (rewriter.contained(map, start, out), KVLIST)
                }
                (INT | BOOL, VARINT) | (DOUBLE, FIXED64) => {
                    (rewriter.number(part, around.replace, out), STRING)
                }
                _ => (rewriter.unknown(part), part.number),
            };
            leaves |= fate == Fate::Drop;
            Ok((fate, number))
        })?;
        Ok(if leaves { Fate::Drop } else { fate })
    }

    /// A number may be a card's, and is text where its key says so.
    fn number(&self, part: &Part<'_>, replace: Replace, out: &mut Vec<u8>) -> Fate {
        let bits = match part.wire_type {
            VARINT => varint(part.value).map_or(0, |(value, _)| value),
            _ => part.value.try_into().map_or(0, u64::from_le_bytes),
        };
        let text = match part.number {
            BOOL => (bits != 0).to_string(),
            INT => (bits as i64).to_string(),
            _ => f64::from_bits(bits).to_string(),
        };
        match replace {
            Some(replace) => self.policy.replace(replace, text.as_bytes(), out),
            None if is_card(self.policy, part.number, bits) => {
                self.policy.text(text.as_bytes(), out)
            }
            None => Fate::Same,
        }
    }

    /// The items of a list or of a map, which stand under the same number.
    fn items(
        &mut self,
        data: &[u8],
        out: &mut Vec<u8>,
        mut item: impl FnMut(&mut Self, &[u8], &mut Vec<u8>) -> Result<Fate, Broken>,
    ) -> Result<Fate, Broken> {
        self.fields(data, out, |rewriter, part, out| {
            if (part.number, part.wire_type) != (ITEMS, BYTES) {
                return Ok((rewriter.unknown(part), part.number));
            }
            let start = out.len();
            let result = item(rewriter, part.value, out);
            Ok((rewriter.contained(result, start, out), ITEMS))
        })
    }

    /// An entry of a map. Where the map's own key is replaced whole, keys within no longer matter.
    fn map_entry(
        &mut self,
        data: &[u8],
        around: Around,
        out: &mut Vec<u8>,
    ) -> Result<Fate, Broken> {
        match around.replace {
            // Its keys are part of the whole value.
            Some(_) => self.entry(data, around, around.replace, out),
            None => self.key_value(data, around, out),
        }
    }
}

/// Whether a map is replaced by one text.
fn is_masked(replace: Replace) -> bool {
    matches!(replace, Some((RedactAction::Mask, _)))
}

/// Whether the value of a field that is no text has this length: ids, and numbers in a row.
fn is_of_bytes(name: &str, length: usize) -> bool {
    match name {
        "traceId" => matches!(length, 0 | 16),
        "spanId" | "parentSpanId" => matches!(length, 0 | 8),
        "explicitBounds" => length.is_multiple_of(8),
        _ => name == "bucketCounts",
    }
}

/// Whether a message may hold something to take out; `false` is certain.
pub(super) fn may_concern(policy: &Policy, bytes: &[u8]) -> bool {
    policy.may_concern(bytes, Look::Bytes)
        || (policy.finder.wants_numbers() && may_hold_card(policy, bytes))
}
