//! Spans of open traces: rows, those of one trace linked newest first.
//!
//! What is known of a span lies together, as spans come and go in an order that memory does not
//! have. What nothing reads has no place: without structure a span is 12 bytes here, with it 36.

use super::assembled::ClosedSpans;
use super::block::SpanBlock;
use super::values::{NOTHING, Values};
use crate::model::Value;
use crate::plan::TraceRule;

/// No span.
pub(super) const NONE: u32 = u32::MAX;

/// Spans of a trace that are read ahead.
pub(super) const READ_AHEAD_SPANS: usize = 8;

/// Places that are made at once.
const ROOM: usize = 256;

/// Where in a span's row something is, if it is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Parent and start.
    places: Option<usize>,
    durations: Option<usize>,
    masks: Option<usize>,
    /// Words of a row; the first is the span's id.
    words: usize,
    /// Numbers of a row: the next span, and what it carries.
    numbers: usize,
}

impl Kept {
    fn of(rule: &TraceRule) -> Self {
        let mut words = 1;
        let mut keep = |is_kept: bool, count: usize| {
            let at = words;
            words += if is_kept { count } else { 0 };
            is_kept.then_some(at)
        };
        let places = keep(rule.needs_forest(), 2);
        let durations = keep(rule.needs_durations(), 1);
        let masks = keep(rule.needs_masks(), 1);
        Self { places, durations, masks, words, numbers: 1 + rule.carried.len() }
    }

    /// Whether places, durations and masks are kept.
    fn is_kept(self) -> [bool; 3] {
        [self.places.is_some(), self.durations.is_some(), self.masks.is_some()]
    }
}

/// The spans.
#[derive(Debug)]
pub(super) struct Spans {
    kept: Kept,
    bytes_each: u64,
    words: Vec<u64>,
    /// The span before it in its trace; numbers of the values it carries.
    numbers: Vec<u32>,
    values: Box<Values>,
    /// By carried column: the numbers of the values of the block at hand.
    of_block: Vec<Vec<u32>>,
    /// Beside the rows: which is the next one would be read in a row that nobody had looked at for
    /// long, and taking a span would wait for it.
    free: Vec<u32>,
    /// Places that have been used at all.
    fresh: usize,
    /// Spans of the trace at hand: start, id, which they were in the log, place.
    order: Vec<(i64, u64, u32, u32)>,
}

/// One span as a snapshot holds it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct SpanState {
    pub(super) span_id: u64,
    pub(super) parent_id: u64,
    pub(super) start_ns: i64,
    pub(super) duration_ns: i64,
    pub(super) mask: u64,
    pub(super) carried: Vec<Value>,
}

impl Spans {
    pub(super) fn new(rule: &TraceRule) -> Self {
        let kept = Kept::of(rule);
        let carried = rule.carried.len() * size_of::<Value>();
        Self {
            kept,
            bytes_each: (4 + kept.words * 8 + carried) as u64,
            words: Vec::new(),
            numbers: Vec::new(),
            values: Box::default(),
            of_block: vec![Vec::new(); rule.carried.len()],
            free: Vec::new(),
            fresh: 0,
            order: Vec::new(),
        }
    }

    /// Gets ready to take the spans of a block: its values get their numbers here.
    pub(super) fn begin(&mut self, block: &mut SpanBlock) {
        if self.values.wants_sweep() {
            let carried = self.numbers.chunks_exact(self.kept.numbers).flat_map(|row| &row[1..]);
            self.values.sweep(carried.copied());
        }
        for (numbers, carried) in self.of_block.iter_mut().zip(&mut block.carried) {
            numbers.clear();
            numbers.extend(carried.values.drain(..).map(|value| self.values.add(value)));
        }
    }

    /// Adds a span of the block before the others of its trace.
    pub(super) fn push(&mut self, block: &SpanBlock, at: usize, head: u32) -> u32 {
        let place = self.add_words(
            (block.span_ids[at], block.parent_ids.get(at).copied().unwrap_or(0)),
            (block.starts_ns[at], block.durations_ns.get(at).copied().unwrap_or(0)),
            block.masks.get(at).copied().unwrap_or(0),
        );
        let row = &mut self.numbers[place as usize * self.kept.numbers..][..self.kept.numbers];
        row[0] = head;
        let columns = block.carried.iter();
        for (column, (of_block, carried)) in (1..).zip(self.of_block.iter().zip(columns)) {
            row[column] = of_block[carried.of[at] as usize];
        }
        place
    }

    /// Adds a span of a snapshot before the others of its trace.
    pub(super) fn add(&mut self, span: SpanState, head: u32) -> u32 {
        let SpanState { span_id, parent_id, start_ns, duration_ns, mask, carried } = span;
        let place = self.add_words((span_id, parent_id), (start_ns, duration_ns), mask);
        let row = &mut self.numbers[place as usize * self.kept.numbers..][..self.kept.numbers];
        row[0] = head;
        for (number, value) in row[1..].iter_mut().zip(carried) {
            *number = self.values.add(value);
        }
        place
    }

