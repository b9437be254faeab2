//! Tags of Jaeger.

use super::{Fate, Result, Rewriter, put_string};
use crate::redact::policy::{KeyFate, Listing};
use crate::redact::shape::Shape;

impl Rewriter<'_> {
    /// A tag of Jaeger: `{"key": …, "type": …, "value": …}`. A number that becomes text changes
    /// its type.
    pub(super) fn tag(&mut self, out: &mut Vec<u8>) -> Result<Fate> {
        let key = self.text_of_member(b"key")?;
        let mut listing = Listing::Unlisted;
        let mut replace = None;
        let mut is_out = false;
        match self.policy.key(&key, &key, &mut listing) {
            KeyFate::Drop(counter) => {
                self.policy.counters.add(counter);
                is_out = true;
            }
            KeyFate::Replace(action, counter) => replace = Some((action, counter)),
            KeyFate::Look => {}
        }
        is_out |= !is_out && self.policy.is_shut_out(listing);
        if is_out {
            self.skip()?;
            return Ok(Fate::Drop);
        }
        let is_binary = &*self.text_of_member(b"type")? == b"binary";
        let start = out.len();
        let (mut leaves, mut is_text) = (false, false);
        self.path.clear();
        self.push_key(&key);
        let mut fate = self.members(out, |rewriter, name, member| {
            let fate = match name {
                b"type" => rewriter.value(Shape::KEEP, &mut member.value)?,
                b"value" if is_binary && rewriter.peek() == b'"' => {
                    let fate = rewriter.bytes_value(replace, member)?;
                    is_text |= member.key.take().is_some();
                    fate
                }
                b"value" => {
                    let is_scalar = !matches!(rewriter.peek(), b'"' | b'{' | b'[');
                    let fate = rewriter.plain(listing, replace, &mut member.value)?;
                    is_text |= is_scalar && fate == Fate::Changed;
                    fate
                }
                _ => rewriter.value_text(&mut member.value)?,
            };
            leaves |= fate == Fate::Drop;
            Ok(fate)
        })?;
        if is_text && !leaves {
            let written = out.split_off(start);
            fate = retyped(Rewriter::new(self.policy, &written, &|_| false), out)?;
        }
        self.path.clear();
        Ok(if leaves { Fate::Drop } else { fate })
    }
}

/// Writes a tag with the type of text.
fn retyped(mut tag: Rewriter<'_>, out: &mut Vec<u8>) -> Result<Fate> {
    tag.members(out, |rewriter, name, member| {
        rewriter.skip()?;
        if name != b"type" {
            return Ok(Fate::Same);
        }
        put_string(b"string", &mut member.value);
        Ok(Fate::Changed)
    })?;
    Ok(Fate::Changed)
}
