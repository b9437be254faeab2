//! Stage 2, on worker 0: one small round an epoch that turns facts into decisions.
//!
//! Decisions are a function of the log: frames are taken in log order, keys in the order of their
//! first position. A jump in a plain file's time is decided once the rows after it are known, so
//! decisions may trail the facts by up to [`AHEAD_ROWS`] rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::admission::NewKeys;
use super::clock::{Clock, UNSEEN};
use super::dedupe::{Candidate, Remembered, passes};
use super::facts::{
    ClockStep, Decisions, EpochFacts, FrameDecision, FrameEvent, FrameFacts, NewKey,
    SharedDecisions, TimeProfile,
};
use super::held::tell_groups;
use super::key_limit::KeyLimit;
use super::row_clock::{RowClock, RowPlace};
use super::senders::LiveSenders;
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use crate::limits::{AHEAD_FRAMES, AHEAD_MAX_NS, AHEAD_ROWS, AHEAD_WAIT_BYTES, TIME_MAX_NS};
use crate::model::{DropReason, Ledger, SourceId};
use crate::plan::Plan;
use crate::self_metrics::EngineGauges;

/// The sequencer's state: what a snapshot holds of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SequenceState {
    pub(crate) clock: Clock,
    limits: Vec<KeyLimit>,
    remembered: Vec<Remembered>,
    senders: LiveSenders,
}

/// An epoch whose facts are complete and whose decisions are not.
struct Undecided {
    epoch: EpochNumber,
    frames: VecDeque<FrameFacts>,
    new_keys: NewKeys,
    candidates: Vec<Candidate>,
    /// Whether a first frame of it was looked at.
    is_begun: bool,
    decisions: Decisions,
}

/// The stage.
pub(crate) struct Sequence {
    plan: Arc<Plan>,
    state: SequenceState,
    undecided: VecDeque<Undecided>,
    /// Whether no further facts will come: jumps are decided with the rows that are known.
    is_closed: bool,
    peers: usize,
    snapshots: Snapshots,
    gauges: Arc<EngineGauges>,
}

