//! The item under way: what a decoder has read of one span, event, record or point.
//!
//! Invariant: text is interned as it is read (only where demanded), so that an item borrows
//! nothing and every check that can fail has been made before a row is written.

use crate::model::{Cell, Symbol};

/// One item of any signal; a signal reads the members that it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) parent_id: [u8; 8],
    /// Nanoseconds since the Unix epoch, as all times here; 0 is unset.
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) time: i64,
    pub(super) observed: i64,
    pub(super) event_count: u32,
    pub(super) link_count: u32,
    /// OpenTelemetry's number.
    pub(super) severity_number: i32,
    /// Index into the field's members, as `status`, `metric_type` and `temporality`.
    pub(super) kind: u8,
    pub(super) status: u8,
    pub(super) metric_type: u8,
    pub(super) temporality: u8,
    pub(super) monotonic: bool,
    /// Whether its parent does not wait for it: a span that Jaeger says follows from it.
    pub(super) follows: bool,
    /// Whether the flags of a span say so.
    pub(super) sampled: bool,
    pub(super) name: Symbol,
    pub(super) span_name: Symbol,
    pub(super) status_message: Symbol,
    pub(super) trace_state: Symbol,
    pub(super) severity_text: Symbol,
    pub(super) event_name: Symbol,
    pub(super) unit: Symbol,
    pub(super) job_id: Symbol,
    pub(super) job_status: Symbol,
    /// The line protocol's `src`; the empty symbol means the source's own name.
    pub(super) source: Symbol,
    /// Body of a log record; names of a span's events.
    pub(super) body: Cell,
    /// Value of a data point; traces that a span links to.
    pub(super) value: Cell,
    pub(super) percent: Cell,
    pub(super) cpu: Cell,
    pub(super) memory: Cell,
    pub(super) disk: Cell,
    pub(super) network: Cell,
}

impl Item {
    /// Index into the members of [`crate::model::Field::LinkedKind`].
    pub(super) fn linked_kind(&self) -> usize {
        usize::from(self.kind) + if self.follows { usize::from(KINDS) } else { 0 }
    }

    /// An event of this span, of which nothing of its own is known yet.
    pub(super) fn event(&self, span_name: Symbol) -> Self {
        let Self { trace_id, span_id, .. } = *self;
        Self { trace_id, span_id, span_name, ..Self::EMPTY }
    }

    /// An item with nothing set.
    pub(super) const EMPTY: Self = Self {
        trace_id: [0; 16],
        span_id: [0; 8],
        parent_id: [0; 8],
        start: 0,
        end: 0,
        time: 0,
        observed: 0,
        event_count: 0,
        link_count: 0,
        severity_number: 0,
        kind: 0,
        status: 0,
        metric_type: 0,
        temporality: 0,
        monotonic: false,
        follows: false,
        sampled: false,
        name: Symbol::EMPTY,
        span_name: Symbol::EMPTY,
        status_message: Symbol::EMPTY,
        trace_state: Symbol::EMPTY,
        severity_text: Symbol::EMPTY,
        event_name: Symbol::EMPTY,
        unit: Symbol::EMPTY,
        job_id: Symbol::EMPTY,
        job_status: Symbol::EMPTY,
        source: Symbol::EMPTY,
        body: Cell::Null,
        value: Cell::Null,
        percent: Cell::Null,
        cpu: Cell::Null,
        memory: Cell::Null,
        disk: Cell::Null,
        network: Cell::Null,
    };

    /// The index of the severity's name: OpenTelemetry groups the numbers 1 to 24 by four.
    pub(super) fn severity(&self) -> usize {
        match self.severity_number {
            number @ 1..=24 => (number as usize - 1) / 4 + 1,
            _ => 0,
        }
    }

    /// Duration in nanoseconds; 0 where the end lies before the start.
    pub(super) fn duration_ns(&self) -> i64 {
        self.end.saturating_sub(self.start).max(0)
    }
}

/// A protobuf or JSON timestamp as signed nanoseconds; beyond the year 2262 it is the last one.
#[inline]
pub(super) fn time_ns(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// An enumeration's number as an index into its members; a number that none has is the first.
pub(super) fn member(number: i64, members: u8) -> u8 {
    u8::try_from(number).ok().filter(|&index| index < members).unwrap_or(0)
}

/// Members of span kind, status and temporality.
pub(super) const KINDS: u8 = 6;
/// See [`KINDS`].
pub(super) const STATUSES: u8 = 3;
/// See [`KINDS`].
pub(super) const TEMPORALITIES: u8 = 3;
