//! Derived traces: spans of rows, put together by a key, and sent on.
//!
//! Lives whole on the worker of the rule, as what reads rows does. A trace collects from its first
//! row on, for so long or so many spans. Its ids follow from the rule, the key, and the time and
//! the spans of the first row, so every replay and run over the same items derives the same ones.
//! One span is not enough: an item of a correlation is in as many rows as it has partners.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::clock::UNSEEN;
use super::close::{Closed, rule_watermark_ns};
use super::parents::parents;
use super::pattern::Watermarks;
use super::sample::EarlyClose;
use crate::limits::{RETRACE_BYTES_MAX, RETRACE_TRACES_MAX};
use crate::model::{
    EmittedItem, ItemAround, ItemContent, ItemKey, Row, RowKind, RuleId, Signal, SourceId, Value,
};
use crate::otlp::derive::{RootSpan, SpanHead, SpanIds, derived, root, unpacked};
use crate::plan::eval::eval_row;
use crate::plan::expr::Expr;
use crate::plan::{KeepLine, Plan, RetraceRule, RuleKind};
use crate::sampling::{Randomness, Threshold, rewrite_tracestate};
use crate::self_metrics::{EngineGauges, Holder};

/// Seed of every derived id. Changing it changes them all.
const ID_SEED: u64 = 0x7461_696c_7761_7465;

/// A trace that collects.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Collecting {
    key: Vec<Value>,
    deadline_ns: i64,
    /// Decision time and spans of the first of its rows that has any.
    first: Option<(i64, Vec<SpanIds>)>,
    /// Its spans, packed, each once.
    spans: BTreeMap<SpanIds, Value>,
    /// By line: whether it holds.
    holds: Vec<bool>,
    bytes: usize,
}

/// What a snapshot holds of one rule.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RetraceState {
    traces: BTreeMap<Vec<u8>, Collecting>,
    /// Traces ended so far.
    ended: u64,
}

/// What a snapshot holds of all of them, by hash.
pub(crate) type RetracesState = Vec<(u64, RetraceState)>;

/// One rule.
struct Retrace {
    id: RuleId,
    rule: RetraceRule,
    state: RetraceState,
    /// When traces end: deadline, key.
    deadlines: BTreeSet<(i64, Vec<u8>)>,
    bytes: usize,
    room: Room,
}

/// What a rule may hold.
#[derive(Clone, Copy)]
struct Room {
    traces: usize,
    bytes: usize,
}

const ROOM: Room = Room { traces: RETRACE_TRACES_MAX, bytes: RETRACE_BYTES_MAX };

/// The rules of one level on one worker.
pub(crate) struct Retraces {
    own: Vec<Retrace>,
}

impl Retraces {
    /// Those of which a condition holds.
    pub(crate) fn new(
        plan: &Plan,
        is_mine: impl Fn(RuleId) -> bool,
        restored: RetracesState,
    ) -> Self {
        let mut states: BTreeMap<u64, RetraceState> = BTreeMap::new();
        for (hash, state) in restored {
            let known = states.entry(hash).or_default();
            known.traces.extend(state.traces);
            known.ended = known.ended.max(state.ended);
        }
        let all = plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
            RuleKind::Retrace(rule) => Some((RuleId(index as u32), &**rule)),
            _ => None,
        });
        let own = all.filter(|(id, _)| is_mine(*id)).map(|(id, rule)| {
            let state = states.remove(&rule.hash).unwrap_or_default();
            let deadlines = state.traces.iter().map(|(key, t)| (t.deadline_ns, key.clone()));
            let deadlines = deadlines.collect();
            let bytes = state.traces.values().map(|trace| trace.bytes).sum();
            Retrace { id, rule: rule.clone(), state, deadlines, bytes, room: ROOM }
        });
        Self { own: own.collect() }
    }

    pub(crate) fn state(&self) -> RetracesState {
        self.own.iter().map(|own| (own.rule.hash, own.state.clone())).collect()
    }

    /// Tells what is held on a worker.
    pub(crate) fn tell(&self, gauges: &EngineGauges, worker: usize) {
        for own in &self.own {
            let rule = own.id.0 as usize;
            gauges.set_instances(worker, rule, own.state.traces.len() as u64);
            gauges.set_state_bytes(Holder::Rows, worker, rule, own.bytes as u64);
        }
    }

    /// Takes the rows of an epoch, then ends what the watermark has passed.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        fed: &[Row],
        watermarks: Watermarks<'_>,
        out: &mut Closed,
    ) {
        for own in &mut self.own {
            let name = &plan.rules[own.id.0 as usize].name;
            let is_own = |row: &&Row| row.rule == own.rule.input && row.kind == RowKind::Final;
            let rows: Vec<&Row> = fed.iter().filter(is_own).collect();
            for row in rows {
                own.end_before(name, row.decision_ns.saturating_sub(1), out);
                own.take(name, row, out);
            }
            match rule_watermark_ns(plan, own.id, watermarks.after) {
                UNSEEN => {}
                watermark_ns => own.end_before(name, watermark_ns, out),
            }
        }
    }
}

