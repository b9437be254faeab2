//! Samplings of items: each is decided as it is applied, unless its line looks at others.
//!
//! Where a line asks about other rules, what may leave goes to worker 0, which lets it leave in
//! order of time; what lines before it drop is dropped at once.

use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{Case, CaseKind, Held, LastStamp, Leaving, Timing, Weight};
use crate::ingest::emit;
use crate::model::{Batch, Column, EmittedItem, RuleId, Value};
use crate::operators::apply::Apply;
use crate::operators::decode::PreparedBatch;
use crate::operators::placed::Placed;
use crate::operators::taken::Taking;
use crate::plan::{RuleKind, SampleFit, SampleKeys, SampleRule, SampleVerb, SampledFrom};
use crate::sampling::{Randomness, Reading, Settled, Threshold, read_tracestate};

/// What a row came to.
#[derive(Clone, Copy)]
enum Verdict {
    Drop,
    /// By a line, with its threshold.
    Keep(u16, Threshold),
    /// Worker 0 goes on with this line.
    Ask(u16),
}

/// What decides about a row.
struct RowFacts {
    row: u32,
    fits: u128,
    said: Settled,
    trace_state: Bytes,
    is_refused: bool,
    bytes: u64,
}

impl Apply {
    /// Samples the items of a batch.
    pub(in crate::operators) fn sampled(&mut self, at: Placed<'_>) {
        let plan = Arc::clone(&self.plan);
        for (index, rule) in plan.rules.iter().enumerate() {
            let RuleKind::Sample(sample) = &rule.kind else { continue };
            let SampledFrom::Items { signal, .. } = sample.from else { continue };
            if plan.signals[signal as usize].signal == at.batch.batch.signal {
                let id = RuleId(index as u32);
                self.sample(id, sample, at);
            }
        }
    }

    fn sample(&mut self, id: RuleId, sample: &SampleRule, at: Placed<'_>) {
        let SampledFrom::Items { filter, dedupe, timeline, .. } = sample.from else { return };
        let taking = Taking { rule: id, filter, dedupe, timeline };
        let Some(mut taken) = self.take(taking, at) else { return };
        let batch = at.batch;
        let facts = facts(sample, batch, std::mem::take(&mut taken.rows));
        let (mut verdicts, mut leaving) = (Vec::new(), Vec::new());
        for row in facts {
            let verdict = self.verdict(id, sample, &row);
            if sample.is_shadow || !matches!(verdict, Verdict::Drop) {
                leaving.push(row.row);
                verdicts.push((row, verdict));
            }
        }
        for ((facts, verdict), content) in verdicts.into_iter().zip(emit(&batch.batch, &leaving)) {
            let decision_ns = taken.decision_ns(facts.row);
            let Some(content) = content else {
                self.rules[id.0 as usize].refused += 1;
                continue;
            };
            let (row, time_ns) = (facts.row, taken.times[facts.row as usize]);
            let key = at.key(row, time_ns);
            let signal = batch.batch.signal;
            let item = EmittedItem { rule: id, signal, decision_ns, key, content };
            self.send_sampled((sample, batch), facts, verdict, item);
        }
    }

    /// Sends an item, as its verdict is.
    fn send_sampled(
        &mut self,
        (sample, batch): (&SampleRule, &PreparedBatch),
        facts: RowFacts,
        verdict: Verdict,
        item: EmittedItem,
    ) {
        let (rule, key, decision_ns) = (item.rule, item.key, item.decision_ns);
        let RowFacts { row, fits, said, trace_state, is_refused, bytes } = facts;
        let Settled { own, randomness, threshold: arrived } = said;
        let held = Held { item, trace_state, own, arrived, is_refused };
        let (out, mut last) = (&mut self.outgoing[0], LastStamp::default());
        match verdict {
            Verdict::Keep(line, threshold) => {
                let counts = out.samples.entry((rule, line)).or_default();
                let (line, threshold) = (line as usize, Some(threshold));
                let leaving = Leaving { line, threshold, randomness };
                out.items.push(held.kept(sample, leaving, counts, &mut last));
            }
            Verdict::Drop => {
                // Of a sampling in the shadow all is sent.
                let line = sample.lines.len() - 1;
                let counts = out.samples.entry((rule, line as u16)).or_default();
                let leaving = Leaving { line, threshold: None, randomness };
                out.items.push(held.kept(sample, leaving, counts, &mut last));
            }
            Verdict::Ask(line) => {
                let mut order = [0; 16];
                order[..8].copy_from_slice(&key.frame_seq.to_be_bytes());
                order[8..12].copy_from_slice(&row.to_be_bytes());
                out.cases.push(Case {
                    rule,
                    decision_ns,
                    order,
                    randomness,
                    line,
                    fits,
                    keys: keys(sample, line, batch, row),
                    weight: Weight { items: 1, bytes },
                    held: vec![held],
                    kind: CaseKind::Undecided,
                    timing: Timing { start_ns: decision_ns, ..Timing::default() },
                    columns: asking(sample, batch, row),
                });
            }
        }
    }

