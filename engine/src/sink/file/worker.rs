//! The thread that writes: gathers lines, writes them, and tries again what could not be written.
//!
//! Invariant: `len` of the file is the end of its last whole line; what was written behind it and
//! given up is cut off before anything else is written.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::time::Instant;

use super::medium::Medium;
use super::rotation::Rotate;
use super::{Item, Otlp};
use crate::clock::monotonic as now;
use crate::limits::SINK_FILE_WRITE_BYTES;
use crate::sink::backoff::Backoff;
use crate::sink::counts::{DropReason, Failure, Meter};
use crate::sink::held::Held;
use crate::sink::otlp::{Encoding, RowsAs, item_requests};
use crate::sink::push::{Encode, Said};
use crate::sink::trouble::{Report, Tell, Trouble, plain};

/// How long the thread waits for lines where nothing else is due.
const IDLE: Duration = Duration::from_mins(1);

/// How long after a failed rotation the next one is tried.
const ROTATE_AGAIN: Duration = Duration::from_secs(10);

pub(super) struct Worker<R> {
    name: Arc<str>,
    file: R,
    otlp: Otlp,
    retry_within: Duration,
    meter: Arc<Meter>,
    /// What waits in the queue: what left it is in the buffer, which has a bound of its own.
    held: Arc<Held>,
    tell: Tell,
    backoff: Backoff,
    /// Lines that are not written yet: bytes, and how many items they are.
    buffer: Vec<u8>,
    items: u64,
    /// Until when a stopping sink may still write.
    stop_at: Option<Instant>,
    rotate_after: Option<Instant>,
}

