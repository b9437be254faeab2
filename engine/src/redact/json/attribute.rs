//! Attributes written as members of an object: plain rows, maps, and members that nobody knows.

use std::borrow::Cow;

use super::kept;
use super::{Fate, Member, Replace, Result, Rewriter};
use crate::redact::policy::{KeyFate, Listing, Policy};
use crate::redact::shape::Shape;

impl Rewriter<'_> {
    /// A member that is an attribute, or one that nobody knows: by its key and all that is in it.
    pub(super) fn named(
        &mut self,
        key: &[u8],
        mut listing: Listing,
        replace: Replace,
        member: &mut Member<'_>,
    ) -> Result<Fate> {
        let length = self.path.len();
        self.push_key(key);
        let mut replace = replace;
        let mut is_out = false;
        if replace.is_none() {
            match self.policy.key(&self.path, key, &mut listing) {
                KeyFate::Drop => is_out = true,
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
        match self.policy.text(key, &mut renamed) {
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
            b'{' => self.map(listing, replace, out),
            _ => {
                let text = self.scalar()?;
                let is_integer = text.iter().all(u8::is_ascii_digit);
                let is_looked_at = replace.is_some() && text != b"null"
                    || is_integer && self.policy.finder.wants_integers();
                if !is_looked_at {
                    return Ok(Fate::Same);
                }
                Ok(self.quoted(Fate::Drop, |policy, out| number(policy, replace, text, out), out))
            }
        }
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
        self.members(out, |rewriter, key, member| {
            if is_id_name(key) {
                let fate = rewriter.value(Shape::KEEP, &mut member.value)?;
                return Ok(kept(fate, member));
            }
            let nested = matches!(key, b"ctx" | b"tags" | b"attributes");
            if nested && rewriter.peek() == b'{' && (rewriter.is_field)(key) {
                return rewriter.map(Listing::Unlisted, None, &mut member.value);
            }
            if (rewriter.is_field)(key) {
                let mut listing = Listing::Listed;
                // A rule on keys may name a column, too.
                if rewriter.policy.key(key, key, &mut listing) == KeyFate::Look {
                    let fate = rewriter.plain(Listing::Listed, None, &mut member.value)?;
                    return Ok(kept(fate, member));
                }
                return rewriter.named(key, Listing::Listed, None, member);
            }
            rewriter.named(key, Listing::Unlisted, None, member)
        })
    }
}

pub(super) fn leaf(policy: &Policy, replace: Replace, text: &[u8], out: &mut Vec<u8>) -> Fate {
    match replace {
        Some(replace) => policy.replace(replace, text, out),
        None => policy.text(text, out),
    }
}

/// A number, which only a card's makes a text; or text where a number was meant.
pub(super) fn number(policy: &Policy, replace: Replace, text: &[u8], out: &mut Vec<u8>) -> Fate {
    if replace.is_some() {
        return leaf(policy, replace, text, out);
    }
    let integer = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    let is_number =
        text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    match integer {
        Some(value) if policy.finder.is_card(value) => policy.text(text, out),
        None if !is_number => policy.text(text, out),
        _ => Fate::Same,
    }
}

/// Whether a column holds an id of the trace context.
pub(in crate::redact) fn is_id_name(name: &[u8]) -> bool {
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
