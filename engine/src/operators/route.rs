//! Routes: items leave in log order, as soon as they are applied.

use std::sync::Arc;

use super::apply::Apply;
use super::decode::{PreparedBatch, PreparedFrame};
use super::facts::{Decisions, FrameDecision};
use super::taken::Taking;
use crate::ingest::emit;
use crate::model::{EmittedItem, ItemKey, RuleId, SourceId};
use crate::plan::{RouteRule, RuleKind};

impl Apply {
    /// Sends the items of a batch that routes take or samplings keep, and spans to their traces.
    pub(super) fn routed(
        &mut self,
        (frame, batch): (&PreparedFrame, &PreparedBatch),
        (source, decision): (SourceId, &FrameDecision),
        decisions: &Decisions,
    ) {
        let plan = Arc::clone(&self.plan);
        for (index, rule) in plan.rules.iter().enumerate() {
            let RuleKind::Route(route) = &rule.kind else { continue };
            if plan.signals[route.signal as usize].signal == batch.batch.signal {
                let id = RuleId(index as u32);
                self.route((id, route), (frame, batch), (source, decision), decisions);
            }
        }
        self.sampled((frame, batch), (source, decision), decisions);
        self.following((frame, batch), (source, decision), decisions);
        self.trace_spans((frame, batch), (source, decision), decisions);
    }

    fn route(
        &mut self,
        (id, route): (RuleId, &RouteRule),
        (frame, batch): (&PreparedFrame, &PreparedBatch),
        (source, decision): (SourceId, &FrameDecision),
        decisions: &Decisions,
    ) {
        let RouteRule { filter, dedupe, timeline, .. } = *route;
        let taking = Taking { rule: id, filter, dedupe, timeline };
        let taken = self.take(taking, (frame, batch), decision, decisions);
        let Some(mut taken) = taken else { return };
        let rows = std::mem::take(&mut taken.rows);
        for (&row, content) in rows.iter().zip(emit(&batch.batch, &rows)) {
            let decision_ns = taken.decision_ns(row);
            let Some(content) = content else {
                self.rules[id.0 as usize].refused += 1;
                continue;
            };
            let time_ns = taken.times[row as usize];
            self.outgoing[0].items.push(EmittedItem {
                rule: id,
                signal: batch.batch.signal,
                decision_ns,
                key: ItemKey { frame_seq: frame.seq, row, time_ns, source },
                content,
            });
        }
    }
}
