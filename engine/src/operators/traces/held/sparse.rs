//! Frames of which few spans are left: these are copied, so that one trace that stays open does not
//! hold the memory of thousands of others.
//!
//! Not at once: most frames are gone soon after few are left. So they wait in a line, of which the
//! oldest are copied when all together hold too many bytes.

use std::collections::VecDeque;

use bytes::Bytes;

use super::received::{Ranges, Received};
use super::{Content, Frame, GONE, HeldSpan, HeldSpans, Stored};
use crate::limits::TRACE_SPARSE_BYTES_MAX;
use crate::model::PayloadFormat;

/// A payload is given up when one in so many of its bytes is left.
const LEFT_IN: u64 = 32;

/// Smaller payloads are kept whole, bytes.
const PAYLOAD_BYTES_MIN: usize = 4 * 1024;

/// Frames of which few spans are left.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Frames of which it is to be seen.
    pub(super) looks: Vec<u32>,
    /// Those that wait to be copied, with the bytes of their payloads. Some are gone by their turn.
    line: VecDeque<(u32, u64)>,
    /// Bytes of all in the line.
    bytes: u64,
}

/// With how many of its spans a frame is looked at first; 0 for never.
pub(super) fn first_look(content: &Content) -> u32 {
    match content {
        Content::Received(received) if received.payload.len() >= PAYLOAD_BYTES_MIN => {
            let spans = received.spans();
            // Where a few spans are most of the bytes their number says little.
            let part = if received.ranges.are_alike() { LEFT_IN as usize } else { 2 };
            (spans / part).max(1) as u32
        }
        _ => 0,
    }
}

impl Ranges {
    /// Whether none is many times as long as most.
    fn are_alike(&self) -> bool {
        let lengths = |spans: usize| (0..spans).map(|at| self.bytes_at(at));
        let spans = self.count();
        let longest = lengths(spans).max().unwrap_or(0);
        longest * spans as u64 <= lengths(spans).sum::<u64>() * 8
    }

    /// Moves one to another start.
    fn move_to(&mut self, at: usize, start: u32) {
        match self {
            Self::Short(starts, _) => starts[at] = start,
            Self::Long(ranges) => {
                let length = ranges[at].end - ranges[at].start;
                ranges[at].start = start;
                ranges[at].end = start + length;
            }
        }
    }
}

impl HeldSpans {
    /// Copies what is left of frames of which little has been left for long. No span is held twice
    /// then.
    pub(in crate::operators::traces) fn copy_sparse(&mut self) {
        for place in std::mem::take(&mut self.sparse.looks) {
            self.look(place);
        }
        while self.sparse.bytes > TRACE_SPARSE_BYTES_MAX as u64 {
            let Some((place, bytes)) = self.sparse.line.pop_front() else { break };
            self.sparse.bytes -= bytes;
            let known = self.frames.get(place as usize).and_then(Option::as_ref);
            // Another frame may have this place by now.
            if known.is_some_and(|frame| frame.is_sparse) {
                self.copy(place);
            }
        }
    }

    /// Puts a frame in line if few bytes of it are left.
    fn look(&mut self, place: u32) {
        let Some(Some(frame)) = self.frames.get(place as usize) else { return };
        // Another frame may have this place by now.
        if frame.sparse == 0 || frame.count > frame.sparse {
            return;
        }
        let Content::Received(received) = &frame.content else { return self.thin(place) };
        let all = received.payload.len() as u64;
        let left: u64 = self.left(frame).map(|at| received.ranges.bytes_at(at)).sum();
        let is_sparse = left * LEFT_IN <= all;
        let next = if is_sparse { 0 } else { frame.count / 2 };
        if let Some(Some(frame)) = self.frames.get_mut(place as usize) {
            (frame.sparse, frame.is_sparse) = (next, is_sparse);
        }
        if is_sparse {
            self.sparse.line.push_back((place, all));
            self.sparse.bytes += all;
        }
    }

    /// The places of the spans that are left of a frame.
    pub(super) fn left<'a>(&'a self, frame: &'a Frame) -> impl Iterator<Item = usize> + 'a {
        let (spans, places) = match &frame.content {
            Content::Received(received) => (received.spans(), &[][..]),
            Content::Stored(stored) => (stored.items.len(), &stored.places[..]),
        };
        let all = (0..spans).map(|at| places.get(at).map_or(at, |place| *place as usize));
        all.filter(|at| self.before[frame.number(*at) as usize] != GONE)
    }

    /// Copies what is left of a frame. A line stands for itself; of other formats what stands
    /// around items would have to be copied, too: they are made what they will leave as.
    fn copy(&mut self, place: u32) {
        let Some(Some(frame)) = self.frames.get(place as usize) else { return };
        let places: Vec<usize> = self.left(frame).collect();
        let spans: Vec<_> = places.iter().map(|at| HeldSpan(frame.number(*at))).collect();
        let is_line = |received: &Received| received.format == PayloadFormat::Ndjson;
        let stored = match &frame.content {
            Content::Received(received) if !is_line(received) => Some(Stored {
                places: places.iter().map(|at| *at as u32).collect(),
                items: self.written(&spans),
                is_stateless: received.is_stateless,
            }),
            _ => None,
        };
        let Some(Some(frame)) = self.frames.get_mut(place as usize) else { return };
        frame.is_sparse = false;
        let bytes = match (&mut frame.content, stored) {
            (content, Some(stored)) => {
                let bytes = stored.bytes();
                *content = Content::Stored(stored);
                bytes
            }
            (Content::Received(received), None) => {
                received.copy(&places);
                received.payload.len() as u64
            }
            (Content::Stored(_), None) => return,
        };
        self.payload_bytes = self.payload_bytes - frame.payload_bytes + bytes;
        frame.payload_bytes = bytes;
    }
}

