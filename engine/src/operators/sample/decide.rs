//! Verdicts that depend on other verdicts: on worker 0, in one order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::exemplars::ExemplarMarks;
use super::explained::{TraceExplained, Tried};
use super::follow::followed;
use super::ordered::Ordered;
use super::{Case, CaseKind, LastStamp, Leaving, LineOutcome, Tally};
use crate::limits::SHARDS;
use crate::model::{EmittedItem, ExemplarVerdict, Row, RuleId, Transition, Value};
use crate::plan::{Plan, RuleKind, SampleMeasure, SampleRule, SampleVerb, SampledFrom};
use crate::sampling::{
    Arrival, Buckets, Decisions, DecisionsState, KeyTimes, Past, Target, TargetState, Threshold,
    Verdict,
};
use crate::self_metrics::{EngineGauges, Holder};

type Key = Vec<Value>;

/// What a line has seen.
#[derive(Debug, Clone)]
enum LineState {
    Rate(Buckets<Key>),
    Target(Box<Target<Key>>),
}

/// What a line has seen, as a snapshot holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum LineStored {
    Rate(Buckets<Key>),
    Target(Box<TargetState<Key>>),
}

/// What a snapshot holds of all samplings: by the hash of the rule, and the line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SamplerState {
    lines: Vec<(u64, u16, LineStored)>,
    verdicts: Vec<(u64, u64, DecisionsState)>,
    ordered: Vec<(u64, Ordered)>,
    awaited: KeyTimes<[u8; 16]>,
    left: KeyTimes<[u8; 16]>,
}

/// What an epoch brought beside cases.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) transitions: &'a [Transition],
    /// Watermark and highest time of every timeline after the epoch.
    pub(crate) times: &'a [(i64, i64)],
}

/// Where verdicts go.
pub(crate) struct Decided<'a> {
    pub(crate) items: &'a mut Vec<EmittedItem>,
    pub(crate) tally: &'a mut Tally,
    pub(crate) explained: &'a mut Vec<TraceExplained>,
}

/// The samplings of a plan.
#[derive(Debug)]
pub(crate) struct Sampler {
    core: Core,
    /// Those that decide in order of time, by the hash of the rule.
    ordered: BTreeMap<u64, Ordered>,
    exemplars: ExemplarMarks,
}

/// What lines have seen, and what was decided.
#[derive(Debug)]
pub(super) struct Core {
    lines: BTreeMap<(u64, u16), LineState>,
    /// By the hash of the rule and the shard of trace ids.
    verdicts: BTreeMap<(u64, u64), Decisions>,
    explained: Option<[u8; 16]>,
    /// Traces that rows have named as exemplars before their verdict.
    pub(super) awaited: KeyTimes<[u8; 16]>,
    /// Those of them that got it.
    pub(super) told: Vec<[u8; 16]>,
    /// Where spans are sampled each by itself: traces of which a span has left, and when the first
    /// did.
    pub(super) left: KeyTimes<[u8; 16]>,
}

/// The samplings of a plan, with their ids.
pub(super) fn samplings(plan: &Plan) -> impl Iterator<Item = (RuleId, &SampleRule)> {
    plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Sample(sample) => Some((RuleId(index as u32), &**sample)),
        _ => None,
    })
}

impl Sampler {
    pub(crate) fn new(plan: &Plan, state: SamplerState) -> Self {
        let mut stored: BTreeMap<(u64, u16), LineStored> = BTreeMap::new();
        stored.extend(state.lines.into_iter().map(|(hash, line, state)| ((hash, line), state)));
        let mut waiting: BTreeMap<u64, Ordered> = state.ordered.into_iter().collect();
        let (mut lines, mut ordered) = (BTreeMap::new(), BTreeMap::new());
        for (id, sample) in samplings(plan) {
            if sample.is_ordered() {
                let own = waiting.remove(&sample.hash).unwrap_or_default();
                ordered.insert(sample.hash, own.adopted(id));
            }
            for (index, line) in sample.lines.iter().enumerate() {
                let place = (sample.hash, index as u16);
                let state = match (line.verb, stored.remove(&place)) {
                    (SampleVerb::Rate(..), Some(LineStored::Rate(buckets))) => {
                        LineState::Rate(buckets)
                    }
                    (SampleVerb::Rate(..), _) => LineState::Rate(Buckets::default()),
                    (SampleVerb::Target(goal, _), Some(LineStored::Target(state))) => {
                        LineState::Target(Box::new(Target::from_state(goal, *state)))
                    }
                    (SampleVerb::Target(goal, _), _) => {
                        LineState::Target(Box::new(Target::new(goal)))
                    }
                    _ => continue,
                };
                lines.insert(place, state);
            }
        }
        let known = |hash: &u64| samplings(plan).any(|(_, sample)| sample.hash == *hash);
        let verdicts = state.verdicts.into_iter().filter(|(hash, ..)| known(hash));
        let verdicts = verdicts
            .map(|(hash, shard, state)| ((hash, shard), Decisions::from_state(state)))
            .collect();
        let (explained, awaited, left) = (plan.explained, state.awaited, state.left);
        let core = Core { lines, verdicts, explained, awaited, told: Vec::new(), left };
        let exemplars = ExemplarMarks::new(plan);
        Self { core, ordered, exemplars }
    }

