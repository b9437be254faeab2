//! Verdicts that depend on other verdicts: on worker 0, in one order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Case, Tally};
use crate::model::{EmittedItem, Value};
use crate::plan::{Plan, RuleKind, SampleMeasure, SampleRule, SampleVerb};
use crate::sampling::{Buckets, Target, TargetState, Threshold};

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
pub(crate) struct SamplerState(Vec<(u64, u16, LineStored)>);

/// The samplings of a plan.
#[derive(Debug)]
pub(crate) struct Sampler {
    lines: BTreeMap<(u64, u16), LineState>,
}

impl Sampler {
    pub(crate) fn new(plan: &Plan, state: SamplerState) -> Self {
        let mut stored: BTreeMap<(u64, u16), LineStored> = BTreeMap::new();
        stored.extend(state.0.into_iter().map(|(hash, line, state)| ((hash, line), state)));
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
        Self { lines }
    }

    pub(crate) fn state(&self) -> SamplerState {
        let stored = self.lines.iter().map(|((hash, line), state)| {
            let state = match state {
                LineState::Rate(buckets) => LineStored::Rate(buckets.clone()),
                LineState::Target(target) => LineStored::Target(target.state().clone()),
            };
            (*hash, *line, state)
        });
        SamplerState(stored.collect())
    }

    /// Decides the cases of an epoch, in the order of (decision time, rule, trace id or place).
    pub(crate) fn decide(
        &mut self,
        plan: &Plan,
        mut cases: Vec<Case>,
        items: &mut Vec<EmittedItem>,
        tally: &mut Tally,
    ) {
        cases.sort_by_key(|case| (case.decision_ns, case.rule, case.order));
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
            if is_kept || sample.is_shadow {
                let kept = case.held.into_iter().map(|held| held.kept(sample, index, threshold));
                items.extend(kept);
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