impl Collecting {
    fn new(key: Vec<Value>, deadline_ns: i64, lines: usize) -> Self {
        let holds = vec![false; lines];
        Self { key, deadline_ns, first: None, spans: BTreeMap::new(), holds, bytes: 0 }
    }

    /// Takes the packed spans of a row: the bytes that they add, and how many are no whole spans.
    fn take(&mut self, decision_ns: i64, items: impl Iterator<Item = Value>) -> (usize, u64) {
        let (mut added, mut refused, mut taken) = (0, 0, Vec::new());
        for packed in items {
            let Some((ids, bytes)) = ids_and_bytes(&packed) else {
                refused += 1; // without ids it can be no part of a trace
                continue;
            };
            taken.push(ids);
            self.spans.entry(ids).or_insert_with(|| {
                added += bytes;
                packed
            });
        }
        if self.first.is_none() && !taken.is_empty() {
            self.first = Some((decision_ns, taken));
        }
        self.bytes += added;
        (added, refused)
    }
}

impl Retrace {
    fn take(&mut self, name: &str, row: &Row, out: &mut Closed) {
        let mut columns = row.columns();
        let items = columns.split_off(columns.len().saturating_sub(2));
        let takes = self.rule.filter.as_ref();
        if takes.is_some_and(|filter| eval_row(filter, &columns) != Value::Bool(true)) {
            return;
        }
        let counts = &mut out.rules[self.id.0 as usize];
        counts.taken += 1;
        counts.used += 1;
        let key: Vec<Value> = self.rule.key.iter().map(|expr| eval_row(expr, &columns)).collect();
        let mut encoded = Vec::with_capacity(32);
        key.iter().for_each(|value| value.encode_key(&mut encoded));
        let (flush_ns, lines) = (self.rule.flush_ns, self.rule.keep.len());
        let trace = self.state.traces.entry(encoded.clone()).or_insert_with(|| {
            let deadline_ns = row.decision_ns.saturating_add(flush_ns);
            self.deadlines.insert((deadline_ns, encoded.clone()));
            Collecting::new(key, deadline_ns, lines)
        });
        for (holds, line) in trace.holds.iter_mut().zip(&self.rule.keep) {
            *holds |= line.when.as_ref().is_none_or(|w| eval_row(w, &columns) == Value::Bool(true));
        }
        let items = items.into_iter().filter(|item| !item.is_null());
        let (bytes, refused) = trace.take(row.decision_ns, items);
        self.bytes += bytes;
        counts.refused += refused;
        if trace.spans.len() >= self.rule.flush_spans as usize {
            let deadline_ns = trace.deadline_ns;
            self.end(name, &(deadline_ns, encoded), row.decision_ns, out);
        }
        // Beyond its room it ends the oldest ones early: nothing is lost, but a trace may be two.
        while self.bytes > self.room.bytes || self.state.traces.len() > self.room.traces {
            let Some(oldest) = self.deadlines.first().cloned() else { break };
            out.rules[self.id.0 as usize].traces_early[EarlyClose::Room as usize] += 1;
            self.end(name, &oldest, row.decision_ns, out);
        }
    }

    /// Ends the traces whose deadline is not behind a time.
    fn end_before(&mut self, name: &str, to_ns: i64, out: &mut Closed) {
        while let Some(first) = self.deadlines.first().filter(|first| first.0 <= to_ns).cloned() {
            self.end(name, &first, first.0, out);
        }
    }

    fn end(&mut self, name: &str, at: &(i64, Vec<u8>), decision_ns: i64, out: &mut Closed) {
        self.deadlines.remove(at);
        let Some(trace) = self.state.traces.remove(&at.1) else { return };
        self.bytes -= trace.bytes;
        let number = self.state.ended;
        self.state.ended += 1;
        let counts = &mut out.rules[self.id.0 as usize];
        let Some(first) = &trace.first else { return };
        let contents = trace.spans.values().filter_map(|packed| match packed {
            Value::Bytes(bytes) => Some(unpacked(bytes)),
            _ => None,
        });
        let spans = contents.filter_map(|item| Some((SpanHead::read(&item.item)?, item)));
        let mut spans: Vec<(SpanHead, ItemContent)> = spans.collect();
        let trace_id = trace_id(name, &at.1, first);
        let is_error = spans.iter().any(|(head, _)| head.is_error);
        let threshold = threshold(&self.rule.keep, &trace.holds, is_error);
        if !threshold.admits(Randomness::of_trace_id(trace_id)) {
            counts.traces_dropped += 1;
            return;
        }
        counts.traces_kept += 1;
        spans.sort_by_key(|(head, _)| (head.start_ns, head.ids));
        let items = self.derive(&trace, trace_id, spans, (threshold, is_error));
        for (row, (end_ns, content)) in (0..).zip(items) {
            let time_ns = end_ns as i64;
            out.items.push(EmittedItem {
                rule: self.id,
                signal: Signal::Spans,
                decision_ns,
                key: ItemKey { frame_seq: number, row, time_ns, source: SourceId(0) },
                content,
            });
        }
    }

