//! The start of a line of the line protocol, where it is written as most senders write it.
//!
//! Invariant: what is read here is what the way that reads any line reads; everything else is left
//! to that. A sender's lines come one after another, so that its name is compared with the one of
//! the line before.

use super::hex;
use super::json::Json;
use super::writer::Writer;
use crate::model::{Signal, Symbol};

/// What stands before a line's `data`.
pub(super) struct Begun<'a> {
    /// Not empty, and without escapes.
    pub(super) source: &'a [u8],
    pub(super) time_ns: i64,
    /// What the line is an item of.
    pub(super) signals: &'static [Signal],
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) parent_id: [u8; 8],
}

/// What the lines of one frame have in common so far.
#[derive(Default)]
pub(super) struct LineRun<'a> {
    /// The last sender's name with the quote behind it.
    quoted: &'a [u8],
    source: &'a [u8],
    symbol: Option<Symbol>,
    /// Whether the sender was noted.
    is_noted: bool,
    /// Signals whose table holds nothing of an earlier frame's resource any more.
    has_begun: [bool; Signal::ALL.len()],
}

/// The signals that a line of a `type` is an item of.
pub(super) fn signals_of(kind: &[u8]) -> Option<&'static [Signal]> {
    Some(match kind {
        b"event" => &[Signal::Events, Signal::Logs],
        b"metric" => &[Signal::Metrics],
        b"progress" => &[Signal::Progress],
        b"resource" => &[Signal::Resources],
        b"span" => &[Signal::Spans],
        _ => return None,
    })
}

/// Characters of the longest `type`.
const KIND_MAX: usize = 8;

impl<'a> LineRun<'a> {
    /// Reads up to a line's `data`; the cursor is then at its brace. `None`, and the cursor is
    /// anywhere, where a line is written in another way.
    #[inline]
    pub(super) fn begin(&mut self, json: &mut Json<'a>) -> Option<Begun<'a>> {
        if !json.take(b"{\"v\":1,\"src\":\"") {
            return None;
        }
        let source = self.name(json)?;
        if !json.take(b",\"ts\":") {
            return None;
        }
        let time_ns = json.digits()?.checked_mul(1_000_000)?;
        if !json.take(b",\"type\":\"") {
            return None;
        }
        let signals = kind(json)?;
        let trace_id = if json.take(b",\"tid\":\"") { id(json)? } else { [0; 16] };
        let span_id = if json.take(b",\"sid\":\"") { id(json)? } else { [0; 8] };
        let parent_id = if json.take(b",\"pid\":\"") { id(json)? } else { [0; 8] };
        let is_last = json.take(b",\"data\":") && json.ahead().first() == Some(&b'{');
        is_last.then_some(Begun { source, time_ns, signals, trace_id, span_id, parent_id })
    }

    /// The sender's name, from behind its opening quote to behind its closing one.
    #[inline]
    fn name(&mut self, json: &mut Json<'a>) -> Option<&'a [u8]> {
        let start = json.pos();
        if !self.quoted.is_empty() && json.ahead().starts_with(self.quoted) {
            json.seek(start + self.quoted.len());
            return Some(&self.quoted[..self.quoted.len() - 1]);
        }
        json.seek(start - 1);
        let name = json.text().ok()?.plain().filter(|name| !name.is_empty())?;
        std::str::from_utf8(name).ok()?;
        self.quoted = json.slice(start, json.pos());
        Some(name)
    }

    /// The symbol of a line's sender, if its name is text.
    #[inline]
    pub(super) fn source(&mut self, source: &'a [u8], w: &mut Writer<'_>) -> Option<Symbol> {
        // One name is mostly read from one place of the payload, or from the line before it.
        if self.symbol.is_none() || self.source != source {
            self.symbol = w.interner.intern_bytes(source);
            self.source = source;
            self.is_noted = false;
        }
        self.symbol
    }

    /// Whether the sender of the line has not been noted; it then is.
    #[inline]
    pub(super) fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.is_noted, true)
    }

    /// Whether a line is the first of its signal; the next one is not.
    #[inline]
    pub(super) fn is_first_of(&mut self, signal: Signal) -> bool {
        !std::mem::replace(&mut self.has_begun[signal.index()], true)
    }

    /// A line came that was read in another way: what follows has nothing in common with what was
    /// before.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

/// The signals of the type whose name is next, with the quote behind it.
#[inline]
fn kind(json: &mut Json<'_>) -> Option<&'static [Signal]> {
    let ahead = json.ahead();
    let window = &ahead[..ahead.len().min(KIND_MAX + 1)];
    let length = window.iter().position(|byte| *byte == b'"')?;
    json.seek(json.pos() + length + 1);
    signals_of(&window[..length])
}

/// An id of all its digits, or an empty one, with the quote behind it.
#[inline]
fn id<const N: usize>(json: &mut Json<'_>) -> Option<[u8; N]> {
    let ahead = json.ahead();
    if ahead.first() == Some(&b'"') {
        json.seek(json.pos() + 1);
        return Some([0; N]);
    }
    let id = hex::before_quote(ahead)?;
    json.seek(json.pos() + 2 * N + 1);
    Some(id)
}
