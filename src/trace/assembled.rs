//! A trace read as a whole: spans in order, their forest, the critical path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tailwater_engine::trace::{
    CriticalPath, Edge, Edges, Forest, OperationTime, OperationTimes, PathSpans,
};

use super::gather::Gathered;
use super::span::{SpanEvent, Status, TraceId, TraceSpan};

/// A trace: its spans in the order of (start, span id), and what follows from them.
pub(crate) struct Trace {
    /// Its id.
    pub(crate) id: TraceId,
    /// Its spans.
    pub(crate) spans: Vec<TraceSpan>,
    /// Who is whose parent.
    pub(crate) forest: Forest,
    /// What it was waiting for.
    pub(crate) path: CriticalPath,
    /// Start of its first span, nanoseconds since the Unix epoch.
    pub(crate) start_ns: i64,
    /// End of its last span.
    pub(crate) end_ns: i64,
    /// Spans that were left out for want of room.
    pub(crate) left_out: u64,
    events: BTreeMap<u64, Vec<SpanEvent>>,
}

/// Numbers of a trace for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Spans, without duplicates.
    pub(crate) spans: u64,
    /// Spans with the status error.
    pub(crate) errors: u64,
    /// Services.
    pub(crate) services: u64,
}

impl Trace {
    /// Reads gathered spans as a trace.
    pub(crate) fn new(gathered: Gathered) -> Self {
        let Gathered { id, spans, events: found, left_out } = gathered;
        // They are in the order of the file: the first of an id counts.
        let mut known = BTreeSet::new();
        let is_repeated = |span: &TraceSpan| span.id != 0 && !known.insert(span.id);
        let repeated: Vec<bool> = spans.iter().map(is_repeated).collect();
        let mut ordered: Vec<_> = spans.into_iter().zip(repeated).collect();
        ordered.sort_by_key(|(span, is_repeated)| (*is_repeated, span.start_ns, span.id));
        let standing = ordered.iter().filter(|(_, is_repeated)| !is_repeated).map(|own| &own.0);
        let end_ns = standing.map(|span| span.end_ns).max().unwrap_or(0);
        let spans: Vec<TraceSpan> = ordered.into_iter().map(|(span, _)| span).collect();
        let mut forest = Forest::default();
        let ids: Vec<u64> = spans.iter().map(|span| span.id).collect();
        let parent_ids: Vec<u64> = spans.iter().map(|span| span.parent_id).collect();
        forest.build(&ids, &parent_ids);
        let mut path = CriticalPath::default();
        path.find(
            &forest,
            PathSpans {
                starts_ns: &spans.iter().map(|span| span.start_ns).collect::<Vec<_>>(),
                ends_ns: &spans.iter().map(|span| span.end_ns).collect::<Vec<_>>(),
                kinds: &spans.iter().map(|span| span.kind).collect::<Vec<_>>(),
            },
        );
        let mut events: BTreeMap<u64, Vec<SpanEvent>> = BTreeMap::new();
        for (span, event) in found {
            events.entry(span).or_default().push(event);
        }
        events.values_mut().for_each(|events| events.sort_by_key(|event| event.time_ns));
        Self {
            id,
            start_ns: spans.first().map_or(0, |span| span.start_ns),
            end_ns,
            spans,
            forest,
            path,
            left_out,
            events,
        }
    }

    /// Its length in nanoseconds.
    pub(crate) fn duration_ns(&self) -> i64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// A span by its place in the order.
    pub(crate) fn span(&self, index: u32) -> &TraceSpan {
        &self.spans[index as usize]
    }

    /// The span that speaks for the trace: its root, else the first span that stands.
    pub(crate) fn head(&self) -> Option<&TraceSpan> {
        let index = self.forest.root().or_else(|| self.forest.roots().first().copied())?;
        Some(self.span(index))
    }

    /// The events of a span, in order of time.
    pub(crate) fn events(&self, span: &TraceSpan) -> &[SpanEvent] {
        self.events.get(&span.id).map_or(&[], Vec::as_slice)
    }

    /// Its id in hex.
    pub(crate) fn id_text(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }

    /// Its numbers.
    pub(crate) fn totals(&self) -> Totals {
        let standing = || self.forest.preorder().iter().map(|&index| self.span(index));
        let services: BTreeSet<_> = standing().filter_map(|span| span.service.as_ref()).collect();
        Totals {
            spans: self.forest.preorder().len() as u64,
            errors: standing().filter(|span| span.status == Status::Error).count() as u64,
            services: services.len() as u64,
        }
    }

    /// Times by service and name, most of the critical path first.
    pub(crate) fn operations(&self) -> Vec<(Operation, OperationTime)> {
        let mut known: BTreeMap<Operation, u32> = BTreeMap::new();
        let numbers: Vec<u32> = self
            .spans
            .iter()
            .map(|span| {
                let next = known.len() as u32;
                *known.entry((span.service.clone(), Arc::clone(&span.name))).or_insert(next)
            })
            .collect();
        let mut names: Vec<(u32, Operation)> =
            known.into_iter().map(|(operation, number)| (number, operation)).collect();
        names.sort_unstable_by_key(|(number, _)| *number);
        let mut times = OperationTimes::default();
        let rows = times.sum(&self.forest, &self.path, &numbers).iter();
        let mut rows: Vec<_> =
            rows.map(|row| (names[row.operation as usize].1.clone(), *row)).collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse((row.exclusive_ns, row.self_ns)));
        rows
    }

    /// Calls `take` with the edges of the service graph, and gives the number of spans whose other
    /// end has no name.
    pub(crate) fn edges(&self, mut take: impl FnMut(&Edge<&str>)) -> u64 {
        let spans: Vec<_> = self.spans.iter().map(TraceSpan::edge).collect();
        let mut edges = Edges::default();
        edges.find(&self.forest, &spans);
        edges.as_slice().iter().for_each(&mut take);
        edges.unpaired()
    }
}

/// A service and the name of what it does.
pub(crate) type Operation = (Option<Arc<str>>, Arc<str>);
