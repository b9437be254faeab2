//! JSON strings: their end, and their escapes.

use std::borrow::Cow;

use crate::ingest::damage::{Damage, Reason};

/// A string as it stands between its quotes.
#[derive(Debug, Clone, Copy)]
pub(in crate::ingest) struct Text<'a> {
    raw: &'a [u8],
    /// Twice the offset in the payload, plus 1 if there are escapes: whole words, as in
    /// [`Damage`].
    mark: usize,
}

impl<'a> Text<'a> {
    /// The bytes between the quotes, from offset `at` of the payload.
    #[inline]
    pub(super) fn new(raw: &'a [u8], at: usize, escaped: usize) -> Self {
        let mark = at << 1 | escaped;
        Self { raw, mark }
    }

    fn is_escaped(&self) -> bool {
        self.mark & 1 == 1
    }

    /// Offset in the payload.
    pub(in crate::ingest) fn at(&self) -> usize {
        self.mark >> 1
    }

    /// The text itself, if it has no escapes.
    #[inline]
    pub(in crate::ingest) fn plain(&self) -> Option<&'a [u8]> {
        (!self.is_escaped()).then_some(self.raw)
    }

    /// The text, escapes resolved. Whether it is UTF-8 is not checked.
    pub(in crate::ingest) fn bytes(&self) -> Result<Cow<'a, [u8]>, Damage> {
        if !self.is_escaped() {
            return Ok(Cow::Borrowed(self.raw));
        }
        let mut out = Vec::new();
        self.unescape(&mut out)?;
        Ok(Cow::Owned(out))
    }

    /// The id that the text spells, by a reader of its digits, which is told where they stand.
    pub(in crate::ingest) fn id<T>(
        &self,
        read: impl FnOnce(&[u8], usize) -> Result<T, Damage>,
    ) -> Result<T, Damage> {
        read(&self.bytes()?, self.at())
    }

    /// The text as a string.
    pub(in crate::ingest) fn string(&self) -> Result<Cow<'a, str>, Damage> {
        let damage = |_| Damage::new(self.at(), Reason::NotUtf8);
        match self.bytes()? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(damage),
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|_| Damage::new(self.at(), Reason::NotUtf8)),
        }
    }

    /// Appends the text with its escapes resolved.
    pub(in crate::ingest) fn unescape(&self, out: &mut Vec<u8>) -> Result<(), Damage> {
        let bad = || Damage::new(self.at(), Reason::BadString);
        let mut rest = self.raw;
        while let Some(backslash) = memchr::memchr(b'\\', rest) {
            out.extend_from_slice(&rest[..backslash]);
            let escape = *rest.get(backslash + 1).ok_or_else(bad)?;
            rest = &rest[backslash + 2..];
            match escape {
                b'"' | b'\\' | b'/' => out.push(escape),
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => {
                    let letter = unicode(&mut rest).ok_or_else(bad)?;
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(bad()),
            }
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// The character of a `\u` escape, of two where they are a surrogate pair.
fn unicode(rest: &mut &[u8]) -> Option<char> {
    let first = hex4(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    *rest = rest.strip_prefix(b"\\u")?;
    let second = hex4(rest)?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn hex4(rest: &mut &[u8]) -> Option<u32> {
    let digits = rest.get(..4)?;
    *rest = &rest[4..];
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The lowest marked byte is the first quote, backslash or control character of eight bytes.
#[inline]
fn special(chunk: u64) -> u64 {
    let quote = chunk ^ (ONES * 0x22);
    let backslash = chunk ^ (ONES * 0x5c);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = chunk.wrapping_sub(ONES * 0x20) & !chunk;
    (is_quote | is_backslash | is_control) & HIGHS
}

/// The position of the first quote or bracket from `pos` on; also of a letter with the four bits
/// that all brackets have (`Y`, `_`, `y`), or of the last seven bytes.
#[inline]
pub(super) fn next_mark(data: &[u8], mut pos: usize) -> usize {
    const BRACKET: u64 = 0x59;
    while let Some(bytes) = data.get(pos..pos + 8) {
        let chunk = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let quote = chunk ^ (ONES * 0x22);
        let bracket = (chunk & (ONES * BRACKET)) ^ (ONES * BRACKET);
        let is_quote = quote.wrapping_sub(ONES) & !quote;
        let is_bracket = bracket.wrapping_sub(ONES) & !bracket;
        let marks = (is_quote | is_bracket) & HIGHS;
        if marks != 0 {
            return pos + (marks.trailing_zeros() / 8) as usize;
        }
        pos += 8;
    }
    pos
}

/// The position of the closing quote of the string whose content starts at `pos`, and 1 if
/// it has escapes, else 0. Eight bytes at a time: most strings here are shorter than what makes a
/// vectorised search pay.
#[inline]
pub(super) fn end_of(data: &[u8], mut pos: usize) -> Result<(usize, usize), Damage> {
    let mut escaped = 0;
    loop {
        pos = match data.get(pos..pos + 8) {
            Some(bytes) => {
                let chunk = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
                let marks = special(chunk);
                if marks == 0 { pos + 8 } else { pos + (marks.trailing_zeros() / 8) as usize }
            }
            None => pos,
        };
        match data.get(pos) {
            Some(b'"') => return Ok((pos, escaped)),
            Some(b'\\') => {
                escaped = 1;
                pos += 2;
            }
            Some(0..0x20) => return Err(Damage::new(pos, Reason::BadString)),
            Some(_) if pos + 8 > data.len() => pos += 1,
            Some(_) => {}
            None => return Err(Damage::new(data.len(), Reason::Truncated)),
        }
    }
}
