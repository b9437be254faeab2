//! The running graph: stages in a line, each a timely operator over whole epochs; relations beside.
//!
//! Knows the stages and timely; must not know files, threads or what a rule looks like.

mod relation;

use std::sync::Arc;

use crossbeam_channel::Sender;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::core::{Concatenate, OkErr};
use timely::dataflow::operators::vec::{Map, ToStream};
use timely::dataflow::{InputHandle, ProbeHandle, Stream};
use timely::worker::Worker;

use crate::error::Error;
use crate::limits::LEVELS_MAX;
use crate::model::{RuleId, SourceSpec};
use crate::operators::applied::{ApplyState, owner};
use crate::operators::apply::Apply;
use crate::operators::close::{Close, CloseState, Closed, Times};
use crate::operators::decode::{Decode, LocalState, WorkerFrames};
use crate::operators::feeds::{RowChange, owner_of_rule};
use crate::operators::groups::GroupDelta;
use crate::operators::output::{EngineMessage, Output, OutputState};
use crate::operators::relate::{Relate, RelateState};
use crate::operators::sequence::{Sequence, SequenceState};
use crate::operators::snapshot::{Snapshot, Snapshots, StageName};
use crate::operators::stream::{EpochNumber, Messages, Routed, probe, run_stage};
use crate::plan::{Plan, RuleKind};
use crate::self_metrics::EngineGauges;
use relation::{Changes, relate};

/// A worker's door into the graph.
pub(crate) type Feed =
    InputHandle<EpochNumber, CapacityContainerBuilder<Vec<Routed<WorkerFrames>>>>;

/// The state to start from, read from a snapshot once and shared by all workers.
#[derive(Default)]
pub(crate) struct Restored {
    sequence: Option<SequenceState>,
    output: Option<OutputState>,
    apply: Vec<(u64, i64, GroupDelta)>,
    close: CloseState,
    relate: Vec<Vec<RelateState>>,
}

impl Restored {
    /// Reads the parts of a snapshot.
    pub(crate) fn read(snapshot: &Snapshot) -> Result<Self, Error> {
        let apply: Vec<ApplyState> = snapshot.states(StageName::Apply)?;
        let close: Vec<CloseState> = snapshot.states(StageName::Close)?;
        let mut relate = Vec::new();
        for level in 1..=LEVELS_MAX {
            relate.push(snapshot.states(StageName::Relate(level))?);
        }
        Ok(Self {
            sequence: snapshot.states(StageName::Sequence)?.pop(),
            output: snapshot.states(StageName::Output)?.pop(),
            apply: apply.into_iter().flat_map(|state| state.groups).collect(),
            close: merge_close(close),
            relate,
        })
    }
}

fn merge_close(states: Vec<CloseState>) -> CloseState {
    let mut merged = CloseState::default();
    for state in states {
        merged.extend(state);
    }
    merged
}

fn of_worker(
    groups: &[(u64, i64, GroupDelta)],
    worker: usize,
    peers: usize,
) -> Vec<(u64, i64, GroupDelta)> {
    let is_mine = |group: &GroupDelta| owner(group, peers) == worker;
    groups.iter().filter(|(_, _, group)| is_mine(group)).cloned().collect()
}

/// Builds the graph on one worker. All workers build the same one.
pub(crate) fn build(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    sources: &Arc<[SourceSpec]>,
    restored: &Restored,
    sender: &Sender<EngineMessage>,
    gauges: &Arc<EngineGauges>,
) -> (Feed, ProbeHandle<EpochNumber>) {
    let (index, peers) = (worker.index(), worker.peers());
    let snapshots = Snapshots::new(index, sender.clone());
    let local = LocalState::shared(plan, gauges);
    let clock = restored.sequence.as_ref().map(|state| state.clock.clone());
    let times: Times = clock.as_ref().map_or(Times::new(), |clock| {
        let lines = plan.timelines.iter().enumerate();
        lines.map(|(at, line)| (clock.watermark(at), clock.top(at, line))).collect()
    });
    let decode = Decode::new(plan, sources, &local);
    let sequence = Sequence::new(plan, restored.sequence.clone(), peers, snapshots.clone(), gauges);
    let mine = of_worker(&restored.apply, index, peers);
    let apply = Apply::new(plan, &local, clock, mine, (index, peers), snapshots.clone());
    let mine = restored.close.of_worker(index, peers);
    let close = Close::new(plan, &local, times.clone(), mine, (index, peers), snapshots.clone());
    let passed_on = (sender.clone(), snapshots.clone());
    let output = Output::new(plan, restored.output.clone(), passed_on, gauges);

    let handle = ProbeHandle::new();
    let mut feed = Feed::new();
    worker.dataflow::<EpochNumber, _, _>(|scope| {
        let frames = feed.to_stream(scope);
        let facts = run_stage(frames, "Decode", decode);
        let decisions = run_stage(facts, "Sequence", sequence);
        let applied = run_stage(decisions, "Apply", apply);
        let mut closed = run_stage(applied, "Close", close);
        let mut changes: Changes<'_> = held(restored, (index, peers)).to_stream(scope);
        for level in 1..=plan.levels() {
            let states = restored.relate.get(level as usize - 1).cloned().unwrap_or_default();
            let (rest, more) = split(closed);
            changes = changes.concat(more);
            let related = relations(&changes, plan, level, peers);
            let relate = Relate::new(
                plan,
                level,
                &local,
                times.clone(),
                states,
                (index, peers),
                snapshots.clone(),
            );
            let said = scope.concatenate(std::iter::once(rest).chain(related));
            closed = run_stage(said, "Relate", relate);
        }
        probe(run_stage(closed, "Output", output), &handle);
    });
    (feed, handle)
}

/// The rows that relations held when a snapshot was taken: one worker's share.
fn held(restored: &Restored, (worker, peers): (usize, usize)) -> Vec<RowChange> {
    let above = restored.relate.iter().flatten().flat_map(|state| &state.feeds);
    let rows = restored.close.feeds.iter().chain(above).enumerate();
    rows.filter(|(at, _)| at % peers == worker).map(|(_, row)| row.clone()).collect()
}

/// Takes the changes out of what a stage says.
fn split<'scope>(closed: Messages<'scope, Closed>) -> (Messages<'scope, Closed>, Changes<'scope>) {
    let (closed, changes) = closed.ok_err(|routed: Routed<Closed>| {
        if routed.message.changes.is_empty() { Ok(routed) } else { Err(routed.message.changes) }
    });
    let changes: Stream<'scope, EpochNumber, Vec<Vec<RowChange>>> = changes;
    (closed, changes.flat_map(|changes| changes))
}

/// The relations of a level, and what they tell the stage of that level.
fn relations<'scope>(
    changes: &Changes<'scope>,
    plan: &Arc<Plan>,
    level: u32,
    peers: usize,
) -> Vec<Messages<'scope, Closed>> {
    let rules = plan.rules.iter().enumerate().filter(|(_, rule)| rule.place.level == level);
    let relating = rules.filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Rows(rows) if rows.relates() => Some((RuleId(index as u32), rows)),
        _ => None,
    });
    let pairs = relating.map(|(id, rule)| {
        let to = owner_of_rule(plan, id, peers) as u64;
        relate(changes, id, rule).map(move |pair| Routed {
            to,
            message: Closed { pairs: vec![pair], ..Closed::default() },
        })
    });
    pairs.collect()
}
