//! Bytes of one connection to whole lines, in the memory that goes into the queue.
//!
//! Invariant: every line is in the batch or counted as refused with its bytes; of a line that is
//! too long no more is held than a line may have, and one read. Blank lines are nothing.
//!
//! Lines are checked here only where their sender is told what became of them. Else the one who
//! decodes them finds what is wrong, and sets aside what it cannot read: checking each twice took a
//! third of the time of a line. What is no object at a glance is refused either way.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::ingest::verify;
use crate::limits::{LINE_BYTES_MAX, LINE_FRAME_BYTES};

use super::counts::RefuseReason;
use super::line_frames::LineFrames;
use super::wrong_protocol::{Http, http_request};

/// Bytes that are read at least.
const READ_BYTES: usize = 32 * 1024;

/// Lines on their way into a frame.
pub(super) struct LineBatch {
    /// Whole good lines, each with its newline, and behind them the line that is not complete yet.
    bytes: Vec<u8>,
    /// Bytes of the whole lines.
    whole: usize,
    /// Up to where newlines were looked for.
    seen: usize,
    /// Bytes of a line that was too long, while its newline has not come.
    skipped: Option<u64>,
    /// How many whole lines there are.
    lines: u64,
    refused: Refused,
    /// Whether a line came since the connection began.
    is_begun: bool,
    /// Set where the first line was none of the protocol, but began a request over HTTP.
    http: Option<Http>,
    /// Bytes of the frame before: the next one is likely to be as large.
    expected: usize,
    is_checked: bool,
    frames: LineFrames,
    /// Bytes of its memory that `frames` knows of.
    noted: usize,
}

impl Drop for LineBatch {
    fn drop(&mut self) {
        self.frames.gathers(self.noted, 0);
    }
}

/// Refused lines: (lines, bytes) by reason.
type Refused = BTreeMap<RefuseReason, (u64, u64)>;

/// What a batch holds.
#[derive(Default)]
pub(super) struct Ready {
    /// Good lines, each with its newline.
    pub(super) payload: Vec<u8>,
    /// How many.
    pub(super) lines: u64,
    /// Refused ones.
    pub(super) refused: Refused,
}

impl Ready {
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
    /// A batch for one connection; lines are checked, or are not.
    pub(super) fn new(frames: LineFrames, is_checked: bool) -> Self {
        Self {
            bytes: Vec::new(),
            whole: 0,
            seen: 0,
            skipped: None,
            lines: 0,
            refused: Refused::default(),
            is_begun: false,
            http: None,
            expected: 0,
            is_checked,
            frames,
            noted: 0,
        }
    }

    /// Lets it be known how much memory is held.
    fn note(&mut self) {
        let now = self.bytes.capacity();
        if now != self.noted {
            self.frames.gathers(self.noted, now);
            self.noted = now;
        }
    }