    /// What the lines of a sampling say of a row, and counts it.
    fn verdict(&mut self, id: RuleId, sample: &SampleRule, row: &RowFacts) -> Verdict {
        for (index, line) in sample.lines.iter().enumerate() {
            if matches!(line.fits, SampleFit::Row(_)) {
                return Verdict::Ask(index as u16);
            }
            if row.fits >> index & 1 == 0 {
                continue;
            }
            let threshold = match line.verb {
                SampleVerb::Drop => Threshold::NEVER,
                SampleVerb::Keep(threshold) => threshold,
                SampleVerb::Rate(..) | SampleVerb::Target(..) => return Verdict::Ask(index as u16),
            };
            let is_kept = threshold.admits(row.said.randomness);
            let leaves = is_kept || sample.is_shadow;
            if leaves && !line.is_shadow && sample.is_ordered() {
                return Verdict::Ask(index as u16); // behind those that wait for an answer
            }
            let counts = self.outgoing[0].samples.entry((id, index as u16)).or_default();
            counts.count(is_kept, Weight { items: 1, bytes: row.bytes });
            if line.is_shadow {
                continue;
            }
            return if is_kept { Verdict::Keep(index as u16, threshold) } else { Verdict::Drop };
        }
        Verdict::Drop // the last line fits all
    }
}

/// What decides about rows, in their order.
fn facts(sample: &SampleRule, batch: &PreparedBatch, rows: Vec<u32>) -> Vec<RowFacts> {
    let SampledFrom::Items { trace_id, trace_state, stated, .. } = sample.from else {
        return Vec::new();
    };
    let items = &batch.batch;
    let mut facts: Vec<RowFacts> = rows
        .into_iter()
        .map(|row| {
            let trace_state = trace_state.map_or(Bytes::new(), |at| text(items, at, row));
            let mut arrived = read_tracestate(as_str(&trace_state));
            if let Some([threshold, randomness]) = stated {
                arrived.threshold = Threshold::from_hex(as_str(&text(items, threshold, row)));
                arrived.randomness = Randomness::from_hex(as_str(&text(items, randomness, row)));
            }
            let is_refused = arrived.reading == Reading::Refused;
            let (id, raw) = (id_of(items, trace_id, row), raw_bytes(items, row));
            // So that the same record has the same wherever it is looked at.
            let said = arrived.settled_by(id, || xxh3_64(raw));
            RowFacts { row, fits: 0, said, trace_state, is_refused, bytes: raw.len() as u64 }
        })
        .collect();
    for (index, line) in sample.lines.iter().enumerate() {
        let bit = 1 << index;
        match &line.fits {
            SampleFit::All => facts.iter_mut().for_each(|row| row.fits |= bit),
            SampleFit::Row(_) => {}
            SampleFit::Filter(filter) => {
                let mut wanted = batch.filters.of(*filter).iter().peekable();
                for row in &mut facts {
                    while wanted.next_if(|at| **at < row.row).is_some() {}
                    if wanted.next_if(|at| **at == row.row).is_some() {
                        row.fits |= bit;
                    }
                }
            }
        }
    }
    facts
}

/// The item as it came; in text formats its text.
pub(crate) fn raw_bytes(batch: &Batch, row: u32) -> &[u8] {
    let Some(raw) = &batch.raw else { return &[] };
    let range = raw.rows.get(row as usize).map(|row| row.range.indices());
    range.and_then(|range| raw.payload.get(range)).unwrap_or_default()
}

fn id_of(batch: &Batch, trace_id: Option<u32>, row: u32) -> Option<[u8; 16]> {
    match trace_id.and_then(|at| batch.columns.get(at as usize)) {
        Some(Column::Ids16(ids)) => Some(ids[row as usize]),
        _ => None,
    }
}

fn as_str(text: &Bytes) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

fn text(batch: &Batch, column: u32, row: u32) -> Bytes {
    match batch.columns.get(column as usize).map(|column| batch.value_at(column, row as usize)) {
        Some(Value::Str(text)) if !text.is_empty() => Bytes::copy_from_slice(text.as_bytes()),
        _ => Bytes::new(),
    }
}

/// What travels with a row for conditions that ask about other rules: the keys of each question,
/// as a list of one list, then the values that conditions read.
fn asking(sample: &SampleRule, batch: &PreparedBatch, row: u32) -> Vec<Value> {
    let SampledFrom::Items { asking, .. } = &sample.from else { return Vec::new() };
    let items = &batch.batch;
    let value = |at: &u32| items.value_at(&items.columns[*at as usize], row as usize);
    let of_keys =
        |keys: &Vec<u32>| Value::List([Value::List(keys.iter().map(value).collect())].into());
    asking.keys.iter().map(of_keys).chain(asking.values.iter().map(value)).collect()
}

/// The keys of a row for the lines that have any, from a line on.
fn keys(sample: &SampleRule, from: u16, batch: &PreparedBatch, row: u32) -> Vec<(u16, Vec<Value>)> {
    let lines = sample.lines.iter().enumerate().skip(from as usize);
    let with_keys = lines.filter_map(|(index, line)| match &line.keys {
        SampleKeys::Columns(columns) if !columns.is_empty() => {
            let value =
                |at: &u32| batch.batch.value_at(&batch.batch.columns[*at as usize], row as usize);
            Some((index as u16, columns.iter().map(value).collect()))
        }
        _ => None,
    });
    with_keys.collect()
}
