//! Spans of open traces as received, for whoever says them again.
//!
//! What came in one block is held together as long as a span of it is: about 18 bytes a span beside
//! the payload that they share. A span is known by a number; those of one trace are linked, newest
//! first. Spans of a snapshot are held as they will leave.

mod sparse;

use std::sync::Arc;

use bytes::Bytes;
use prefetch_index::prefetch_index;

use super::block::SpanBlock;
use super::spans::NONE;
use crate::ingest::emit_parts;
use crate::model::{
    Batch, ByteRange, Cell, Column, ColumnMapping, ItemContent, ItemKey, PayloadFormat, RawContext,
    RawItems, RawRow, Signal, SourceId, Symbol, Value,
};
use crate::operators::sample::Contents;
use crate::sampling::read_tracestate;

/// Spans that are numbered together, a power of two.
const PAGE_SPANS: usize = 256;

/// In place of the span before one that nobody holds.
const GONE: u32 = NONE - 1;

/// Spans of a trace that are brought near.
const PREFETCHED_SPANS: usize = 8;

/// A span, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldSpan(u32);

impl HeldSpan {
    /// Its number.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// Spans of one block: where they lie in the payload, and their places in the log.
#[derive(Debug)]
struct Received {
    payload: Bytes,
    format: PayloadFormat,
    mapping: Option<Arc<ColumnMapping>>,
    contexts: Arc<[RawContext]>,
    ranges: Ranges,
    /// Empty where all have the first context.
    context_of: Vec<u32>,
    seq: u64,
    source: SourceId,
    rows: Rows,
    times: Times,
    is_stateless: bool,
}

/// Where spans lie in their payload; most are short.
#[derive(Debug)]
enum Ranges {
    /// Starts, and lengths.
    Short(Vec<u32>, Vec<u16>),
    Long(Vec<ByteRange>),
}

/// Rows of a batch; most batches have few.
#[derive(Debug)]
enum Rows {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// Times of spans; those of a block mostly lie near each other.
#[derive(Debug)]
enum Times {
    /// The earliest, and how much later each is.
    Near(i64, Vec<u32>),
    Far(Vec<i64>),
}

#[derive(Debug)]
enum Content {
    Received(Box<Received>),
    Stored(Vec<(ItemKey, ItemContent)>),
}

#[derive(Debug)]
struct Frame {
    content: Content,
    /// Spans held, and one more while they come.
    count: u32,
    /// With so many left the payload is not worth keeping; 0 where it is kept.
    sparse: u32,
    pages: Vec<u32>,
}

/// The spans that are held.
#[derive(Debug, Default)]
pub(crate) struct HeldSpans {
    frames: Vec<Option<Frame>>,
    free: Vec<u32>,
    /// By page: its frame, and the place there of its first span.
    pages: Vec<(u32, u32)>,
    free_pages: Vec<u32>,
    /// By number: the span before it in its trace.
    before: Vec<u32>,
    /// Frames of which few spans are left.
    sparse: Vec<u32>,
}

impl SpanBlock {
    /// Holds its spans as they lie in a batch, with the randomness that their tracestates state.
    pub(super) fn hold(&mut self, batch: &Batch, source: SourceId, trace_state: u32) {
        self.source = source;
        let Some(raw) = &batch.raw else { return };
        self.raw = Some(RawItems {
            payload: raw.payload.clone(),
            format: raw.format,
            mapping: raw.mapping.clone(),
            rows: self.rows.iter().map(|row| raw.rows[*row as usize]).collect(),
            contexts: Arc::clone(&raw.contexts),
        });
        let column = batch.columns.get(trace_state as usize);
        let Some(Column::Symbols(symbols)) = column else { return };
        self.is_stateless = self.rows.iter().all(|row| symbols[*row as usize] == Symbol::EMPTY);
        if self.is_stateless {
            return;
        }
        for (entry, row) in (0..).zip(&self.rows) {
            let symbol = symbols[*row as usize];
            if symbol == Symbol::EMPTY {
                continue;
            }
            if let Value::Str(text) = batch.value(Cell::Str(symbol)) {
                let stated = read_tracestate(&text).randomness;
                self.randomness.extend(stated.map(|randomness| (entry, randomness)));
            }
        }
    }
}

impl Ranges {
    fn new(rows: &[RawRow]) -> Self {
        let ranges = rows.iter().map(|row| row.range);
        if rows.iter().any(|row| row.range.len() > usize::from(u16::MAX)) {
            return Self::Long(ranges.collect());
        }
        let lengths = ranges.clone().map(|range| range.len() as u16).collect();
        Self::Short(ranges.map(|range| range.start).collect(), lengths)
    }