impl Sequence {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        restored: Option<SequenceState>,
        peers: usize,
        snapshots: Snapshots,
        gauges: &Arc<EngineGauges>,
    ) -> Self {
        let state = restored.unwrap_or_else(|| SequenceState {
            clock: Clock::new(&plan.timelines),
            limits: vec![KeyLimit::default(); plan.tables.len()],
            remembered: vec![Remembered::default(); plan.dedupes.len()],
            senders: LiveSenders::default(),
        });
        Self {
            plan: Arc::clone(plan),
            state,
            undecided: VecDeque::new(),
            is_closed: false,
            peers,
            snapshots,
            gauges: Arc::clone(gauges),
        }
    }

    /// Before the first frame of an epoch: what no later item can be near to is forgotten.
    fn begin(&mut self, epoch: &mut Undecided) {
        epoch.candidates.sort_unstable();
        for (dedupe, remembered) in self.plan.dedupes.iter().zip(&mut self.state.remembered) {
            let watermark_ns = self.state.clock.watermark(dedupe.timeline as usize);
            remembered.forget_before(dedupe, watermark_ns);
        }
    }

    /// Finds the duplicates of a frame, in log order, before it moves the clock.
    fn duplicates(&mut self, frame: &FrameFacts, decision: &FrameDecision, epoch: &mut Undecided) {
        let Some(time) = RowClock::of(&self.state.clock, frame, decision) else { return };
        let from = epoch.candidates.partition_point(|item| item.seq < frame.seq);
        let items = epoch.candidates[from..].iter().take_while(|item| item.seq == frame.seq);
        let found = &mut epoch.decisions.duplicates;
        for item in items {
            let (dedupes, at) = (&self.plan.dedupes, item.dedupe as usize);
            let timeline = dedupes[at].timeline as usize;
            let line = &self.plan.timelines[timeline];
            if time.ahead(line.time_column).binary_search(&item.row).is_ok() {
                continue; // dropped, and nothing is equal to what is
            }
            // What is gone already is remembered by none of those after it.
            let is_found = |of: u32| {
                let same = found.iter().rev().take_while(|f| (f.1, f.2) == (item.seq, item.row));
                same.into_iter().any(|gone| gone.0 == of)
            };
            let is_gone = dedupes[at].after.is_some_and(|after| !passes(dedupes, after, &is_found));
            let place = RowPlace { row: item.row, top_ns: item.top_ns };
            let watermark_ns = || time.before(timeline, line, place);
            let remembered = &mut self.state.remembered[at];
            if is_gone || remembered.is_duplicate(&dedupes[at], item, &watermark_ns) {
                found.push((item.dedupe, item.seq, item.row));
            }
        }
    }

    /// Admits the keys of a frame once its duplicates are known, before it moves the clock.
    fn admit_keys(&mut self, frame: &FrameFacts, decision: &FrameDecision, epoch: &mut Undecided) {
        let Some(time) = RowClock::of(&self.state.clock, frame, decision) else { return };
        let (plan, limits) = (&*self.plan, &mut self.state.limits);
        let duplicates = &epoch.decisions.duplicates;
        // They were found in the order of rows, of one row in that of removals.
        let own = &duplicates[duplicates.partition_point(|found| found.1 < frame.seq)..];
        let is_of_table = |key: &NewKey| {
            let dedupe = plan.tables[key.table as usize].dedupe;
            let side = dedupe.filter(|_| plan.is_of_duplicates(dedupe));
            let place = |found: &(u32, u64, u32)| (found.2, found.0);
            let is_found = |of: u32| own.binary_search_by_key(&(key.row, of), place).is_ok();
            side.is_none_or(|side| passes(&plan.dedupes, side, &is_found))
        };
        let refused = &mut epoch.decisions.refused;
        epoch.new_keys.admit(plan, (frame.seq, &time), limits, is_of_table, refused);
    }

    /// Decides as many epochs as the known facts allow.
    fn decide(&mut self, out: &mut Outbox<SharedDecisions>) {
        while let Some(mut first) = self.undecided.pop_front() {
            if !std::mem::replace(&mut first.is_begun, true) {
                self.begin(&mut first);
            }
            while let Some(frame) = first.frames.pop_front() {
                let Some(decision) = self.decide_frame(&frame, &first.frames) else {
                    first.frames.push_front(frame);
                    self.undecided.push_front(first);
                    return;
                };
                self.count_ahead(&decision, &mut first.decisions.ledger);
                self.duplicates(&frame, &decision, &mut first);
                self.admit_keys(&frame, &decision, &mut first);
                if let FrameEvent::Data { source, senders, .. } = &frame.event {
                    self.state.senders.follow(*source, senders);
                }
                self.state.clock.step(&decision.step, &self.plan.timelines);
                first.decisions.frames.push(decision);
            }
            first.decisions.duplicates.sort_unstable();
            first.decisions.refused.sort_unstable();
            first.decisions.refused.dedup();
            self.finish(first, out);
        }
    }

    /// Tells how many groups tables have open at the watermark.
    fn tell(&mut self) {
        for (table, limit) in self.plan.tables.iter().zip(&mut self.state.limits) {
            limit.free(table, self.state.clock.watermark(table.timeline as usize));
            tell_groups(&self.gauges, table, limit.open());
        }
    }

    fn finish(&mut self, epoch: Undecided, out: &mut Outbox<SharedDecisions>) {
        self.tell();
        if epoch.decisions.snapshot {
            self.snapshots.write(epoch.epoch, StageName::Sequence, &self.state);
        }
        let decisions = Arc::new(epoch.decisions);
        for worker in 0..self.peers {
            out.send(epoch.epoch, worker, Arc::clone(&decisions));
        }
    }

    fn count_ahead(&self, decision: &FrameDecision, ledger: &mut Ledger) {
        let mut by_signal: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (column, rows) in &decision.ahead {
            let signal = self.plan.time_columns[*column as usize].signal;
            by_signal.entry(signal).or_default().extend(rows);
        }
        for (signal, rows) in by_signal {
            let count = rows.len() as u64;
            let signal = self.plan.signals[signal as usize].signal;
            let counts = &mut ledger.signals[signal.index()];
            counts.used -= count;
            counts.dropped += count;
            *ledger.dropped.entry(DropReason::AheadOfTime).or_default() += count;
        }
    }

    /// The decision on a frame, or `None` if rows after it must be known first.
    fn decide_frame(
        &self,
        frame: &FrameFacts,
        rest: &VecDeque<FrameFacts>,
    ) -> Option<FrameDecision> {
        let (source, profiles, heartbeat_ns, senders) = match &frame.event {
            FrameEvent::Data { source, profiles, heartbeat_ns, senders } => {
                (*source, profiles, *heartbeat_ns, senders)
            }
            FrameEvent::Tick(tick_ns) => return Some(plain(frame.seq, ClockStep::Tick(*tick_ns))),
            FrameEvent::SourceEnd(id) => return Some(plain(frame.seq, ClockStep::SourceEnd(*id))),
            FrameEvent::End => return Some(plain(frame.seq, ClockStep::End)),
        };
        let (mut highs, mut ahead) = (Vec::new(), Vec::new());
        for (column, profile) in profiles {
            let high_ns = self.state.clock.high(*column, source);
            let rows = if is_calm(profile, high_ns) {
                Vec::new()
            } else {
                self.outliers(source, *column, profile, high_ns, rest)?
            };
            let top_ns = if rows.is_empty() { profile.high_ns } else { top(profile, &rows) };
            if top_ns != UNSEEN {
                highs.push((*column, top_ns));
            }
            if !rows.is_empty() {
                ahead.push((*column, rows));
            }
        }
        if let Some(heartbeat_ns) = heartbeat_ns {
            self.heartbeat(source, heartbeat_ns, &mut highs);
        }
        let ends = self.state.senders.is_last_goodbye(source, senders);
        Some(FrameDecision { seq: frame.seq, step: ClockStep::Data { source, highs, ends }, ahead })
    }

    /// A heartbeat says that its source has come that far, in every time column. In a plain file,
    /// which has no arrival to compare with, one that jumps ahead says nothing.
    fn heartbeat(&self, source: SourceId, heartbeat_ns: i64, highs: &mut Vec<(u32, i64)>) {
        for column in 0..self.plan.time_columns.len() as u32 {
            let rows = highs.iter().filter(|(of, _)| *of == column).map(|(_, high_ns)| *high_ns);
            let high_ns = rows.max().unwrap_or(UNSEEN).max(self.state.clock.high(column, source));
            let near = high_ns == UNSEEN || heartbeat_ns <= high_ns.saturating_add(AHEAD_MAX_NS);
            if near && heartbeat_ns > high_ns {
                highs.push((column, heartbeat_ns.min(TIME_MAX_NS)));
            }
        }
    }

    fn outliers(
        &self,
        source: SourceId,
        column: u32,
        profile: &TimeProfile,
        mut high_ns: i64,
        rest: &VecDeque<FrameFacts>,
    ) -> Option<Vec<u32>> {
        let mut rows = Vec::new();
        for (index, &(row, time)) in profile.times.iter().enumerate() {
            if high_ns != UNSEEN && time <= high_ns.saturating_add(AHEAD_MAX_NS) {
                high_ns = high_ns.max(time);
                continue;
            }
            let own = profile.times[index + 1..].iter().map(|(_, time)| *time);
            if self.is_followed(time, own, source, column, rest)? {
                high_ns = time;
            } else {
                rows.push(row);
            }
        }
        Some(rows)
    }

    /// Whether at least half of the next [`AHEAD_ROWS`] rows of the source come near `time`.
    /// `None` if not enough of them are known yet. A last row has nothing against it.
    fn is_followed(
        &self,
        time: i64,
        own: impl Iterator<Item = i64>,
        source: SourceId,
        column: u32,
        rest: &VecDeque<FrameFacts>,
    ) -> Option<bool> {
        let near_ns = time.saturating_sub(AHEAD_MAX_NS);
        let (mut seen, mut near) = (0usize, 0usize);
        let mut count = |other: i64| {
            seen += 1;
            near += usize::from(other >= near_ns);
            seen == AHEAD_ROWS
        };
        let mut is_known = own.into_iter().any(&mut count);
        if !is_known {
            let later = self.undecided.iter().flat_map(|epoch| &epoch.frames);
            let (mut frames, mut bytes) = (0, 0);
            for frame in rest.iter().chain(later) {
                frames += 1;
                bytes += frame.bytes;
                is_known = match &frame.event {
                    FrameEvent::Data { source: of, profiles, .. } if *of == source => profiles
                        .iter()
                        .filter(|(of, _)| *of == column)
                        .flat_map(|(_, profile)| &profile.times)
                        .any(|(_, time)| count(*time)),
                    FrameEvent::SourceEnd(of) => *of == source,
                    FrameEvent::End => true,
                    _ => false,
                };
                is_known |= frames >= AHEAD_FRAMES || bytes >= AHEAD_WAIT_BYTES;
                if is_known {
                    break;
                }
            }
        }
        (is_known || self.is_closed).then_some(near * 2 >= seen)
    }
}

