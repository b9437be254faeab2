//! Spans of open traces: rows, those of one trace linked newest first.
//!
//! What is known of a span lies together, as spans come and go in an order that memory does not
//! have. What nothing reads has no place: without structure a span is 16 bytes here, with it 64.

use std::collections::BTreeSet;

use super::assembled::ClosedSpans;
use super::block::SpanBlock;
use super::rows::Rows;
use super::runs::{Ahead, Runs, before_in_run};
use super::values::Values;
use crate::model::Value;
use crate::plan::TraceRule;

/// No span.
pub(super) const NONE: u32 = u32::MAX;

/// Runs of a trace that are brought near: 16 spans.
const PREFETCHED_RUNS: usize = 4;

/// The newest of the spans of a trace, and how many there are.
pub(super) type Others = (u32, u32);

/// Places that are made at once.
const ROOM: usize = 256;

/// Where in a span's row something is, if it is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Parent and start.
    places: Option<usize>,
    durations: Option<usize>,
    masks: Option<usize>,
    /// Words of a row before its numbers; the first is the span's id.
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
}

/// The spans.
#[derive(Debug)]
pub(super) struct Spans {
    kept: Kept,
    bytes_each: u64,
    /// What is kept; the number of the span before it in its trace, those of values it carries.
    rows: Rows,
    values: Box<Values>,
    /// By carried column: the numbers of the values of the block at hand.
    of_block: Vec<Vec<u32>>,
    runs: Runs,
    /// Spans of the trace at hand.
    order: Vec<Entry>,
    ids: Ids,
}

/// A span of the trace at hand: start, id, which it was in the log, place.
type Entry = (i64, u64, u32, u32);

/// Spans up to which each id is compared with each.
const FEW: usize = 16;

/// Memory to sort ids in.
#[derive(Debug, Default)]
struct Ids(Vec<u64>);

