//! Who hears of traces: the rules that read them, and samplings.

use super::assembled::Assembled;
use super::held::{HeldSpan, HeldSpans};
use super::read::Reader;
use super::store::Hears;
use crate::model::{Row, RuleId};
use crate::operators::sample::{ClosedTrace, Sampled, TraceSampler, Weight};

/// What an epoch's traces come to.
pub(super) struct Hearing<'a> {
    id: RuleId,
    reader: &'a mut Reader,
    is_read: bool,
    samplers: &'a mut [TraceSampler],
    rows: Vec<Row>,
    sampled: Sampled,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(
        id: RuleId,
        (reader, is_read): (&'a mut Reader, bool),
        samplers: &'a mut [TraceSampler],
    ) -> Self {
        Self { id, reader, is_read, samplers, rows: Vec::new(), sampled: Sampled::default() }
    }

    /// Everything that was said.
    pub(super) fn said(self) -> (Vec<Row>, Sampled) {
        (self.rows, self.sampled)
    }
}

impl Hears for Hearing<'_> {
    fn closed(&mut self, trace: &Assembled, held: &HeldSpans) {
        if self.is_read || !self.samplers.is_empty() {
            let is_sampled = !self.samplers.is_empty();
            let row = self.reader.rows(self.id, trace, is_sampled, &mut self.rows);
            let Some(row) = row else { return };
            let bytes = trace.held.iter().map(|span| held.bytes(*span)).sum();
            let weight = Weight { items: trace.held.len() as u32, bytes };
            let (id, randomness) = (trace.id, trace.randomness);
            let closed = ClosedTrace { id, row: &row, randomness, weight };
            for sampler in &mut *self.samplers {
                sampler.closed(&closed, || held.contents(&trace.held), &mut self.sampled);
            }
        }
    }

    fn late(&mut self, id: [u8; 16], watermark_ns: i64, span: HeldSpan, held: &HeldSpans) {
        if self.samplers.is_empty() {
            return;
        }
        let contents = held.contents(&[span]);
        for sampler in &mut *self.samplers {
            sampler.late((id, watermark_ns), &contents, &mut self.sampled);
        }
    }
}
