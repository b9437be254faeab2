//! What a snapshot holds of the traces of a rule.

use super::{Store, ends_ns};
use crate::limits::SHARDS;
use crate::model::Value;
use crate::operators::traces::head::Trace;
use crate::operators::traces::state::{OpenTrace, TraceState, shard_key};

impl Store {
    /// What is read of the root of an open trace, with its start and id.
    fn root_of(&self, place: usize) -> Option<(i64, u64, Vec<Value>)> {
        let count = self.rule.of_root.len();
        let values = &self.roots[place * count..][..count];
        let (start_ns, id) = self.traces[place].rest.root;
        self.traces[place].head.has_root.then(|| (start_ns, id, values.to_vec()))
    }

    /// What a snapshot holds.
    pub(in crate::operators::traces) fn state(&self) -> Vec<TraceState> {
        let open = self.traces.iter().enumerate().filter(|(_, trace)| trace.head.is_open);
        let open = open.map(|(place, Trace { head, rest })| {
            let (start_ns, end_ns) = ends_ns(head, rest, self.counts_at_starts);
            TraceState::Open(Box::new(OpenTrace {
                id: head.id,
                first_ns: head.first_ns,
                last_ns: head.last_ns,
                start_ns,
                end_ns,
                floor_ns: head.floor_ns,
                mask: rest.mask,
                bytes: head.bytes,
                is_apart: rest.is_apart,
                root: self.root_of(place),
                span_count: head.spans,
                spans: self.spans.all(head.newest),
                held: self.held.stored(head.held),
                randomness: rest.randomness.as_deref().copied(),
            }))
        });
        let closed = self.closed.all().into_iter().map(|(id, at)| TraceState::Closed(id, at));
        open.chain(closed).collect()
    }

    /// All traces of a snapshot are back.
    pub(in crate::operators::traces) fn end_restoring(&mut self) {
        self.held.end_restoring();
    }

    /// Puts a trace of a snapshot back.
    pub(in crate::operators::traces) fn restore(&mut self, trace: TraceState) {
        match trace {
            TraceState::Closed(id, decided_ns) => {
                self.closed.insert(shard_key(&id), id, decided_ns);
            }
            TraceState::Verdicts(..) => {} // of the samplings
            TraceState::Open(trace) => {
                let key = shard_key(&trace.id);
                let place = self.open_head(key, trace.id, trace.first_ns);
                let Trace { head, rest } = &mut self.traces[place as usize];
                head.last_ns = trace.last_ns;
                rest.start_ns = trace.start_ns;
                rest.end_ns = trace.end_ns;
                head.floor_ns = trace.floor_ns;
                rest.mask = trace.mask;
                rest.is_apart = trace.is_apart;
                head.bytes = trace.bytes;
                if let Some((start_ns, id, values)) = trace.root {
                    (head.has_root, rest.root) = (true, (start_ns, id));
                    let first = place as usize * self.rule.of_root.len();
                    self.roots[first..].iter_mut().zip(values).for_each(|(own, v)| *own = v);
                }
                head.spans = trace.span_count;
                rest.randomness = trace.randomness.map(Box::new);
                head.held = self.held.restore(trace.held);
                self.spans_of[(key % SHARDS) as usize] += trace.span_count;
                for (count, span) in (0..).zip(trace.spans) {
                    head.newest = self.spans.add(span, (head.newest, count));
                }
                self.note_seen(place);
                self.wait((place, self.traces[place as usize].head.generation));
            }
        }
    }
}
