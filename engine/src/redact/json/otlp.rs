//! Attributes and values of OTLP/JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::attribute::{as_double, leaf, number};
use super::{Fate, Member, Replace, Result, Rewriter, put_string};
use crate::plan::RedactAction;
use crate::redact::policy::{KeyFate, Listing, Policy};

impl<'a> Rewriter<'a> {
    /// An attribute of OTLP: `{"key": …, "value": {…}}`.
    pub(super) fn key_value(
        &mut self,
        listing: Listing,
        level: usize,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        let length = self.path.len();
        let fate = self.keyed(listing, level, out);
        self.path.truncate(length);
        fate
    }

    pub(super) fn keyed(
        &mut self,
        mut listing: Listing,
        level: usize,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        let key = self.text_of_member(b"key")?;
        self.push_key(&key);
        let mut replace = None;
        let mut is_out = false;
        match self.policy.key(&self.path, &key, &mut listing) {
            KeyFate::Drop(counter) => {
                self.policy.counters.add(counter);
                is_out = true;
            }
            KeyFate::Replace(action, counter) => replace = Some((action, counter)),
            KeyFate::Look => {}
        }
        is_out |= level == 0 && !is_out && self.policy.is_shut_out(listing);
        if is_out {
            self.skip()?;
            return Ok(Fate::Drop);
        }
        let mut leaves = false;
        let fate = self.members(out, |rewriter, name, member| {
            let fate = match name {
                b"key" => rewriter.value_text(&mut member.value)?,
                b"value" if rewriter.peek() == b'{' => {
                    rewriter.any_value(listing, replace, level, &mut member.value)?
                }
                _ => return rewriter.named(name, listing, None, member),
            };
            leaves |= fate == Fate::Drop;
            Ok(fate)
        })?;
        Ok(if leaves { Fate::Drop } else { fate })
    }

    /// A string that leaves with what is around it.
    pub(super) fn value_text(&mut self, out: &mut Vec<u8>) -> Result<Fate> {
        self.plain(Listing::Listed, None, out)
    }

