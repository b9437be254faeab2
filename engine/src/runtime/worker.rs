//! The worker threads: let epochs in, step timely, park when there is nothing to do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use timely::CommunicationConfig;
use timely::Config;
use timely::communication::WorkerGuards;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use super::worker_config;
use crate::dataflow::{Feed, Restored, build};
use crate::error::{Error, ErrorKind};
use crate::limits::{
    BYTES_IN_FLIGHT_MAX, EPOCHS_IN_FLIGHT_MAX, FRAMES_IN_FLIGHT_MIN, JOBS_QUEUED_MAX,
};
use crate::model::SourceSpec;
use crate::operators::decode::WorkerFrames;
use crate::operators::output::EngineMessage;
use crate::operators::stream::{EpochNumber, Routed};
use crate::plan::Plan;
use crate::self_metrics::EngineGauges;

/// How long a worker sleeps at most when nothing wakes it.
const PARK_MAX: Duration = Duration::from_millis(100);

/// Steps in a row for which a worker that has something to do lets no further epoch in. An epoch
/// is through after two or three a stage; more would let one worker wait for another.
const STEPS_BEFORE_NEXT_MAX: usize = 64;

/// One epoch's share for one worker.
pub(super) struct Job {
    pub(super) epoch: EpochNumber,
    pub(super) work: WorkerFrames,
    /// Frames of the whole epoch, all workers.
    pub(super) frames: usize,
    /// Payload bytes of the whole epoch, all workers.
    pub(super) bytes: usize,
}

/// Running workers.
pub(super) struct Started {
    pub(super) jobs: Vec<Sender<Job>>,
    pub(super) threads: Vec<Thread>,
    pub(super) guards: WorkerGuards<()>,
}

/// Starts the workers and waits until each has built its dataflow. Nothing of the state to start
/// from is left then but what they took: what starts them stays as long as they do, and must not
/// hold it.
pub(super) fn start(
    workers: usize,
    plan: &Arc<Plan>,
    sources: &Arc<[SourceSpec]>,
    restored: Restored,
    sender: &Sender<EngineMessage>,
    gauges: &Arc<EngineGauges>,
) -> Result<Started, Error> {
    let (jobs, receivers): (Vec<_>, Vec<_>) =
        (0..workers).map(|_| bounded::<Job>(JOBS_QUEUED_MAX)).unzip();
    let restored = Arc::new(restored);
    let own = |receiver| Some((receiver, Arc::clone(&restored)));
    let given: Vec<Option<(Receiver<Job>, Arc<Restored>)>> =
        receivers.into_iter().map(own).collect();
    drop(restored);
    let (thread_sender, thread_receiver) = bounded(workers);
    let shared = Mutex::new(given);
    let (plan, sources) = (Arc::clone(plan), Arc::clone(sources));
    let (sender, gauges) = (sender.clone(), Arc::clone(gauges));
    let communication = match workers {
        1 => CommunicationConfig::Thread,
        n => CommunicationConfig::Process(n),
    };
    let config = Config { communication, worker: worker_config() };
    let failed = Arc::new(AtomicBool::new(false));
    let guards = timely::execute(config, move |worker| {
        let failed = Failing(Arc::clone(&failed));
        let index = worker.index();
        let mut given = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((receiver, restored)) = given[index].take() else {
            return;
        };
        drop(given);
        let (feed, probe) = build(worker, &plan, &sources, &restored, &sender, &gauges);
        drop(restored);
        // The engine waits for these; if it is gone, the job channel says so next.
        let _ = thread_sender.send((index, std::thread::current()));
        run(worker, feed, &probe, (&receiver, &failed.0));
        if failed.0.load(Ordering::Acquire) {
            // What the others wait for does not come any more.
            worker.installed_dataflows().into_iter().for_each(|id| worker.drop_dataflow(id));
        }
    })
    .map_err(|e| Error::new(ErrorKind::Worker, format!("cannot start workers: {e}")))?;
    let mut threads: Vec<(usize, Thread)> = thread_receiver.iter().take(workers).collect();
    threads.sort_by_key(|(index, _)| *index);
    let threads = threads.into_iter().map(|(_, thread)| thread).collect();
    Ok(Started { jobs, threads, guards })
}

/// Tells the other workers when one panics: they wait for it in vain.
struct Failing(Arc<AtomicBool>);

impl Drop for Failing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// Epochs let in and not yet done everywhere.
#[derive(Default)]
struct UnderWay {
    epochs: VecDeque<(EpochNumber, usize, usize)>,
    frames: usize,
    bytes: usize,
}

impl UnderWay {
    fn settle(&mut self, probe: &ProbeHandle<EpochNumber>) {
        while let Some(&(epoch, frames, bytes)) = self.epochs.front() {
            if probe.less_equal(&epoch) {
                break;
            }
            self.frames -= frames;
            self.bytes -= bytes;
            self.epochs.pop_front();
        }
    }

    fn has_room(&self) -> bool {
        self.epochs.len() < EPOCHS_IN_FLIGHT_MAX
            || (self.frames < FRAMES_IN_FLIGHT_MIN && self.bytes < BYTES_IN_FLIGHT_MAX)
    }
}

/// Goes on with what is under way while there is something to do. Without this a new epoch was let
/// in at each step, and a dozen were decoded, many megabytes, before the first was applied: what
/// was decoded had left the cache, and its memory did not come back for the next one.
fn go_on(worker: &mut Worker, probe: &ProbeHandle<EpochNumber>, under_way: &mut UnderWay) {
    for _ in 0..STEPS_BEFORE_NEXT_MAX {
        let rests = worker.activations().borrow().empty_for() != Some(Duration::ZERO);
        if rests || under_way.epochs.is_empty() {
            break;
        }
        worker.step();
        under_way.settle(probe);
    }
}

fn run(
    worker: &mut Worker,
    mut feed: Feed,
    probe: &ProbeHandle<EpochNumber>,
    (jobs, failed): (&Receiver<Job>, &AtomicBool),
) {
    let index = worker.index() as u64;
    let mut under_way = UnderWay::default();
    while !failed.load(Ordering::Acquire) {
        under_way.settle(probe);
        go_on(worker, probe, &mut under_way);
        if !under_way.has_room() {
            worker.step_or_park(Some(PARK_MAX));
            continue;
        }
        match jobs.try_recv() {
            Ok(job) => {
                feed.advance_to(job.epoch);
                feed.send(Routed { to: index, message: job.work });
                feed.advance_to(job.epoch + 1);
                under_way.epochs.push_back((job.epoch, job.frames, job.bytes));
                under_way.frames += job.frames;
                under_way.bytes += job.bytes;
                worker.step();
            }
            Err(TryRecvError::Empty) => {
                worker.step_or_park(Some(PARK_MAX));
            }
            Err(TryRecvError::Disconnected) => break,
        }
    }
    // Dropping the input closes the dataflow; timely steps it until it has drained.
    drop(feed);
    while worker.has_dataflows() && !failed.load(Ordering::Acquire) {
        worker.step_or_park(Some(PARK_MAX));
    }
}
