//! Samplings of traces: decided when a trace closes, by the worker that holds it; from the first
//! line on that looks at other traces, by worker 0. Verdicts hold for spans that come later.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{Case, Held, Tally, Weight};
use crate::limits::SHARDS;
use crate::model::{EmittedItem, ItemContent, ItemKey, Row, RuleId, Signal, Value};
use crate::otlp::wire::field;
use crate::plan::eval::eval_row;
use crate::plan::{Plan, RuleKind, SampleFit, SampleKeys, SampleRule, SampleVerb, SampledFrom};
use crate::sampling::{
    Decisions, DecisionsState, Past, Randomness, Reading, Threshold, Verdict, read_tracestate,
};

/// Number of the field `trace_state` of a span.
const TRACE_STATE: u64 = 3;

/// A sampling of traces on one worker.
pub(crate) struct TraceSampler {
    id: RuleId,
    rule: Arc<SampleRule>,
    /// Whether worker 0 decides some of its traces, and so remembers all.
    is_global: bool,
    /// By shard of trace ids.
    verdicts: BTreeMap<u64, Decisions>,
}

/// What samplings say in an epoch.
#[derive(Default)]
pub(crate) struct Sampled {
    pub(crate) items: Vec<EmittedItem>,
    pub(crate) cases: Vec<Case>,
    pub(crate) tally: Tally,
}

/// Spans as they leave, with their places in the log.
pub(crate) type Contents = Vec<(ItemKey, Option<ItemContent>)>;

/// A trace, for its verdict.
pub(crate) struct ClosedTrace<'a> {
    pub(crate) id: [u8; 16],
    pub(crate) row: &'a Row,
    /// Stated by one of its spans.
    pub(crate) randomness: Option<Randomness>,
    pub(crate) weight: Weight,
}

/// A trace that leaves, once its spans are written.
pub(crate) struct KeptTrace {
    line: usize,
    threshold: Threshold,
    randomness: Randomness,
    decision_ns: i64,
}

impl TraceSampler {
    /// The samplings of the traces of a rule.
    pub(crate) fn of(plan: &Plan, traces: RuleId) -> Vec<Self> {
        let rules = plan.rules.iter().enumerate();
        let own = rules.filter_map(|(index, rule)| match &rule.kind {
            RuleKind::Sample(sample) => match &sample.from {
                SampledFrom::Traces { rule, .. } if *rule == traces => Some(Self {
                    id: RuleId(index as u32),
                    is_global: sample.lines.iter().any(|line| line.verb.is_global()),
                    rule: Arc::new((**sample).clone()),
                    verdicts: BTreeMap::new(),
                }),
                _ => None,
            },
            _ => None,
        });
        own.collect()
    }

