//! Lines in a file that is rotated: ready-made ones, or OTLP in JSON.
//!
//! Invariant: a file holds whole lines alone, each of them once, in the order in which they were
//! taken; a rotated file is on the disk before the next one begins.
//!
//! Source: OTLP file exporter (JSON lines, one request each).

mod medium;
mod rotation;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Sender, bounded};

use super::breaker::BreakerState;
use super::counts::{DropReason, Meter, SinkCounts};
use super::held::Held;
use super::otlp::{Encoding, Logs, Metrics, MetricsConfig, RowsAs, Temporality};
use super::push::Said;
use super::{Shape, Tell};
use crate::error::{Error, ErrorKind};
use crate::limits::{SINK_FILE_BYTES, SINK_FILES_KEPT, SINK_HELD_BYTES_MAX, SINK_QUEUE_MAX};
use crate::self_metrics::Lately;
use rotation::Rotation;
use worker::Worker;

/// A file sink.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// Its name, for what is told about it.
    pub name: Arc<str>,
    /// The file that is written; rotated ones are beside it, with a number that grows at the end.
    pub path: PathBuf,
    /// Bytes from which a file is rotated; a line that is longer stands alone. 100 MiB.
    pub bytes: u64,
    /// How old a file may become. Any age.
    pub age: Option<Duration>,
    /// Rotated files that are kept; older ones are deleted. 5.
    pub keep: usize,
    /// Lines that may wait. 10 000.
    pub queue: usize,
    /// Bytes that may wait. 64 MiB.
    pub queue_bytes: usize,
    /// How long lines are tried again that cannot be written, before they are dropped. 5 min.
    pub retry_within: Duration,
    /// Whether sums in OTLP count since the start or since the window before. Cumulative.
    pub temporality: Temporality,
    /// What becomes of rows in OTLP. Metrics.
    pub rows: RowsAs,
}

impl FileConfig {
    /// The usual settings.
    pub fn new(name: &str, path: impl Into<PathBuf>) -> Self {
        Self {
            name: Arc::from(name),
            path: path.into(),
            bytes: SINK_FILE_BYTES,
            age: None,
            keep: SINK_FILES_KEPT,
            queue: SINK_QUEUE_MAX,
            queue_bytes: SINK_HELD_BYTES_MAX,
            retry_within: Duration::from_mins(5),
            temporality: Temporality::default(),
            rows: RowsAs::default(),
        }
    }
}

/// What may be written.
enum Item {
    /// A line, with or without a newline at its end.
    Line(Bytes),
    /// Something that becomes one or two lines of OTLP.
    Said(Said),
}

impl Item {
    fn held_bytes(&self) -> usize {
        match self {
            Self::Line(line) => line.len(),
            Self::Said(said) => said.held_bytes(),
        }
    }
}

/// Encodes what was said as lines of OTLP.
struct Otlp {
    metrics: Metrics,
    logs: Logs,
    rows: RowsAs,
}

/// A running sink. It may be shared between threads.
pub struct FileSink {
    queue: Sender<Item>,
    stop: Sender<Duration>,
    worker: JoinHandle<()>,
    meter: Arc<Meter>,
    held: Arc<Held>,
}

/// A view of a file sink.
#[derive(Clone)]
pub struct FileWatch {
    queue: usize,
    meter: Arc<Meter>,
    held: Arc<Held>,
}

impl FileWatch {
    /// What became of what was offered. A file has no breaker: it is always closed.
    pub fn counts(&self) -> SinkCounts {
        self.meter.counts(BreakerState::Closed)
    }

    /// How long writes took of late; none if there were none.
    pub fn lately(&self) -> Option<Lately> {
        self.meter.lately()
    }

    /// Lines that may wait.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// Bytes that wait, and how many may.
    pub fn held_bytes(&self) -> (usize, usize) {
        self.held.of()
    }
}

impl FileSink {
    /// Opens the file, to be written after what it holds, and starts a thread that writes it.
    /// Shapes are by rule id, for what is offered as rows and transitions.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] if the file cannot be opened.
    pub fn start(config: &FileConfig, shapes: Arc<[Shape]>, tell: Tell) -> Result<Self, Error> {
        let file = Rotation::open(&config.path, config.bytes, config.age, config.keep)?;
        let encoding = Encoding::Json;
        let of_metrics =
            MetricsConfig { encoding, temporality: config.temporality, ..MetricsConfig::default() };
        let otlp = Otlp {
            metrics: Metrics::with(of_metrics, Arc::clone(&shapes)),
            logs: Logs::with(encoding, shapes),
            rows: config.rows,
        };
        let (queue, waiting) = bounded(config.queue.max(1));
        let (stop, stopped) = bounded(1);
        let meter = Arc::new(Meter::default());
        let held = Arc::new(Held::new(config.queue_bytes));
        let (name, retry_within) = (Arc::clone(&config.name), config.retry_within);
        let counted = (Arc::clone(&meter), Arc::clone(&held));
        let worker = Worker::new(name, file, otlp, retry_within, counted, tell);
        let worker = std::thread::Builder::new()
            .name("file sink".to_owned())
            .spawn(move || worker.run(&waiting, &stopped))
            .map_err(|error| {
                Error::new(ErrorKind::Write, "cannot start a thread").caused_by(error)
            })?;
        Ok(Self { queue, stop, worker, meter, held })
    }

    /// Offers a line, with or without a newline at its end and with none inside; it is dropped,
    /// and counted, where there is no room.
    pub fn offer_line(&self, line: Bytes) {
        self.offer_item(Item::Line(line));
    }

    /// Offers a row or a transition, to be written as OTLP; it is dropped, and counted, where
    /// there is no room.
    pub fn offer(&self, said: Said) {
        self.offer_item(Item::Said(said));
    }

    fn offer_item(&self, item: Item) {
        self.meter.offered();
        let bytes = item.held_bytes();
        if !self.held.take(bytes) {
            return self.meter.dropped(DropReason::Full, 1);
        }
        if self.queue.try_send(item).is_err() {
            self.held.free(bytes);
            self.meter.dropped(DropReason::Full, 1);
        }
    }

    /// Waits for room and hands a line over.
    pub fn write_line(&self, line: Bytes) {
        self.meter.offered();
        let bytes = line.len();
        self.held.add(bytes);
        if self.queue.send(Item::Line(line)).is_err() {
            self.held.free(bytes);
            self.meter.dropped(DropReason::Full, 1);
        }
    }

    /// What became of what was offered. A file has no breaker: it is always closed.
    pub fn counts(&self) -> SinkCounts {
        self.meter.counts(BreakerState::Closed)
    }

    /// A view of it that outlives it.
    pub fn watch(&self) -> FileWatch {
        FileWatch {
            queue: self.queue.capacity().unwrap_or(usize::MAX),
            meter: Arc::clone(&self.meter),
            held: Arc::clone(&self.held),
        }
    }

    /// Writes what waits, trying for so long at most, and makes sure that it is on the disk. Waits
    /// for the thread: call it where that is allowed.
    pub fn stop(self, within: Duration) -> SinkCounts {
        let Self { queue, stop, worker, meter, .. } = self;
        // Room for the one message there is.
        let _ = stop.send(within);
        drop(queue);
        // A worker that panicked has counted what it could.
        drop(worker.join());
        meter.counts(BreakerState::Closed)
    }
}