impl Received {
    /// Copies some spans, and lets the payload go.
    fn copy(&mut self, places: &[usize]) {
        let bytes: u64 = places.iter().map(|at| self.ranges.bytes_at(*at)).sum();
        let mut payload = Vec::with_capacity(bytes as usize);
        for at in places {
            let range = self.ranges.at(*at);
            let start = payload.len() as u32;
            payload.extend_from_slice(&self.payload[range.start as usize..range.end as usize]);
            self.ranges.move_to(*at, start);
        }
        self.payload = Bytes::from(payload);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::sync::Arc;

    use super::HeldSpans;
    use crate::limits::TRACE_SPARSE_BYTES_MAX;
    use crate::model::{
        ByteRange, ColumnMapping, PayloadFormat, RawContext, RawItems, RawRow, RuleId, Signal,
    };
    use crate::operators::traces::block::SpanBlock;

    const LINES: usize = 1_000;

    /// A block of spans in lines of text.
    fn block() -> SpanBlock {
        let mut text = String::new();
        let mut rows = Vec::new();
        for n in 0..LINES {
            let start = text.len();
            let _ = write!(text, "{{\"trace_id\":\"{n:032x}\",\"span_id\":\"{n:016x}\",");
            let _ = write!(text, "\"name\":\"name {n}\",\"start_ns\":{},", 1_000 + n);
            let _ = write!(text, "\"duration_ns\":{}}}", n % 7 * 1_000);
            rows.push(RawRow { range: ByteRange::new(start, text.len()), context: 0 });
            text.push('\n');
        }
        let names = [
            ("trace_id", "trace_id"),
            ("span_id", "span_id"),
            ("name", "name"),
            ("start", "start_ns"),
            ("duration", "duration_ns"),
        ];
        let columns = names.map(|(field, column)| (field.into(), column.into())).into();
        let mapping = ColumnMapping { signal: Signal::Spans, columns };
        let mut block = SpanBlock::new(RuleId(0), 1, 0, LINES);
        block.rows = (0..LINES as u32).collect();
        block.starts_ns = (0..LINES as i64).collect();
        block.raw = Some(RawItems {
            payload: text.into(),
            format: PayloadFormat::Ndjson,
            mapping: Some(Arc::new(mapping)),
            rows,
            contexts: [RawContext::default()].into(),
        });
        block
    }

    /// A block of spans as OTLP, of which every 40th is short where that is asked for.
    fn otlp_block(short_ones: bool) -> SpanBlock {
        let mut block = block();
        let mut payload = Vec::new();
        let mut rows = Vec::new();
        let resource = {
            payload.extend_from_slice(b"\x0a\x05\x0a\x03abc");
            RawContext { resource: ByteRange::new(0, 7), ..RawContext::default() }
        };
        for n in 0..LINES {
            let start = payload.len();
            let length = if short_ones && n % 40 != 3 { 4_000 } else { 100 };
            payload.extend((0..length).map(|at| (n + at) as u8));
            rows.push(RawRow { range: ByteRange::new(start, payload.len()), context: 0 });
        }
        block.payload_bytes = payload.len() as u64;
        block.raw = Some(RawItems {
            payload: payload.into(),
            format: PayloadFormat::OtlpTraces,
            mapping: None,
            rows,
            contexts: [resource].into(),
        });
        block
    }

    fn line_is_full(held: &mut HeldSpans) {
        held.sparse.bytes += TRACE_SPARSE_BYTES_MAX as u64;
        held.sparse.line.push_back((u32::MAX, 0));
    }

    #[test]
    fn the_few_spans_that_are_left_leave_as_they_came() {
        for block in [block, || otlp_block(false), || otlp_block(true)] {
            let mut held = HeldSpans::default();
            line_is_full(&mut held);
            let mut block = block();
            let before = block.raw.as_ref().map_or(0, |raw| raw.payload.len()) as u64;
            block.payload_bytes = before;
            let frame = held.begin(&mut block).expect("it is held");
            let spans: Vec<_> = (0..LINES).map(|at| held.hold(frame, at)).collect();
            held.release(frame);
            let whole = held.contents(&spans);
            assert!(whole.iter().all(|(_, content)| content.is_some()));
            assert_eq!(held.payload_bytes(), before);
            let (left, gone): (Vec<_>, Vec<_>) = (0..LINES).partition(|at| at % 40 == 3);
            for at in gone {
                held.release_all(&[spans[at]]);
                held.copy_sparse();
            }
            assert!(held.payload_bytes() < before / 16, "{} of {before}", held.payload_bytes());
            for at in left {
                assert_eq!(held.contents(&[spans[at]]), [whole[at].clone()]);
                held.release_all(&[spans[at]]);
                held.copy_sparse();
            }
            assert_eq!(held.payload_bytes(), 0);
        }
    }

    #[test]
    fn what_goes_soon_is_not_copied() {
        let mut held = HeldSpans::default();
        let mut block = otlp_block(false);
        let frame = held.begin(&mut block).expect("it is held");
        let spans: Vec<_> = (0..LINES).map(|at| held.hold(frame, at)).collect();
        held.release(frame);
        held.release_all(&spans[1..]);
        held.copy_sparse();
        assert_eq!(held.payload_bytes(), block.payload_bytes);
        assert_eq!(held.sparse.bytes, block.payload_bytes);
    }
}
