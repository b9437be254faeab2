//! Who hears of traces: the rules that read them, and samplings.

use super::assembled::Assembled;
use super::held::{HeldSpan, HeldSpans, in_order};
use super::read::Reader;
use super::store::Hears;
use crate::model::Row;
use crate::operators::sample::{
    ClosedTrace, LateSpan, Sampled, SpansWanted, Timing, TraceSampler, Weight,
};

/// What an epoch's traces come to.
pub(super) struct Hearing<'a> {
    reader: &'a mut Reader,
    samplers: &'a mut [TraceSampler],
    rows: Vec<Row>,
    sampled: Sampled,
    /// Traces whose spans a sampling wants, by its number. They are written together at the end:
    /// one by one costs many times as much, as what spans of a request share is found anew.
    wanted: Vec<(usize, SpansWanted, Vec<HeldSpan>)>,
    /// Late spans that a sampling wants, by its number: written together with those.
    late: Vec<(usize, LateSpan, HeldSpan)>,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(reader: &'a mut Reader, samplers: &'a mut [TraceSampler]) -> Self {
        let (wanted, late) = (Vec::new(), Vec::new());
        Self { reader, samplers, rows: Vec::new(), sampled: Sampled::default(), wanted, late }
    }

    /// Everything that was said.
    pub(super) fn said(mut self, held: &mut HeldSpans) -> (Vec<Row>, Sampled) {
        let of_traces = self.wanted.iter().flat_map(|wanted| &wanted.2);
        let spans: Vec<HeldSpan> =
            of_traces.chain(self.late.iter().map(|late| &late.2)).copied().collect();
        let mut written = held.written(&spans).into_iter();
        self.sampled.items.reserve(spans.len());
        for (sampler, trace, spans) in self.wanted {
            let mut contents: Vec<_> = written.by_ref().take(spans.len()).collect();
            in_order(&mut contents);
            self.samplers[sampler].written(trace, contents, &mut self.sampled);
            held.release_all(&spans);
        }
        for (sampler, late, span) in self.late {
            let contents = written.by_ref().take(1).collect();
            self.samplers[sampler].late_written(&late, contents, &mut self.sampled);
            held.release_all(&[span]);
        }
        (self.rows, self.sampled)
    }
}

impl Hears for Hearing<'_> {
    fn prefetch(&self, key: u64) {
        self.samplers.iter().for_each(|sampler| sampler.prefetch(key));
    }

    fn closed(&mut self, trace: &mut Assembled, held: &mut HeldSpans) {
        if self.reader.is_asked() || !self.samplers.is_empty() {
            let is_sampled = !self.samplers.is_empty();
            let reads_id = self.samplers.iter().any(TraceSampler::reads_id);
            self.reader.rows(trace, (is_sampled, reads_id), &mut self.rows);
            if !is_sampled {
                return;
            }
            let weight = Weight { items: trace.held.len() as u32, bytes: trace.held_bytes };
            let timing = Timing { start_ns: trace.start_ns, early: trace.early };
            let (id, randomness, decision_ns) = (trace.id, trace.randomness, trace.decided_ns);
            let columns = self.reader.columns();
            let closed = ClosedTrace { id, columns, decision_ns, randomness, weight, timing };
            for (index, sampler) in self.samplers.iter_mut().enumerate() {
                if let Some(wanted) = sampler.closed(&closed, &mut self.sampled)
                    && !(sampler.only_counts(&wanted) && held.are_stateless(&trace.held))
                {
                    held.retain(&trace.held);
                    self.wanted.push((index, wanted, trace.held.clone()));
                }
            }
        }
    }

    fn late(&mut self, id: [u8; 16], watermark_ns: i64, span: HeldSpan, held: &mut HeldSpans) {
        for (index, sampler) in self.samplers.iter_mut().enumerate() {
            if let Some(late) = sampler.late((id, watermark_ns), &mut self.sampled) {
                held.retain(&[span]);
                self.late.push((index, late, span));
            }
        }
    }
}
