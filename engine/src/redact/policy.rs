//! What a redaction says of one text, one key, one value.
//!
//! Invariant: a key that is denied wins over one that stays; what has been replaced is not replaced
//! again. Knows no format: who walks one asks here, and writes what it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aho_corasick::AhoCorasick;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::find::{ClassSet, Finder, Hit, Hits, Look};
use super::glob::Glob;
use super::mark::{HASH_DIGITS, HASHED, LITERAL, MASKED, is_hash};
use super::network::network_of;
use crate::error::{Error, ErrorKind};
use crate::plan::{ClassRule, RedactAction, Redaction, ValueClass};

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is as it was; nothing was written.
    Same,
    /// What was written stands for it.
    Changed,
    /// It leaves.
    Drop,
}

/// What a key says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFate {
    /// It leaves with its key, which this counter counts.
    Drop(usize),
    /// It is replaced whole.
    Replace(RedactAction, usize),
    /// It is looked at; the keys in it are allowed where this one was.
    Look,
}

/// How often one part of a redaction did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactCount {
    /// The line of the rule: `keys deny`, `keys allow`, `values mask`, ….
    pub rule: &'static str,
    /// The key or the class.
    pub what: Arc<str>,
    /// Values so far.
    pub count: u64,
}

/// Counters that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct RedactCounters {
    counters: Vec<(&'static str, Arc<str>, AtomicU64)>,
    frames: AtomicU64,
    unreadable: AtomicU64,
}

impl RedactCounters {
    /// Every counter, in the order of the rule.
    pub fn counts(&self) -> Vec<RedactCount> {
        let count = |(rule, what, count): &(&'static str, Arc<str>, AtomicU64)| RedactCount {
            rule,
            what: Arc::clone(what),
            count: count.load(Ordering::Relaxed),
        };
        self.counters.iter().map(count).collect()
    }

    /// Frames that were rewritten.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Messages, lines and values that could not be read, and left for that reason.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    pub(super) fn rewrote_frame(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn could_not_read(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add(&self, counter: usize) {
        if let Some((.., count)) = self.counters.get(counter) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counter(&mut self, rule: &'static str, what: &str) -> usize {
        self.counters.push((rule, Arc::from(what), AtomicU64::new(0)));
        self.counters.len() - 1
    }
}

#[derive(Debug, Clone, Copy)]
struct ClassAction {
    action: RedactAction,
    kept_bits: u8,
    counter: usize,
}

/// A compiled redaction.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) finder: Finder,
    actions: [Option<ClassAction>; ValueClass::ALL.len()],
    deny: Vec<(Glob, usize)>,
    allow: Vec<Glob>,
    allow_counter: usize,
    keyed: Vec<(Glob, RedactAction, usize)>,
    /// Parts of the names of keys that matter; `None` where every key does.
    key_needles: Option<AhoCorasick>,
    matters_always: bool,
    hasher: Option<Hmac<Sha256>>,
    pub(super) counters: Arc<RedactCounters>,
}

/// Whether JSON or CSV writes a text otherwise than it is.
fn is_escaped(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'"' | b'\\') || *byte < b' ')
}

fn values(action: RedactAction) -> &'static str {
    match action {
        RedactAction::Mask => "values mask",
        RedactAction::Drop => "values drop",
        RedactAction::Hash => "values hash",
    }
}

/// Whether a key, or one around it, is on the list of those that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    Listed,
    Unlisted,
}

/// A search for what stands in every key that one of the globs fits.
fn needles(literals: &[&[u8]]) -> Result<AhoCorasick, Error> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(literals).map_err(|cause| {
        let message = "the keys of `redact` are too many or too long to search for";
        Error::new(ErrorKind::Setting, message).caused_by(cause)
    })
}

/// How often a text is looked at that changes each time.
const PASSES_MAX: usize = 4;