    pub(crate) fn state(&self) -> SamplerState {
        let stored = self.core.lines.iter().map(|((hash, line), state)| {
            let state = match state {
                LineState::Rate(buckets) => LineStored::Rate(buckets.clone()),
                LineState::Target(target) => LineStored::Target(Box::new(target.state().clone())),
            };
            (*hash, *line, state)
        });
        let verdicts = self.core.verdicts.iter();
        SamplerState {
            lines: stored.collect(),
            verdicts: verdicts.map(|((hash, shard), own)| (*hash, *shard, own.state())).collect(),
            ordered: self.ordered.iter().map(|(hash, own)| (*hash, own.clone())).collect(),
            awaited: self.core.awaited.clone(),
            left: self.core.left.clone(),
        }
    }

    /// Tells what waits for a verdict.
    pub(crate) fn tell(&self, plan: &Plan, gauges: &EngineGauges) {
        for (id, sample) in samplings(plan) {
            if let Some(own) = self.ordered.get(&sample.hash) {
                gauges.set_instances(0, id.0 as usize, own.waiting());
                gauges.set_state_bytes(Holder::Rows, 0, id.0 as usize, own.held_bytes());
            }
        }
    }

    /// Says of the exemplars of an epoch's rows what became of their traces; gives the verdicts
    /// that came later than the rows which named the trace.
    pub(crate) fn mark_exemplars(
        &mut self,
        plan: &Plan,
        items: &[EmittedItem],
        rows: &mut [Row],
        transitions: &mut [Transition],
    ) -> Vec<ExemplarVerdict> {
        self.exemplars.note_left(&mut self.core, items);
        self.exemplars.mark(plan, &mut self.core, (rows, transitions))
    }

    /// Decides the cases of an epoch, in the order of (decision time, rule, trace id or place).
    pub(crate) fn decide(
        &mut self,
        plan: &Plan,
        mut cases: Vec<Case>,
        heard: Heard<'_>,
        out: &mut Decided<'_>,
    ) {
        cases.sort_by_key(|case| {
            let is_late = matches!(case.kind, CaseKind::LateSpans);
            (case.decision_ns, case.rule, case.order, is_late)
        });
        for case in cases {
            let RuleKind::Sample(sample) = &plan.rules[case.rule.0 as usize].kind else { continue };
            match self.ordered.get_mut(&sample.hash) {
                Some(ordered) => ordered.await_case(sample, case),
                None => self.core.one(sample, case, out),
            }
        }
        for (id, sample) in samplings(plan) {
            if let Some(ordered) = self.ordered.get_mut(&sample.hash) {
                ordered.hear(sample, heard);
                ordered.step(plan, (id, sample), &mut self.core, heard.times, out);
            }
        }
    }
}

impl Core {
    fn one(&mut self, sample: &SampleRule, case: Case, out: &mut Decided<'_>) {
        match case.kind {
            CaseKind::LateSpans | CaseKind::LogOf(_) => self.late(sample, case, out),
            CaseKind::Known(verdict) => self.remember(sample, case.order, verdict),
            CaseKind::Undecided => self.decide(sample, case, out),
            CaseKind::Again(_) => {
                if let Some(case) = self.again(sample, case, out) {
                    self.decide(sample, case, out);
                }
            }
        }
    }

    fn decide(&mut self, sample: &SampleRule, case: Case, out: &mut Decided<'_>) {
        let mut tried = Vec::new();
        if let Some(verdict) = self.choose(sample, &case, &mut tried, out.tally) {
            self.settle(sample, case, verdict, &tried, out);
        }
    }

    /// A trace whose id had closed before follows that verdict. Given back where none is
    /// remembered, and the sampling takes it.
    pub(super) fn again(
        &mut self,
        sample: &SampleRule,
        case: Case,
        out: &mut Decided<'_>,
    ) -> Option<Case> {
        let past = self.past(sample, case.order);
        if past == Past::Unknown {
            return matches!(case.kind, CaseKind::Again(true)).then_some(case);
        }
        if self.explains(case.order) {
            out.explained.push(TraceExplained::of_again(sample, &case, past));
        }
        out.items.extend(followed((case.rule, sample), past, case.held, out.tally));
        None
    }

    /// Late spans follow the verdict of their trace.
    pub(super) fn late(&mut self, sample: &SampleRule, case: Case, out: &mut Decided<'_>) {
        let past = self.past(sample, case.order);
        out.items.extend(followed((case.rule, sample), past, case.held, out.tally));
    }

