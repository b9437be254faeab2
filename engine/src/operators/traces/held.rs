//! Spans of open traces as received, for whoever says them again.
//!
//! What came in one block is held together as long as a span of it is: about 18 bytes a span beside
//! the payload that they share. A span is known by a number; those of one trace are linked, newest
//! first. Spans of a snapshot are held as they will leave.

mod received;
mod restored;
mod sparse;

use std::sync::Arc;

use prefetch_index::prefetch_index;

use super::block::SpanBlock;
use super::spans::NONE;
use crate::ingest::emit_parts;
use crate::model::{
    Batch, Cell, Column, ItemContent, ItemKey, RawItems, Signal, SourceId, Symbol, Value,
};
use crate::operators::sample::Contents;
use crate::otlp::wire::field;
use crate::sampling::read_tracestate;
use received::{Received, Rows, Times};
use restored::Restoring;
use sparse::Sparse;

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

#[derive(Debug)]
enum Content {
    Received(Box<Received>),
    Stored(Stored),
}

/// Spans as they will leave: of a snapshot, or those that are left of a frame.
#[derive(Debug)]
struct Stored {
    /// Their places in their frame, ascending; empty where they are all of it.
    places: Vec<u32>,
    items: Contents,
    /// Whether surely none of them has a tracestate.
    is_stateless: bool,
}

impl Stored {
    fn at(&self, at: usize) -> Option<&(ItemKey, Option<ItemContent>)> {
        if self.places.is_empty() {
            return self.items.get(at);
        }
        self.items.get(self.places.binary_search(&(at as u32)).ok()?)
    }

    /// Bytes of its items, without what stands around them, which many share.
    fn bytes(&self) -> u64 {
        let contents = self.items.iter().filter_map(|(_, content)| content.as_ref());
        contents.map(|content| (content.item.len() + content.append.len()) as u64).sum()
    }
}

#[derive(Debug)]
struct Frame {
    content: Content,
    /// Spans held, and one more while they come.
    count: u32,
    /// With so many left it is looked at whether the payload is worth keeping; 0 for never.
    sparse: u32,
    /// Whether it waits to be copied.
    is_sparse: bool,
    /// Bytes of payload that it holds, where other workers hold a part of the same: its own share.
    payload_bytes: u64,
    pages: Vec<u32>,
}

impl Frame {
    /// The number of one of its spans.
    fn number(&self, at: usize) -> u32 {
        self.pages[at / PAGE_SPANS] * PAGE_SPANS as u32 + (at % PAGE_SPANS) as u32
    }
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
    sparse: Sparse,
    restoring: Restoring,
    /// Bytes of payload that frames hold.
    payload_bytes: u64,
}

impl SpanBlock {
    /// Holds its spans as they lie in a batch, with the randomness that their tracestates state.
    pub(super) fn hold(&mut self, batch: &Batch, source: SourceId, trace_state: u32) {
        self.source = source;
        let Some(raw) = &batch.raw else { return };
        self.payload_bytes = (raw.payload.len() * self.rows.len() / batch.rows.max(1)) as u64;
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

/// Number of the field `span_id` of a span.
const SPAN_ID: u64 = 2;

/// The id of a span in protobuf; 0 where it has none.
fn span_id(span: &[u8]) -> u64 {
    let id = field(span, SPAN_ID);
    let id = id.and_then(|(_, id)| <[u8; 8]>::try_from(id).ok());
    id.map_or(0, u64::from_be_bytes)
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
        let content = Content::Received(Box::new(received));
        Some(self.add(content, block.len(), block.payload_bytes))
    }

    fn add(&mut self, content: Content, spans: usize, payload_bytes: u64) -> u32 {
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
        let sparse = sparse::first_look(&content);
        let frame = Frame { content, count: 1, sparse, is_sparse: false, payload_bytes, pages };
        self.payload_bytes += payload_bytes;
        let frame = Some(frame);
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
        let number = frame.number(at);
        self.before[number as usize] = newest;
        let bytes = match &frame.content {
            Content::Received(received) => received.ranges.bytes_at(at),
            Content::Stored(stored) => {
                let content = stored.at(at).and_then(|own| own.1.as_ref());
                content.map_or(0, |content| content.item.len() as u64)
            }
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

    /// The ids of the spans of a trace, the last first.
    pub(super) fn ids(&self, newest: u32) -> impl Iterator<Item = u64> {
        let before = |number: &u32| Some(self.before[*number as usize]).filter(|at| *at != NONE);
        let numbers = std::iter::successors(Some(newest).filter(|at| *at != NONE), before);
        numbers.map(|number| {
            let (frame, at) = self.place(HeldSpan(number));
            match self.content(frame) {
                Some(Content::Received(received)) => received.span_id(at),
                Some(Content::Stored(stored)) => {
                    let content = stored.at(at).and_then(|own| own.1.as_ref());
                    content.map_or(0, |content| span_id(&content.item))
                }
                None => 0,
            }
        })
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
            Some(Content::Stored(stored)) => stored.is_stateless,
            None => false,
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
                self.payload_bytes -= known.payload_bytes;
                self.free_pages.append(&mut known.pages);
                *place = None;
                self.free.push(frame);
            } else if known.count == known.sparse {
                self.sparse.looks.push(frame);
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
                Some(Content::Stored(stored)) => {
                    for (to, at) in part.iter().map(of) {
                        if let Some(own) = stored.at(at) {
                            contents[to] = own.clone();
                        }
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

    /// Bytes of payloads that are held, about.
    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Bytes that are held beside payloads, about.
    pub(super) fn bytes_beside(&self) -> u64 {
        let of = |frame: &Frame| {
            let spans = match &frame.content {
                Content::Received(received) => {
                    let time = if matches!(received.times, Times::Near(..)) { 4 } else { 8 };
                    let row = if matches!(received.rows, Rows::Short(_)) { 2 } else { 4 };
                    let own = received.spans() * (time + row) + received.span_ids.len() * 8;
                    received.ranges.bytes() + own + received.context_of.len() * 4
                }
                Content::Stored(stored) => {
                    stored.items.len() * (size_of::<(ItemKey, ItemContent)>() + size_of::<u32>())
                }
            };
            (spans + size_of::<Received>()) as u64
        };
        let frames: u64 = self.frames.iter().flatten().map(of).sum();
        frames + self.before.len() as u64 * 4
    }
}