    /// Where bytes that come are to be appended; there is room for some.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        let length = self.bytes.len();
        if self.bytes.capacity() - length < READ_BYTES / 2 {
            let is_large = length >= READ_BYTES / 2 || self.expected >= LINE_FRAME_BYTES / 2;
            let wanted = if is_large { LINE_FRAME_BYTES } else { READ_BYTES };
            let mut larger = self.frames.take(wanted.max(length + READ_BYTES));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
            self.note();
        }
        &mut self.bytes
    }

    /// Takes what was appended.
    pub(super) fn came(&mut self) {
        // Good lines move to where the whole ones end, if something before them left.
        let (mut from, mut to) = (self.whole, self.whole);
        while let Some(length) = memchr::memchr(b'\n', &self.bytes[self.seen..]) {
            let end = self.seen + length;
            self.seen = end + 1;
            if let Some(skipped) = self.skipped.take() {
                self.refuse(RefuseReason::TooLarge, skipped + (end - from) as u64);
            } else if let Some(line) = self.good(from..end) {
                let length = line.len();
                if from != to || line.end != end {
                    self.bytes.copy_within(line, to);
                    self.bytes[to + length] = b'\n';
                }
                to += length + 1;
                self.lines += 1;
            }
            from = end + 1;
        }
        self.keep_rest(from, to);
    }

    /// What is behind the last newline begins at `from`, and goes to `to`.
    fn keep_rest(&mut self, from: usize, to: usize) {
        let rest = self.bytes.len() - from;
        if self.skipped.is_some() || rest > LINE_BYTES_MAX + 1 {
            *self.skipped.get_or_insert(0) += rest as u64;
            self.bytes.truncate(to);
        } else if from != to {
            self.bytes.copy_within(from.., to);
            self.bytes.truncate(to + rest);
        }
        self.whole = to;
        self.seen = self.bytes.len();
    }

    /// The connection ended: what has no newline is a line, too.
    pub(super) fn end(&mut self) {
        if self.skipped.is_some() || self.bytes.len() > self.whole {
            self.bytes.push(b'\n');
            self.came();
        }
    }

    /// The connection broke: what has no newline is lost.
    pub(super) fn broken(&mut self) {
        let rest = self.bytes.len() - self.whole;
        let lost = self.skipped.take().unwrap_or_default() + rest as u64;
        self.bytes.truncate(self.whole);
        self.seen = self.whole;
        if lost > 0 {
            self.refuse(RefuseReason::Disconnected, lost);
        }
    }

    /// What came since the last call.
    pub(super) fn ready(&mut self) -> Ready {
        if self.whole == 0 {
            let refused = std::mem::take(&mut self.refused);
            return Ready { payload: Vec::new(), lines: 0, refused };
        }
        let rest = self.bytes[self.whole..].to_vec();
        self.bytes.truncate(self.whole);
        self.expected = self.whole;
        self.whole = 0;
        self.seen = rest.len();
        let ready = Ready {
            payload: std::mem::replace(&mut self.bytes, rest),
            lines: std::mem::take(&mut self.lines),
            refused: std::mem::take(&mut self.refused),
        };
        self.note();
        ready
    }

    /// Gives large memory back while nothing comes: a connection that is silent holds no more than
    /// what it has begun to say.
    pub(super) fn rest(&mut self) {
        if self.whole == 0 && self.bytes.capacity() >= LINE_FRAME_BYTES {
            let rest = self.bytes.clone();
            self.frames.keep(std::mem::replace(&mut self.bytes, rest));
            self.frames.shrink();
            self.expected = 0;
            self.note();
        }
    }

    /// Whether it holds memory that [`LineBatch::rest`] gives back.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.capacity() >= LINE_FRAME_BYTES
    }

    /// Whether it is time for the next frame.
    pub(super) fn is_full(&self) -> bool {
        self.whole >= LINE_FRAME_BYTES
            || self.whole > 0 && LineFrames::is_filled(&self.bytes, READ_BYTES / 2)
    }

    /// Whether any whole line came.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0 && self.refused.is_empty()
    }

    /// What the sender speaks, if it is another protocol that is known.
    pub(super) fn http(&self) -> Option<Http> {
        self.http
    }

    fn refuse(&mut self, reason: RefuseReason, bytes: u64) {
        let count = self.refused.entry(reason).or_default();
        count.0 += 1;
        count.1 += bytes;
    }

    /// Where of a range without newline a line stands that is taken.
    fn good(&mut self, range: Range<usize>) -> Option<Range<usize>> {
        let line = self.bytes[range.clone()].trim_ascii_end();
        let bytes = line.len();
        if bytes == 0 {
            return None;
        }
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if range.len() > LINE_BYTES_MAX + 1 || bytes > LINE_BYTES_MAX {
            self.refuse(RefuseReason::TooLarge, range.len() as u64);
            return None;
        }
        let is_good = if self.is_checked {
            verify::line(line).is_ok()
        } else {
            line.ends_with(b"}") && line.trim_ascii_start().starts_with(b"{")
        };
        if is_good {
            return Some(range.start..range.start + bytes);
        }
        if is_first {
            self.http = http_request(line);
        }
        self.refuse(RefuseReason::Undecodable, bytes as u64);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"v":1,"src":"a","ts":1,"type":"heartbeat"}"#;

    fn append(batch: &mut LineBatch, bytes: &[u8]) {
        batch.room().extend_from_slice(bytes);
        batch.came();
    }

    /// (payload, lines, refused) of a text that comes in pieces of a size.
    fn batch(text: &[u8], piece: usize) -> (Vec<u8>, u64, BTreeMap<RefuseReason, (u64, u64)>) {
        let mut batch = LineBatch::new(LineFrames::default(), true);
        let mut whole = (Vec::new(), 0, Refused::default());
        let mut take = |ready: Ready| {
            whole.0.extend_from_slice(&ready.payload);
            whole.1 += ready.lines;
            for (reason, (lines, bytes)) in ready.refused {
                let count = whole.2.entry(reason).or_default();
                *count = (count.0 + lines, count.1 + bytes);
            }
        };
        for (at, bytes) in text.chunks(piece).enumerate() {
            append(&mut batch, bytes);
            assert!(batch.bytes.len() - batch.whole <= LINE_BYTES_MAX + 1);
            if at % 5 == 4 || batch.is_full() {
                take(batch.ready());
            }
            batch.rest();
        }
        batch.end();
        take(batch.ready());
        assert!(batch.bytes.is_empty());
        whole
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
        let mut batch = LineBatch::new(LineFrames::default(), false);
        append(&mut batch, format!("{GOOD}\n{{\"v\":").as_bytes());
        batch.broken();
        let ready = batch.ready();
        assert_eq!((ready.lines, ready.refused_lines()), (1, 1));
        assert_eq!(ready.refused[&RefuseReason::Disconnected], (1, 5));
    }

    #[test]
    fn lines_that_nobody_is_told_of_are_glanced_at() {
        let mut batch = LineBatch::new(LineFrames::default(), false);
        append(&mut batch, b"nonsense\n {\"v\":2}\r\n{\"v\":1\n[1]\n\n{}\n");
        let ready = batch.ready();
        assert_eq!(std::str::from_utf8(&ready.payload).unwrap(), " {\"v\":2}\n{}\n");
        assert_eq!(
            (ready.lines, &ready.refused),
            (2, &[(RefuseReason::Undecodable, (3, 17))].into())
        );
        append(&mut batch, b"POST / HTTP/1.1\r\n");
        assert_eq!(batch.http(), None, "only a connection's first line says what it speaks");
    }

    #[test]
    fn a_frame_is_full_before_its_memory_is() {
        let mut batch = LineBatch::new(LineFrames::default(), false);
        let line = format!("{GOOD}\n");
        let mut reads = 0;
        while !batch.is_full() {
            let room = batch.room();
            let bytes = room.capacity() - room.len();
            let bytes = bytes.min(20_000);
            let text: Vec<u8> =
                line.bytes().cycle().skip(room.len() % line.len()).take(bytes).collect();
            room.extend_from_slice(&text);
            batch.came();
            reads += 1;
        }
        assert!(reads > 5);
        let ready = batch.ready();
        assert!(ready.payload.len() >= LINE_FRAME_BYTES - READ_BYTES, "{}", ready.payload.len());
        assert_eq!(ready.payload.len() as u64, ready.lines * line.len() as u64);
        assert!(ready.refused.is_empty());
        batch.rest();
        assert!(batch.bytes.capacity() < READ_BYTES);
        let (frames, small) = (batch.frames.clone(), batch.bytes.capacity() as u64);
        assert_eq!(frames.held_bytes(), small);
        let large = batch.room().capacity() as u64;
        assert_eq!(frames.held_bytes(), large);
        drop(batch);
        assert_eq!(frames.held_bytes(), 0);
    }
}
