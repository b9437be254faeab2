//! Applying spans: each goes to the worker of its trace with the watermark as of the row before.

use super::SpanBlock;
use super::state::shard_key;
use super::trace_rules;
use super::values::distinct;
use crate::model::{Column, RuleId, Value};
use crate::operators::applied::owner_of;
use crate::operators::apply::Apply;
use crate::operators::decode::PreparedBatch;
use crate::operators::placed::Placed;
use crate::plan::{Plan, TraceRule};

use std::sync::Arc;

/// The `traces` rules of a plan, by the signal that they read.
pub(in crate::operators) struct TraceTakers {
    by_signal: Vec<Vec<(RuleId, Arc<TraceRule>)>>,
}

impl TraceTakers {
    pub(in crate::operators) fn new(plan: &Plan) -> Self {
        let mut by_signal = vec![Vec::new(); plan.signals.len()];
        for (id, rule) in trace_rules(plan) {
            by_signal[rule.signal as usize].push((id, Arc::new(rule.clone())));
        }
        Self { by_signal }
    }
}

/// Columns of a batch that every trace needs.
struct Columns<'a> {
    trace_ids: &'a [[u8; 16]],
    span_ids: &'a [[u8; 8]],
    parent_ids: &'a [[u8; 8]],
    starts_ns: &'a [i64],
    durations_ns: &'a [i64],
}

impl<'a> Columns<'a> {
    fn of(rule: &TraceRule, columns: &'a [Column]) -> Option<Self> {
        let column = |at: u32| columns.get(at as usize);
        let Some(Column::Ids16(trace_ids)) = column(rule.columns.trace_id) else { return None };
        let Some(Column::Ids8(span_ids)) = column(rule.columns.span_id) else { return None };
        let Some(Column::Ids8(parent_ids)) = column(rule.columns.parent_id) else { return None };
        let Some(Column::Times(starts_ns)) = column(rule.columns.start) else { return None };
        let Some(Column::Durations(durations_ns)) = column(rule.columns.duration) else {
            return None;
        };
        Some(Self { trace_ids, span_ids, parent_ids, starts_ns, durations_ns })
    }
}

/// Which columns travel.
#[derive(Clone, Copy)]
struct Needs {
    parents: bool,
    durations: bool,
    times: bool,
}

impl Needs {
    fn of(plan: &Plan, rule: &TraceRule) -> Self {
        let line = &plan.timelines[rule.timeline as usize];
        let time_column = plan.time_columns[line.time_column as usize].column;
        Self {
            parents: rule.needs_forest(),
            durations: rule.needs_ends(),
            times: time_column != rule.columns.start,
        }
    }
}

impl Apply {
    /// Sends spans to the workers of their traces.
    pub(in crate::operators) fn trace_spans(&mut self, at: Placed<'_>) {
        let takers = Arc::clone(&self.trace_takers);
        let signal = self.plan.signals.iter().position(|plan| plan.signal == at.batch.batch.signal);
        let Some(signal) = signal else { return };
        for (id, rule) in &takers.by_signal[signal] {
            if let Some(columns) = Columns::of(rule, &at.batch.batch.columns) {
                self.spans_of((*id, rule), &columns, at);
            }
        }
    }

