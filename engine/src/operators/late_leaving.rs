//! Late items that leave: what routes and samplings take of a stream's late side.
//!
//! Which items are late is found where windows, patterns, correlations and traces are, so that an
//! item travels with the row that says it is late, whole. It leaves once, whatever number of rules
//! found it late. Must not know how lateness is found.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::close::Closed;
use super::sample::{late_case, raw_bytes};
use crate::ingest::emit;
use crate::model::{Batch, EmittedItem, ItemKey, Row, RuleId, Signal, SourceId, Value};
use crate::otlp::derive::{packed, unpacked};
use crate::plan::eval::eval_row;
use crate::plan::expr::Expr;
use crate::plan::{Plan, RoutedFrom, RuleKind, SampledFrom};

/// The item of a row with what samplings ask of its bytes: how many there are, and their hash.
/// Null where the item cannot be written as OTLP.
pub(super) fn whole(batch: &Batch, row: u32) -> Value {
    let Some(Some(content)) = emit(batch, &[row]).pop() else { return Value::Null };
    let bytes = raw_bytes(batch, row);
    let hash = Value::Int(xxh3_64(bytes).cast_signed());
    let source = Value::Int(batch.source.0.into());
    Value::List(Arc::from([packed(&content), source, Value::Int(bytes.len() as i64), hash]))
}

/// What [`whole`] has made.
struct Whole {
    item: EmittedItem,
    bytes: u64,
    hash: u64,
}

/// The routes and samplings of late items that live on this worker.
#[derive(Debug, Default)]
pub(super) struct LateLeaving {
    rules: Vec<RuleId>,
}

impl LateLeaving {
    pub(super) fn new(plan: &Plan, is_mine: impl Fn(RuleId) -> bool) -> Self {
        let rules = (0..plan.rules.len() as u32).map(RuleId);
        Self { rules: rules.filter(|id| taken(plan, *id).is_some() && is_mine(*id)).collect() }
    }

    /// Lets the late items of an epoch leave, or sends them to where samplings decide.
    pub(super) fn step(&self, plan: &Plan, fed: &[Row], out: &mut Closed) {
        for &id in &self.rules {
            let Some((late, signal, filter)) = taken(plan, id) else { continue };
            let signal = plan.signals[signal as usize].signal;
            for row in fed.iter().filter(|row| row.rule == late) {
                let columns = row.columns();
                let holds = |filter: &Expr| eval_row(filter, &columns) == Value::Bool(true);
                if !filter.is_none_or(holds) {
                    continue;
                }
                let counts = &mut out.rules[id.0 as usize];
                counts.taken += 1;
                counts.used += 1;
                let Some(Whole { item, bytes, hash }) = read(id, signal, row) else {
                    counts.refused += 1;
                    continue;
                };
                match &plan.rules[id.0 as usize].kind {
                    RuleKind::Sample(sample) => {
                        out.cases.push(late_case(sample, item, &columns, (bytes, hash)));
                    }
                    _ => out.items.push(item),
                }
            }
        }
    }
}

/// What a rule takes, if it takes late items: the rule that says them, the signal's plan, which.
fn taken(plan: &Plan, id: RuleId) -> Option<(RuleId, u32, Option<&Expr>)> {
    match &plan.rules[id.0 as usize].kind {
        RuleKind::Route(route) => match &route.from {
            RoutedFrom::Late { rule, filter } => Some((*rule, route.signal, filter.as_ref())),
            RoutedFrom::Items { .. } => None,
        },
        RuleKind::Sample(sample) => match &sample.from {
            SampledFrom::Late { rule, signal, filter, .. } => {
                Some((*rule, *signal, filter.as_ref()))
            }
            SampledFrom::Items { .. } | SampledFrom::Traces { .. } => None,
        },
        _ => None,
    }
}

/// The item that a late row carries, as a rule lets it leave.
fn read(rule: RuleId, signal: Signal, row: &Row) -> Option<Whole> {
    let [.., Value::List(whole), Value::Int(frame_seq), Value::Int(at)] = &row.values[..] else {
        return None;
    };
    let [Value::Bytes(content), Value::Int(source), Value::Int(bytes), Value::Int(hash)] =
        &whole[..]
    else {
        return None;
    };
    let key = ItemKey {
        frame_seq: frame_seq.cast_unsigned(),
        row: u32::try_from(*at).ok()?,
        time_ns: row.start_ns,
        source: SourceId(u32::try_from(*source).ok()?),
    };
    let content = unpacked(content);
    let item = EmittedItem { rule, signal, decision_ns: row.decision_ns, key, content };
    Some(Whole { item, bytes: bytes.cast_unsigned(), hash: hash.cast_unsigned() })
}