    /// The spans of a trace under their new ids, the root first; with their ends.
    fn derive(
        &self,
        trace: &Collecting,
        trace_id: [u8; 16],
        spans: Vec<(SpanHead, ItemContent)>,
        (threshold, is_error): (Threshold, bool),
    ) -> Vec<(u64, ItemContent)> {
        let mut trace_state = String::new();
        if !self.rule.keep.is_empty() {
            trace_state = rewrite_tracestate("", Some(threshold), None);
        }
        let root_ids = SpanIds { trace: trace_id, span: span_id(trace_id, b"root") };
        let new_id = |ids: SpanIds| span_id(trace_id, &[&ids.trace[..], &ids.span].concat());
        let parents = parents(spans.iter().map(|(head, _)| head));
        let mut items = vec![self.root(trace, root_ids, &spans, (&trace_state, is_error))];
        for ((head, content), parent) in spans.into_iter().zip(parents) {
            let parent = parent.map_or(root_ids.span, new_id);
            let ids = SpanIds { trace: trace_id, span: new_id(head.ids) };
            if let Some(item) = derived(&content.item, ids, parent, &trace_state) {
                items.push((head.end_ns, ItemContent { item, ..content }));
            }
        }
        items
    }

    /// The root that stands around the spans of a trace, with its end: under the resource of the
    /// first of them.
    fn root(
        &self,
        trace: &Collecting,
        ids: SpanIds,
        spans: &[(SpanHead, ItemContent)],
        (trace_state, is_error): (&str, bool),
    ) -> (u64, ItemContent) {
        let start_ns = spans.iter().map(|(head, _)| head.start_ns).min().unwrap_or(0);
        let end_ns = spans.iter().map(|(head, _)| head.end_ns).max().unwrap_or(start_ns);
        let attributes = self.rule.root_attributes.iter();
        let attribute =
            |(name, expr): &(Arc<str>, Expr)| (Arc::clone(name), eval_row(expr, &trace.key));
        let attributes: Vec<(Arc<str>, Value)> = attributes.map(attribute).collect();
        let name = match eval_row(&self.rule.root_name, &trace.key) {
            Value::Str(name) => name.to_string(),
            other => other.to_string(),
        };
        let item = root(&RootSpan {
            ids,
            trace_state,
            name: &name,
            start_ns,
            end_ns,
            is_error,
            attributes: &attributes,
        });
        let around = spans.first().map(|(_, content)| (*content.around).clone());
        let no_scope = bytes::Bytes::new();
        let around = ItemAround {
            scope: no_scope.clone(),
            scope_schema_url: no_scope,
            ..around.unwrap_or_default()
        };
        let append = bytes::Bytes::new();
        (end_ns, ItemContent { around: Arc::new(around), item, append })
    }
}

/// The threshold of the first line that decides; a trace with an error is kept unless a line that
/// names errors holds for it.
fn threshold(keep: &[KeepLine], holds: &[bool], is_error: bool) -> Threshold {
    let decides = |(line, holds): &(&KeepLine, &bool)| **holds && (!is_error || line.names_errors);
    let line = keep.iter().zip(holds).find(decides);
    line.map_or(Threshold::ALWAYS, |(line, _)| Threshold::of_share(f64::from_bits(line.share_bits)))
}

/// The ids of a packed span, and its bytes.
fn ids_and_bytes(packed: &Value) -> Option<(SpanIds, usize)> {
    let Value::Bytes(bytes) = packed else { return None };
    Some((SpanHead::read(&unpacked(bytes).item)?.ids, bytes.len()))
}

/// Of the rule's name, the key, and the decision time and spans of the first row; never all zeros.
fn trace_id(name: &str, key: &[u8], (at_ns, spans): &(i64, Vec<SpanIds>)) -> [u8; 16] {
    let length = (name.len() as u64).to_be_bytes();
    let mut text = [&length[..], name.as_bytes(), key, &at_ns.to_be_bytes()].concat();
    for ids in spans {
        text.extend_from_slice(&ids.trace);
        text.extend_from_slice(&ids.span);
    }
    xxh3_128_with_seed(&text, ID_SEED).max(1).to_be_bytes()
}