    fn at(&self, at: usize) -> ByteRange {
        match self {
            Self::Short(starts, lengths) => {
                ByteRange { start: starts[at], end: starts[at] + u32::from(lengths[at]) }
            }
            Self::Long(ranges) => ranges[at],
        }
    }

    /// Bytes of one.
    fn bytes_at(&self, at: usize) -> u64 {
        match self {
            Self::Short(_, lengths) => lengths[at].into(),
            Self::Long(ranges) => ranges[at].len() as u64,
        }
    }

    /// Bytes that all of them take here.
    fn bytes(&self) -> usize {
        match self {
            Self::Short(starts, _) => starts.len() * 6,
            Self::Long(ranges) => ranges.len() * size_of::<ByteRange>(),
        }
    }
}

impl Rows {
    fn new(rows: &[u32]) -> Self {
        // They ascend.
        match rows.last() {
            Some(&last) if last > u32::from(u16::MAX) => Self::Long(rows.to_vec()),
            _ => Self::Short(rows.iter().map(|row| *row as u16).collect()),
        }
    }

    fn at(&self, at: usize) -> u32 {
        match self {
            Self::Short(rows) => rows[at].into(),
            Self::Long(rows) => rows[at],
        }
    }
}

impl Times {
    fn new(times: &[i64]) -> Self {
        let earliest_ns = times.iter().copied().min().unwrap_or(0);
        let latest_ns = times.iter().copied().max().unwrap_or(0);
        match latest_ns.checked_sub(earliest_ns) {
            Some(span_ns) if span_ns <= i64::from(u32::MAX) => {
                let later = times.iter().map(|time| (*time - earliest_ns) as u32);
                Self::Near(earliest_ns, later.collect())
            }
            _ => Self::Far(times.to_vec()),
        }
    }

    fn at(&self, at: usize) -> i64 {
        match self {
            Self::Near(earliest_ns, later) => earliest_ns + i64::from(later[at]),
            Self::Far(times) => times[at],
        }
    }
}

impl Received {
    fn new(block: &SpanBlock, raw: RawItems) -> Self {
        let has_contexts = raw.rows.iter().any(|row| row.context != 0);
        let context_of = raw.rows.iter().filter(|_| has_contexts).map(|row| row.context).collect();
        Self {
            ranges: Ranges::new(&raw.rows),
            context_of,
            payload: raw.payload,
            format: raw.format,
            mapping: raw.mapping,
            contexts: raw.contexts,
            seq: block.seq,
            source: block.source,
            rows: Rows::new(&block.rows),
            times: Times::new(block.times_ns()),
            is_stateless: block.is_stateless,
        }
    }

    /// Some of the spans, for whoever writes them.
    fn some(&self, places: impl Iterator<Item = usize>) -> RawItems {
        let row = |at: usize| RawRow {
            range: self.ranges.at(at),
            context: self.context_of.get(at).copied().unwrap_or(0),
        };
        RawItems {
            payload: self.payload.clone(),
            format: self.format,
            mapping: self.mapping.clone(),
            rows: places.map(row).collect(),
            contexts: Arc::clone(&self.contexts),
        }
    }

    fn spans(&self) -> usize {
        match &self.rows {
            Rows::Short(rows) => rows.len(),
            Rows::Long(rows) => rows.len(),
        }
    }

    fn key(&self, at: usize) -> ItemKey {
        let (frame_seq, source) = (self.seq, self.source);
        ItemKey { frame_seq, row: self.rows.at(at), time_ns: self.times.at(at), source }
    }
}

/// Puts spans of one trace into the order of the log, in which they mostly are.
pub(super) fn in_order(contents: &mut Contents) {
    if !contents.is_sorted_by_key(|(key, _)| *key) {
        contents.sort_by_key(|(key, _)| *key);
    }
}

impl HeldSpans {
    /// Takes what a block holds; its number here.
    pub(super) fn begin(&mut self, block: &mut SpanBlock) -> Option<u32> {
        let raw = block.raw.take()?;
        let received = Received::new(block, raw);
        Some(self.add(Content::Received(Box::new(received)), block.len()))
    }

