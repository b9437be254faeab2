//! Protobuf, written by field number; and the little of it that answers hold.
//!
//! Source: the protobuf encoding guide: a tag is `number << 3 | kind`, kinds 0 varint, 1 eight
//! bytes, 2 length-delimited, 5 four bytes.

use bytes::Bytes;

/// A message that is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// One with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A number of variable length; also enumerations, truth values and `int64`.
    pub(crate) fn varint(&mut self, field: u32, value: u64) {
        self.raw(u64::from(field << 3));
        self.raw(value);
    }

    /// A number of variable length in zigzag: `sint32` and `sint64`.
    pub(crate) fn zigzag(&mut self, field: u32, value: i64) {
        self.varint(field, zigzag(value));
    }

    /// Eight bytes: `fixed64`, `sfixed64`, or the bits of a `double`.
    pub(crate) fn fixed(&mut self, field: u32, bits: u64) {
        self.raw(u64::from(field << 3 | 1));
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    /// Four bytes: `fixed32`.
    pub(crate) fn fixed32(&mut self, field: u32, bits: u32) {
        self.raw(u64::from(field << 3 | 5));
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    /// A `double`.
    pub(crate) fn double(&mut self, field: u32, number: f64) {
        self.fixed(field, number.to_bits());
    }

    /// Text. An empty one is written, too: in a `oneof` it says which member is set.
    pub(crate) fn text(&mut self, field: u32, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    /// Bytes, or an encoded message.
    pub(crate) fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.raw(u64::from(field << 3 | 2));
        self.raw(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// The start of a message inside of so many bytes, which follow.
    pub(crate) fn begin(&mut self, field: u32, bytes: usize) {
        self.raw(u64::from(field << 3 | 2));
        self.raw(bytes as u64);
    }

    /// A message inside that is given in pieces.
    pub(crate) fn pieces(&mut self, field: u32, pieces: &[&[u8]]) {
        self.raw(u64::from(field << 3 | 2));
        self.raw(pieces.iter().map(|piece| piece.len() as u64).sum());
        pieces.iter().for_each(|piece| self.0.extend_from_slice(piece));
    }

    /// A message inside.
    pub(crate) fn message(&mut self, field: u32, message: &Self) {
        self.delimited(field, &message.0);
    }

    /// Packed numbers of variable length.
    pub(crate) fn packed(&mut self, field: u32, numbers: impl IntoIterator<Item = u64>) {
        let mut packed = Self::default();
        numbers.into_iter().for_each(|number| packed.raw(number));
        if !packed.0.is_empty() {
            self.message(field, &packed);
        }
    }

    /// Packed numbers of eight bytes.
    pub(crate) fn packed_fixed(&mut self, field: u32, numbers: impl IntoIterator<Item = u64>) {
        let packed: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
        if !packed.is_empty() {
            self.delimited(field, &packed);
        }
    }

    /// A field as it was read.
    pub(crate) fn field(&mut self, (number, wire_type, value, bytes): &StrictField<'_>) {
        match wire_type {
            0 => self.varint(*number as u32, *value),
            2 => self.delimited(*number as u32, bytes),
            _ => {
                self.raw(number << 3 | wire_type);
                self.0.extend_from_slice(bytes);
            }
        }
    }

    /// Fields that are already encoded.
    pub(crate) fn append(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    /// With its length before it, as messages stand in a stream.
    pub(crate) fn with_length(self) -> Self {
        let mut out = Self::default();
        out.raw(self.0.len() as u64);
        out.0.extend_from_slice(&self.0);
        out
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn finish(self) -> Bytes {
        Bytes::from(self.0)
    }

    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// Bytes of a number of variable length.
pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// A signed number such that small ones are short.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// A field: its number, the value of a varint, the bytes of anything else.
pub(crate) type Field<'a> = (u64, u64, &'a [u8]);

/// The first field of a number: the value of a varint, the bytes of anything else.
pub(crate) fn field(message: &[u8], number: u64) -> Option<(u64, &[u8])> {
    fields(message).find(|field| field.0 == number).map(|(_, value, bytes)| (value, bytes))
}

/// The fields of a message, as far as it can be read.
pub(crate) fn fields(rest: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let known = strict_fields(rest).map_while(|field| field);
    known.map(|(number, _, value, bytes)| (number, value, bytes))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// A field: number, wire type, the value of a varint, the bytes of anything else.
pub(crate) type StrictField<'a> = (u64, u64, u64, &'a [u8]);

/// The fields of a message; `None` once, and last, where it cannot be read on.
pub(crate) fn strict_fields(mut rest: &[u8]) -> impl Iterator<Item = Option<StrictField<'_>>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = strict_field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field)
    })
}

fn strict_field<'a>(rest: &mut &'a [u8]) -> Option<StrictField<'a>> {
    let tag = read_varint(rest)?;
    let (mut number, mut bytes): (u64, &[u8]) = (0, &[]);
    match tag & 7 {
        0 => number = read_varint(rest)?,
        1 => bytes = take(rest, 8)?,
        2 => {
            let length = read_varint(rest)?;
            bytes = take(rest, usize::try_from(length).ok()?)?;
        }
        5 => bytes = take(rest, 4)?,
        _ => return None,
    }
    Some((tag >> 3, tag & 7, number, bytes))
}

pub(crate) fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