    /// What a snapshot holds: hash of the rule, shard, verdicts.
    pub(crate) fn state(&self) -> impl Iterator<Item = (u64, u64, DecisionsState)> + '_ {
        self.verdicts.iter().map(|(shard, verdicts)| (self.rule.hash, *shard, verdicts.state()))
    }

    /// Goes on from a state, where it is this rule's.
    pub(crate) fn restore(&mut self, hash: u64, shard: u64, state: &DecisionsState) {
        if hash == self.rule.hash {
            self.verdicts.insert(shard, Decisions::from_state(state.clone()));
        }
    }

    /// A trace has closed. Returned where its spans leave: they are written together with those
    /// of other traces, which costs a fraction where they did not come as OTLP.
    pub(crate) fn closed(
        &mut self,
        trace: &ClosedTrace<'_>,
        contents: impl FnOnce() -> Contents,
        out: &mut Sampled,
    ) -> Option<KeptTrace> {
        let columns = trace.row.columns();
        let holds = |expr| matches!(eval_row(expr, &columns), Value::Bool(true));
        let SampledFrom::Traces { filter, .. } = &self.rule.from else { return None };
        if filter.as_ref().is_some_and(|filter| !holds(filter)) {
            return None;
        }
        let own = Randomness::of_trace_id(trace.id);
        let randomness = trace.randomness.unwrap_or(own);
        let rule = Arc::clone(&self.rule);
        let mut fits = 0_u128;
        for (index, line) in rule.lines.iter().enumerate() {
            let is_fit = match &line.fits {
                SampleFit::All => true,
                SampleFit::Filter(_) => false,
                SampleFit::Row(condition) => holds(condition),
            };
            if !is_fit {
                continue;
            }
            fits |= 1 << index;
            let threshold = match line.verb {
                SampleVerb::Drop => Threshold::NEVER,
                SampleVerb::Keep(threshold) => threshold,
                SampleVerb::Rate(..) | SampleVerb::Target(..) => {
                    self.ask((index, fits), trace, &columns, (randomness, contents()), out);
                    return None;
                }
            };
            let is_kept = threshold.admits(randomness);
            let counts = out.tally.entry((self.id, index as u16)).or_default();
            counts.count(is_kept, trace.weight);
            if line.is_shadow {
                continue;
            }
            let verdict = Verdict { is_kept, line: index as u16, threshold: Some(threshold) };
            self.remember(trace.id, verdict, out, trace.row.decision_ns);
            let leaves = is_kept || rule.is_shadow;
            let decision_ns = trace.row.decision_ns;
            return leaves.then_some(KeptTrace { line: index, threshold, randomness, decision_ns });
        }
        None
    }

    /// The spans of a trace leave.
    pub(crate) fn leave(&self, trace: &KeptTrace, contents: Contents, out: &mut Sampled) {
        let held = held(self.id, trace.decision_ns, trace.randomness, contents);
        let counts = out.tally.entry((self.id, trace.line as u16)).or_default();
        let (rule, line, threshold) = (&self.rule, trace.line, Some(trace.threshold));
        out.items.extend(held.map(|held| held.kept(rule, line, threshold, counts)));
    }

    /// Lets worker 0 decide, from a line on.
    fn ask(
        &self,
        (line, mut fits): (usize, u128),
        trace: &ClosedTrace<'_>,
        columns: &[Value],
        (randomness, contents): (Randomness, Contents),
        out: &mut Sampled,
    ) {
        let mut keys = Vec::new();
        for (index, line) in self.rule.lines.iter().enumerate().skip(line) {
            let is_fit = match &line.fits {
                SampleFit::All => true,
                SampleFit::Filter(_) => false,
                SampleFit::Row(condition) => {
                    matches!(eval_row(condition, columns), Value::Bool(true))
                }
            };
            fits |= u128::from(is_fit) << index;
            if let (true, SampleKeys::Row(exprs)) = (is_fit, &line.keys)
                && !exprs.is_empty()
            {
                let values = exprs.iter().map(|expr| eval_row(expr, columns)).collect();
                keys.push((index as u16, values));
            }
        }
        let decision_ns = trace.row.decision_ns;
        out.cases.push(Case {
            rule: self.id,
            decision_ns,
            order: trace.id,
            randomness,
            line: line as u16,
            fits,
            keys,
            weight: trace.weight,
            held: held(self.id, decision_ns, randomness, contents).collect(),
            known: None,
            is_late: false,
        });
    }

    /// Remembers a verdict: here, or on worker 0 where that decides others of the rule.
    fn remember(&mut self, id: [u8; 16], verdict: Verdict, out: &mut Sampled, decision_ns: i64) {
        if !self.is_global {
            let shard = xxh3_64(&id) % SHARDS;
            self.verdicts.entry(shard).or_default().remember(id, verdict);
            return;
        }
        out.cases.push(Case {
            rule: self.id,
            decision_ns,
            order: id,
            randomness: Randomness::of_trace_id(id),
            line: verdict.line,
            fits: 0,
            keys: Vec::new(),
            weight: Weight::default(),
            held: Vec::new(),
            known: Some(verdict),
            is_late: false,
        });
    }

    /// A span came to a trace that had closed.
    pub(crate) fn late(
        &mut self,
        (id, watermark_ns): ([u8; 16], i64),
        contents: &Contents,
        out: &mut Sampled,
    ) {
        let own = Randomness::of_trace_id(id);
        let held: Vec<Held> = held(self.id, watermark_ns, own, contents.clone()).collect();
        if self.is_global {
            out.cases.push(Case {
                rule: self.id,
                decision_ns: watermark_ns,
                order: id,
                randomness: own,
                line: 0,
                fits: 0,
                keys: Vec::new(),
                weight: Weight::default(),
                held,
                known: None,
                is_late: true,
            });
            return;
        }
        let shard = xxh3_64(&id) % SHARDS;
        let past = self.verdicts.get(&shard).map_or(Past::Unknown, |verdicts| verdicts.past(id));
        let late = followed((self.id, &self.rule), past, (own, held), &mut out.tally);
        out.items.extend(late);
    }
}

/// Late spans under the verdict of their trace. Of a trace that is no longer remembered the last
/// line decides, by chance alone: what it would drop or measure is dropped.
pub(super) fn followed(
    (id, rule): (RuleId, &SampleRule),
    past: Past,
    (own, held): (Randomness, Vec<Held>),
    tally: &mut Tally,
) -> Vec<EmittedItem> {
    let last = rule.lines.len() - 1;
    let (is_kept, line, threshold) = match past {
        Past::Exact(verdict) => (verdict.is_kept, verdict.line as usize, verdict.threshold),
        Past::Dropped => (false, last, None),
        Past::Unknown => match rule.lines[last].verb {
            SampleVerb::Keep(threshold) => (threshold.admits(own), last, Some(threshold)),
            _ => (false, last, None),
        },
    };
    let counts = tally.entry((id, line as u16)).or_default();
    let spans = held.len() as u64;
    if is_kept {
        counts.late_kept += spans;
    } else {
        counts.late_dropped += spans;
    }
    if !is_kept && !rule.is_shadow {
        return Vec::new();
    }
    held.into_iter().map(|held| held.kept(rule, line, threshold, counts)).collect()
}

/// Spans that may be kept, with what they say about sampling.
fn held(
    rule: RuleId,
    decision_ns: i64,
    randomness: Randomness,
    contents: Contents,
) -> impl Iterator<Item = Held> {
    contents.into_iter().filter_map(move |(key, content)| {
        let content = content?;
        let state = field(&content.item, TRACE_STATE).map(|(_, bytes)| bytes).unwrap_or_default();
        let trace_state = Bytes::copy_from_slice(state);
        let arrived = read_tracestate(std::str::from_utf8(state).unwrap_or_default());
        let is_refused = arrived.reading == Reading::Refused;
        let (_, arrived) = arrived.settled(randomness);
        let signal = Signal::Spans;
        let item = EmittedItem { rule, signal, decision_ns, key, content };
        Some(Held { item, trace_state, arrived, is_refused })
    })
}
