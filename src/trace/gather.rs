//! Spans by trace id, from frames.
//!
//! Invariant: at most [`SPANS_MAX`] spans are held; what does not fit is counted, and a trace of
//! which spans were left out says so. Traces keep the order in which they first occur.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_engine::ingest::{DecodeReport, Decoder};
use tailwater_engine::limits::TIME_MAX_NS;
use tailwater_engine::model::{
    AttributePlace, Batch, Cell, Column, ColumnSpec, DataFrame, Demand, Field, Interner, Ledger,
    Signal, SourceSpec, Symbols, Value,
};
use tailwater_engine::plan::SignalPlan;
use tailwater_engine::plan::eval::Evaluator;
use tailwater_engine::trace::{LinkedKind, PEER_ATTRIBUTES, is_database_attribute};

use super::span::{SpanEvent, Status, TraceId, TraceSpan};

/// Spans that are held at once: about 1 GiB.
pub(crate) const SPANS_MAX: usize = 4_000_000;

/// Events of spans that are held at once.
const EVENTS_MAX: usize = 1_000_000;

/// What is gathered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The start of the trace ids that are gathered, as half bytes; all if it is empty.
    pub(crate) id_start: Vec<u8>,
    /// Columns, expressions and filters of spans: a span that passes all filters is a match.
    pub(crate) filter: Option<SignalPlan>,
    /// Attributes that are shown.
    pub(crate) shown: Vec<Arc<str>>,
    /// Whether all events of spans are shown, or exceptions only.
    pub(crate) with_events: bool,
}

/// The spans of one trace, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered {
    /// Its id.
    pub(crate) id: TraceId,
    /// Its spans.
    pub(crate) spans: Vec<TraceSpan>,
    /// Events by the id of their span.
    pub(crate) events: Vec<(u64, SpanEvent)>,
    /// Spans that were left out.
    pub(crate) left_out: u64,
}

impl Gathered {
    /// Start of its first span, nanoseconds since the Unix epoch.
    pub(crate) fn start_ns(&self) -> i64 {
        self.spans.iter().map(|span| span.start_ns).min().unwrap_or(0)
    }

    /// From the start of its first span to the end of its last, nanoseconds.
    pub(crate) fn duration_ns(&self) -> i64 {
        let end_ns = self.spans.iter().map(|span| span.end_ns).max().unwrap_or(0);
        end_ns.saturating_sub(self.start_ns())
    }

    /// Spans with the status error.
    pub(crate) fn errors(&self) -> usize {
        self.spans.iter().filter(|span| span.status == Status::Error).count()
    }
}

/// Columns of a batch of spans by what they hold.
struct SpanColumns {
    trace_id: usize,
    id: usize,
    parent_id: usize,
    name: usize,
    kind: usize,
    status: usize,
    message: usize,
    start: usize,
    end: usize,
    service: usize,
    peers: Vec<usize>,
    shown: Vec<usize>,
}

/// Columns of a batch of span events.
struct EventColumns {
    trace_id: usize,
    id: usize,
    name: usize,
    time: usize,
    exception: [usize; 2],
}

/// Gathers spans.
pub(crate) struct Gather {
    wanted: Wanted,
    demand: Arc<Demand>,
    spans: SpanColumns,
    events: EventColumns,
    decoder: Option<Decoder>,
    symbols: Symbols,
    evaluator: Evaluator,
    report: DecodeReport,
    traces: Vec<Gathered>,
    by_id: BTreeMap<TraceId, u32>,
    held: usize,
    events_held: usize,
    frames: u64,
    without_id: u64,
}

impl Gather {
    /// Nothing yet.
    pub(crate) fn new(wanted: Wanted) -> Self {
        let mut demand = Demand::default();
        // The filter's columns come first, as its expressions name them by place.
        for column in wanted.filter.iter().flat_map(|filter| &filter.columns) {
            demand.column(Signal::Spans, column.clone());
        }
        let spans = SpanColumns::demand(&mut demand, &wanted.shown);
        let events = EventColumns::demand(&mut demand);
        Self {
            wanted,
            demand: Arc::new(demand),
            spans,
            events,
            decoder: None,
            symbols: Interner::shared(),
            evaluator: Evaluator::default(),
            report: DecodeReport::default(),
            traces: Vec::new(),
            by_id: BTreeMap::new(),
            held: 0,
            events_held: 0,
            frames: 0,
            without_id: 0,
        }
    }

    /// Says which sources the frames from now on are of.
    pub(crate) fn set_sources(&mut self, sources: Vec<SourceSpec>) {
        self.decoder = Some(Decoder::new(Arc::clone(&self.demand), Arc::from(sources)));
    }

