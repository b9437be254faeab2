//! Verdicts that depend on other verdicts: on worker 0, in one order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::traces::followed;
use super::{Case, Tally};
use crate::limits::SHARDS;
use crate::model::{EmittedItem, Value};
use crate::plan::{Plan, Rule, RuleKind, SampleMeasure, SampleRule, SampleVerb, SampledFrom};
use crate::sampling::{
    Buckets, Decisions, DecisionsState, Past, Target, TargetState, Threshold, Verdict,
};

type Key = Vec<Value>;

/// What a line has seen.
#[derive(Debug, Clone)]
enum LineState {
    Rate(Buckets<Key>),
    Target(Target<Key>),
}

/// What a line has seen, as a snapshot holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum LineStored {
    Rate(Buckets<Key>),
    Target(TargetState<Key>),
}

/// What a snapshot holds of all samplings: by the hash of the rule, and the line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SamplerState {
    lines: Vec<(u64, u16, LineStored)>,
    verdicts: Vec<(u64, u64, DecisionsState)>,
}

/// The samplings of a plan.
#[derive(Debug)]
pub(crate) struct Sampler {
    lines: BTreeMap<(u64, u16), LineState>,
    /// By the hash of the rule and the shard of trace ids.
    verdicts: BTreeMap<(u64, u64), Decisions>,
}

impl Sampler {
    pub(crate) fn new(plan: &Plan, state: SamplerState) -> Self {
        let mut stored: BTreeMap<(u64, u16), LineStored> = BTreeMap::new();
        stored.extend(state.lines.into_iter().map(|(hash, line, state)| ((hash, line), state)));
        let mut lines = BTreeMap::new();
        for rule in &plan.rules {
            let RuleKind::Sample(sample) = &rule.kind else { continue };
            for (index, line) in sample.lines.iter().enumerate() {
                let place = (sample.hash, index as u16);
                let state = match (line.verb, stored.remove(&place)) {
                    (SampleVerb::Rate(..), Some(LineStored::Rate(buckets))) => {
                        LineState::Rate(buckets)
                    }
                    (SampleVerb::Rate(..), _) => LineState::Rate(Buckets::default()),
                    (SampleVerb::Target(goal, _), Some(LineStored::Target(state))) => {
                        LineState::Target(Target::from_state(goal, state))
                    }
                    (SampleVerb::Target(goal, _), _) => LineState::Target(Target::new(goal)),
                    _ => continue,
                };
                lines.insert(place, state);
            }
        }
        let known = |hash: &u64| {
            let is_it = |rule: &Rule| matches!(&rule.kind, RuleKind::Sample(s) if s.hash == *hash);
            plan.rules.iter().any(is_it)
        };
        let verdicts = state.verdicts.into_iter().filter(|(hash, ..)| known(hash));
        let verdicts = verdicts
            .map(|(hash, shard, state)| ((hash, shard), Decisions::from_state(state)))
            .collect();
        Self { lines, verdicts }
    }

    pub(crate) fn state(&self) -> SamplerState {
        let stored = self.lines.iter().map(|((hash, line), state)| {
            let state = match state {
                LineState::Rate(buckets) => LineStored::Rate(buckets.clone()),
                LineState::Target(target) => LineStored::Target(target.state().clone()),
            };
            (*hash, *line, state)
        });
        let verdicts = self.verdicts.iter();
        SamplerState {
            lines: stored.collect(),
            verdicts: verdicts.map(|((hash, shard), own)| (*hash, *shard, own.state())).collect(),
        }
    }

    /// Decides the cases of an epoch, in the order of (decision time, rule, trace id or place).
    pub(crate) fn decide(
        &mut self,
        plan: &Plan,
        mut cases: Vec<Case>,
        items: &mut Vec<EmittedItem>,
        tally: &mut Tally,
    ) {
        cases.sort_by_key(|case| (case.decision_ns, case.rule, case.order, case.is_late));
        for case in cases {
            let RuleKind::Sample(sample) = &plan.rules[case.rule.0 as usize].kind else { continue };
            self.one(sample, case, items, tally);
        }
    }

    fn one(
        &mut self,
        sample: &SampleRule,
        case: Case,
        items: &mut Vec<EmittedItem>,
        tally: &mut Tally,
    ) {
        let of_traces = matches!(sample.from, SampledFrom::Traces { .. });
        let shard = (sample.hash, xxh3_64(&case.order) % SHARDS);
        if case.is_late {
            let own = self.verdicts.get(&shard);
            let past = own.map_or(Past::Unknown, |verdicts| verdicts.past(case.order));
            let spans = (case.randomness, case.held);
            items.extend(followed((case.rule, sample), past, spans, tally));
            return;
        }
        if let Some(verdict) = case.known {
            self.verdicts.entry(shard).or_default().remember(case.order, verdict);
            return;
        }
        for index in case.line as usize..sample.lines.len() {
            if case.fits >> index & 1 == 0 {
                continue;
            }
            let line = &sample.lines[index];
            let (is_kept, threshold) = self.verdict((sample.hash, index as u16), line.verb, &case);
            let counts = tally.entry((case.rule, index as u16)).or_default();
            counts.count(is_kept, case.weight);
            if line.is_shadow {
                continue;
            }
            if of_traces {
                let verdict = Verdict { is_kept, line: index as u16, threshold };
                self.verdicts.entry(shard).or_default().remember(case.order, verdict);
            }
            if is_kept || sample.is_shadow {
                let held = case.held.into_iter();
                items.extend(held.map(|held| held.kept(sample, index, threshold, counts)));
            }
            return;
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
                by_threshold(target.threshold(case.decision_ns, keys, weight(measure, case)))
            }
            _ => (false, None),
        }
    }
}

fn weight(measure: SampleMeasure, case: &Case) -> u64 {
    match measure {
        SampleMeasure::Cases => 1,
        SampleMeasure::Items => u64::from(case.weight.items),
        SampleMeasure::Bytes => case.weight.bytes,
    }
}