impl<R: Rotate> Worker<R> {
    pub(super) fn new(
        name: Arc<str>,
        file: R,
        otlp: Otlp,
        retry_within: Duration,
        (meter, held): (Arc<Meter>, Arc<Held>),
        tell: Tell,
    ) -> Self {
        Self {
            name,
            file,
            otlp,
            retry_within,
            meter,
            held,
            tell,
            backoff: Backoff::new(0),
            buffer: Vec::new(),
            items: 0,
            stop_at: None,
            rotate_after: None,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self, waiting: &Receiver<Item>, stopped: &Receiver<Duration>) {
        loop {
            let wait = self.file.too_old_in().unwrap_or(IDLE).min(IDLE);
            match waiting.recv_timeout(wait.max(Duration::from_millis(1))) {
                Ok(item) => {
                    self.take(&item, stopped);
                    while self.buffer.len() < SINK_FILE_WRITE_BYTES
                        && let Ok(item) = waiting.try_recv()
                    {
                        self.take(&item, stopped);
                    }
                    self.flush(stopped);
                }
                Err(RecvTimeoutError::Timeout) if self.file.is_due(0, 0) => self.rotate(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(error) = self.file.medium().sync() {
            self.report(Trouble::Again(Failure::Write), 0, &error);
        }
    }

    /// Puts an item into the buffer, after a rotation where its line belongs into the next file.
    fn take(&mut self, item: &Item, stopped: &Receiver<Duration>) {
        self.meter.begun();
        self.held.free(item.held_bytes());
        let Some(lines) = self.lines(item) else {
            self.meter.dropped(DropReason::Unfit, 1);
            let trouble = Trouble::Dropped(DropReason::Unfit);
            return self.report(trouble, 1, &"an item that has no form in JSON");
        };
        if self.file.is_due(self.buffer.len() as u64, lines.len() as u64) {
            self.flush(stopped);
            self.rotate();
        }
        self.buffer.extend_from_slice(&lines);
        self.items += 1;
        if self.buffer.len() >= SINK_FILE_WRITE_BYTES {
            self.flush(stopped);
        }
    }

    fn lines(&mut self, item: &Item) -> Option<Vec<u8>> {
        let mut lines = match item {
            Item::Line(line) => line.to_vec(),
            Item::Said(said) => self.otlp.lines(said)?,
        };
        self.meter.left(self.otlp.metrics.left());
        if !lines.is_empty() && lines.last() != Some(&b'\n') {
            lines.push(b'\n');
        }
        Some(lines)
    }

    /// Writes the buffer, or counts its lines as dropped.
    fn flush(&mut self, stopped: &Receiver<Duration>) {
        let (buffer, items) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.items));
        let deadline = now() + self.retry_within;
        let (mut rest, mut attempt) = (&buffer[..], 0);
        if buffer.is_empty() {
            self.meter.delivered(items);
            return;
        }
        while !rest.is_empty() {
            self.meter.attempt(attempt > 0, rest.len());
            let begun = now();
            let written = self.write(&mut rest);
            self.meter.took(now().duration_since(begun));
            let Err(error) = written else { break };
            attempt += 1;
            self.meter.failed(Failure::Write);
            self.report(Trouble::Again(Failure::Write), items, &error);
            if let Some(reason) = self.pause(attempt, deadline, stopped) {
                self.give_up((buffer.len() - rest.len()) as u64);
                self.meter.dropped(reason, items);
                self.report(Trouble::Dropped(reason), items, &error);
                return;
            }
        }
        self.file.wrote(buffer.len() as u64);
        self.meter.delivered(items);
    }

    /// Writes as much as it can; `rest` is what is left.
    fn write(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.file.medium().append(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts off what was written of lines that are given up; where even that fails, they are ended,
    /// so that the next line is whole.
    fn give_up(&mut self, begun: u64) {
        let len = self.file.len();
        if begun == 0 || self.file.medium().cut(len).is_ok() {
            return;
        }
        // If this fails, too, the next write fails as well, and says so.
        if matches!(self.file.medium().append(b"\n"), Ok(1)) {
            self.file.wrote(begun + 1);
        }
    }

    /// Waits before the next attempt; why there is none, where there is none.
    fn pause(
        &mut self,
        attempt: u32,
        deadline: Instant,
        stopped: &Receiver<Duration>,
    ) -> Option<DropReason> {
        let pause = self.backoff.pause(attempt);
        let until = self.stop_at.map_or(deadline, |at| at.min(deadline));
        if until.saturating_duration_since(now()) <= pause {
            let is_stopping = self.stop_at.is_some_and(|at| at <= deadline);
            return Some(if is_stopping { DropReason::Stopping } else { DropReason::Late });
        }
        // A sink that is told to stop tries at once, and then until it may no longer.
        if let Ok(within) = stopped.recv_timeout(pause) {
            self.stop_at = Some(now() + within);
        }
        None
    }

    fn rotate(&mut self) {
        if self.file.len() == 0 || self.rotate_after.is_some_and(|after| now() < after) {
            return;
        }
        self.rotate_after = None;
        if let Err(error) = self.file.rotate() {
            self.meter.failed(Failure::Write);
            self.rotate_after = Some(now() + ROTATE_AGAIN);
            self.report(Trouble::Again(Failure::Write), 0, &error);
        }
    }

    fn report(&self, trouble: Trouble, items: u64, error: &dyn std::fmt::Display) {
        (self.tell)(&Report {
            sink: Arc::clone(&self.name),
            trouble,
            text: plain(&format!("cannot write: {error}")),
            items,
            rule: None,
            key: String::new(),
        });
    }
}

impl Otlp {
    /// What was said as lines: one, or two where rows are metrics and logs, or empty. `None` for an
    /// item that has no form in JSON.
    fn lines(&mut self, said: &Said) -> Option<Vec<u8>> {
        let batch = std::slice::from_ref(said);
        let is_row = matches!(said, Said::Row(_));
        let mut lines = Vec::new();
        if let Said::Item(item) = said {
            let requests = item_requests(Encoding::Json, &[item]);
            return requests.into_iter().find(|one| one.items > 0).map(|one| one.body.to_vec());
        }
        if is_row && self.rows != RowsAs::Logs {
            lines.extend(self.metrics.encode(batch).map(|(_, body)| body));
        }
        if !is_row || self.rows != RowsAs::Metrics {
            lines.extend(self.logs.encode(batch).map(|(_, body)| body));
        }
        Some(lines.join(&b'\n'))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crossbeam_channel::bounded;

    use super::*;
    use crate::sink::breaker::BreakerState;
    use crate::sink::otlp::{Logs, Metrics};

    /// A medium that fails as it is told: how many bytes each call takes, 0 for an error.
    #[derive(Clone)]
    struct Flaky {
        bytes: Arc<Mutex<Vec<u8>>>,
        takes: Vec<usize>,
        cuts: bool,
        len: u64,
    }

    impl Medium for Flaky {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let takes = if self.takes.is_empty() { bytes.len() } else { self.takes.remove(0) };
            if takes == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            let takes = takes.min(bytes.len());
            self.bytes.lock().unwrap().extend_from_slice(&bytes[..takes]);
            Ok(takes)
        }

        fn cut(&mut self, bytes: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
            }
            self.bytes.lock().unwrap().truncate(bytes as usize);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Rotate for Flaky {
        type To = Self;

        fn medium(&mut self) -> &mut Self {
            self
        }

        fn len(&self) -> u64 {
            self.len
        }

        fn wrote(&mut self, bytes: u64) {
            self.len += bytes;
        }

        fn is_due(&self, _: u64, _: u64) -> bool {
            false
        }

        fn too_old_in(&self) -> Option<Duration> {
            None
        }

        fn rotate(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is in the file after three lines, and how many lines were written and dropped.
    fn written(takes: &[usize], cuts: bool, retry_within: Duration) -> (String, u64, u64, u64) {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let file = Flaky { bytes: Arc::clone(&bytes), takes: takes.to_vec(), cuts, len: 0 };
        let shapes: Arc<[crate::sink::Shape]> = Arc::from([]);
        let otlp = Otlp {
            metrics: Metrics::new(Arc::clone(&shapes)),
            logs: Logs::new(shapes),
            rows: RowsAs::Metrics,
        };
        let meter = Arc::new(Meter::default());
        let name = Arc::from("file");
        let tell: Tell = Arc::new(|_| ());
        let held = Arc::new(Held::new(1_000));
        let counted = (Arc::clone(&meter), Arc::clone(&held));
        let mut worker = Worker::new(name, file, otlp, retry_within, counted, tell);
        let (_stop, stopped) = bounded(1);
        for line in ["one", "two\n", "three"] {
            meter.offered();
            held.add(line.len());
            worker.take(&Item::Line(bytes::Bytes::from_static(line.as_bytes())), &stopped);
            worker.flush(&stopped);
        }
        let counts = meter.counts(BreakerState::Closed);
        assert_eq!((counts.offered, counts.waiting(), held.of().0), (3, 0, 0));
        let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
        (text, counts.delivered, counts.dropped_in_all(), counts.failed_by(Failure::Write))
    }

    const ALL: &str = "one\ntwo\nthree\n";

    #[test]
    fn what_is_written_in_pieces_stays_whole() {
        assert_eq!(written(&[1, 2, 1, 3], true, Duration::ZERO), (ALL.to_owned(), 3, 0, 0));
    }

    #[test]
    fn a_failed_write_goes_on_where_it_stopped() {
        let patient = Duration::from_mins(1);
        // Two bytes of "one", an error, the rest.
        assert_eq!(written(&[2, 0, 9], true, patient), (ALL.to_owned(), 3, 0, 1));
    }

    #[test]
    fn lines_that_are_given_up_leave_nothing_torn() {
        let found = written(&[9, 2, 0], true, Duration::ZERO);
        assert_eq!(found, ("one\nthree\n".to_owned(), 2, 1, 1), "cut off");
        let found = written(&[9, 2, 0], false, Duration::ZERO);
        assert_eq!(found, ("one\ntw\nthree\n".to_owned(), 2, 1, 1), "ended");
    }
}
