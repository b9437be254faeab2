//! Attributes written as members of an object: plain rows, maps, and members that nobody knows.

use std::borrow::Cow;

use super::kept;
use super::{Fate, Member, Replace, Result, Rewriter};
use crate::ingest::Column;
use crate::plan::RedactAction;
use crate::redact::policy::{KeyFate, Listing, Policy};
use crate::redact::shape::Shape;

/// Digits of a card number, at least.
const CARD_DIGITS_MIN: usize = 13;

impl Rewriter<'_> {
    /// A member that is an attribute, or one that nobody knows: by its key and all that is in it.
    pub(super) fn named(
        &mut self,
        key: &[u8],
        listing: Listing,
        replace: Replace,
        member: &mut Member<'_>,
    ) -> Result<Fate> {
        self.named_as((key, key), listing, replace, member)
    }

    /// The same of one whose name here is not that of the attribute: rules may name either.
    fn named_as(
        &mut self,
        (key, attribute): (&[u8], &[u8]),
        mut listing: Listing,
        mut replace: Replace,
        member: &mut Member<'_>,
    ) -> Result<Fate> {
        let (length, around) = (self.path.len(), replace);
        self.push_key(attribute);
        let mut is_out = false;
        if replace.is_none() {
            match self.policy.key(&self.path, key, &mut listing) {
                KeyFate::Drop(counter) => {
                    self.policy.counters.add(counter);
                    is_out = true;
                }
                KeyFate::Replace(action, counter) => replace = Some((action, counter)),
                KeyFate::Look => {}
            }
            is_out |= length == 0 && !is_out && self.policy.is_shut_out(listing);
        }
        if is_out {
            self.path.truncate(length);
            self.skip()?;
            return Ok(Fate::Drop);
        }
        let fate = self.plain(listing, replace, &mut member.value)?;
        self.path.truncate(length);
        let mut renamed = Vec::new();
        // The keys of a map whose whole value is hashed are part of the value.
        match leaf(self.policy, around, key, &mut renamed) {
            Fate::Drop => return Ok(Fate::Drop),
            Fate::Changed => member.key = Some(Cow::Owned(renamed)),
            Fate::Same => {}
        }
        Ok(fate)
    }

    pub(super) fn push_key(&mut self, key: &[u8]) {
        if !self.path.is_empty() {
            self.path.push(b'.');
        }
        self.path.extend_from_slice(key);
    }

    /// Any JSON value of an attribute.
    pub(super) fn plain(
        &mut self,
        listing: Listing,
        replace: Replace,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        match self.peek() {
            b'"' => {
                let text = self.string()?;
                Ok(self.quoted(Fate::Drop, |policy, out| leaf(policy, replace, &text, out), out))
            }
            b'[' => self.list(out, |rewriter, out| rewriter.plain(listing, replace, out)),
            b'{' => match replace {
                Some(masked @ (RedactAction::Mask, _)) => self.masked(masked, out),
                _ => self.map(listing, replace, out),
            },
            _ => {
                let text = self.scalar()?;
                let is_long = text.len() >= CARD_DIGITS_MIN && text[0].is_ascii_digit();
                let is_looked_at = replace.is_some() && text != b"null"
                    || is_long && self.policy.finder.wants_numbers();
                if !is_looked_at {
                    return Ok(Fate::Same);
                }
                Ok(self.quoted(Fate::Drop, |policy, out| number(policy, replace, text, out), out))
            }
        }
    }

    /// A map that is masked whole, with its keys.
    pub(super) fn masked(
        &mut self,
        masked: (RedactAction, usize),
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        self.skip()?;
        Ok(self.quoted(Fate::Drop, |policy, out| policy.replace(masked, b"", out), out))
    }

    pub(super) fn map(
        &mut self,
        listing: Listing,
        replace: Replace,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        self.members(out, |rewriter, key, member| rewriter.named(key, listing, replace, member))
    }

    /// A plain row: fields are looked at, other members are attributes.
    pub(super) fn row(&mut self, out: &mut Vec<u8>) -> Result<Fate> {
        let columns = self.columns;
        self.members(out, |rewriter, key, member| {
            rewriter.path.clear();
            let known = columns.iter().find(|(name, _)| name == key).map(|(_, column)| column);
            match known {
                Some(Column::Id) => {
                    let fate = rewriter.value(Shape::KEEP, &mut member.value)?;
                    Ok(kept(fate, member))
                }
                Some(Column::Nested) if rewriter.peek() == b'{' => {
                    rewriter.map(Listing::Unlisted, None, &mut member.value)
                }
                Some(Column::Field | Column::Nested) => {
                    let mut listing = Listing::Listed;
                    // A rule on keys may name a column, too.
                    if rewriter.policy.key(key, key, &mut listing) == KeyFate::Look {
                        let fate = rewriter.plain(Listing::Listed, None, &mut member.value)?;
                        return Ok(kept(fate, member));
                    }
                    rewriter.named(key, Listing::Listed, None, member)
                }
                Some(Column::Attribute(attribute)) => {
                    let listing = rewriter.listing_of(key);
                    rewriter.named_as((key, attribute), listing, None, member)
                }
                None => rewriter.named(key, Listing::Unlisted, None, member),
            }
        })
    }

    /// How an attribute is listed by the name that it has here.
    fn listing_of(&self, name: &[u8]) -> Listing {
        if self.policy.allows(name) { Listing::Listed } else { Listing::Unlisted }
    }

    /// The name of a service, which is an attribute elsewhere.
    pub(super) fn service(&mut self, attribute: &[u8], out: &mut Vec<u8>) -> Result<Fate> {
        const NAME: &[u8] = b"serviceName";
        let text = self.string()?;
        let mut listing = self.listing_of(NAME);
        let replace = match self.policy.key(attribute, NAME, &mut listing) {
            KeyFate::Drop(counter) => {
                self.policy.counters.add(counter);
                return Ok(Fate::Drop);
            }
            KeyFate::Replace(action, counter) => Some((action, counter)),
            KeyFate::Look => None,
        };
        if self.policy.is_shut_out(listing) {
            return Ok(Fate::Drop);
        }
        Ok(self.quoted(Fate::Drop, |policy, out| leaf(policy, replace, &text, out), out))
    }
}