    /// Takes the spans of a frame.
    ///
    /// # Panics
    /// If no sources were set.
    pub(crate) fn take(&mut self, frame: &DataFrame) {
        if self.symbols.borrow().is_full() {
            self.symbols = Interner::shared();
        }
        let decoder = self.decoder.as_mut().expect("sources are set before frames are taken");
        let mut batches = Vec::new();
        decoder.decode(self.frames, frame, &self.symbols, &mut batches, &mut self.report);
        self.frames += 1;
        for mut batch in batches {
            match batch.signal {
                Signal::Spans => self.take_spans(&mut batch),
                Signal::SpanEvents => self.take_events(&batch),
                _ => {}
            }
            if let Some(decoder) = &mut self.decoder {
                decoder.recycle(batch);
            }
        }
    }

    fn take_spans(&mut self, batch: &mut Batch) {
        let matches = self.matches(batch);
        for (row, is_match) in matches.into_iter().enumerate() {
            let Some(trace) = self.trace(id16(&batch.columns[self.spans.trace_id], row)) else {
                continue;
            };
            if self.held >= SPANS_MAX {
                self.traces[trace].left_out += 1;
                continue;
            }
            self.held += 1;
            let span = self.spans.read(batch, row, is_match);
            self.traces[trace].spans.push(span);
        }
    }

    /// For each span whether it passes the filter. What the filter computes stands right behind
    /// its own columns, so the others make room meanwhile.
    fn matches(&mut self, batch: &mut Batch) -> Vec<bool> {
        let Some(plan) = &self.wanted.filter else { return vec![false; batch.rows] };
        let rest = batch.columns.split_off(plan.columns.len());
        for expr in &plan.computed {
            let column = self.evaluator.eval(expr, batch);
            batch.columns.push(column);
        }
        let mut matching = (0..batch.rows as u32).collect();
        for filter in &plan.filters {
            self.evaluator.filter(filter, batch, &mut matching);
        }
        batch.columns.truncate(plan.columns.len());
        batch.columns.extend(rest);
        let mut matches = vec![false; batch.rows];
        matching.into_iter().for_each(|row: u32| matches[row as usize] = true);
        matches
    }

    fn take_events(&mut self, batch: &Batch) {
        for row in 0..batch.rows {
            if self.events_held >= EVENTS_MAX {
                return;
            }
            let Some((span_id, event)) = self.events.read(batch, row, self.wanted.with_events)
            else {
                continue;
            };
            if let Some(trace) = self.trace(id16(&batch.columns[self.events.trace_id], row)) {
                self.events_held += 1;
                self.traces[trace].events.push((span_id, event));
            }
        }
    }

    /// The place of the trace of that id, if it is wanted.
    fn trace(&mut self, id: TraceId) -> Option<usize> {
        if id == [0; 16] {
            self.without_id += 1;
            return None;
        }
        let nibble = |at: usize| id[at / 2] >> (4 * (1 - at % 2)) & 15;
        let is_wanted = self.wanted.id_start.iter().enumerate().all(|(at, &n)| nibble(at) == n);
        if !is_wanted {
            return None;
        }
        let next = self.traces.len();
        let place = *self.by_id.entry(id).or_insert(next as u32) as usize;
        if place == next {
            self.traces.push(Gathered { id, ..Gathered::default() });
        }
        Some(place)
    }

    /// The traces gathered so far, in the order in which they first occurred.
    pub(crate) fn traces(&self) -> &[Gathered] {
        &self.traces
    }

    /// The traces, and nothing is held any more.
    pub(crate) fn into_traces(self) -> Vec<Gathered> {
        self.traces
    }

    /// Number of spans of traces that are held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Spans that did not fit.
    pub(crate) fn left_out(&self) -> u64 {
        self.traces.iter().map(|trace| trace.left_out).sum()
    }

    /// Spans and events that name no trace.
    pub(crate) fn without_id(&self) -> u64 {
        self.without_id
    }

    /// What became of the items.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.report.ledger
    }

    /// Forgets the traces that `is_done` says so of.
    pub(crate) fn forget(&mut self, is_done: impl Fn(&TraceId) -> bool) {
        self.traces.retain(|trace| !is_done(&trace.id));
        let places = self.traces.iter().enumerate();
        self.by_id = places.map(|(place, trace)| (trace.id, place as u32)).collect();
        self.held = self.traces.iter().map(|trace| trace.spans.len()).sum();
        self.events_held = self.traces.iter().map(|trace| trace.events.len()).sum();
    }
}