impl Policy {
    /// A policy; `aliases` are names under which formats write attributes, and their keys.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] where something is hashed without a secret.
    pub(super) fn new(
        redaction: &Redaction,
        secret: Option<&[u8]>,
        aliases: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Self, Error> {
        let mut counters = RedactCounters::default();
        let deny: Vec<(Glob, usize)> = redaction
            .deny
            .iter()
            .map(|glob| (Glob::of_any_case(glob), counters.counter("keys deny", glob)))
            .collect();
        let allow: Vec<Glob> = redaction.allow.iter().map(|glob| Glob::new(glob)).collect();
        let allow_counter =
            if allow.is_empty() { usize::MAX } else { counters.counter("keys allow", "other") };
        let keyed: Vec<(Glob, RedactAction, usize)> = redaction
            .keys
            .iter()
            .map(|rule| {
                let counter = counters.counter(values(rule.action), &rule.glob);
                (Glob::of_any_case(&rule.glob), rule.action, counter)
            })
            .collect();
        let (mut classes, mut actions) = (ClassSet::default(), [None; ValueClass::ALL.len()]);
        for &ClassRule { class, action, kept_bits } in &redaction.classes {
            classes = classes.with(class);
            let counter = counters.counter(values(action), class.name());
            actions[class as usize] = Some(ClassAction { action, kept_bits, counter });
        }
        let globs: Vec<&Glob> =
            deny.iter().map(|(glob, _)| glob).chain(keyed.iter().map(|(glob, ..)| glob)).collect();
        let is_named = |key: &[u8]| globs.iter().any(|glob| glob.fits(key));
        let names = aliases.iter().filter(|(_, key)| is_named(key)).map(|(name, _)| &name[..]);
        let literals: Vec<&[u8]> = globs.iter().map(|glob| glob.literal()).chain(names).collect();
        let is_hidden = |text: &&[u8]| text.is_empty() || is_escaped(text);
        let matters_always = !allow.is_empty() || literals.iter().any(is_hidden);
        let key_needles =
            if literals.is_empty() || matters_always { None } else { Some(needles(&literals)?) };
        Ok(Self {
            finder: Finder::new(classes),
            actions,
            deny,
            allow,
            allow_counter,
            keyed,
            key_needles,
            matters_always,
            hasher: hasher(redaction, secret)?,
            counters: Arc::new(counters),
        })
    }

    /// Whether the bytes of a frame may hold something to take out; `false` is certain.
    pub(super) fn may_concern(&self, bytes: &[u8], look: Look) -> bool {
        self.matters_always
            || self.key_needles.as_ref().is_some_and(|needles| needles.is_match(bytes))
            || self.finder.may_hold(bytes, look)
    }

    /// Whether only named keys stay: what is not known is then not let through.
    pub(super) fn is_closed(&self) -> bool {
        !self.allow.is_empty()
    }

    /// What is done with the key `path` (a nested key behind those around it, joined by points),
    /// whose own name is `own`. `listing` is that of the keys around it, and then also its own.
    pub(super) fn key(&self, path: &[u8], own: &[u8], listing: &mut Listing) -> KeyFate {
        for (glob, counter) in &self.deny {
            if glob.fits(path) || glob.fits(own) {
                return KeyFate::Drop(*counter);
            }
        }
        if *listing == Listing::Unlisted && self.allow.iter().any(|glob| glob.fits(path)) {
            *listing = Listing::Listed;
        }
        for (glob, action, counter) in &self.keyed {
            if glob.fits(path) || glob.fits(own) {
                if self.is_closed() && *listing == Listing::Unlisted {
                    break;
                }
                return KeyFate::Replace(*action, *counter);
            }
        }
        KeyFate::Look
    }

    /// Whether a name is on the list of those that stay.
    pub(super) fn allows(&self, name: &[u8]) -> bool {
        self.allow.iter().any(|glob| glob.fits(name))
    }

    /// The counter of values that leave because their keys are not on the list, if this one does.
    pub(super) fn shuts_out(&self, listing: Listing) -> Option<usize> {
        (self.is_closed() && listing == Listing::Unlisted).then_some(self.allow_counter)
    }

    /// Counts a value that left because its key is not on the list.
    pub(super) fn is_shut_out(&self, listing: Listing) -> bool {
        let counter = self.shuts_out(listing);
        if let Some(counter) = counter {
            self.counters.add(counter);
        }
        counter.is_some()
    }

    /// Replaces the whole value of a key.
    pub(super) fn replace(
        &self,
        (action, counter): (RedactAction, usize),
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Fate {
        match action {
            RedactAction::Mask if text == MASKED => return Fate::Same,
            RedactAction::Hash if is_hash(text) => return Fate::Same,
            RedactAction::Mask => out.extend_from_slice(MASKED),
            RedactAction::Hash => {
                out.extend_from_slice(HASHED);
                self.hash(text, out);
            }
            RedactAction::Drop => {}
        }
        self.counters.add(counter);
        if action == RedactAction::Drop { Fate::Drop } else { Fate::Changed }
    }

    /// Looks at a text, and writes it again where something is in it. Beside a mark something may
    /// come to light that nobody saw beside what stood there, as `::1` in `+14155552671::1`: what
    /// has changed is looked at again.
    pub(super) fn text(&self, text: &[u8], out: &mut Vec<u8>) -> Fate {
        let start = out.len();
        let mut fate = self.marked(text, out);
        for _ in 1..PASSES_MAX {
            if fate != Fate::Changed {
                return fate;
            }
            let before = out.split_off(start);
            fate = self.marked(&before, out);
            if fate == Fate::Same {
                out.extend_from_slice(&before);
                return Fate::Changed;
            }
        }
        fate
    }

    /// Writes a text with marks in place of what is in it.
    fn marked(&self, text: &[u8], out: &mut Vec<u8>) -> Fate {
        let mut hits = Hits::new();
        self.finder.hits(text, &mut hits);
        if hits.is_empty() {
            return Fate::Same;
        }
        let (start, mut done, mut is_changed) = (out.len(), 0, false);
        for hit in &hits {
            let Some(class) = self.actions[hit.class as usize] else { continue };
            if class.action == RedactAction::Drop {
                self.counters.add(class.counter);
                out.truncate(start);
                return Fate::Drop;
            }
            out.extend_from_slice(&text[done..hit.start]);
            let from = out.len();
            self.mark(text, hit, class, out);
            done = hit.end;
            if out[from..] != text[hit.start..hit.end] {
                is_changed = true;
                self.counters.add(class.counter);
            }
        }
        if !is_changed {
            out.truncate(start);
            return Fate::Same;
        }
        out.extend_from_slice(&text[done..]);
        Fate::Changed
    }

    fn mark(&self, text: &[u8], hit: &Hit, class: ClassAction, out: &mut Vec<u8>) {
        let found = &text[hit.start..hit.end];
        if class.action == RedactAction::Mask {
            if hit.class == ValueClass::Sql {
                return out.extend_from_slice(LITERAL);
            }
            if let Some(network) = network_of(found, hit.class, class.kept_bits) {
                return out.extend_from_slice(network.as_bytes());
            }
        }
        out.push(b'[');
        out.extend_from_slice(hit.class.name().as_bytes());
        if class.action == RedactAction::Hash {
            out.push(b':');
            self.hash(found, out);
        }
        out.push(b']');
    }

    /// HMAC-SHA-256 (RFC 2104) under the secret, its first 128 bits in hexadecimal digits.
    fn hash(&self, text: &[u8], out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let Some(hasher) = &self.hasher else { return };
        let digest = hasher.clone().chain_update(text).finalize().into_bytes();
        for byte in &digest[..HASH_DIGITS / 2] {
            out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

fn hasher(redaction: &Redaction, secret: Option<&[u8]>) -> Result<Option<Hmac<Sha256>>, Error> {
    let classes = redaction.classes.iter().map(|rule| rule.action);
    let mut actions = classes.chain(redaction.keys.iter().map(|rule| rule.action));
    if !actions.any(|action| action == RedactAction::Hash) {
        return Ok(None);
    }
    let secret = secret.filter(|secret| !secret.is_empty()).ok_or_else(|| {
        let name = redaction.secret.as_deref().unwrap_or("?");
        let message = format!("`redact` hashes under the secret `{name}`, which is not given");
        Error::new(ErrorKind::Setting, message)
    })?;
    let hasher = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
    Ok(Some(hasher))
}
