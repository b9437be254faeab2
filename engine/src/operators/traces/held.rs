//! Spans of open traces as received, for whoever says them again.
//!
//! What came in one block is held together as long as a span of it is: 24 bytes a span beside the
//! payload that they share. Spans of a snapshot are held as they will leave.

use super::block::SpanBlock;
use crate::ingest::emit_parts;
use crate::model::{Batch, Column, ItemContent, ItemKey, RawItems, Signal, SourceId, Value};
use crate::operators::sample::Contents;
use crate::sampling::read_tracestate;

/// A span: its frame here, and its place in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldSpan {
    frame: u32,
    at: u32,
}

#[derive(Debug)]
enum Frame {
    Received { raw: RawItems, seq: u64, source: SourceId, rows: Vec<u32>, times_ns: Vec<i64> },
    Stored(Vec<(ItemKey, ItemContent)>),
}

/// The spans that are held.
#[derive(Debug, Default)]
pub(crate) struct HeldSpans {
    frames: Vec<Option<(Frame, u32)>>,
    free: Vec<u32>,
}

impl SpanBlock {
    /// Gets ready to hold spans of a batch.
    pub(super) fn hold(&mut self, batch: &Batch, source: SourceId) {
        self.source = source;
        self.raw = batch.raw.as_ref().map(|raw| RawItems { rows: Vec::new(), ..raw.clone() });
    }

    /// Holds a span, the next entry.
    pub(super) fn hold_row(&mut self, batch: &Batch, trace_state: Option<u32>, row: u32) {
        let (Some(column), Some(raw)) = (trace_state, &mut self.raw) else { return };
        let Some(lies) = batch.raw.as_ref().and_then(|raw| raw.rows.get(row as usize)) else {
            return;
        };
        raw.rows.push(*lies);
        let Some(column @ Column::Symbols(_)) = batch.columns.get(column as usize) else { return };
        if let Value::Str(text) = batch.value_at(column, row as usize)
            && !text.is_empty()
        {
            let entry = self.rows.len() as u32;
            let stated = read_tracestate(&text).randomness;
            self.randomness.extend(stated.map(|randomness| (entry, randomness)));
        }
    }
}

impl HeldSpans {
    /// Takes what a block holds; its number here.
    pub(super) fn begin(&mut self, block: &mut SpanBlock) -> Option<u32> {
        let raw = block.raw.take()?;
        let times_ns = (0..block.len()).map(|at| block.time_ns(at)).collect();
        let (seq, source, rows) = (block.seq, block.source, block.rows.clone());
        Some(self.add(Frame::Received { raw, seq, source, rows, times_ns }))
    }

    fn add(&mut self, frame: Frame) -> u32 {
        let place = self.free.pop().unwrap_or(self.frames.len() as u32);
        // One more than its spans: nothing goes while they come.
        let frame = Some((frame, 1));
        match self.frames.get_mut(place as usize) {
            Some(old) => *old = frame,
            None => self.frames.push(frame),
        }
        place
    }

    /// Holds a span of a frame.
    pub(super) fn hold(&mut self, frame: u32, at: usize) -> HeldSpan {
        if let Some(Some((_, count))) = self.frames.get_mut(frame as usize) {
            *count += 1;
        }
        HeldSpan { frame, at: at as u32 }
    }

    /// Lets go of a span, or of a frame that was begun.
    pub(super) fn release(&mut self, frame: u32) {
        let Some(place) = self.frames.get_mut(frame as usize) else { return };
        if let Some((_, count)) = place {
            *count -= 1;
            if *count == 0 {
                *place = None;
                self.free.push(frame);
            }
        }
    }

    /// Lets go of spans.
    pub(super) fn release_all(&mut self, spans: &[HeldSpan]) {
        spans.iter().for_each(|span| self.release(span.frame));
    }

    /// Bytes of a span as received.
    pub(super) fn bytes(&self, span: HeldSpan) -> u64 {
        match self.frames.get(span.frame as usize) {
            Some(Some((Frame::Received { raw, .. }, _))) => {
                raw.rows.get(span.at as usize).map_or(0, |row| row.range.len() as u64)
            }
            Some(Some((Frame::Stored(items), _))) => {
                items.get(span.at as usize).map_or(0, |item| item.1.item.len() as u64)
            }
            _ => 0,
        }
    }

    /// Holds spans once more.
    pub(super) fn retain(&mut self, spans: &[HeldSpan]) {
        for span in spans {
            if let Some(Some((_, count))) = self.frames.get_mut(span.frame as usize) {
                *count += 1;
            }
        }
    }

    /// The spans as they leave, in the order of the log.
    pub(crate) fn contents(&self, spans: &[HeldSpan]) -> Contents {
        let mut contents = self.written(spans);
        contents.sort_by_key(|(key, _)| *key);
        contents
    }

    /// The spans as they leave, in the order given. Those of one frame are written together.
    pub(super) fn written(&self, spans: &[HeldSpan]) -> Contents {
        let mut contents: Contents = vec![(ItemKey::default(), None); spans.len()];
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&at| (spans[at].frame, spans[at].at));
        let (mut raws, mut places) = (Vec::new(), Vec::new());
        for part in order.chunk_by(|&a, &b| spans[a].frame == spans[b].frame) {
            match self.frames.get(spans[part[0]].frame as usize) {
                Some(Some((Frame::Received { raw, seq, source, rows, times_ns }, _))) => {
                    raws.push((raw, part.iter().map(|&to| spans[to].at).collect::<Vec<u32>>()));
                    for &to in part {
                        let at = spans[to].at as usize;
                        let (row, time_ns) = (rows[at], times_ns[at]);
                        contents[to].0 = ItemKey { frame_seq: *seq, row, time_ns, source: *source };
                        places.push(to);
                    }
                }
                Some(Some((Frame::Stored(items), _))) => {
                    for &to in part {
                        if let Some((key, content)) = items.get(spans[to].at as usize) {
                            contents[to] = (*key, Some(content.clone()));
                        }
                    }
                }
                _ => {}
            }
        }
        let made = emit_parts(&raws, Signal::Spans);
        places.into_iter().zip(made).for_each(|(to, content)| contents[to].1 = content);
        contents
    }

    /// What a snapshot holds of spans.
    pub(super) fn stored(&self, spans: &[HeldSpan]) -> Vec<(ItemKey, ItemContent)> {
        let contents = self.contents(spans).into_iter();
        contents.filter_map(|(key, content)| Some((key, content?))).collect()
    }

    /// Holds spans of a snapshot.
    pub(super) fn restore(&mut self, items: Vec<(ItemKey, ItemContent)>) -> Vec<HeldSpan> {
        if items.is_empty() {
            return Vec::new();
        }
        let count = items.len();
        let frame = self.add(Frame::Stored(items));
        let spans = (0..count).map(|at| self.hold(frame, at)).collect();
        self.release(frame);
        spans
    }
}
