//! The bound on what waits. Items share one buffer, so that they weigh more than they take.

use bytes::Bytes;

use super::super::{Sampler, Tally, Timing, Weight};
use super::*;
use crate::model::{EmittedItem, ItemContent, ItemKey, Signal};
use crate::operators::sample::SamplerState;
use crate::plan::{FollowingLogs, Rule, RuleKind, RulePlace, SampleLine, SampleVerb, Timeline};
use crate::sampling::{Randomness, Threshold};

const ITEM_BYTES: usize = 1024 * 1024;

/// One sampling of traces that keeps all of them, with their log records.
fn plan() -> Plan {
    let sample = SampleRule {
        from: SampledFrom::Traces { rule: RuleId(0), filter: None },
        lines: vec![SampleLine {
            name: "all".into(),
            is_shadow: false,
            verb: SampleVerb::Keep(Threshold::of_share(1.0)),
            fits: SampleFit::All,
            keys: SampleKeys::Row(Vec::new()),
        }],
        is_shadow: false,
        mark: None,
        facts: Vec::new(),
        named_by: Vec::new(),
        named_wait_ns: 0,
        logs: Some(FollowingLogs {
            signal: 0,
            filter: 0,
            timeline: 0,
            trace_id: 0,
            wait_ns: 1_000,
        }),
        links: None,
        hash: 1,
    };
    let rule = Rule {
        name: "sample".into(),
        kind: RuleKind::Sample(Box::new(sample)),
        place: RulePlace { timelines: vec![0], ..RulePlace::default() },
    };
    let line = Timeline { time_column: 0, lateness_ns: 0, idle_ns: 0 };
    Plan { rules: vec![rule], timelines: vec![line], ..Plan::default() }
}

fn case(trace: u8, at_ns: i64, kind: CaseKind, buffer: &Bytes) -> Case {
    let content = ItemContent { item: buffer.clone(), ..ItemContent::default() };
    let signal = if kind == CaseKind::Undecided { Signal::Spans } else { Signal::Logs };
    let key = ItemKey { frame_seq: at_ns as u64, ..ItemKey::default() };
    let item = EmittedItem { rule: RuleId(0), signal, decision_ns: at_ns, key, content };
    let own = Some(Randomness::of_trace_id([trace; 16]));
    let held = Held { item, trace_state: Bytes::new(), own, arrived: None, is_refused: false };
    Case {
        rule: RuleId(0),
        decision_ns: at_ns,
        order: [trace; 16],
        randomness: Randomness::of_trace_id([trace; 16]),
        line: 0,
        fits: 0,
        keys: Vec::new(),
        weight: Weight { items: 1, bytes: ITEM_BYTES as u64 },
        held: vec![held],
        kind,
        timing: Timing::default(),
        columns: Vec::new(),
    }
}

/// Decision times of what leaves, and how many were decided before their time.
fn decided(sampler: &mut Sampler, cases: Vec<Case>, watermark_ns: i64) -> (Vec<i64>, u64) {
    let (mut items, mut tally, mut explained) = (Vec::new(), Tally::default(), Vec::new());
    let times = [(watermark_ns, watermark_ns)];
    let heard = Heard { rows: &[], transitions: &[], times: &times };
    let mut out = Decided { items: &mut items, tally: &mut tally, explained: &mut explained };
    sampler.decide(&plan(), cases, heard, &mut out);
    let hurried = tally.values().map(|counts| counts.hurried).sum();
    (items.iter().map(|item| item.decision_ns).collect(), hurried)
}

/// How many items of this size find room.
fn room() -> i64 {
    let each = ITEM_BYTES + size_of::<Case>();
    (SAMPLE_WAITING_BYTES_MAX / each) as i64
}

#[test]
fn traces_beyond_the_bound_are_decided_oldest_first_and_none_is_lost() {
    let buffer = Bytes::from(vec![0; ITEM_BYTES]);
    let mut sampler = Sampler::new(&plan(), SamplerState::default());
    let all = room() + 7;
    let trace = |at: i64| case(at as u8, 1_000 + at, CaseKind::Undecided, &buffer);
    let (left, hurried) = decided(&mut sampler, (0..all).rev().map(trace).collect(), 10);
    assert_eq!((left, hurried), ((1_000..1_007).collect(), 7));
    let (left, hurried) = decided(&mut sampler, Vec::new(), 1_008);
    assert_eq!((left, hurried), (vec![1_007, 1_008], 0));
    // There is room for two again.
    let more = (0..3).map(|at| trace(all + at)).collect();
    assert_eq!(decided(&mut sampler, more, 1_008), (vec![1_009], 1));
    let (left, hurried) = decided(&mut sampler, Vec::new(), i64::MAX);
    assert_eq!((left, hurried), ((1_010..1_000 + all + 3).collect(), 0));
}

#[test]
fn log_records_beyond_the_bound_wait_no_longer_for_their_traces() {
    let buffer = Bytes::from(vec![0; ITEM_BYTES]);
    let mut sampler = Sampler::new(&plan(), SamplerState::default());
    let all = (SAMPLE_WAITING_BYTES_MAX / ITEM_BYTES) as i64 + 3;
    let log = |at: i64| case(at as u8, at, CaseKind::LogOf([at as u8; 16]), &buffer);
    // All have come to wait by then: three find no room, and the last line keeps them.
    let (left, hurried) = decided(&mut sampler, (1..=all).map(log).collect(), 500);
    assert_eq!((left, hurried), (vec![1_001, 1_002, 1_003], 3));
    let (left, _) = decided(&mut sampler, Vec::new(), i64::MAX);
    assert_eq!(left.len() as i64, all - 3);
}
