//! The running graph: five stages in a line, each a timely operator over whole epochs.
//!
//! Knows the stages and timely; must not know files, threads or what a rule looks like.

use std::sync::Arc;

use crossbeam_channel::Sender;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use crate::error::Error;
use crate::model::SourceSpec;
use crate::operators::applied::{ApplyState, owner};
use crate::operators::apply::Apply;
use crate::operators::close::{Close, CloseState};
use crate::operators::decode::{Decode, LocalState, WorkerFrames};
use crate::operators::output::{EngineMessage, Output, OutputState};
use crate::operators::sequence::{Sequence, SequenceState};
use crate::operators::slice_table::GroupDelta;
use crate::operators::snapshot::{Snapshot, Snapshots, StageName};
use crate::operators::stream::{EpochNumber, Routed, probe, run_stage};
use crate::plan::Plan;

/// A worker's door into the graph.
pub(crate) type Feed =
    InputHandle<EpochNumber, CapacityContainerBuilder<Vec<Routed<WorkerFrames>>>>;

/// The state to start from, read from a snapshot once and shared by all workers.
#[derive(Clone, Default)]
pub(crate) struct Restored {
    sequence: Option<SequenceState>,
    output: Option<OutputState>,
    apply: Vec<(u64, i64, GroupDelta)>,
    close: CloseState,
}

impl Restored {
    /// Reads the parts of a snapshot.
    pub(crate) fn read(snapshot: &Snapshot) -> Result<Self, Error> {
        let apply: Vec<ApplyState> = snapshot.states(StageName::Apply)?;
        let close: Vec<CloseState> = snapshot.states(StageName::Close)?;
        Ok(Self {
            sequence: snapshot.states(StageName::Sequence)?.pop(),
            output: snapshot.states(StageName::Output)?.pop(),
            apply: apply.into_iter().flat_map(|state| state.groups).collect(),
            close: merge_close(close),
        })
    }
}

fn merge_close(states: Vec<CloseState>) -> CloseState {
    let mut merged = CloseState::default();
    for state in states {
        merged.groups.extend(state.groups);
        merged.keyed.extend(state.keyed);
        merged.alerts.extend(state.alerts);
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
) -> (Feed, ProbeHandle<EpochNumber>) {
    let (index, peers) = (worker.index(), worker.peers());
    let snapshots = Snapshots::new(index, sender.clone());
    let local = LocalState::shared(plan);
    let clock = restored.sequence.as_ref().map(|state| state.clock.clone());
    let watermarks: Option<Vec<i64>> = clock
        .as_ref()
        .map(|clock| (0..plan.timelines.len()).map(|line| clock.watermark(line)).collect());
    let decode = Decode::new(plan, sources, &local);
    let sequence = Sequence::new(plan, restored.sequence.clone(), peers, snapshots.clone());
    let mine = of_worker(&restored.apply, index, peers);
    let apply = Apply::new(plan, &local, clock, mine, (index, peers), snapshots.clone());
    let mine = restored.close.of_worker(index, peers);
    let close = Close::new(plan, &local, watermarks.as_deref(), mine, snapshots.clone());
    let output = Output::new(plan, restored.output.clone(), sender.clone(), snapshots);

    let handle = ProbeHandle::new();
    let mut feed = Feed::new();
    worker.dataflow::<EpochNumber, _, _>(|scope| {
        let frames = feed.to_stream(scope);
        let facts = run_stage(frames, "Decode", decode);
        let decisions = run_stage(facts, "Sequence", sequence);
        let applied = run_stage(decisions, "Apply", apply);
        let closed = run_stage(applied, "Close", close);
        probe(run_stage(closed, "Output", output), &handle);
    });
    (feed, handle)
}
