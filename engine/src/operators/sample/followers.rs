//! Log records on their way to the verdict of their trace.
//!
//! A record goes to worker 0 when it is applied. It leaves with the verdict of its trace, or by the
//! last line when none has come in its time.
//!
//! Invariant: a record's decision time is behind the watermark of the spans as of the item before
//! it, so that nothing which leaves after that time has left, wherever epochs are cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Case, CaseKind, Held, Timing, Weight};
use crate::ingest::emit;
use crate::model::{Column, EmittedItem, RawItems, RuleId, Signal};
use crate::operators::apply::Apply;
use crate::operators::placed::Placed;
use crate::operators::taken::Taking;
use crate::operators::walk::Walk;
use crate::plan::{FollowingLogs, RuleKind};
use crate::sampling::{Randomness, read_log};

/// Records that wait, by their trace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Followers {
    waiting: BTreeMap<[u8; 16], Vec<Held>>,
    bytes: u64,
}

impl Followers {
    pub(super) fn wait(&mut self, trace_id: [u8; 16], held: Vec<Held>) {
        self.bytes += held.iter().map(Held::bytes).sum::<u64>();
        self.waiting.entry(trace_id).or_default().extend(held);
    }

    /// The records of a trace that has its verdict.
    pub(super) fn of(&mut self, trace_id: [u8; 16]) -> Vec<Held> {
        let held = self.waiting.remove(&trace_id).unwrap_or_default();
        self.bytes -= held.iter().map(Held::bytes).sum::<u64>();
        held
    }

    /// A record whose time is over.
    pub(super) fn over(&mut self, trace_id: [u8; 16], place: (u64, u32)) -> Option<Held> {
        let own = self.waiting.get_mut(&trace_id)?;
        let is_it = |held: &Held| (held.item.key.frame_seq, held.item.key.row) == place;
        let held = own.remove(own.iter().position(is_it)?);
        if own.is_empty() {
            self.waiting.remove(&trace_id);
        }
        self.bytes -= held.bytes();
        Some(held)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.waiting.values_mut().flatten()
    }
}

/// The watermark of spans along the log records of a frame that may hold both.
struct SpansBefore<'a> {
    watermark_ns: i64,
    /// Where spans and log records lie, if the frame has spans.
    both: Option<(Walk<'a>, &'a RawItems, &'a RawItems)>,
}

impl<'a> SpansBefore<'a> {
    fn new(apply: &Apply, line: usize, logs: Placed<'a>) -> Self {
        let spans = logs.frame.batches.iter().find(|batch| batch.batch.signal == Signal::Spans);
        let both = spans.and_then(|spans| {
            let walk = apply.walk(line, Placed { batch: spans, ..logs })?;
            Some((walk, spans.batch.raw.as_ref()?, logs.batch.batch.raw.as_ref()?))
        });
        Self { watermark_ns: apply.clock.watermark(line), both }
    }

    /// As of the last span before a log record; records are asked about in their order.
    fn before(&mut self, apply: &Apply, row: u32) -> i64 {
        let Some((walk, spans, logs)) = &mut self.both else { return self.watermark_ns };
        let Some(at) = logs.rows.get(row as usize) else { return self.watermark_ns };
        let start = at.range.start;
        let spans = spans.rows.partition_point(|span| span.range.start < start);
        apply.walk_to(spans as u32, walk);
        walk.watermark_ns
    }
}

impl Apply {
    /// Sends log records after their traces.
    pub(in crate::operators) fn following(&mut self, at: Placed<'_>) {
        let plan = Arc::clone(&self.plan);
        for (index, rule) in plan.rules.iter().enumerate() {
            let RuleKind::Sample(sample) = &rule.kind else { continue };
            let Some(logs) = &sample.logs else { continue };
            if plan.signals[logs.signal as usize].signal == at.batch.batch.signal {
                let id = RuleId(index as u32);
                self.follow(id, logs, at);
            }
        }
    }

    fn follow(&mut self, rule: RuleId, logs: &FollowingLogs, at: Placed<'_>) {
        let (filter, timeline) = (Some(logs.filter), logs.timeline);
        let taking = Taking { rule, filter, dedupe: None, timeline };
        let Some(mut taken) = self.take(taking, at) else { return };
        let batch = at.batch;
        let Some(Column::Ids16(ids)) = batch.batch.columns.get(logs.trace_id as usize) else {
            return;
        };
        let rows = std::mem::take(&mut taken.rows);
        let spans = self.plan.rules[rule.0 as usize].place.timelines.first();
        let spans = spans.map(|line| *line as usize);
        let mut passed = spans.map(|line| SpansBefore::new(self, line, at));
        for (&row, content) in rows.iter().zip(emit(&batch.batch, &rows)) {
            let passed_ns = passed.as_mut().map_or(i64::MIN, |spans| spans.before(self, row));
            let decision_ns = taken.decision_ns(row).max(passed_ns.saturating_add(1));
            let Some(content) = content else {
                self.rules[rule.0 as usize].refused += 1;
                continue;
            };
            let (trace_id, time_ns) = (ids[row as usize], taken.times[row as usize]);
            let key = at.key(row, time_ns);
            let signal = batch.batch.signal;
            let item = EmittedItem { rule, signal, decision_ns, key, content };
            let said = read_log(&item.content.item).settled_by(Some(trace_id), || 0);
            let (trace_state, own, arrived) = (bytes::Bytes::new(), said.own, said.threshold);
            self.outgoing[0].cases.push(Case {
                rule,
                decision_ns,
                order: trace_id,
                randomness: Randomness::of_trace_id(trace_id),
                line: 0,
                fits: 0,
                keys: Vec::new(),
                weight: Weight::default(),
                held: vec![Held { item, trace_state, own, arrived, is_refused: false }],
                kind: CaseKind::LogOf(trace_id),
                timing: Timing::default(),
                columns: Vec::new(),
            });
        }
    }
}
