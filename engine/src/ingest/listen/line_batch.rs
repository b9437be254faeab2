//! Bytes of one connection to whole, checked lines.
//!
//! Invariant: every line is in the batch or counted as refused with its bytes; of a line that is
//! too long no more is held than a line may have. Blank lines are nothing.

use std::collections::BTreeMap;

use crate::ingest::verify;
use crate::limits::LINE_BYTES_MAX;

use super::counts::RefuseReason;
use super::line_frames::LineFrames;

/// Lines on their way into a frame.
pub(super) struct LineBatch {
    /// The line that is not complete yet.
    rest: Vec<u8>,
    /// Bytes of a line that was too long, while its newline has not come.
    skipped: Option<u64>,
    ready: Ready,
    /// Bytes of the frame before: the next one is likely to be as large. Growing step by step took
    /// a sixth of the listener's time, most of it in fresh pages.
    expected: usize,
    frames: LineFrames,
}

/// What a batch holds.
#[derive(Default)]
pub(super) struct Ready {
    /// Good lines, each with its newline.
    pub(super) payload: Vec<u8>,
    /// How many.
    pub(super) lines: u64,
    /// Refused ones: (lines, bytes) by reason.
    pub(super) refused: BTreeMap<RefuseReason, (u64, u64)>,
}

impl Ready {
    fn refuse(&mut self, reason: RefuseReason, bytes: u64) {
        let count = self.refused.entry(reason).or_default();
        count.0 += 1;
        count.1 += bytes;
    }

    /// How many lines were refused.
    pub(super) fn refused_lines(&self) -> u64 {
        self.refused.values().map(|(lines, _)| lines).sum()
    }

    /// Whether nothing came.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0 && self.refused.is_empty()
    }
}

impl LineBatch {
    pub(super) fn new(frames: LineFrames) -> Self {
        Self { rest: Vec::new(), skipped: None, ready: Ready::default(), expected: 0, frames }
    }

    /// Takes bytes that came.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, after) = (&bytes[..end], &bytes[end + 1..]);
            if self.rest.is_empty() && self.skipped.is_none() {
                self.line(line);
            } else {
                self.keep(line);
                self.complete();
            }
            bytes = after;
        }
        self.keep(bytes);
    }

    /// The connection ended: what has no newline is a line, too.
    pub(super) fn end(&mut self) {
        self.complete();
    }

    /// The connection broke: what has no newline is lost.
    pub(super) fn broken(&mut self) {
        let lost = self.skipped.take().unwrap_or_default() + self.rest.len() as u64;
        self.rest.clear();
        if lost > 0 {
            self.ready.refuse(RefuseReason::Disconnected, lost);
        }
    }

    /// What came since the last call.
    pub(super) fn ready(&mut self) -> Ready {
        let ready = std::mem::take(&mut self.ready);
        self.expected = ready.payload.len();
        ready
    }

    /// Bytes of good lines so far.
    pub(super) fn bytes(&self) -> usize {
        self.ready.payload.len()
    }

    /// Whether any whole line came.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(skipped) = &mut self.skipped {
            *skipped += bytes.len() as u64;
        } else if self.rest.len() + bytes.len() > LINE_BYTES_MAX + 1 {
            self.skipped = Some((self.rest.len() + bytes.len()) as u64);
            self.rest.clear();
        } else {
            self.rest.extend_from_slice(bytes);
        }
    }

    fn complete(&mut self) {
        if let Some(bytes) = self.skipped.take() {
            self.ready.refuse(RefuseReason::TooLarge, bytes);
            return;
        }
        let line = std::mem::take(&mut self.rest);
        self.line(&line);
        self.rest = line;
        self.rest.clear();
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return;
        }
        if line.len() > LINE_BYTES_MAX {
            self.ready.refuse(RefuseReason::TooLarge, line.len() as u64);
        } else if verify::line(line).is_err() {
            self.ready.refuse(RefuseReason::Undecodable, line.len() as u64);
        } else {
            if self.ready.payload.capacity() == 0 {
                self.ready.payload = self.frames.take(self.expected + line.len() + 1);
            }
            self.ready.payload.extend_from_slice(line);
            self.ready.payload.push(b'\n');
            self.ready.lines += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"v":1,"src":"a","ts":1,"type":"heartbeat"}"#;

    /// (payload, lines, refused) of a text that comes in pieces of a size.
    fn batch(text: &[u8], piece: usize) -> (Vec<u8>, u64, BTreeMap<RefuseReason, (u64, u64)>) {
        let mut batch = LineBatch::new(LineFrames::default());
        for bytes in text.chunks(piece) {
            batch.take(bytes);
            assert!(batch.rest.len() <= LINE_BYTES_MAX + 1);
        }
        batch.end();
        let ready = batch.ready();
        (ready.payload, ready.lines, ready.refused)
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let long = format!("{{\"v\":1,\"x\":\"{}\"}}", "y".repeat(LINE_BYTES_MAX));
        let text = format!("{GOOD}\n\nnonsense\n{GOOD}\r\n{long}\n{GOOD}\n{{\"v\":2}}\n  \n{GOOD}");
        let whole = batch(text.as_bytes(), text.len());
        assert_eq!(whole.0, format!("{GOOD}\n").repeat(4).as_bytes());
        assert_eq!(whole.1, 4);
        assert_eq!(whole.2[&RefuseReason::Undecodable], (2, 8 + 7));
        assert_eq!(whole.2[&RefuseReason::TooLarge], (1, long.len() as u64));
        for piece in [1, 2, 3, 7, 100, 4_096, 65_536, 65_537] {
            assert_eq!(batch(text.as_bytes(), piece), whole, "{piece}");
        }
    }

    #[test]
    fn the_longest_line_that_is_allowed_is_taken() {
        for (length, is_taken) in [(LINE_BYTES_MAX, true), (LINE_BYTES_MAX + 1, false)] {
            let fill = "x".repeat(length - GOOD.len() - r#","pad":"""#.len());
            let line = GOOD.replace("\"v\"", &format!("\"pad\":\"{fill}\",\"v\""));
            assert_eq!(line.len(), length);
            for ending in ["\n", "\r\n"] {
                for piece in [1_000, 100_000] {
                    let found = batch(format!("{line}{ending}").as_bytes(), piece);
                    assert_eq!(found.1 == 1, is_taken, "{length} {piece}");
                }
            }
        }
    }

    #[test]
    fn what_a_broken_connection_leaves_is_counted() {
        let mut batch = LineBatch::new(LineFrames::default());
        batch.take(format!("{GOOD}\n{{\"v\":").as_bytes());
        batch.broken();
        let ready = batch.ready();
        assert_eq!((ready.lines, ready.refused_lines()), (1, 1));
        assert_eq!(ready.refused[&RefuseReason::Disconnected], (1, 5));
    }
}