    /// Whether verdicts on a trace are told line by line.
    pub(super) fn explains(&self, id: [u8; 16]) -> bool {
        self.explained == Some(id)
    }

    /// What was decided about a trace.
    pub(super) fn past(&mut self, sample: &SampleRule, id: [u8; 16]) -> Past {
        let shard = (sample.hash, xxh3_64(&id) % SHARDS);
        self.verdicts.get_mut(&shard).map_or(Past::Unknown, |verdicts| verdicts.past(id))
    }

    fn remember(&mut self, sample: &SampleRule, id: [u8; 16], verdict: Verdict) {
        let shard = (sample.hash, xxh3_64(&id) % SHARDS);
        self.verdicts.entry(shard).or_default().remember(id, verdict);
        if self.awaited.at_ns(&id).is_some() {
            self.told.push(id);
        }
    }

    /// The verdict of the first line that fits and is not in the shadow. What lines in the shadow
    /// would do is counted.
    pub(super) fn choose(
        &mut self,
        sample: &SampleRule,
        case: &Case,
        tried: &mut Vec<Tried>,
        tally: &mut Tally,
    ) -> Option<Verdict> {
        for index in case.line as usize..sample.lines.len() {
            if case.fits >> index & 1 == 0 {
                continue;
            }
            let line = &sample.lines[index];
            let place = (sample.hash, index as u16);
            let (is_kept, threshold) = self.verdict(place, line.verb, case);
            tried.push((index as u16, LineOutcome::of(line.verb, is_kept, threshold)));
            if !line.is_shadow {
                let (line, at_ns) = (index as u16, case.decision_ns);
                let randomness = case.randomness;
                return Some(Verdict { is_kept, line, threshold, randomness, at_ns });
            }
            tally.entry((case.rule, index as u16)).or_default().count(is_kept, case.weight);
        }
        None // the last line fits all
    }

    /// Counts and remembers a verdict; lets leave what is kept.
    pub(super) fn settle(
        &mut self,
        sample: &SampleRule,
        case: Case,
        verdict: Verdict,
        tried: &[Tried],
        out: &mut Decided<'_>,
    ) {
        let line = verdict.line as usize;
        let counts = out.tally.entry((case.rule, verdict.line)).or_default();
        counts.count(verdict.is_kept, case.weight);
        if matches!(sample.from, SampledFrom::Traces { .. }) {
            counts.decided(case.timing, verdict.at_ns);
            self.remember(sample, case.order, verdict);
            if self.explains(case.order) {
                out.explained.push(TraceExplained::of_case(sample, &case, verdict, tried));
            }
        }
        if verdict.is_kept || sample.is_shadow {
            let (threshold, randomness) = (verdict.threshold, verdict.randomness);
            let leaving = Leaving { line, threshold, randomness };
            let mut last = LastStamp::default();
            let leaves = |mut held: super::Held| {
                held.item.decision_ns = verdict.at_ns;
                held.kept(sample, leaving, counts, &mut last)
            };
            out.items.extend(case.held.into_iter().map(leaves));
        }
    }

    fn verdict(
        &mut self,
        place: (u64, u16),
        verb: SampleVerb,
        case: &Case,
    ) -> (bool, Option<Threshold>) {
        let by_threshold =
            |threshold: Threshold| (threshold.admits(case.randomness), Some(threshold));
        let no_keys = Vec::new();
        let keys = case.keys.iter().find(|(line, _)| *line == place.1);
        let keys = keys.map_or(&no_keys, |(_, keys)| keys);
        match (verb, self.lines.get_mut(&place)) {
            (SampleVerb::Keep(threshold), _) => by_threshold(threshold),
            (SampleVerb::Rate(limit, measure), Some(LineState::Rate(buckets))) => {
                let weight = weight(measure, case);
                (buckets.admit(limit, case.decision_ns, keys, weight), None)
            }
            (SampleVerb::Target(_, measure), Some(LineState::Target(target))) => {
                let arrival = Arrival {
                    at_ns: case.decision_ns,
                    weight: weight(measure, case),
                    stands_for: stands_for(case),
                    randomness: case.randomness,
                };
                by_threshold(target.threshold(keys, arrival))
            }
            _ => (false, None),
        }
    }
}

/// How many a case stands for that was sampled before it came, to the nearest whole number: a
/// threshold says what it keeps of all of them, so that a target must count all of them.
fn stands_for(case: &Case) -> u64 {
    let arrived = case.held.iter().filter_map(|held| held.arrived).max();
    arrived.map_or(1, |threshold| threshold.adjusted_count().round().max(1.0) as u64)
}

fn weight(measure: SampleMeasure, case: &Case) -> u64 {
    match measure {
        SampleMeasure::Cases => 1,
        SampleMeasure::Items => u64::from(case.weight.items),
        SampleMeasure::Bytes => case.weight.bytes,
    }
}

#[cfg(test)]
mod tests;
