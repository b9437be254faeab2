//! Spans of open traces: columns with a free list, those of one trace linked newest first.
//!
//! A column that nothing reads is empty: without structure a span is 12 bytes here, with it 36.

use super::assembled::ClosedSpans;
use super::block::SpanBlock;
use super::values::{NOTHING, Values};
use crate::model::Value;
use crate::plan::TraceRule;

/// No span.
pub(super) const NONE: u32 = u32::MAX;

/// Which columns are kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    places: bool,
    masks: bool,
    durations: bool,
}

/// The columns.
#[derive(Debug)]
pub(super) struct Spans {
    kept: Kept,
    bytes_each: u64,
    /// The span before it in its trace, or the next free place.
    next: Vec<u32>,
    span_ids: Vec<u64>,
    parent_ids: Vec<u64>,
    starts_ns: Vec<i64>,
    durations_ns: Vec<i64>,
    masks: Vec<u64>,
    /// By carried column: numbers of values.
    carried: Vec<Vec<u32>>,
    values: Values,
    /// By carried column: the numbers of the values of the block at hand.
    numbers: Vec<Vec<u32>>,
    free: u32,
    used: usize,
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
        let kept = Kept {
            places: rule.needs_forest(),
            masks: rule.needs_masks(),
            durations: rule.needs_durations(),
        };
        let columns = [(kept.places, 16), (kept.durations, 8), (kept.masks, 8)];
        let more: u64 = columns.iter().filter(|column| column.0).map(|column| column.1).sum();
        Self {
            kept,
            bytes_each: 12 + more + (rule.carried.len() * size_of::<Value>()) as u64,
            next: Vec::new(),
            span_ids: Vec::new(),
            parent_ids: Vec::new(),
            starts_ns: Vec::new(),
            durations_ns: Vec::new(),
            masks: Vec::new(),
            carried: vec![Vec::new(); rule.carried.len()],
            values: Values::default(),
            numbers: vec![Vec::new(); rule.carried.len()],
            free: NONE,
            used: 0,
            order: Vec::new(),
        }
    }

    /// Gets ready to take the spans of a block: its values get their numbers here.
    pub(super) fn begin(&mut self, block: &mut SpanBlock) {
        for (numbers, carried) in self.numbers.iter_mut().zip(&mut block.carried) {
            numbers.clear();
            numbers.extend(carried.values.drain(..).map(|value| self.values.add(value)));
        }
    }

    /// The block has been taken.
    pub(super) fn end(&mut self) {
        for number in self.numbers.iter().flatten() {
            self.values.release(*number);
        }
    }

    /// Adds a span of the block before the others of its trace.
    pub(super) fn push(&mut self, block: &SpanBlock, at: usize, head: u32) -> u32 {
        let place = self.add_numbers(
            (block.span_ids[at], block.parent_ids.get(at).copied().unwrap_or(0)),
            (block.starts_ns[at], block.durations_ns.get(at).copied().unwrap_or(0)),
            block.masks.get(at).copied().unwrap_or(0),
            head,
        );
        let columns = self.carried.iter_mut().zip(&self.numbers).zip(&block.carried);
        for ((column, numbers), carried) in columns {
            let number = numbers[carried.of[at] as usize];
            self.values.retain(number);
            column[place as usize] = number;
        }
        place
    }

    /// Adds a span of a snapshot before the others of its trace.
    pub(super) fn add(&mut self, span: SpanState, head: u32) -> u32 {
        let SpanState { span_id, parent_id, start_ns, duration_ns, mask, carried } = span;
        let (ids, times_ns) = ((span_id, parent_id), (start_ns, duration_ns));
        let place = self.add_numbers(ids, times_ns, mask, head);
        for (column, value) in self.carried.iter_mut().zip(carried) {
            column[place as usize] = self.values.add(value);
        }
        place
    }

    fn add_numbers(
        &mut self,
        (span_id, parent_id): (u64, u64),
        (start_ns, duration_ns): (i64, i64),
        mask: u64,
        head: u32,
    ) -> u32 {
        self.used += 1;
        let place = self.place();
        let at = place as usize;
        self.next[at] = head;
        self.span_ids[at] = span_id;
        if self.kept.places {
            self.parent_ids[at] = parent_id;
            self.starts_ns[at] = start_ns;
        }
        if self.kept.durations {
            self.durations_ns[at] = duration_ns;
        }
        if self.kept.masks {
            self.masks[at] = mask;
        }
        place
    }

    fn place(&mut self) -> u32 {
        if self.free != NONE {
            let place = self.free;
            self.free = self.next[place as usize];
            return place;
        }
        self.next.push(NONE);
        self.span_ids.push(0);
        if self.kept.places {
            self.parent_ids.push(0);
            self.starts_ns.push(0);
        }
        if self.kept.durations {
            self.durations_ns.push(0);
        }
        if self.kept.masks {
            self.masks.push(0);
        }
        self.carried.iter_mut().for_each(|column| column.push(NOTHING));
        (self.next.len() - 1) as u32
    }

    /// Takes all spans of a trace out: by start, then id; repeated ids in the order of the log.
    pub(super) fn take(&mut self, head: u32, out: &mut ClosedSpans) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let mut place = head;
        while place != NONE {
            let at = place as usize;
            let start_ns = if self.kept.places { self.starts_ns[at] } else { 0 };
            order.push((start_ns, self.span_ids[at], order.len() as u32, place));
            place = self.next[at];
        }
        // The last came first.
        let count = order.len() as u32;
        order.iter_mut().for_each(|entry| entry.2 = count - entry.2);
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let places = || order.iter().map(|(.., place)| *place as usize);
        fill(&mut out.ids, &self.span_ids, places());
        if self.kept.places {
            fill(&mut out.parents, &self.parent_ids, places());
            fill(&mut out.starts_ns, &self.starts_ns, places());
        }
        if self.kept.durations {
            fill(&mut out.durations_ns, &self.durations_ns, places());
        }
        if self.kept.masks {
            fill(&mut out.masks, &self.masks, places());
        }
        out.carried.resize_with(self.carried.len(), Vec::new);
        for (out, column) in out.carried.iter_mut().zip(&self.carried) {
            fill(out, column, places());
        }
        for place in places() {
            self.next[place] = self.free;
            self.free = place as u32;
        }
        self.used -= order.len();
        self.order = order;
    }

    /// Lends out what spans carry, or takes it back.
    pub(super) fn swap_values(&mut self, values: &mut Values) {
        std::mem::swap(&mut self.values, values);
    }

    /// The spans of a closed trace have been read.
    pub(super) fn release(&mut self, spans: &ClosedSpans) {
        for number in spans.carried.iter().flatten() {
            self.values.release(*number);
        }
    }

    /// Reads all spans of a trace, in the order in which they came.
    pub(super) fn all(&self, head: u32) -> Vec<SpanState> {
        let (mut spans, mut place) = (Vec::new(), head);
        while place != NONE {
            let at = place as usize;
            let mut span = self.numbers(at);
            let value = |column: &Vec<u32>| self.values.get(column[at]).clone();
            span.carried = self.carried.iter().map(value).collect();
            spans.push(span);
            place = self.next[at];
        }
        spans.reverse();
        spans
    }

    fn numbers(&self, at: usize) -> SpanState {
        SpanState {
            span_id: self.span_ids[at],
            parent_id: self.parent_ids.get(at).copied().unwrap_or(0),
            start_ns: self.starts_ns.get(at).copied().unwrap_or(0),
            duration_ns: self.durations_ns.get(at).copied().unwrap_or(0),
            mask: self.masks.get(at).copied().unwrap_or(0),
            carried: Vec::new(),
        }
    }

    /// Spans held.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Bytes of one span here, without the texts that it carries.
    pub(super) fn bytes_each(&self) -> u64 {
        self.bytes_each
    }
}

/// Fills a column with those at some places of another.
fn fill<T: Copy>(out: &mut Vec<T>, column: &[T], places: impl Iterator<Item = usize>) {
    out.clear();
    out.extend(places.map(|place| column[place]));
}