impl Ids {
    /// Whether spans with ids repeat each other's.
    fn have_repeats(&mut self, spans: &[Entry]) -> bool {
        if spans.len() <= FEW {
            let mut at = 0..spans.len();
            return at.any(|at| {
                let id = spans[at].1;
                id != 0 && spans[..at].iter().any(|before| before.1 == id)
            });
        }
        let Self(ids) = self;
        ids.clear();
        ids.extend(spans.iter().map(|span| span.1).filter(|id| *id != 0));
        ids.sort_unstable();
        ids.windows(2).any(|pair| pair[0] == pair[1])
    }
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
            rows: Rows::new(kept.words, kept.numbers),
            values: Box::default(),
            of_block: vec![Vec::new(); rule.carried.len()],
            runs: Runs::default(),
            order: Vec::new(),
            ids: Ids::default(),
        }
    }

    /// Gets ready to take the spans of a block: its values get their numbers here.
    pub(super) fn begin(&mut self, block: &mut SpanBlock) {
        if self.values.wants_sweep() {
            let (rows, numbers) = (&self.rows, self.kept.numbers);
            let carried = |place| (1..numbers).map(move |at| rows.number(place, at));
            self.values.sweep((0..self.runs.places() as u32).flat_map(carried));
        }
        for (numbers, carried) in self.of_block.iter_mut().zip(&mut block.carried) {
            numbers.clear();
            numbers.extend(carried.values.drain(..).map(|value| self.values.add(value)));
        }
    }

    /// Adds a span of the block before the others of its trace, which are so many.
    pub(super) fn push(&mut self, block: &SpanBlock, at: usize, (head, count): Others) -> u32 {
        let place = self.add_words(
            (head, count),
            (block.span_ids[at], block.parent_ids.get(at).copied().unwrap_or(0)),
            (block.starts_ns[at], block.durations_ns.get(at).copied().unwrap_or(0)),
            block.masks.get(at).copied().unwrap_or(0),
        );
        let columns = self.of_block.iter().zip(&block.carried);
        let carried = columns.map(|(of_block, carried)| of_block[carried.of[at] as usize]);
        self.rows.set_numbers(place, std::iter::once(head).chain(carried));
        place
    }

    /// Adds a span of a snapshot before the others of its trace.
    pub(super) fn add(&mut self, span: SpanState, (head, count): Others) -> u32 {
        let SpanState { span_id, parent_id, start_ns, duration_ns, mask, carried } = span;
        let place =
            self.add_words((head, count), (span_id, parent_id), (start_ns, duration_ns), mask);
        let carried = carried.into_iter().map(|value| self.values.add(value));
        self.rows.set_numbers(place, std::iter::once(head).chain(carried));
        place
    }

    fn add_words(
        &mut self,
        (head, count): Others,
        (span_id, parent_id): (u64, u64),
        (start_ns, duration_ns): (i64, i64),
        mask: u64,
    ) -> u32 {
        let (kept, place) = (self.kept, self.place(head, count));
        let rows = &mut self.rows;
        rows.set_word(place, 0, span_id);
        if let Some(at) = kept.places {
            rows.set_word(place, at, parent_id);
            rows.set_word(place, at + 1, start_ns.cast_unsigned());
        }
        if let Some(at) = kept.durations {
            rows.set_word(place, at, duration_ns.cast_unsigned());
        }
        if let Some(at) = kept.masks {
            rows.set_word(place, at, mask);
        }
        place
    }

    fn place(&mut self, head: u32, count: u32) -> u32 {
        let place = self.runs.take(count, head);
        if self.runs.places() > self.rows.places() {
            self.rows.grow(ROOM);
        }
        place
    }

    /// The span before one in its trace.
    fn next(&self, place: u32) -> u32 {
        self.rows.number(place, 0)
    }

    fn word(&self, place: u32, at: usize) -> u64 {
        self.rows.word(place, at)
    }

    /// Brings near the row that a span will take, by the others of its trace and the runs that
    /// spans before it will take.
    pub(super) fn prefetch_next(&self, (head, count): Others, ahead: &mut Ahead) {
        if let Some(place) = self.runs.next(count, head, ahead) {
            self.rows.prefetch(place);
        }
    }

    /// Takes all spans of a trace out: by start, then id. Of a repeated id the first
    /// in the log.
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
        out.duplicates = 0;
        if self.ids.have_repeats(&order) {
            let mut known = BTreeSet::new();
            let (standing, repeated): (Vec<Entry>, Vec<Entry>) =
                order.iter().partition(|entry| entry.1 == 0 || known.insert(entry.1));
            out.duplicates = repeated.len();
            repeated.into_iter().for_each(|(_, _, number, place)| self.let_go(number, place));
            order = standing;
        }
        if !order.is_sorted() {
            order.sort_unstable();
        }
        self.fill(&order, out);
        order.iter().for_each(|&(_, _, number, place)| self.let_go(number, place));
        self.order = order;
    }

    /// Fills the columns of a trace with its spans, column by column: the rows are near.
    fn fill(&self, order: &[Entry], out: &mut ClosedSpans) {
        let kept = self.kept;
        let words = |at: usize| order.iter().map(move |entry| self.word(entry.3, at));
        out.clear(kept.numbers - 1);
        out.ids.extend(order.iter().map(|entry| entry.1));
        if let Some(at) = kept.places {
            out.parents.extend(words(at));
            out.starts_ns.extend(order.iter().map(|entry| entry.0));
        }
        if let Some(at) = kept.durations {
            out.durations_ns.extend(words(at).map(u64::cast_signed));
        }
        if let Some(at) = kept.masks {
            out.masks.extend(words(at));
        }
        for (at, carried) in (1..kept.numbers).zip(&mut out.carried) {
            carried.extend(order.iter().map(|entry| self.rows.number(entry.3, at)));
        }
    }

    /// A span is gone, by its number in its trace and its place.
    fn let_go(&mut self, number: u32, place: u32) {
        self.rows.set_numbers(place, std::iter::empty());
        self.runs.release(number, place);
    }

    /// The ids of the spans of a trace, the last first.
    pub(super) fn ids(&self, newest: u32) -> impl Iterator<Item = u64> {
        let next = |place: &u32| Some(self.next(*place)).filter(|place| *place != NONE);
        let places = std::iter::successors(Some(newest).filter(|place| *place != NONE), next);
        places.map(|place| self.word(place, 0))
    }

    /// Brings near the spans of some traces, run by run: all of a run, then the one before it.
    pub(super) fn prefetch(&self, of: &mut Vec<Others>) {
        let prefetch = |&(newest, count): &Others| {
            let behind = before_in_run(count - 1);
            (newest - behind..=newest).for_each(|place| self.rows.prefetch(place));
        };
        of.retain(|(_, count)| *count > 0);
        of.iter().for_each(prefetch);
        for _ in 1..PREFETCHED_RUNS {
            of.retain_mut(|own| {
                let behind = before_in_run(own.1 - 1);
                *own = (self.next(own.0 - behind), own.1 - 1 - behind);
                let is_more = own.1 > 0;
                if is_more {
                    prefetch(own);
                }
                is_more
            });
        }
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
        let carried = (1..self.kept.numbers).map(|at| self.rows.number(place, at));
        SpanState {
            span_id: self.word(place, 0),
            parent_id: word(self.kept.places),
            start_ns: word(self.kept.places.map(|at| at + 1)).cast_signed(),
            duration_ns: word(self.kept.durations).cast_signed(),
            mask: word(self.kept.masks),
            carried: carried.map(|number| self.values.get(number).clone()).collect(),
        }
    }

    /// Bytes held here, without the texts that spans carry.
    pub(super) fn bytes(&self) -> u64 {
        self.runs.taken() as u64 * self.bytes_each
    }

    /// Bytes of one span here, without the texts that it carries.
    pub(super) fn bytes_each(&self) -> u64 {
        self.bytes_each
    }
}
