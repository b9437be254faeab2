//! The protobuf wire format over borrowed bytes: tags, varints, lengths.
//!
//! Invariant: a nested message is the same slice with a nearer end, so that positions are offsets
//! in the payload everywhere. Source: protobuf.dev, "Encoding".

use crate::ingest::damage::{Damage, Reason};
use crate::model::ByteRange;

/// Wire type of varints.
pub(super) const VARINT: u32 = 0;
/// Wire type of 8-byte numbers.
pub(super) const FIXED64: u32 = 1;
/// Wire type of bytes, text, messages and packed numbers.
pub(super) const BYTES: u32 = 2;
/// Wire type of 4-byte numbers.
pub(super) const FIXED32: u32 = 5;

/// Tags of a `KeyValue` with a byte each.
const KEY: u8 = tag(1, BYTES) as u8;
const VALUE: u8 = tag(2, BYTES) as u8;

/// The tag of a field.
pub(super) const fn tag(field: u32, wire_type: u32) -> u32 {
    field << 3 | wire_type
}

/// A set of field numbers below 64.
pub(super) const fn fields<const N: usize>(numbers: [u32; N]) -> u64 {
    let (mut set, mut i) = (0, 0);
    while i < N {
        set |= 1 << numbers[i];
        i += 1;
    }
    set
}

/// A cursor over one message.
#[derive(Debug, Clone, Copy)]
pub(in crate::ingest) struct Wire<'a> {
    /// The payload up to the end of this message.
    data: &'a [u8],
    pos: usize,
}

impl<'a> Wire<'a> {
    /// A cursor at the start of a payload.
    pub(in crate::ingest) fn new(payload: &'a [u8]) -> Self {
        Self { data: payload, pos: 0 }
    }

    /// A cursor over the message at `start..end` of a payload.
    pub(super) fn within(payload: &'a [u8], start: usize, end: usize) -> Self {
        Self { data: &payload[..end], pos: start }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.pos >= self.data.len()
    }

    /// Offset in the payload.
    #[inline]
    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// Where the rest of the message lies in the payload.
    #[inline]
    pub(super) fn range(&self) -> ByteRange {
        ByteRange::new(self.pos, self.data.len())
    }

    /// Damage at this place.
    #[cold]
    pub(super) fn damage(&self, reason: Reason) -> Damage {
        Damage::new(self.pos, reason)
    }

    /// The next field's tag; 0 at the end of the message, which no field has.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<u32, Damage> {
        match self.data.get(self.pos) {
            None => Ok(0),
            Some(&byte @ 8..0x80) => {
                self.pos += 1;
                Ok(u32::from(byte))
            }
            Some(_) => self.long_tag(),
        }
    }

    fn long_tag(&mut self) -> Result<u32, Damage> {
        let at = self.pos;
        let tag = self.varint()?;
        match u32::try_from(tag) {
            Ok(tag) if tag >= 8 => Ok(tag),
            _ => Err(Damage::new(at, Reason::BadTag)),
        }
    }

    /// A varint; most have one byte.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Damage> {
        match self.data.get(self.pos) {
            Some(&byte @ 0..0x80) => {
                self.pos += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for i in 0..10 {
            let Some(&byte) = self.data.get(self.pos + i) else {
                return Err(self.damage(Reason::Truncated));
            };
            if i == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.pos += i + 1;
                return Ok(value);
            }
        }
        Err(self.damage(Reason::BadVarint))
    }

    /// A signed varint in zigzag encoding.
    pub(super) fn sint32(&mut self) -> Result<i32, Damage> {
        let value = self.varint()? as u32;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// Eight bytes, little-endian.
    #[inline]
    pub(super) fn fixed64(&mut self) -> Result<u64, Damage> {
        match self.data.get(self.pos..self.pos + 8) {
            Some(bytes) => {
                self.pos += 8;
                Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
            }
            None => Err(self.damage(Reason::Truncated)),
        }
    }

    /// Four bytes, little-endian.
    #[inline]
    pub(super) fn fixed32(&mut self) -> Result<u32, Damage> {
        match self.data.get(self.pos..self.pos + 4) {
            Some(bytes) => {
                self.pos += 4;
                Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
            }
            None => Err(self.damage(Reason::Truncated)),
        }
    }

    /// A double.
    pub(super) fn double(&mut self) -> Result<f64, Damage> {
        self.fixed64().map(f64::from_bits)
    }

    /// Bytes after their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.varint()? as usize;
        let end = self.pos.wrapping_add(length);
        match self.data.get(self.pos..end) {
            Some(bytes) => {
                self.pos = end;
                Ok(bytes)
            }
            None => Err(self.damage(Reason::Truncated)),
        }
    }

    /// A nested message after its length.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Wire<'a>, Damage> {
        let length = self.varint()? as usize;
        let end = self.pos.wrapping_add(length);
        if end < self.pos || end > self.data.len() {
            return Err(self.damage(Reason::Truncated));
        }
        let message = Wire { data: &self.data[..end], pos: self.pos };
        self.pos = end;
        Ok(message)
    }

    /// The length of the key of an attribute, where this message is one of the usual shape: a short
    /// key, a short value, and nothing else. Most attributes are told by it from those that are
    /// read, without a walk over their fields.
    #[inline]
    pub(super) fn short_key(&self) -> Option<usize> {
        let fields = self.data.get(self.pos..)?;
        let (&KEY, &length @ 0..0x80) = (fields.first()?, fields.get(1)?) else { return None };
        let value = 2 + usize::from(length);
        let (&VALUE, &short @ 0..0x80) = (fields.get(value)?, fields.get(value + 1)?) else {
            return None;
        };
        (fields.len() == value + 2 + usize::from(short)).then_some(length.into())
    }

    /// Passes over a field that is not read.
    #[inline]
    pub(super) fn skip(&mut self, tag: u32) -> Result<(), Damage> {
        match tag & 7 {
            BYTES => self.bytes().map(drop),
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            FIXED32 if self.pos + 4 <= self.data.len() => {
                self.pos += 4;
                Ok(())
            }
            FIXED32 => Err(self.damage(Reason::Truncated)),
            3 | 4 => Err(self.damage(Reason::Group)),
            _ => Err(self.damage(Reason::BadTag)),
        }
    }

    /// Passes over a field that the message does not have; a known field arrives here only with
    /// a wire type that is not its own.
    #[inline]
    pub(super) fn skip_unknown(&mut self, tag: u32, known: u64) -> Result<(), Damage> {
        let field = tag >> 3;
        if field < 64 && known >> field & 1 == 1 {
            return Err(self.damage(match tag & 7 {
                3 | 4 => Reason::Group,
                _ => Reason::WrongWireType,
            }));
        }
        self.skip(tag)
    }
}
