//! Targets over what was sampled before it came.

use bytes::Bytes;

use super::super::{Held, Timing, Weight};
use super::*;
use crate::model::{ItemContent, ItemKey, Signal};
use crate::plan::{AskingColumns, Rule, RulePlace, SampleFit, SampleKeys, SampleLine};
use crate::sampling::{Goal, Randomness, Rate};

const SECONDS: u64 = 60;
const A_SECOND: u64 = 64;

fn plan(goal: Goal) -> Plan {
    let sample = SampleRule {
        from: SampledFrom::Items {
            signal: 0,
            filter: None,
            dedupe: None,
            timeline: 0,
            trace_id: None,
            trace_state: None,
            stated: None,
            asking: AskingColumns::default(),
        },
        lines: vec![SampleLine {
            name: "all".into(),
            is_shadow: false,
            verb: SampleVerb::Target(goal, SampleMeasure::Cases),
            fits: SampleFit::All,
            keys: SampleKeys::Columns(Vec::new()),
        }],
        is_shadow: false,
        mark: None,
        facts: Vec::new(),
        named_by: Vec::new(),
        named_wait_ns: 0,
        logs: None,
        links: None,
        hash: 1,
    };
    let kind = RuleKind::Sample(Box::new(sample));
    let rule = Rule { name: "sample".into(), kind, place: RulePlace::default() };
    Plan { rules: vec![rule], ..Plan::default() }
}

/// Of as many items as are left of `A_SECOND << halvings` by the share that they come with, how
/// many are kept in a second, on average, once averages have settled.
fn kept(goal: Goal, halvings: u8) -> f64 {
    let arrived = Threshold::ALWAYS.halved(halvings);
    let plan = plan(goal);
    let mut sampler = Sampler::new(&plan, SamplerState::default());
    let (mut items, mut tally, mut explained) = (Vec::new(), Tally::default(), Vec::new());
    let mut before = 0;
    for second in 0..SECONDS {
        if second == SECONDS / 2 {
            before = items.len();
        }
        let cases = (0..A_SECOND).map(|index| {
            // Spread over the part that the share has left.
            let left = (1_u64 << 56) >> halvings;
            let random = (1 << 56) - 1 - (index * left / A_SECOND + second);
            let at_ns = (second * 1_000_000_000 + index * 1_000_000) as i64;
            let (key, content) = (ItemKey::default(), ItemContent::default());
            let signal = Signal::Spans;
            let item = EmittedItem { rule: RuleId(0), signal, decision_ns: at_ns, key, content };
            let arrived = Some(arrived);
            let mut id = [0; 16];
            id[8..].copy_from_slice(&random.to_be_bytes());
            let own = Some(Randomness::of_trace_id(id));
            let held = Held { item, trace_state: Bytes::new(), own, arrived, is_refused: false };
            Case {
                rule: RuleId(0),
                decision_ns: at_ns,
                order: id,
                randomness: Randomness::of_trace_id(id),
                line: 0,
                fits: 1,
                keys: Vec::new(),
                weight: Weight { items: 1, bytes: 1 },
                held: vec![held],
                kind: CaseKind::Undecided,
                timing: Timing::default(),
                columns: Vec::new(),
            }
        });
        let heard = Heard { rows: &[], transitions: &[], times: &[] };
        let mut out = Decided { items: &mut items, tally: &mut tally, explained: &mut explained };
        sampler.decide(&plan, cases.collect(), heard, &mut out);
    }
    (items.len() - before) as f64 / (SECONDS / 2) as f64
}

#[test]
fn a_rate_is_met_whatever_was_sampled_before() {
    for halvings in 0..=6 {
        let kept = kept(Goal::Rate(Rate::per_second(16)), halvings);
        assert!((14.0..18.0).contains(&kept), "{kept} a second, 1 in {}", 1 << halvings);
    }
}

#[test]
fn a_share_is_one_of_all_that_there_was() {
    // A quarter of all is half of the half that came.
    assert!((14.0..18.0).contains(&kept(Goal::Share(250_000), 0)));
    assert!((30.0..34.0).contains(&kept(Goal::Share(250_000), 1)));
}
