//! The ways to run a plan over one log, which must all say the same: workers, cuts into epochs, a
//! snapshot restored on the way.

use std::sync::Arc;

use bytes::Bytes;
use proptest::option::weighted;
use proptest::prelude::*;
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, Row, SourceId, SourceSpec,
};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{Engine, EpochCut, EpochOutput, Snapshot};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) workers: usize,
    /// Frames of an epoch.
    pub(crate) frames_max: usize,
    /// After which frame an engine of its own goes on, with one worker more.
    pub(crate) restored_after: Option<usize>,
}

/// Any way; logs are restored up to this place.
pub(crate) fn ways(frames: usize) -> impl Strategy<Value = Way> {
    let size = prop_oneof![Just((1, 64)), Just((1, 1)), Just((2, 3)), Just((4, 2))];
    (size, weighted(0.3, 0..frames)).prop_map(|((workers, frames_max), restored_after)| Way {
        workers,
        frames_max,
        restored_after,
    })
}

/// A frame of OTLP/JSON.
fn frame(text: String) -> FrameBody {
    FrameBody::Data(DataFrame {
        source: SourceId(0),
        arrival_ns: Some(i64::MAX / 2),
        format: PayloadFormat::OtlpJson,
        compression: Compression::None,
        payload: Bytes::from(text),
        place: 1,
    })
}

/// What a plan says of OTLP/JSON, each text a frame; every item of it is accounted for.
pub(crate) fn outputs(plan: &Arc<Plan>, texts: Vec<String>, way: Way) -> Vec<EpochOutput> {
    let mut frames: Vec<FrameBody> = texts.into_iter().map(frame).collect();
    let last = frames.len();
    frames.push(FrameBody::End);
    let mut way = way;
    let (mut outputs, mut snapshot) = (Vec::new(), None);
    if let Some(cut) = way.restored_after {
        let rest = frames.split_off(cut.min(last));
        (outputs, snapshot) = run(plan, way, None, (frames, true));
        frames = rest;
        way.workers += 1;
    }
    outputs.extend(run(plan, way, snapshot, (frames, false)).0);
    for output in &outputs {
        assert_eq!(output.ledger.unaccounted(), 0);
        assert!(output.rules.iter().all(|rule| rule.unaccounted() == 0));
    }
    outputs
}

/// The rows that a plan says, by rule.
pub(crate) fn rows(plan: &Arc<Plan>, texts: Vec<String>, way: Way) -> Vec<Vec<Row>> {
    let mut by_rule = vec![Vec::new(); plan.rules.len()];
    for row in outputs(plan, texts, way).into_iter().flat_map(|output| output.rows) {
        by_rule[row.rule.0 as usize].push(row);
    }
    by_rule
}

/// Runs frames up to a snapshot, if one is wanted, or to the end.
fn run(
    plan: &Arc<Plan>,
    way: Way,
    snapshot: Option<Snapshot>,
    (frames, is_cut): (Vec<FrameBody>, bool),
) -> (Vec<EpochOutput>, Option<Snapshot>) {
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let cut = EpochCut { frames_max: way.frames_max, ..EpochCut::default() };
    let mut builder = Engine::builder(Arc::clone(plan)).sources(vec![source]);
    if let Some(snapshot) = snapshot {
        builder = builder.restore(snapshot);
    }
    let mut engine = builder.workers(way.workers).cut(cut).build().unwrap();
    frames.into_iter().for_each(|frame| engine.push_body(frame).unwrap());
    if is_cut {
        engine.snapshot().unwrap();
    }
    let (outputs, mut snapshots) = engine.finish().unwrap();
    let bytes = is_cut.then(|| snapshots.pop().unwrap().to_bytes());
    (outputs, bytes.map(|bytes| Snapshot::from_bytes(&bytes).unwrap()))
}
