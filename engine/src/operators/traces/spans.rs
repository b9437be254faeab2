//! Spans of open traces: columns with a free list, those of one trace linked newest first.
//!
//! A column that nothing reads is empty: without structure a span is 12 bytes here, with it 36.

use super::block::SpanBlock;
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
    carried: Vec<Vec<Value>>,
    free: u32,
    used: usize,
}

/// One span as a snapshot holds it, or as it is put in order.
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
            free: NONE,
            used: 0,
        }
    }

    /// Adds a span of a block before the others of its trace.
    pub(super) fn push(&mut self, block: &mut SpanBlock, at: usize, head: u32) -> u32 {
        let carried = block.carried.iter_mut().map(|column| std::mem::take(&mut column[at]));
        let carried: Vec<Value> = carried.collect();
        self.add(
            SpanState {
                span_id: block.span_ids[at],
                parent_id: block.parent_ids.get(at).copied().unwrap_or(0),
                start_ns: block.starts_ns[at],
                duration_ns: block.durations_ns.get(at).copied().unwrap_or(0),
                mask: block.masks.get(at).copied().unwrap_or(0),
                carried,
            },
            head,
        )
    }

    pub(super) fn add(&mut self, span: SpanState, head: u32) -> u32 {
        self.used += 1;
        let place = self.place();
        let at = place as usize;
        self.next[at] = head;
        self.span_ids[at] = span.span_id;
        if self.kept.places {
            self.parent_ids[at] = span.parent_id;
            self.starts_ns[at] = span.start_ns;
        }
        if self.kept.durations {
            self.durations_ns[at] = span.duration_ns;
        }
        if self.kept.masks {
            self.masks[at] = span.mask;
        }
        for (column, value) in self.carried.iter_mut().zip(span.carried) {
            column[at] = value;
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
        self.carried.iter_mut().for_each(|column| column.push(Value::Null));
        (self.next.len() - 1) as u32
    }

    /// Takes all spans of a trace out, in the order in which they came.
    pub(super) fn take(&mut self, head: u32, out: &mut Vec<SpanState>) {
        out.clear();
        let mut place = head;
        while place != NONE {
            let at = place as usize;
            let mut span = self.numbers(at);
            span.carried = self.carried.iter_mut().map(|c| std::mem::take(&mut c[at])).collect();
            out.push(span);
            let next = std::mem::replace(&mut self.next[at], self.free);
            self.free = place;
            self.used -= 1;
            place = next;
        }
        out.reverse();
    }

    /// Reads all spans of a trace, in the order in which they came.
    pub(super) fn all(&self, head: u32) -> Vec<SpanState> {
        let (mut spans, mut place) = (Vec::new(), head);
        while place != NONE {
            let at = place as usize;
            let mut span = self.numbers(at);
            span.carried = self.carried.iter().map(|column| column[at].clone()).collect();
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