impl SpanColumns {
    fn demand(demand: &mut Demand, shown: &[Arc<str>]) -> Self {
        let mut field = |field| demand.column(Signal::Spans, ColumnSpec::Field(field));
        let fields = [
            Field::TraceId,
            Field::SpanId,
            Field::ParentId,
            Field::Name,
            Field::LinkedKind,
            Field::Status,
            Field::StatusMessage,
            Field::Start,
            Field::End,
        ];
        let [trace_id, id, parent_id, name, kind, status, message, start, end] =
            fields.map(&mut field);
        let mut attribute = |key: &str| attribute(demand, Signal::Spans, key);
        let service = attribute("service.name");
        let peers = PEER_ATTRIBUTES.iter().map(|key| attribute(key)).collect();
        let shown = shown.iter().map(|key| attribute(key)).collect();
        Self {
            trace_id,
            id,
            parent_id,
            name,
            kind,
            status,
            message,
            start,
            end,
            service,
            peers,
            shown,
        }
    }

    fn read(&self, batch: &Batch, row: usize, is_match: bool) -> TraceSpan {
        let column = |at: usize| &batch.columns[at];
        let text_at = |at: usize| text(column(at), row, batch);
        let start_ns = time(column(self.start), row);
        let mut peers = PEER_ATTRIBUTES.iter().zip(&self.peers);
        let is_database =
            peers.clone().any(|(key, &at)| is_database_attribute(key) && text_at(at).is_some());
        TraceSpan {
            id: id8(column(self.id), row),
            parent_id: id8(column(self.parent_id), row),
            start_ns,
            end_ns: time(column(self.end), row).max(start_ns),
            name: text_at(self.name).unwrap_or_default(),
            service: text_at(self.service),
            kind: LinkedKind::of_name(&text_at(self.kind).unwrap_or_default()),
            status: Status::of_name(&text_at(self.status).unwrap_or_default()),
            message: text_at(self.message).unwrap_or_default(),
            peer: peers.find_map(|(_, &at)| text_at(at)),
            is_database,
            is_match,
            shown: (0..)
                .zip(&self.shown)
                .map(|(place, &at)| (place, batch.value_at(column(at), row)))
                .filter(|(_, value)| *value != Value::Null)
                .collect(),
        }
    }
}

impl EventColumns {
    fn demand(demand: &mut Demand) -> Self {
        let mut field = |field| demand.column(Signal::SpanEvents, ColumnSpec::Field(field));
        let fields = [Field::TraceId, Field::SpanId, Field::Name, Field::Time];
        let [trace_id, id, name, time] = fields.map(&mut field);
        let keys = ["exception.type", "exception.message"];
        let exception = keys.map(|key| attribute(demand, Signal::SpanEvents, key));
        Self { trace_id, id, name, time, exception }
    }

    /// The event and the id of its span, if it is an exception or all are wanted.
    fn read(&self, batch: &Batch, row: usize, with_all: bool) -> Option<(u64, SpanEvent)> {
        let column = |at: usize| &batch.columns[at];
        let name = text(column(self.name), row, batch).unwrap_or_default();
        let is_exception = &*name == "exception";
        if !(is_exception || with_all) {
            return None;
        }
        let said = self.exception.map(|at| text(column(at), row, batch));
        let said: Vec<Arc<str>> = said.into_iter().flatten().collect();
        let text = if is_exception && !said.is_empty() { said.join(": ").into() } else { name };
        let event = SpanEvent { time_ns: time(column(self.time), row), text };
        Some((id8(column(self.id), row), event))
    }
}

fn attribute(demand: &mut Demand, signal: Signal, key: &str) -> usize {
    let place = AttributePlace::Any;
    demand.column(signal, ColumnSpec::Attribute { place, key: Arc::from(key) })
}

/// Text that is not empty; other values as people read them.
fn text(column: &Column, row: usize, batch: &Batch) -> Option<Arc<str>> {
    let text = match column {
        Column::Symbols(v) => Arc::clone(batch.symbols.borrow().resolve(v[row])),
        Column::Cells(v) => match v[row] {
            Cell::Null => return None,
            Cell::Str(symbol) => Arc::clone(batch.symbols.borrow().resolve(symbol)),
            cell => Arc::from(batch.value(cell).to_string()),
        },
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

fn time(column: &Column, row: usize) -> i64 {
    if let Column::Times(v) = column { v[row].clamp(0, TIME_MAX_NS) } else { 0 }
}

fn id8(column: &Column, row: usize) -> u64 {
    if let Column::Ids8(v) = column { u64::from_be_bytes(v[row]) } else { 0 }
}

fn id16(column: &Column, row: usize) -> TraceId {
    if let Column::Ids16(v) = column { v[row] } else { [0; 16] }
}