    fn add_words(
        &mut self,
        (span_id, parent_id): (u64, u64),
        (start_ns, duration_ns): (i64, i64),
        mask: u64,
    ) -> u32 {
        let (kept, place) = (self.kept, self.place());
        let row = &mut self.words[place as usize * kept.words..][..kept.words];
        row[0] = span_id;
        if let Some(at) = kept.places {
            row[at..at + 2].copy_from_slice(&[parent_id, start_ns.cast_unsigned()]);
        }
        if let Some(at) = kept.durations {
            row[at] = duration_ns.cast_unsigned();
        }
        if let Some(at) = kept.masks {
            row[at] = mask;
        }
        place
    }

    fn place(&mut self) -> u32 {
        if let Some(place) = self.free.pop() {
            return place;
        }
        if self.fresh * self.kept.numbers == self.numbers.len() {
            self.words.resize(self.words.len() + ROOM * self.kept.words, 0);
            self.numbers.resize(self.numbers.len() + ROOM * self.kept.numbers, NOTHING);
        }
        self.fresh += 1;
        self.fresh as u32 - 1
    }

    /// The span before one in its trace.
    fn next(&self, place: u32) -> u32 {
        self.numbers[place as usize * self.kept.numbers]
    }

    fn word(&self, place: u32, at: usize) -> u64 {
        self.words[place as usize * self.kept.words + at]
    }

    /// Reads ahead the rows that so many spans will take. What it returns is made of what it read.
    pub(super) fn read_free(&self, spans: usize) -> u64 {
        let next = self.free.iter().rev().take(spans);
        next.fold(0, |read, place| read ^ self.row_ends(*place))
    }

    /// Made of the first and the last of a row: it may begin in one cache line and end in the next.
    fn row_ends(&self, place: u32) -> u64 {
        let last = place as usize * self.kept.numbers + self.kept.numbers - 1;
        let words = self.word(place, 0) ^ self.word(place, self.kept.words - 1);
        words ^ u64::from(self.numbers[last])
    }

    /// Takes all spans of a trace out: by start, then id; repeated ids in the order of the log.
    pub(super) fn take(&mut self, head: u32, out: &mut ClosedSpans) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let (kept, mut place) = (self.kept, head);
        while place != NONE {
            let start_ns = kept.places.map_or(0, |at| self.word(place, at + 1).cast_signed());
            order.push((start_ns, self.word(place, 0), 0, place));
            place = self.next(place);
        }
        order.reverse(); // the last came first
        (0..).zip(&mut order).for_each(|(at, entry)| entry.2 = at);
        if !order.is_sorted() {
            order.sort_unstable();
        }
        out.resize(order.len(), kept.numbers - 1, kept.is_kept());
        for (to, &(start_ns, id, _, place)) in order.iter().enumerate() {
            let words = &self.words[place as usize * kept.words..][..kept.words];
            out.ids[to] = id;
            if let Some(at) = kept.places {
                out.parents[to] = words[at];
                out.starts_ns[to] = start_ns;
            }
            if let Some(at) = kept.durations {
                out.durations_ns[to] = words[at].cast_signed();
            }
            if let Some(at) = kept.masks {
                out.masks[to] = words[at];
            }
            let row = &mut self.numbers[place as usize * kept.numbers..][..kept.numbers];
            self.free.push(place);
            for (number, out) in row[1..].iter_mut().zip(&mut out.carried) {
                out[to] = std::mem::replace(number, NOTHING);
            }
        }
        self.order = order;
    }

    /// Follows the spans of some traces side by side, so that the memory of all is on its way at
    /// once. What it returns is made of what it read.
    pub(super) fn read_ahead(&self, newest: &mut Vec<u32>) -> u64 {
        let mut read = 0;
        for _ in 0..READ_AHEAD_SPANS {
            newest.retain_mut(|place| {
                if *place == NONE {
                    return false;
                }
                read ^= self.row_ends(*place);
                *place = self.next(*place);
                true
            });
        }
        read
    }

    /// Lends out what spans carry, or takes it back.
    pub(super) fn swap_values(&mut self, values: &mut Box<Values>) {
        std::mem::swap(&mut self.values, values);
    }

    /// Reads all spans of a trace, in the order in which they came.
    pub(super) fn all(&self, head: u32) -> Vec<SpanState> {
        let (mut spans, mut place) = (Vec::new(), head);
        while place != NONE {
            spans.push(self.span(place));
            place = self.next(place);
        }
        spans.reverse();
        spans
    }

    fn span(&self, place: u32) -> SpanState {
        let word = |at: Option<usize>| at.map_or(0, |at| self.word(place, at));
        let carried = &self.numbers[place as usize * self.kept.numbers..][1..self.kept.numbers];
        SpanState {
            span_id: self.word(place, 0),
            parent_id: word(self.kept.places),
            start_ns: word(self.kept.places.map(|at| at + 1)).cast_signed(),
            duration_ns: word(self.kept.durations).cast_signed(),
            mask: word(self.kept.masks),
            carried: carried.iter().map(|number| self.values.get(*number).clone()).collect(),
        }
    }

    /// Spans held.
    pub(super) fn len(&self) -> usize {
        self.fresh - self.free.len()
    }

    /// Bytes of one span here, without the texts that it carries.
    pub(super) fn bytes_each(&self) -> u64 {
        self.bytes_each
    }
}
