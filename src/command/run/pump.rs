//! The one thread that writes the input log: frames and ticks into the engine, results out of it.
//!
//! Invariant: what is pushed is what is recorded, frame by frame and cut by cut, so that the
//! replay of a record says what the run said.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tailwater_engine::Error;
use tailwater_engine::ingest::listen::{IntakeReceiver, NoFrame};
use tailwater_engine::model::FrameBody;
use tailwater_engine::runtime::{Engine, EpochOutput};

use super::observe::{Notify, Observed, UnderWay};
use super::recorder::Recorder;
use super::tables::Changed;
use crate::command::screen::Screen;
use crate::output::WriteFailed;

/// How long an epoch that has a frame waits for more of them.
const LINGER: Duration = Duration::from_millis(2);

/// How often the clock is recorded.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// How often results are looked for while an epoch is under way.
const POLL_EVERY: Duration = Duration::from_micros(500);

/// Why the pump stopped before its intake was closed.
pub(super) enum Stopped {
    /// Results could not be written.
    Write(WriteFailed),
    /// The engine cannot go on.
    Engine(Error),
}

impl From<WriteFailed> for Stopped {
    fn from(error: WriteFailed) -> Self {
        Self::Write(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Frames in, results out.
pub(super) struct Pump<'a> {
    intake: &'a IntakeReceiver,
    screen: &'a Screen,
    tables: Receiver<Changed>,
    engine: Engine,
    recorder: Recorder,
    /// Tells the time of ticks, nanoseconds since the Unix epoch: as it passes, so that a machine's
    /// clock that is set makes no source silent and lets none wait.
    ticks: &'a dyn Fn() -> i64,
    /// The clock of arrivals.
    clock: &'a dyn Fn() -> i64,
    /// When the epoch that is being gathered got its first frame.
    since: Option<Instant>,
    /// The last epoch whose results have come.
    said_epoch: u64,
    next_tick: Instant,
    under_way: UnderWay,
    observed: &'a Observed,
    notify: &'a Notify,
}

impl<'a> Pump<'a> {
    /// A pump from an intake into an engine.
    pub(super) fn new(
        (intake, screen, tables): (&'a IntakeReceiver, &'a Screen, Receiver<Changed>),
        engine: Engine,
        recorder: Recorder,
        (ticks, clock): (&'a dyn Fn() -> i64, &'a dyn Fn() -> i64),
        (observed, notify): (&'a Observed, &'a Notify),
    ) -> Self {
        let said_epoch = engine.current_epoch().saturating_sub(1);
        let next_tick = now();
        Self {
            intake,
            screen,
            tables,
            engine,
            recorder,
            ticks,
            clock,
            since: None,
            said_epoch,
            next_tick,
            under_way: UnderWay::new(observed.own_source()),
            observed,
            notify,
        }
    }

    /// Works until the intake is closed and empty, then finishes what was accepted. Windows that
    /// are still open give no rows: nothing has said that they are complete.
    pub(super) fn run(
        mut self,
        say: &mut dyn FnMut(&EpochOutput) -> Result<(), WriteFailed>,
    ) -> Result<Recorder, Stopped> {
        loop {
            match self.intake.recv_timeout(self.patience()) {
                Ok(accepted) => {
                    self.under_way.arrived(&accepted.frame, accepted.items);
                    self.observed.timings.request(accepted.frame.source, accepted.items);
                    let body = FrameBody::Data(accepted.frame.clone());
                    // Before the record and the engine: neither sees what is taken out.
                    self.push(self.screen.pass(body))?;
                    // Only now is its room free for others: it is in the log.
                    drop(accepted);
                }
                Err(NoFrame::Timeout) => {}
                Err(NoFrame::Closed) => break,
            }
            self.take_tables()?;
            self.keep_time()?;
            self.collect(say)?;
        }
        self.flush()?;
        let (outputs, _) = self.engine.finish()?;
        for output in &outputs {
            let now = (now(), (self.clock)());
            self.under_way.done(output.epoch, now, &self.observed.timings);
            say(output)?;
        }
        self.recorder.flush();
        Ok(self.recorder)
    }

    /// How long to wait for a frame.
    fn patience(&self) -> Duration {
        let now = now();
        let linger = self.since.map(|since| (since + LINGER).saturating_duration_since(now));
        let tick = self.next_tick.saturating_duration_since(now);
        let is_under_way = self.said_epoch + 1 < self.engine.current_epoch();
        let poll = is_under_way.then_some(POLL_EVERY);
        [linger, poll].into_iter().flatten().fold(tick, Duration::min)
    }

    /// Appends to the log: to the record first.
    fn push(&mut self, body: FrameBody) -> Result<(), Error> {
        self.recorder.frame(&body);
        let before = self.engine.current_epoch();
        self.engine.push_body(body)?;
        if self.engine.current_epoch() > before {
            self.cut(before);
        } else if self.since.is_none() {
            self.since = Some(now());
        }
        Ok(())
    }

    fn cut(&mut self, epoch: u64) {
        self.under_way.sent(epoch, now());
        self.recorder.cut();
        self.since = None;
    }

    fn flush(&mut self) -> Result<(), Error> {
        let before = self.engine.current_epoch();
        self.engine.flush()?;
        if self.engine.current_epoch() > before {
            self.cut(before);
        }
        Ok(())
    }

    /// Goes on with tables that changed: an epoch ends, the record says what they say, and then the
    /// engine knows it.
    fn take_tables(&mut self) -> Result<(), Error> {
        while let Ok(Changed { files, plan }) = self.tables.try_recv() {
            self.flush()?;
            files.iter().for_each(|file| self.recorder.table(file));
            self.engine.replace_tables(&plan)?;
        }
        Ok(())
    }

    /// Ticks, and ends epochs that have waited long enough.
    fn keep_time(&mut self) -> Result<(), Error> {
        let now = now();
        if now >= self.next_tick {
            self.next_tick = now + TICK_EVERY;
            self.push(FrameBody::Tick((self.ticks)()))?;
            self.observed.timings.tick();
            self.notify.alive();
            self.recorder.flush();
            self.observed.record_failed(self.recorder.has_failed());
        }
        if self.since.is_some_and(|since| now >= since + LINGER) {
            self.flush()?;
        }
        Ok(())
    }

    /// Notes how long an epoch took.
    fn done(&mut self, output: &EpochOutput) {
        let now = (now(), (self.clock)());
        let done = self.under_way.done(output.epoch, now, &self.observed.timings);
        // An epoch of ticks or of the run's own metrics is no news.
        if let (Some(done), Some(traces)) = (done, &self.observed.traces)
            && done.items > 0
        {
            let rows = (output.rows.len() + output.transitions.len()) as u64;
            traces.epoch(output.epoch, done.took, [done.items, rows]);
        }
    }

    fn collect(
        &mut self,
        say: &mut dyn FnMut(&EpochOutput) -> Result<(), WriteFailed>,
    ) -> Result<(), WriteFailed> {
        while let Some(output) = self.engine.poll() {
            self.said_epoch = output.epoch;
            self.done(&output);
            say(&output)?;
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a live run keeps time here, and records it")]
fn now() -> Instant {
    Instant::now()
}
