//! Traces: spans meet on the worker of their trace id's shard and leave as one row a trace.
//!
//! A trace closes at the watermark as of some row of the log, so what is in it is a function of
//! the log, whatever the cut into epochs. Must not know who reads traces.

mod assembled;
mod bits;
mod block;
mod closed_ids;
mod head;
mod hears;
mod held;
mod parts;
mod read;
mod rows;
mod runs;
mod said;
mod spans;
mod state;
mod store;
mod take;
mod values;
mod wheel;

pub(crate) use block::SpanBlock;
pub(super) use take::TraceTakers;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clock::UNSEEN;
use super::close::{Closed, rule_watermark_ns};
use super::local_rows::LocalRowsState;
use super::pattern::Watermarks;
use super::sample::TraceSampler;
use crate::model::{Row, RuleId};
use crate::plan::{Plan, RuleKind, TraceRule};
use crate::self_metrics::{EngineGauges, Holder};
use hears::Hearing;
use read::Reader;
use state::TraceState;
use store::Store;

/// What a snapshot holds of the traces of a plan, by the hash of their rule.
pub(crate) type TracesState = Vec<(u64, Vec<TraceState>)>;

/// The `traces` rules of a plan, on one worker.
pub(crate) struct Traces {
    own: Vec<(RuleId, Store, Reader, Vec<TraceSampler>)>,
}

/// The rules of a plan that put traces together.
pub(super) fn trace_rules(plan: &Plan) -> impl Iterator<Item = (RuleId, &TraceRule)> {
    plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Traces(traces) => Some((RuleId(index as u32), &**traces)),
        _ => None,
    })
}

/// The part of a state that one worker holds.
pub(crate) fn part(state: &TracesState, is_mine: impl Fn(u128) -> bool) -> TracesState {
    let own = |traces: &Vec<TraceState>| {
        traces.iter().filter(|trace| is_mine(trace.shard_key())).cloned().collect()
    };
    state.iter().map(|(hash, traces)| (*hash, own(traces))).collect()
}

impl Traces {
    pub(crate) fn new(plan: &Plan, restored: TracesState, local: &LocalRowsState) -> Self {
        let mut states: BTreeMap<u64, Vec<TraceState>> = BTreeMap::new();
        for (hash, traces) in restored {
            states.entry(hash).or_default().extend(traces);
        }
        let own = trace_rules(plan).map(|(id, rule)| {
            let rule = Arc::new(rule.clone());
            let lateness_ns = plan.timelines[rule.timeline as usize].lateness_ns;
            let mut store = Store::new(&rule, lateness_ns);
            let mut samplers = TraceSampler::of(plan, id);
            for trace in states.remove(&rule.hash).unwrap_or_default() {
                if let TraceState::Verdicts(hash, shard, verdicts) = &trace {
                    samplers.iter_mut().for_each(|own| own.restore(*hash, *shard, verdicts));
                }
                store.restore(trace);
            }
            store.end_restoring();
            (id, store, Reader::new(plan, (id, &rule), local), samplers)
        });
        Self { own: own.collect() }
    }

    pub(crate) fn state(&self) -> TracesState {
        let own = self.own.iter().map(|(_, store, _, samplers)| {
            let verdicts = samplers.iter().flat_map(TraceSampler::state);
            let verdicts = verdicts.map(|(hash, shard, v)| TraceState::Verdicts(hash, shard, v));
            (store.rule().hash, store.state().into_iter().chain(verdicts).collect())
        });
        own.collect()
    }

    /// What a snapshot holds of rows that are aggregated here.
    pub(crate) fn local_state(&self) -> LocalRowsState {
        self.own.iter().flat_map(|(_, _, reader, _)| reader.local_state()).collect()
    }

    /// Tells what is held on a worker.
    pub(crate) fn tell(&mut self, gauges: &EngineGauges, worker: usize) {
        for (id, store, reader, _) in &mut self.own {
            reader.tell(gauges, worker);
            gauges.set_instances(worker, id.0 as usize, store.open() as u64);
            let rule = id.0 as usize;
            gauges.set_state_bytes(Holder::Windows, worker, rule, store.held_bytes());
            gauges.set_state_bytes(Holder::Payloads, worker, rule, store.held().payload_bytes());
        }
    }

    /// Takes the spans of an epoch in log order, then closes what the watermark has passed.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        blocks: Vec<SpanBlock>,
        (late, watermarks): (&mut Vec<Row>, Watermarks<'_>),
        out: &mut Closed,
    ) {
        let mut by_rule: BTreeMap<RuleId, Vec<SpanBlock>> = BTreeMap::new();
        for block in blocks {
            by_rule.entry(block.rule).or_default().push(block);
        }
        for (id, store, reader, samplers) in &mut self.own {
            let mut blocks = by_rule.remove(id).unwrap_or_default();
            blocks.sort_by_key(|block| block.seq);
            let counts = &mut out.rules[id.0 as usize];
            let mut close = Hearing::new(reader, samplers);
            for block in blocks {
                store.take(block, counts, late, &mut close);
            }
            let watermark_ns = rule_watermark_ns(plan, *id, watermarks.after);
            if watermark_ns == UNSEEN {
                continue; // nothing can have closed
            }
            store.advance(watermark_ns, &mut close);
            counts.add_early(store.take_early());
            let (mut rows, sampled) = close.said(store.held());
            store.held().copy_sparse();
            out.rules[id.0 as usize].refused += reader.take_unknown();
            out.take_sampled(sampled);
            reader.step(plan, watermark_ns, out);
            rows.sort_by(Row::output_cmp);
            out.rows.extend(rows);
        }
    }
}