    /// The text of a member of the object at the cursor, which stays where it is.
    pub(super) fn text_of_member(&mut self, wanted: &[u8]) -> Result<Cow<'a, [u8]>> {
        let (pos, depth) = (self.pos, self.depth);
        let mut found: Cow<'a, [u8]> = Cow::Borrowed(b"");
        let mut scratch = Vec::new();
        self.members(&mut scratch, |rewriter, name, _| {
            if name == wanted && rewriter.peek() == b'"' {
                found = rewriter.string()?;
            } else {
                rewriter.skip()?;
            }
            Ok(Fate::Same)
        })?;
        self.pos = pos;
        self.depth = depth;
        Ok(found)
    }

    /// Passes over a value: strings closed, brackets balanced.
    pub(super) fn skip(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                b'"' => drop(self.raw_string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.pos += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.pos += 1;
                }
                b',' | b':' if depth > 0 => self.pos += 1,
                _ => drop(self.scalar()?),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    pub(super) fn any_value(
        &mut self,
        listing: Listing,
        replace: Replace,
        level: usize,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        let is_masked = matches!(replace, Some((RedactAction::Mask, _)));
        let mut leaves = false;
        let fate = self.members(out, |rewriter, name, member| {
            let next = rewriter.peek();
            let fate = match (name, next) {
                (b"stringValue", b'"') => rewriter.plain(listing, replace, &mut member.value)?,
                (b"bytesValue", b'"') => rewriter.bytes_value(replace, member)?,
                (b"intValue" | b"boolValue" | b"doubleValue", b'{' | b'[') => {
                    rewriter.plain(listing, replace, &mut member.value)?
                }
                (b"intValue" | b"boolValue" | b"doubleValue", _) => {
                    rewriter.number_value(name, replace, member)?
                }
                (b"arrayValue", b'{') => rewriter.values(&mut member.value, |rewriter, out| {
                    if rewriter.peek() != b'{' {
                        return rewriter.plain(listing, replace, out);
                    }
                    rewriter.any_value(listing, replace, level + 1, out)
                })?,
                (b"kvlistValue", b'{') if is_masked => {
                    member.key = Some(Cow::Borrowed(b"stringValue"));
                    let masked = replace.unwrap_or((RedactAction::Mask, usize::MAX));
                    rewriter.masked(masked, &mut member.value)?
                }
                (b"kvlistValue", b'{') => {
                    rewriter.values(&mut member.value, |rewriter, out| {
                        match (rewriter.peek(), replace) {
                            (b'{', Some(replace)) => rewriter.replaced_entry(replace, level, out),
                            (b'{', None) => rewriter.key_value(listing, level + 1, out),
                            _ => rewriter.plain(listing, replace, out),
                        }
                    })?
                }
                _ => return rewriter.named(name, listing, replace, member),
            };
            leaves |= fate == Fate::Drop;
            Ok(fate)
        })?;
        Ok(if leaves { Fate::Drop } else { fate })
    }

    /// A number or truth value; what is written in its place is a text.
    fn number_value(
        &mut self,
        name: &[u8],
        replace: Replace,
        member: &mut Member<'_>,
    ) -> Result<Fate> {
        let is_quoted = self.peek() == b'"';
        let text = if is_quoted { self.string()? } else { Cow::Borrowed(self.scalar()?) };
        let is_looked_at = name != b"boolValue" || replace.is_some() || is_quoted;
        let each = |policy: &Policy, out: &mut Vec<u8>| match replace {
            Some(_) if name == b"doubleValue" => leaf(policy, replace, &as_double(&text), out),
            _ if is_looked_at => number(policy, replace, &text, out),
            _ => Fate::Same,
        };
        let fate = self.quoted(Fate::Drop, each, &mut member.value);
        if fate == Fate::Changed {
            member.key = Some(Cow::Borrowed(b"stringValue"));
        }
        Ok(fate)
    }

    /// An entry of a map that is replaced whole.
    pub(super) fn replaced_entry(
        &mut self,
        replace: (RedactAction, usize),
        level: usize,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        let mut leaves = false;
        let fate = self.members(out, |rewriter, name, member| {
            let fate = match (name, rewriter.peek()) {
                (b"value", b'{') => rewriter.any_value(
                    Listing::Listed,
                    Some(replace),
                    level + 1,
                    &mut member.value,
                )?,
                // The keys of a map are part of its whole value.
                (b"key", _) => rewriter.plain(Listing::Listed, Some(replace), &mut member.value)?,
                _ => rewriter.value_text(&mut member.value)?,
            };
            leaves |= fate == Fate::Drop;
            Ok(fate)
        })?;
        Ok(if leaves { Fate::Drop } else { fate })
    }

    /// `{"values": […]}`.
    pub(super) fn values(
        &mut self,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&mut Self, &mut Vec<u8>) -> Result<Fate>,
    ) -> Result<Fate> {
        self.members(out, |rewriter, name, member| {
            if name == b"values" && rewriter.peek() == b'[' {
                return rewriter.list(&mut member.value, &mut each);
            }
            rewriter.named(name, Listing::Listed, None, member)
        })
    }

    /// Bytes in base64 are looked at as the bytes that they are.
    pub(super) fn bytes_value(
        &mut self,
        replace: Replace,
        member: &mut Member<'_>,
    ) -> Result<Fate> {
        let text = self.string()?;
        let Some(bytes) = crate::ingest::base64(&text) else {
            return Ok(self.quoted(
                Fate::Drop,
                |policy, out| leaf(policy, replace, &text, out),
                &mut member.value,
            ));
        };
        let mut found = Vec::new();
        let fate = leaf(self.policy, replace, &bytes, &mut found);
        if fate == Fate::Changed {
            match replace {
                Some(_) => {
                    member.key = Some(Cow::Borrowed(b"stringValue"));
                    put_string(&found, &mut member.value);
                }
                None => put_string(STANDARD.encode(&found).as_bytes(), &mut member.value),
            }
        }
        Ok(fate)
    }
}