/// Of the new trace id and what it was before; never all zeros.
fn span_id(trace: [u8; 16], before: &[u8]) -> [u8; 8] {
    xxh3_64_with_seed(&[&trace[..], before].concat(), ID_SEED).max(1).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::derive::packed;
    use crate::otlp::wire::Message;

    /// A span of so many bytes and a bit.
    fn span(id: u64, bytes: usize) -> Value {
        let mut span = Message::default();
        span.delimited(1, &[7; 16]);
        span.delimited(2, &id.to_be_bytes());
        span.text(5, &"n".repeat(bytes));
        span.fixed(7, id);
        span.fixed(8, id + 1);
        let item = bytes::Bytes::copy_from_slice(span.as_bytes());
        packed(&ItemContent { item, ..ItemContent::default() })
    }

    fn retrace(room: Room) -> Retrace {
        let rule = RetraceRule {
            input: RuleId(1),
            filter: None,
            key_names: vec![Arc::from("k")],
            key: vec![Expr::Column(crate::plan::ROW_KEY_FROM)],
            root_name: Expr::Column(0),
            root_attributes: Vec::new(),
            keep: Vec::new(),
            flush_ns: 1_000,
            flush_spans: 100,
            hash: 1,
        };
        let (state, deadlines) = (RetraceState::default(), BTreeSet::new());
        Retrace { id: RuleId(0), rule, state, deadlines, bytes: 0, room }
    }

    fn row(time_ns: i64, key: i64, span: Value) -> Row {
        Row {
            rule: RuleId(1),
            decision_ns: time_ns,
            start_ns: time_ns,
            end_ns: time_ns,
            kind: RowKind::Final,
            is_other: false,
            key: Arc::from([Value::Int(key)]),
            values: vec![span, Value::Null],
        }
    }

    fn closed() -> Closed {
        Closed {
            rules: vec![crate::operators::applied::RuleCounts::default()],
            ..Closed::default()
        }
    }

    #[test]
    fn beyond_its_traces_the_oldest_end_early_and_none_is_lost() {
        let mut own = retrace(Room { traces: 3, bytes: usize::MAX });
        let mut out = closed();
        for at in 0..10 {
            own.take("r", &row(at, at, span(at as u64 + 1, 10)), &mut out);
            assert!(own.state.traces.len() <= 3 && own.deadlines.len() == own.state.traces.len());
        }
        assert_eq!(
            (out.rules[0].traces_early[EarlyClose::Room as usize], out.rules[0].traces_kept),
            (7, 7)
        );
        let decided: Vec<i64> = out.items.iter().map(|item| item.decision_ns).collect();
        assert_eq!(decided.first(), Some(&3), "the fourth row ends the first trace");
        own.end_before("r", i64::MAX, &mut out);
        assert_eq!(
            (out.rules[0].traces_early[EarlyClose::Room as usize], out.rules[0].traces_kept),
            (7, 10)
        );
        assert_eq!((out.items.len(), own.bytes), (20, 0), "each span and a root of its own");
    }

    #[test]
    fn beyond_its_bytes_the_oldest_end_early_even_the_one_at_hand() {
        let one = span(1, 1_000);
        let Value::Bytes(packed) = &one else { panic!("bytes") };
        let mut own = retrace(Room { traces: 100, bytes: packed.len() * 5 / 2 });
        let mut out = closed();
        for at in 0..6 {
            own.take("r", &row(at, at, span(at as u64 + 1, 1_000)), &mut out);
            assert!(own.bytes <= own.room.bytes);
        }
        assert_eq!(
            (out.rules[0].traces_early[EarlyClose::Room as usize], own.state.traces.len()),
            (4, 2)
        );
        own.take("r", &row(9, 9, span(99, 100_000)), &mut out);
        assert_eq!(
            (out.rules[0].traces_early[EarlyClose::Room as usize], own.bytes),
            (7, 0),
            "nothing is left, its own too"
        );
        assert_eq!(out.rules[0].traces_kept, 7);
    }

    #[test]
    fn the_bounds_are_those_of_the_limits_and_hold_for_many_traces() {
        let mut own = retrace(ROOM);
        let mut out = closed();
        let traces = RETRACE_TRACES_MAX as i64 + 500;
        for at in 0..traces {
            own.take("r", &row(0, at, span(at as u64 + 1, 1)), &mut out);
        }
        assert_eq!(own.state.traces.len(), RETRACE_TRACES_MAX);
        assert_eq!(
            (out.rules[0].traces_early[EarlyClose::Room as usize], out.items.len()),
            (500, 1_000)
        );
        assert_eq!(ROOM.bytes, RETRACE_BYTES_MAX);
    }
}
