//! Routes: items leave in log order, as soon as they are applied.
//!
//! An item's decision time is how far event time had come with it, which never goes back along the
//! log; so routed items are in log order whatever the cut into epochs.

use std::sync::Arc;

use super::apply::Apply;
use super::decode::{PreparedBatch, PreparedFrame};
use super::facts::{Decisions, FrameDecision};
use crate::ingest::emit;
use crate::limits::AHEAD_MAX_NS;
use crate::model::{Column, EmittedItem, ItemKey, RuleId, SourceId};
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
        self.trace_spans((frame, batch), (source, decision), decisions);
    }

    fn route(
        &mut self,
        (id, route): (RuleId, &RouteRule),
        (frame, batch): (&PreparedFrame, &PreparedBatch),
        (source, decision): (SourceId, &FrameDecision),
        decisions: &Decisions,
    ) {
        let plan = Arc::clone(&self.plan);
        let line = &plan.timelines[route.timeline as usize];
        let column = plan.time_columns[line.time_column as usize].column;
        let Some(Column::Times(times)) = batch.batch.columns.get(column as usize) else { return };
        let ahead = decision.ahead.iter().find(|(column, _)| *column == line.time_column);
        let ahead = ahead.map_or(&[][..], |(_, rows)| rows);
        let counts = &mut self.rules[id.0 as usize];
        let is_timed = |row: u32| times[row as usize] != 0 && ahead.binary_search(&row).is_err();
        let mut taken: Vec<u32> = match route.filter {
            Some(filter) => batch.filters.of(filter).to_vec(),
            None => (0..batch.batch.rows as u32).collect(),
        };
        taken.retain(|row| is_timed(*row)); // the ledger counts the others
        counts.taken += taken.len() as u64;
        if let Some(dedupe) = route.dedupe {
            let duplicates = &decisions.duplicates;
            let before = taken.len();
            taken.retain(|row| duplicates.binary_search(&(dedupe, frame.seq, *row)).is_err());
            counts.duplicates += (before - taken.len()) as u64;
        }
        counts.used += taken.len() as u64;
        if taken.is_empty() {
            return;
        }
        let bound_ns = frame.arrival_ns.map_or(i64::MAX, |at| at.saturating_add(AHEAD_MAX_NS));
        let mut top_ns = self.clock.top(route.timeline as usize, line);
        let mut next = 0;
        for (row, content) in taken.iter().zip(emit(&batch.batch, &taken)) {
            while next <= *row {
                let time_ns = times[next as usize];
                if is_timed(next) && time_ns <= bound_ns {
                    top_ns = top_ns.max(time_ns);
                }
                next += 1;
            }
            let Some(content) = content else {
                self.rules[id.0 as usize].refused += 1;
                continue;
            };
            let time_ns = times[*row as usize];
            self.outgoing[0].items.push(EmittedItem {
                rule: id,
                signal: batch.batch.signal,
                decision_ns: top_ns.max(0),
                key: ItemKey { frame_seq: frame.seq, row: *row, time_ns, source },
                content,
            });
        }
    }
}