    fn spans_of(
        &mut self,
        (id, rule): (RuleId, &TraceRule),
        columns: &Columns<'_>,
        at: Placed<'_>,
    ) {
        let (line, batch) = (rule.timeline as usize, at.batch);
        let Some(mut walk) = self.walk(line, at) else { return };
        let moves = self.end_of_frame_ns(line, at) != walk.watermark_ns;
        let peers = self.outgoing.len();
        let masks = masks_of(rule, batch);
        let every: Vec<u32>;
        let rows = match rule.filter {
            Some(filter) => batch.filters.of(filter),
            None => {
                every = (0..batch.batch.rows as u32).collect();
                &every
            }
        };
        let room = rows.len() / peers + rows.len() / 16;
        let block = |_| SpanBlock::new(id, at.frame.seq, rule.carried.len(), room);
        let mut blocks: Vec<SpanBlock> = (0..peers).map(block).collect();
        let needs = Needs::of(&self.plan, rule);
        for &row in rows {
            let (place, time_ns) = (row as usize, walk.times[row as usize]);
            if time_ns == 0 || walk.is_ahead(row) {
                continue; // counted by the ledger
            }
            if columns.trace_ids[place] == [0; 16] {
                self.rules[id.0 as usize].refused += 1;
                continue;
            }
            if !self.is_new(id, rule.dedupe, at, row) {
                continue;
            }
            if moves {
                self.walk_to(row, &mut walk);
            }
            let key = u128::from(shard_key(&columns.trace_ids[place]));
            let block = &mut blocks[owner_of(key, peers)];
            let entry = block.rows.len() as u32;
            if block.watermarks.last().is_none_or(|last| last.1 != walk.watermark_ns) {
                block.watermarks.push((entry, walk.watermark_ns));
            }
            if rule.late.is_some() {
                let late = self.late_item(rule.late, batch, (row, time_ns), walk.watermark_ns);
                block.late.extend(late.map(|(_, late)| (entry, late)));
            }
            block.rows.push(row);
        }
        for (outgoing, mut block) in self.outgoing.iter_mut().zip(blocks) {
            if block.len() > 0 {
                fill(&mut block, (rule, batch, needs), columns, (&masks, walk.times));
                if let Some(trace_state) = rule.sampled {
                    block.hold(&batch.batch, at.source, trace_state);
                }
                outgoing.spans.push(block);
            }
        }
    }
}

/// By row of a batch: which conditions over single spans hold.
fn masks_of(rule: &TraceRule, batch: &PreparedBatch) -> Vec<u64> {
    if rule.leaves.is_empty() {
        return Vec::new();
    }
    let always = rule.leaves.iter().enumerate().filter(|(_, filter)| filter.is_none());
    let always = always.fold(0, |mask, (bit, _)| mask | 1u64 << bit);
    let mut masks = vec![always; batch.batch.rows];
    for (bit, filter) in rule.leaves.iter().enumerate() {
        let Some(filter) = filter else { continue };
        for &row in batch.filters.of(*filter) {
            masks[row as usize] |= 1 << bit;
        }
    }
    masks
}

/// The name of a node, whatever a sender wrote: an attribute may hold a number or a list.
fn as_text(value: Value) -> Value {
    match value {
        Value::Null | Value::Str(_) => value,
        other => Value::str(&other.to_string()),
    }
}

/// Fills the columns of a block whose rows are known, one after the other.
fn fill(
    block: &mut SpanBlock,
    (rule, batch, needs): (&TraceRule, &PreparedBatch, Needs),
    columns: &Columns<'_>,
    (masks, times_ns): (&[u64], &[i64]),
) {
    let rows = std::mem::take(&mut block.rows);
    let places = || rows.iter().map(|row| *row as usize);
    let batch = &batch.batch;
    let parent_id = |at: usize| u64::from_be_bytes(columns.parent_ids[at]);
    for (entry, at) in (0..).zip(places()) {
        if parent_id(at) == 0 {
            let value = |&column: &u32| batch.value_at(&batch.columns[column as usize], at);
            block.root_values.extend(rule.of_root.iter().map(value));
            block.roots.push(entry);
        }
    }
    let peer = rule.edges.map(|edges| edges.peer);
    for (at, (carried, &column)) in (0..).zip(block.carried.iter_mut().zip(&rule.carried)) {
        let column = &batch.columns[column as usize];
        let (of, first) = distinct(column, &rows);
        carried.of = of;
        let value = |row: &u32| batch.value_at(column, *row as usize);
        if peer == Some(at) {
            carried.values.extend(first.iter().map(value).map(as_text));
        } else {
            carried.values.extend(first.iter().map(value));
        }
    }
    if !masks.is_empty() {
        block.masks.extend(places().map(|at| masks[at]));
    }
    block.trace_ids.extend(places().map(|at| columns.trace_ids[at]));
    block.span_ids.extend(places().map(|at| u64::from_be_bytes(columns.span_ids[at])));
    block.starts_ns.extend(places().map(|at| columns.starts_ns[at]));
    if needs.parents {
        block.parent_ids.extend(places().map(parent_id));
    }
    if needs.durations {
        block.durations_ns.extend(places().map(|at| columns.durations_ns[at]));
    }
    if needs.times {
        block.times_ns.extend(places().map(|at| times_ns[at]));
    }
    block.rows = rows;
}
