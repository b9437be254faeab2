//! The engine as a library: build it from a plan, push frames, take rows, finish.
//!
//! Threads live here. Frames are cut into epochs, epochs are dealt to workers over bounded
//! channels, and a worker lets an epoch in only while few are under way: timely's own queues have
//! no bound. A panic in a worker ends the process (release builds abort; in others the engine
//! reports [`ErrorKind::Worker`]).

mod cut;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use timely::WorkerConfig;
use timely::communication::WorkerGuards;

pub use crate::operators::applied::RuleCounts;
pub use crate::operators::output::EpochOutput;
pub use crate::operators::sample::{
    DECISION_SECONDS, EarlyClose, LineCounts, LineExplained, LineOutcome, TraceExplained,
};
pub use crate::operators::snapshot::Snapshot;
pub use cut::EpochCut;

use crate::dataflow::Restored;
use crate::error::{Error, ErrorKind};
use crate::limits::{OUTPUT_QUEUE_MAX, WORKERS_MAX};
use crate::model::{DataFrame, Frame, FrameBody, SourceSpec};
use crate::operators::decode::WorkerFrames;
use crate::operators::output::EngineMessage;
use crate::operators::snapshot::SnapshotPart;
use crate::plan::Plan;
use crate::self_metrics::EngineGauges;
use cut::EpochBuilder;
use worker::Job;

/// Stages that write a part on every worker (without one a level of rules about rules), and stages
/// that write one on worker 0 only.
const PARTS_EACH: usize = 2;
const PARTS_ONCE: usize = 2;

/// How to build an [`Engine`].
pub struct EngineBuilder {
    plan: Arc<Plan>,
    sources: Vec<SourceSpec>,
    workers: usize,
    cut: EpochCut,
    snapshot: Option<Snapshot>,
}

impl EngineBuilder {
    /// The inputs, in the order of their ids.
    #[must_use]
    pub fn sources(mut self, sources: Vec<SourceSpec>) -> Self {
        self.sources = sources;
        self
    }

    /// Number of worker threads, at least 1.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How frames are cut into epochs.
    #[must_use]
    pub fn cut(mut self, cut: EpochCut) -> Self {
        self.cut = cut;
        self
    }