    fn add(&mut self, content: Content, spans: usize) -> u32 {
        let place = self.free.pop().unwrap_or(self.frames.len() as u32);
        let mut pages = Vec::with_capacity(spans.div_ceil(PAGE_SPANS));
        for first in (0..spans).step_by(PAGE_SPANS) {
            let page = self.free_pages.pop().unwrap_or_else(|| {
                self.pages.push((0, 0));
                self.before.resize(self.before.len() + PAGE_SPANS, NONE);
                self.pages.len() as u32 - 1
            });
            self.pages[page as usize] = (place, first as u32);
            pages.push(page);
        }
        // One more than its spans: nothing goes while they come.
        let sparse = sparse::left(&content);
        let frame = Some(Frame { content, count: 1, sparse, pages });
        match self.frames.get_mut(place as usize) {
            Some(old) => *old = frame,
            None => self.frames.push(frame),
        }
        place
    }

    /// Holds a span of a frame.
    pub(super) fn hold(&mut self, frame: u32, at: usize) -> HeldSpan {
        self.hold_before(frame, at, NONE).0
    }

    /// Holds a span of a frame, and puts it before the others of its trace; with its bytes as
    /// received.
    pub(super) fn hold_before(&mut self, frame: u32, at: usize, newest: u32) -> (HeldSpan, u64) {
        let Some(Some(frame)) = self.frames.get_mut(frame as usize) else {
            return (HeldSpan(NONE), 0);
        };
        frame.count += 1;
        let number = frame.pages[at / PAGE_SPANS] * PAGE_SPANS as u32 + (at % PAGE_SPANS) as u32;
        self.before[number as usize] = newest;
        let bytes = match &frame.content {
            Content::Received(received) => received.ranges.bytes_at(at),
            Content::Stored(items) => items[at].1.item.len() as u64,
        };
        (HeldSpan(number), bytes)
    }

    /// The spans of a trace, in the order in which they came.
    pub(super) fn linked(&self, newest: u32, out: &mut Vec<HeldSpan>) {
        out.clear();
        let mut number = newest;
        while number != NONE {
            out.push(HeldSpan(number));
            number = self.before[number as usize];
        }
        out.reverse();
    }

    /// Brings near the spans of some traces, by their newest.
    pub(super) fn prefetch(&self, newest: &mut Vec<u32>) {
        let prefetch = |number: &u32| prefetch_index(&self.before, *number as usize);
        newest.retain(|number| *number != NONE);
        newest.iter().for_each(prefetch);
        for _ in 1..PREFETCHED_SPANS {
            newest.retain_mut(|number| {
                *number = self.before[*number as usize];
                let is_one = *number != NONE;
                if is_one {
                    prefetch(number);
                }
                is_one
            });
        }
    }

    /// The frame of a span, and its place there.
    fn place(&self, span: HeldSpan) -> (u32, usize) {
        let (frame, first) = self.pages[span.0 as usize / PAGE_SPANS];
        (frame, first as usize + span.0 as usize % PAGE_SPANS)
    }

    /// Whether surely none of some spans has a tracestate.
    pub(super) fn are_stateless(&self, spans: &[HeldSpan]) -> bool {
        spans.iter().all(|span| match self.content(self.place(*span).0) {
            Some(Content::Received(received)) => received.is_stateless,
            Some(Content::Stored(_)) | None => false,
        })
    }

    fn content(&self, frame: u32) -> Option<&Content> {
        self.frames.get(frame as usize)?.as_ref().map(|frame| &frame.content)
    }

    /// Lets go of a frame that was begun.
    pub(super) fn release(&mut self, frame: u32) {
        let Some(place) = self.frames.get_mut(frame as usize) else { return };
        if let Some(known) = place {
            known.count -= 1;
            if known.count == 0 {
                self.free_pages.append(&mut known.pages);
                *place = None;
                self.free.push(frame);
            } else if known.count == known.sparse {
                self.sparse.push(frame);
            }
        }
    }

