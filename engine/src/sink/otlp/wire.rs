//! Protobuf, written by field number; and the little of it that answers hold.
//!
//! Source: the protobuf encoding guide: a tag is `number << 3 | kind`, kinds 0 varint, 1 eight
//! bytes, 2 length-delimited, 5 four bytes.

use bytes::Bytes;

/// A message that is being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A number of variable length; also enumerations, truth values and `int64`.
    pub(super) fn varint(&mut self, field: u32, value: u64) {
        self.raw(u64::from(field << 3));
        self.raw(value);
    }

    /// Eight bytes: `fixed64`, `sfixed64`, or the bits of a `double`.
    pub(super) fn fixed(&mut self, field: u32, bits: u64) {
        self.raw(u64::from(field << 3 | 1));
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    /// Text. An empty one is written, too: in a `oneof` it says which member is set.
    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    /// A message inside.
    pub(super) fn message(&mut self, field: u32, message: &Self) {
        self.delimited(field, &message.0);
    }

    pub(super) fn finish(self) -> Bytes {
        Bytes::from(self.0)
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.raw(u64::from(field << 3 | 2));
        self.raw(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What an answer says was not taken: how many, and why. Nothing where it is whole, or cannot be
/// read: then the receiver has said that it took everything.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    let partial = fields(answer).find(|field| field.0 == 1)?.2;
    let (mut rejected, mut text) = (0, String::new());
    for (field, number, bytes) in fields(partial) {
        match field {
            1 => rejected = number,
            2 => text = String::from_utf8_lossy(bytes).into_owned(),
            _ => {}
        }
    }
    (rejected > 0 || !text.is_empty()).then_some((rejected, text))
}

/// The fields of a message, as far as it can be read: (number, value of a varint, bytes).
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, u64, &[u8])> {
    std::iter::from_fn(move || {
        let tag = read_varint(&mut rest)?;
        let (mut number, mut bytes): (u64, &[u8]) = (0, &[]);
        match tag & 7 {
            0 => number = read_varint(&mut rest)?,
            1 => bytes = take(&mut rest, 8)?,
            2 => {
                let length = read_varint(&mut rest)?;
                bytes = take(&mut rest, usize::try_from(length).ok()?)?;
            }
            5 => bytes = take(&mut rest, 4)?,
            _ => return None,
        }
        Some((tag >> 3, number, bytes))
    })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
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