    /// Starts from the state of a snapshot; feed it the frames from [`Snapshot::next_frame`] on.
    #[must_use]
    pub fn restore(mut self, snapshot: Snapshot) -> Self {
        self.snapshot = Some(snapshot);
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`] if there are too many workers; [`ErrorKind::Snapshot`] if the snapshot
    /// is damaged or of another plan; [`ErrorKind::Worker`] if threads cannot be started.
    pub fn build(self) -> Result<Engine, Error> {
        if self.workers == 0 || self.workers > WORKERS_MAX {
            let found = self.workers;
            let message = format!("expected 1 to {WORKERS_MAX} workers, found `{found}`");
            return Err(Error::new(ErrorKind::Plan, message));
        }
        let plan_hash = self.plan.identity();
        let (restored, next_frame) = match &self.snapshot {
            Some(snapshot) if snapshot.plan_hash != plan_hash => {
                let message = "the snapshot belongs to other rules: start without it";
                return Err(Error::new(ErrorKind::Snapshot, message));
            }
            Some(snapshot) => (Restored::read(snapshot)?, snapshot.next_frame),
            None => (Restored::default(), 0),
        };
        let (sender, outputs) = bounded(OUTPUT_QUEUE_MAX);
        let (sources, plan) = (Arc::<[SourceSpec]>::from(self.sources), &self.plan);
        let sizes = (plan.timelines.len(), plan.time_columns.len(), plan.rules.len());
        let gauges = EngineGauges::new(sizes, sources.len(), self.workers);
        let started = worker::start(self.workers, plan, &sources, restored, &sender, &gauges)?;
        Ok(Engine {
            plan_hash,
            asked: (self.plan.explained, self.plan.items_unread),
            sources,
            parts_each: PARTS_EACH + self.plan.levels() as usize,
            jobs: started.jobs,
            threads: started.threads,
            guards: Some(started.guards),
            gauges,
            outputs,
            ready: VecDeque::new(),
            epochs: EpochBuilder::new(self.cut, next_frame),
            partial: Vec::new(),
            snapshots: VecDeque::new(),
            snapshot_wanted: false,
        })
    }
}

/// A running engine.
///
/// Push frames in log order; rows come back from [`Engine::poll`] and [`Engine::finish`]. A push
/// waits while the workers are behind, so that memory stays bounded.
pub struct Engine {
    plan_hash: u64,
    /// What the plan was asked that is no part of its identity: the trace whose verdicts are told,
    /// and whether nobody takes the items that leave.
    asked: (Option<[u8; 16]>, bool),
    sources: Arc<[SourceSpec]>,
    /// Parts of a snapshot that every worker writes.
    parts_each: usize,
    jobs: Vec<Sender<Job>>,
    threads: Vec<Thread>,
    guards: Option<WorkerGuards<()>>,
    gauges: Arc<EngineGauges>,
    outputs: Receiver<EngineMessage>,
    ready: VecDeque<EpochOutput>,
    epochs: EpochBuilder,
    partial: Vec<(u64, u64, Vec<SnapshotPart>)>,
    snapshots: VecDeque<Snapshot>,
    snapshot_wanted: bool,
}

impl Engine {
    /// An engine for a plan, with one worker unless told otherwise.
    pub fn builder(plan: Arc<Plan>) -> EngineBuilder {
        EngineBuilder {
            plan,
            sources: Vec::new(),
            workers: 1,
            cut: EpochCut::default(),
            snapshot: None,
        }
    }

    /// Appends telemetry to the log.
    ///
    /// # Errors
    /// [`ErrorKind::Worker`] if a worker has stopped.
    pub fn push(&mut self, frame: DataFrame) -> Result<(), Error> {
        self.push_body(FrameBody::Data(frame))
    }

    /// Appends any record to the log.
    ///
    /// # Errors
    /// [`ErrorKind::Worker`] if a worker has stopped.
    pub fn push_body(&mut self, body: FrameBody) -> Result<(), Error> {
        if let Some(epoch) = self.epochs.add(body) {
            self.send_epoch(epoch)?;
        }
        Ok(())
    }

    /// The number of the epoch that is being gathered. It grows when a push or a flush has ended
    /// one: there a log notes a cut.
    pub fn current_epoch(&self) -> u64 {
        self.epochs.current()
    }

    /// Ends the current epoch, so that what was pushed so far is worked on now.
    ///
    /// # Errors
    /// [`ErrorKind::Worker`] if a worker has stopped.
    pub fn flush(&mut self) -> Result<(), Error> {
        match self.epochs.take() {
            Some(epoch) => self.send_epoch(epoch),
            None => Ok(()),
        }
    }

    /// Asks for a snapshot after the current epoch, which ends here. It arrives through
    /// [`Engine::poll_snapshot`].
    ///
    /// # Errors
    /// [`ErrorKind::Worker`] if a worker has stopped.
    pub fn snapshot(&mut self) -> Result<(), Error> {
        self.snapshot_wanted = true;
        let epoch = self.epochs.take_even_empty();
        self.send_epoch(epoch)
    }

    /// The next output that is there already, if any.
    pub fn poll(&mut self) -> Option<EpochOutput> {
        while let Ok(message) = self.outputs.try_recv() {
            self.take(message);
        }
        self.ready.pop_front()
    }

    /// The next complete snapshot that is there already, if any.
    pub fn poll_snapshot(&mut self) -> Option<Snapshot> {
        while let Ok(message) = self.outputs.try_recv() {
            self.take(message);
        }
        self.snapshots.pop_front()
    }

    /// How far event time has come and what is held, as of the last epochs.
    pub fn gauges(&self) -> Arc<EngineGauges> {
        Arc::clone(&self.gauges)
    }

    /// Finishes everything pushed and stops the workers. Windows that are still open stay so,
    /// unless [`FrameBody::End`] was pushed. Returns the outputs not yet taken, in order, and the
    /// snapshots not yet taken.
    ///
    /// # Errors
    /// [`ErrorKind::Worker`] if a worker stopped before its work was done.
    pub fn finish(mut self) -> Result<(Vec<EpochOutput>, Vec<Snapshot>), Error> {
        self.flush()?;
        self.stop()?;
        let (ready, snapshots) = (&mut self.ready, &mut self.snapshots);
        Ok((std::mem::take(ready).into(), std::mem::take(snapshots).into()))
    }

    /// Lets the workers finish what they have, and takes all that they say.
    fn stop(&mut self) -> Result<(), Error> {
        self.jobs.clear();
        self.threads.iter().for_each(Thread::unpark);
        while let Ok(message) = self.outputs.recv() {
            self.take(message);
        }
        for result in self.guards.take().into_iter().flat_map(WorkerGuards::join) {
            result.map_err(|e| Error::new(ErrorKind::Worker, "a worker stopped").caused_by(e))?;
        }
        Ok(())
    }

    /// Goes on under a plan whose tables say something else, from the next frame on. The current
    /// epoch ends here; state passes over as by a snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`], and nothing has happened, if the plan differs in anything else;
    /// [`ErrorKind::Worker`] if a worker has stopped or none can be started;
    /// [`ErrorKind::Snapshot`] if state cannot be passed over.
    pub fn replace_tables(&mut self, plan: &Arc<Plan>) -> Result<(), Error> {
        if plan.identity() != self.plan_hash {
            let message = "the plan differs in more than what tables say";
            return Err(Error::new(ErrorKind::Plan, message));
        }
        // What is asked about the run, and whether anybody takes its items, stays.
        let (explained, items_unread) = self.asked;
        let plan = &Arc::new(Plan { explained, items_unread, ..Plan::clone(plan) });
        self.flush()?;
        let epoch = self.current_epoch();
        self.snapshot()?;
        self.stop()?;
        let at = self.snapshots.iter().position(|snapshot| snapshot.epoch == epoch);
        let snapshot = at.and_then(|at| self.snapshots.remove(at)).ok_or_else(|| {
            Error::new(ErrorKind::Worker, "a worker stopped before its state was written")
        })?;
        let restored = Restored::read(&snapshot)?;
        drop(snapshot);
        let (sender, outputs) = bounded(OUTPUT_QUEUE_MAX);
        let (workers, gauges) = (self.threads.len(), &self.gauges);
        let started = worker::start(workers, plan, &self.sources, restored, &sender, gauges)?;
        self.outputs = outputs;
        (self.jobs, self.threads) = (started.jobs, started.threads);
        self.guards = Some(started.guards);
        Ok(())
    }