/// Whether no row of the frame can be an outlier: it has an arrival time to compare with,
/// or stays near the high, or agrees with itself and is long enough to be its own witness.
fn is_calm(profile: &TimeProfile, high_ns: i64) -> bool {
    profile.times.is_empty()
        || (high_ns != UNSEEN && profile.max_ns <= high_ns.saturating_add(AHEAD_MAX_NS))
        || !profile.is_whole
}

fn plain(seq: u64, step: ClockStep) -> FrameDecision {
    FrameDecision { seq, step, ahead: Vec::new() }
}

/// The highest time of the rows that are not outliers.
fn top(profile: &TimeProfile, outliers: &[u32]) -> i64 {
    let kept = profile.times.iter().filter(|(row, _)| outliers.binary_search(row).is_err());
    kept.map(|(_, time)| *time).max().unwrap_or(UNSEEN)
}

impl Stage for Sequence {
    type In = EpochFacts;
    type Out = SharedDecisions;

    fn epoch(
        &mut self,
        epoch: EpochNumber,
        messages: Vec<EpochFacts>,
        out: &mut Outbox<SharedDecisions>,
    ) -> EpochNumber {
        let mut decisions = Decisions::default();
        let (mut frames, mut new_keys) = (Vec::new(), Vec::new());
        let mut candidates = Vec::new();
        for facts in messages {
            decisions.ledger.merge(&facts.ledger);
            decisions.snapshot |= facts.snapshot;
            frames.extend(facts.frames);
            new_keys.extend(facts.new_keys);
            candidates.extend(facts.candidates);
        }
        frames.sort_by_key(|frame| frame.seq);
        self.undecided.push_back(Undecided {
            epoch,
            frames: frames.into(),
            new_keys: NewKeys::new(new_keys),
            candidates,
            is_begun: false,
            decisions,
        });
        self.decide(out);
        self.undecided.front().map_or(epoch + 1, |first| first.epoch)
    }

    fn closed(&mut self, out: &mut Outbox<SharedDecisions>) {
        self.is_closed = true;
        self.decide(out);
    }
}
