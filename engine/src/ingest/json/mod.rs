//! A pull scanner over JSON bytes that borrows text and skips what nobody reads.
//!
//! Invariant: no recursion and no allocation, except for text with escapes. Skipped values are
//! checked for balanced brackets and closed strings, not for every rule of JSON.
//! Source: RFC 8259.

mod number;
mod pattern;
mod text;
mod value;

pub(super) use number::integer_of;
pub(super) use pattern::Pattern;
pub(super) use text::Text;
pub(super) use value::{cell, owned};

use super::damage::{Damage, Reason};
use crate::model::ByteRange;

/// Nesting that is skipped; one bit a level.
const DEPTH_MAX: u32 = 128;

/// A cursor over a payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a> {
    data: &'a [u8],
    pos: usize,
}

/// Where the scanning of an object or array stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    First,
    Further,
    Done,
}

impl<'a> Json<'a> {
    /// A cursor at a position of a payload.
    pub(super) fn at(data: &'a [u8], pos: usize) -> Self {
        Self { data, pos }
    }

    /// Offset in the payload.
    #[inline]
    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// Where the rest of the payload lies, from the next value on.
    #[inline]
    pub(super) fn rest(&self) -> ByteRange {
        ByteRange::new(self.pos, self.data.len())
    }

    /// The bytes from the cursor on.
    #[inline]
    pub(super) fn ahead(&self) -> &'a [u8] {
        self.data.get(self.pos..).unwrap_or_default()
    }

    /// Goes back (or on) to a position.
    #[inline]
    pub(super) fn seek(&mut self, pos: usize) {
        self.pos = pos;
    }

    /// Damage at this place.
    #[cold]
    pub(super) fn damage(&self, reason: Reason) -> Damage {
        Damage::new(self.pos, reason)
    }

    /// The next byte that is not white space, not consumed; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            match self.data.get(self.pos) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek() == 0 && self.pos >= self.data.len()
    }

    /// Passes over bytes that are exactly these, if they are next.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self, expected: &[u8; N]) -> bool {
        let found = self.ahead().first_chunk() == Some(expected);
        if found {
            self.pos += N;
        }
        found
    }

    /// The bytes between two positions.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        &self.data[start..end]
    }

    /// Passes over a pattern, if it is next.
    #[inline]
    pub(super) fn take_pattern(&mut self, pattern: &Pattern) -> bool {
        let found = pattern.is_at(self.data, self.pos);
        if found {
            self.pos += pattern.length();
        }
        found
    }

    /// Passes over `null`, if it is next.
    #[inline]
    pub(super) fn null(&mut self) -> bool {
        self.peek() == b'n' && self.take(b"null")
    }

    /// Enters an object; `null` counts as an empty one.
    pub(super) fn object(&mut self) -> Result<Members, Damage> {
        self.enter(b'{', Reason::NotObject)
    }

    /// Enters an array; `null` counts as an empty one.
    pub(super) fn array(&mut self) -> Result<Members, Damage> {
        self.enter(b'[', Reason::NotArray)
    }

    fn enter(&mut self, open: u8, reason: Reason) -> Result<Members, Damage> {
        if self.peek() == open {
            self.pos += 1;
            Ok(Members::First)
        } else if self.null() {
            Ok(Members::Done)
        } else {
            Err(self.damage(reason))
        }
    }

    /// The next key of an object, with the cursor at its value; `None` at the end.
    #[inline]
    pub(super) fn key(&mut self, members: &mut Members) -> Result<Option<Text<'a>>, Damage> {
        if !self.next(members, b'}')? {
            return Ok(None);
        }
        self.name().map(Some)
    }

    /// A member's name and colon.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Text<'a>, Damage> {
        let key = self.text()?;
        if self.peek() != b':' {
            return Err(self.damage(Reason::BadJson));
        }
        self.pos += 1;
        Ok(key)
    }

    /// Whether an object has one more member; the cursor is then at its name.
    #[inline]
    pub(super) fn member(&mut self, members: &mut Members) -> Result<bool, Damage> {
        self.next(members, b'}')
    }

    /// Passes over the end of a line (or of the payload); only white space may stand before it.
    #[inline]
    pub(super) fn end_of_line(&mut self) -> Result<(), Damage> {
        loop {
            match self.data.get(self.pos) {
                Some(b'\n') => {
                    self.pos += 1;
                    return Ok(());
                }
                None => return Ok(()),
                Some(b' ' | b'\t' | b'\r') => self.pos += 1,
                Some(_) => return Err(self.damage(Reason::TrailingData)),
            }
        }
    }

    /// Whether an array has one more element; the cursor is then at it.
    pub(super) fn element(&mut self, members: &mut Members) -> Result<bool, Damage> {
        self.next(members, b']')
    }

    #[inline]
    fn next(&mut self, members: &mut Members, close: u8) -> Result<bool, Damage> {
        let state = std::mem::replace(members, Members::Further);
        if state == Members::Done {
            *members = Members::Done;
            return Ok(false);
        }
        let byte = self.peek();
        if byte == close {
            self.pos += 1;
            *members = Members::Done;
            return Ok(false);
        }
        if state == Members::Further {
            if byte != b',' {
                return Err(self.damage(Reason::BadJson));
            }
            self.pos += 1;
            if self.peek() == close {
                return Err(self.damage(Reason::BadJson));
            }
        }
        Ok(true)
    }

    /// A string.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text<'a>, Damage> {
        if self.peek() != b'"' {
            return Err(self.damage(Reason::NotText));
        }
        let start = self.pos + 1;
        let (end, escaped) = text::end_of(self.data, start)?;
        self.pos = end + 1;
        Ok(Text::new(&self.data[start..end], start, escaped))
    }

    /// A string; `null` counts as an empty one.
    pub(super) fn text_or_null(&mut self) -> Result<Text<'a>, Damage> {
        if self.null() {
            return Ok(Text::new(&[], self.pos, 0));
        }
        self.text()
    }

    /// `true` or `false`; `null` counts as `false`.
    pub(super) fn boolean(&mut self) -> Result<bool, Damage> {
        match self.peek() {
            b't' if self.take(b"true") => Ok(true),
            b'f' if self.take(b"false") => Ok(false),
            _ if self.null() => Ok(false),
            _ => Err(self.damage(Reason::NotBool)),
        }
    }

    /// Passes over one value.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<(), Damage> {
        match self.peek() {
            b'"' => self.text().map(drop),
            b'{' | b'[' => self.skip_nested(),
            b't' if self.take(b"true") => Ok(()),
            b'f' if self.take(b"false") => Ok(()),
            b'n' if self.take(b"null") => Ok(()),
            b'-' | b'0'..=b'9' => self.number_token().map(drop),
            _ => Err(self.damage(Reason::BadJson)),
        }
    }

    /// Passes over one value and returns a cursor at it.
    pub(super) fn passed(&mut self) -> Result<Self, Damage> {
        let at = *self;
        self.skip()?;
        Ok(at)
    }

    /// Passes over an array and counts its elements.
    pub(super) fn length(&mut self) -> Result<u32, Damage> {
        let (mut members, mut count) = (self.array()?, 0);
        while self.element(&mut members)? {
            self.skip()?;
            count += 1;
        }
        Ok(count)
    }

    fn skip_nested(&mut self) -> Result<(), Damage> {
        let (mut objects, mut depth) = (0_u128, 0_u32);
        loop {
            self.pos = text::next_mark(self.data, self.pos);
            match self.data.get(self.pos) {
                Some(b'"') => {
                    let (mut end, _) = text::end_of(self.data, self.pos + 1)?;
                    // A name and its text, or a text and the next name, stand side by side.
                    while let Some([b':' | b',', b'"']) = self.data.get(end + 1..end + 3) {
                        end = text::end_of(self.data, end + 3)?.0;
                    }
                    self.pos = end;
                }
                Some(&open @ (b'{' | b'[')) => {
                    if depth == DEPTH_MAX {
                        return Err(self.damage(Reason::JsonTooDeep));
                    }
                    objects = objects << 1 | u128::from(open == b'{');
                    depth += 1;
                }
                Some(&close @ (b'}' | b']')) => {
                    if (objects & 1 == 1) != (close == b'}') {
                        return Err(self.damage(Reason::BadJson));
                    }
                    objects >>= 1;
                    depth -= 1;
                }
                Some(_) => {}
                None => return Err(self.damage(Reason::Truncated)),
            }
            self.pos += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}
