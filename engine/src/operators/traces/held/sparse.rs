//! Frames of lines of which few are left: these are copied, so that one trace that stays open does
//! not hold the memory of thousands of lines.
//!
//! Only where an item stands for itself: in OTLP what stands around items would have to be copied
//! with them.

use bytes::Bytes;

use super::{Content, GONE, HeldSpans, PAGE_SPANS, Ranges, Received};
use crate::model::PayloadFormat;

/// A payload is given up when one in so many of its spans is left.
const LEFT_IN: usize = 32;

/// Smaller payloads are kept whole, bytes.
const PAYLOAD_BYTES_MIN: usize = 64 * 1024;

/// With how many of its spans a frame is sparse; 0 for never.
pub(super) fn left(content: &Content) -> u32 {
    match content {
        Content::Received(received)
            if received.format == PayloadFormat::Ndjson
                && received.payload.len() >= PAYLOAD_BYTES_MIN =>
        {
            (received.spans() / LEFT_IN) as u32
        }
        _ => 0,
    }
}

impl Ranges {
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
    /// Copies what is left of frames of which little is left. No span is held twice then.
    pub(in crate::operators::traces) fn copy_sparse(&mut self) {
        for place in std::mem::take(&mut self.sparse) {
            let Some(Some(frame)) = self.frames.get_mut(place as usize) else { continue };
            // Another frame may have this place by now.
            if frame.sparse == 0 || frame.count > frame.sparse {
                continue;
            }
            frame.sparse = 0;
            let Content::Received(received) = &mut frame.content else { continue };
            let number = |at: usize| frame.pages[at / PAGE_SPANS] as usize * PAGE_SPANS;
            let is_left = |at: &usize| self.before[number(*at) + at % PAGE_SPANS] != GONE;
            let places: Vec<usize> = (0..received.spans()).filter(is_left).collect();
            received.copy(&places);
        }
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

    use super::{Content, HeldSpans};
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

    fn payload_bytes(held: &HeldSpans) -> usize {
        let frames = held.frames.iter().flatten();
        let bytes = frames.map(|frame| match &frame.content {
            Content::Received(received) => received.payload.len(),
            Content::Stored(_) => 0,
        });
        bytes.sum()
    }

    #[test]
    fn the_few_spans_that_are_left_leave_as_they_came() {
        let mut held = HeldSpans::default();
        let mut block = block();
        let frame = held.begin(&mut block).expect("it is held");
        let spans: Vec<_> = (0..LINES).map(|at| held.hold(frame, at)).collect();
        held.release(frame);
        let whole = held.contents(&spans);
        assert!(whole.iter().all(|(_, content)| content.is_some()));
        let (left, gone): (Vec<_>, Vec<_>) = (0..LINES).partition(|at| at % 40 == 3);
        let before = payload_bytes(&held);
        for at in gone {
            held.release_all(&[spans[at]]);
            held.copy_sparse();
        }
        assert!(payload_bytes(&held) < before / 16, "{} of {before}", payload_bytes(&held));
        for at in left {
            assert_eq!(held.contents(&[spans[at]]), [whole[at].clone()]);
            held.release_all(&[spans[at]]);
            held.copy_sparse();
        }
        assert_eq!(payload_bytes(&held), 0);
    }
}