    /// Lets go of spans, which are in no trace any more.
    pub(super) fn release_all(&mut self, spans: &[HeldSpan]) {
        for span in spans {
            self.before[span.0 as usize] = GONE;
            self.release(self.place(*span).0);
        }
    }

    /// Holds spans once more.
    pub(super) fn retain(&mut self, spans: &[HeldSpan]) {
        for span in spans {
            let frame = self.place(*span).0;
            if let Some(Some(frame)) = self.frames.get_mut(frame as usize) {
                frame.count += 1;
            }
        }
    }

    /// The spans as they leave, in the order of the log.
    pub(crate) fn contents(&self, spans: &[HeldSpan]) -> Contents {
        let mut contents = self.written(spans);
        in_order(&mut contents);
        contents
    }

    /// The spans as they leave, in the order given. Those of one frame are written together.
    pub(super) fn written(&self, spans: &[HeldSpan]) -> Contents {
        let mut contents: Contents = vec![(ItemKey::default(), None); spans.len()];
        let mut by_frame: Vec<(u32, u32, u32)> = Vec::with_capacity(spans.len());
        for (to, span) in (0..).zip(spans) {
            let (frame, at) = self.place(*span);
            by_frame.push((frame, to, at as u32));
        }
        by_frame.sort_unstable();
        let (mut raws, mut places): (Vec<RawItems>, Vec<usize>) = (Vec::new(), Vec::new());
        for part in by_frame.chunk_by(|a, b| a.0 == b.0) {
            let of = |(_, to, at): &(u32, u32, u32)| (*to as usize, *at as usize);
            match self.content(part[0].0) {
                Some(Content::Received(received)) => {
                    raws.push(received.some(part.iter().map(|one| of(one).1)));
                    for (to, at) in part.iter().map(of) {
                        contents[to].0 = received.key(at);
                        places.push(to);
                    }
                }
                Some(Content::Stored(items)) => {
                    for (to, at) in part.iter().map(of) {
                        let (key, content) = &items[at];
                        contents[to] = (*key, Some(content.clone()));
                    }
                }
                None => {}
            }
        }
        let all = |raw: &RawItems| (0..raw.rows.len() as u32).collect();
        let parts: Vec<(&RawItems, Vec<u32>)> = raws.iter().map(|raw| (raw, all(raw))).collect();
        let made = emit_parts(&parts, Signal::Spans);
        places.into_iter().zip(made).for_each(|(to, content)| contents[to].1 = content);
        contents
    }

    /// What a snapshot holds of the spans of a trace.
    pub(super) fn stored(&self, newest: u32) -> Vec<(ItemKey, ItemContent)> {
        let mut spans = Vec::new();
        self.linked(newest, &mut spans);
        let contents = self.contents(&spans).into_iter();
        contents.filter_map(|(key, content)| Some((key, content?))).collect()
    }

    /// Holds spans of a snapshot; the newest.
    pub(super) fn restore(&mut self, items: Vec<(ItemKey, ItemContent)>) -> u32 {
        if items.is_empty() {
            return NONE;
        }
        let count = items.len();
        let frame = self.add(Content::Stored(items), count);
        let mut newest = NONE;
        for at in 0..count {
            newest = self.hold_before(frame, at, newest).0.number();
        }
        self.release(frame);
        newest
    }

    /// Bytes that are held beside payloads, about.
    pub(super) fn bytes_beside(&self) -> u64 {
        let of = |frame: &Frame| {
            let spans = match &frame.content {
                Content::Received(received) => {
                    let time = if matches!(received.times, Times::Near(..)) { 4 } else { 8 };
                    let row = if matches!(received.rows, Rows::Short(_)) { 2 } else { 4 };
                    let own = received.spans() * (time + row);
                    received.ranges.bytes() + own + received.context_of.len() * 4
                }
                Content::Stored(items) => items.len() * size_of::<(ItemKey, ItemContent)>(),
            };
            (spans + size_of::<Received>()) as u64
        };
        let frames: u64 = self.frames.iter().flatten().map(of).sum();
        frames + self.before.len() as u64 * 4
    }
}