pub(super) fn leaf(policy: &Policy, replace: Replace, text: &[u8], out: &mut Vec<u8>) -> Fate {
    match replace {
        Some(replace) => policy.replace(replace, text, out),
        None => policy.text(text, out),
    }
}

/// A number as every format writes it: an integer where it is one, else the shortest text of the
/// double.
pub(super) fn as_written(text: &[u8]) -> Cow<'_, [u8]> {
    let Ok(number) = std::str::from_utf8(text) else { return Cow::Borrowed(text) };
    let integer = number.parse::<i64>().map(|number| number.to_string()).ok();
    integer.map_or_else(|| as_double(text), |written| Cow::Owned(written.into_bytes()))
}

/// A double as every format writes it.
pub(super) fn as_double(text: &[u8]) -> Cow<'_, [u8]> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    number.map_or(Cow::Borrowed(text), |number| Cow::Owned(number.to_string().into_bytes()))
}

/// A number, which only a card's makes a text; or text where a number was meant.
pub(super) fn number(policy: &Policy, replace: Replace, text: &[u8], out: &mut Vec<u8>) -> Fate {
    if replace.is_some() {
        return leaf(policy, replace, &as_written(text), out);
    }
    let plain = std::str::from_utf8(text).unwrap_or_default();
    let is_card = match plain.parse() {
        Ok(integer) => policy.finder.is_card(integer),
        Err(_) if text.len() < CARD_DIGITS_MIN => false,
        Err(_) => plain.parse().is_ok_and(|double| policy.finder.is_card_double(double)),
    };
    let is_number =
        text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    match (is_card, is_number) {
        (true, _) => policy.text(&as_written(text), out),
        (false, true) => Fate::Same,
        (false, false) => policy.text(text, out),
    }
}

/// Whether a column holds an id of the trace context.
pub(super) fn is_id_name(name: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"traceid",
        b"spanid",
        b"parentid",
        b"parentspanid",
        b"tid",
        b"sid",
        b"pid",
        b"contexttraceid",
    ];
    // Of most names the first letter tells: walked lines ask it of every name.
    let letters = || {
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        letters.map(u8::to_ascii_lowercase)
    };
    matches!(letters().next(), Some(b't' | b's' | b'p' | b'c'))
        && names.iter().any(|known| letters().eq(known.iter().copied()))
}