    fn take(&mut self, message: EngineMessage) {
        match message {
            EngineMessage::Output(output) => self.ready.push_back(*output),
            EngineMessage::Snapshot(part) => self.take_part(part),
        }
    }

    fn take_part(&mut self, part: SnapshotPart) {
        let epoch = part.epoch;
        let Some(at) = self.partial.iter().position(|(known, _, _)| *known == epoch) else {
            return;
        };
        let (_, next_frame, parts) = &mut self.partial[at];
        parts.push(part);
        if parts.len() == PARTS_ONCE + self.parts_each * self.threads.len() {
            parts.sort_by_key(|part| (part.stage, part.worker));
            let parts = std::mem::take(parts);
            let (next_frame, plan_hash) = (*next_frame, self.plan_hash);
            self.partial.remove(at);
            self.snapshots.push_back(Snapshot { epoch, next_frame, plan_hash, parts });
        }
    }

    /// Deals an epoch to the workers, waiting while their queues are full.
    fn send_epoch(&mut self, epoch: cut::Epoch) -> Result<(), Error> {
        let workers = self.jobs.len();
        let snapshot = std::mem::take(&mut self.snapshot_wanted);
        if snapshot {
            self.partial.push((epoch.number, epoch.next_frame, Vec::new()));
        }
        let mut shares: Vec<Vec<Arc<Frame>>> = vec![Vec::new(); workers];
        let (frames, bytes) = (epoch.frames.len(), epoch.bytes);
        for frame in epoch.frames {
            shares[(frame.seq % workers as u64) as usize].push(Arc::new(frame));
        }
        for (worker, frames_of_worker) in shares.into_iter().enumerate() {
            let work = WorkerFrames { frames: frames_of_worker, snapshot };
            let mut job = Job { epoch: epoch.number, work, frames, bytes };
            loop {
                match self.jobs[worker].try_send(job) {
                    Ok(()) => break,
                    Err(TrySendError::Full(back)) => job = back,
                    Err(TrySendError::Disconnected(_)) => {
                        return Err(Error::new(ErrorKind::Worker, "a worker stopped"));
                    }
                }
                self.wait();
            }
            self.threads[worker].unpark();
        }
        Ok(())
    }

    /// Waits for workers to make room, taking their output meanwhile so that they can.
    fn wait(&mut self) {
        match self.outputs.recv_timeout(Duration::from_millis(10)) {
            Ok(message) => self.take(message),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

impl Drop for Engine {
    /// Lets the workers finish, and nobody hear of it: timely's guards panic where a worker did.
    fn drop(&mut self) {
        self.jobs.clear();
        self.threads.iter().for_each(Thread::unpark);
        // What they still say finds no receiver, so that none waits for room.
        self.outputs = bounded(0).1;
        let ends = self.guards.take().into_iter().flat_map(WorkerGuards::join);
        ends.for_each(drop);
    }
}

/// timely's settings: the defaults.
pub(crate) fn worker_config() -> WorkerConfig {
    WorkerConfig::default()
}
