//! Stage 1: bytes to columns, filters, groups; and the facts that decisions need.
//!
//! Runs on the worker that got the frame, in any order between workers. What it prepares stays on
//! the worker (`LocalState`) until the epoch's decisions arrive; only facts leave it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dedupe::{Candidate, candidates};
use super::facts::{EpochFacts, FrameEvent, FrameFacts, NewKey, TimeProfile};
use super::pattern::EventsBetween;
use super::row_clock::Tops;
use super::slice_table::{NewSlot, Sharing, SliceTable};
use super::stream::{EpochNumber, Outbox, Stage};
use crate::ingest::{DecodeReport, Decoder};
use crate::limits::{AHEAD_MAX_NS, TIME_MAX_NS};
use crate::model::{
    Batch, Column, DataFrame, DropReason, Frame, FrameBody, Interner, SourceSpec, Symbols,
};
use crate::plan::Plan;
use crate::plan::eval::{Evaluator, FilterIndex, Selections};
use crate::self_metrics::EngineGauges;

/// The frames of one epoch that one worker decodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkerFrames {
    pub(crate) frames: Vec<Arc<Frame>>,
    /// Whether every stage writes a snapshot after this epoch.
    pub(crate) snapshot: bool,
}

/// A batch with everything that applying it needs.
pub(crate) struct PreparedBatch {
    pub(crate) batch: Batch,
    /// By filter of the signal: the rows where it is true.
    pub(crate) filters: Selections,
    /// By table of the signal, in plan order.
    pub(crate) tables: Vec<PreparedTable>,
}

/// The rows of a batch that a table takes.
pub(crate) struct PreparedTable {
    pub(crate) table: u32,
    pub(crate) rows: Vec<u32>,
    /// In step with `rows`.
    pub(crate) slots: Vec<u32>,
    /// The smallest slice of any row.
    pub(crate) lowest_slice: i64,
}

/// A decoded frame.
pub(crate) struct PreparedFrame {
    pub(crate) seq: u64,
    pub(crate) arrival_ns: Option<i64>,
    pub(crate) batches: Vec<PreparedBatch>,
}

/// A prepared epoch of one worker.
#[derive(Default)]
pub(crate) struct PreparedEpoch {
    /// By frame number.
    pub(crate) frames: BTreeMap<u64, PreparedFrame>,
    /// Slots made in this epoch, with their tables.
    pub(crate) new_slots: Vec<(u32, NewSlot)>,
}

/// What the stages of one worker share: prepared epochs on their way to being applied, the
/// tables, and the watermarks of applied epochs on their way to being closed.
pub(crate) struct LocalState {
    pub(crate) prepared: BTreeMap<EpochNumber, PreparedEpoch>,
    pub(crate) tables: Vec<SliceTable>,
    /// By table: slices before this one are dead, as far as this worker knows.
    pub(crate) live_from: Vec<i64>,
    /// The last epoch that was prepared.
    pub(crate) prepared_to: EpochNumber,
    /// By epoch: watermark and highest time of every timeline after it.
    pub(crate) times: BTreeMap<EpochNumber, Vec<(i64, i64)>>,
    /// Events of patterns that stand above the closing stage.
    pub(crate) events: EventsBetween,
    pub(crate) symbols: Symbols,
    /// Batches whose memory can be used again.
    pub(crate) spent: Vec<Batch>,
    pub(crate) gauges: Arc<EngineGauges>,
}

impl LocalState {
    pub(crate) fn shared(plan: &Plan, gauges: &Arc<EngineGauges>) -> Rc<RefCell<Self>> {
        let symbols = Interner::shared();
        let table =
            |t: &crate::plan::Table| SliceTable::new(Arc::new(t.clone()), Symbols::clone(&symbols));
        Rc::new(RefCell::new(Self {
            prepared: BTreeMap::new(),
            tables: plan.tables.iter().map(table).collect(),
            live_from: vec![i64::MIN; plan.tables.len()],
            prepared_to: 0,
            times: BTreeMap::new(),
            events: EventsBetween::default(),
            symbols: Symbols::clone(&symbols),
            spent: Vec::new(),
            gauges: Arc::clone(gauges),
        }))
    }
}

/// The stage.
pub(crate) struct Decode {
    plan: Arc<Plan>,
    decoder: Decoder,
    evaluator: Evaluator,
    /// By signal of the plan.
    filters: Vec<FilterIndex>,
    sharing: Sharing,
    local: Rc<RefCell<LocalState>>,
}

impl Decode {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        sources: &Arc<[SourceSpec]>,
        local: &Rc<RefCell<LocalState>>,
    ) -> Self {
        Self {
            plan: Arc::clone(plan),
            decoder: Decoder::new(Arc::new(plan.demand()), Arc::clone(sources)),
            evaluator: Evaluator::default(),
            filters: plan.signals.iter().map(|plan| FilterIndex::new(&plan.filters)).collect(),
            sharing: Sharing::new(plan),
            local: Rc::clone(local),
        }
    }

    fn renew_symbols(&mut self) {
        let local = &mut *self.local.borrow_mut();
        if local.symbols.borrow().is_full() {
            let symbols = Interner::shared();
            local.tables.iter_mut().for_each(|table| table.adopt(&symbols));
            local.symbols = symbols;
        }
    }

    fn data_frame(
        &mut self,
        seq: u64,
        frame: &DataFrame,
        epoch: &mut PreparedEpoch,
        facts: &mut EpochFacts,
    ) {
        let local = Rc::clone(&self.local);
        let local = &mut *local.borrow_mut();
        local.spent.drain(..).for_each(|batch| self.decoder.recycle(batch));
        let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
        self.decoder.decode(seq, frame, &local.symbols, &mut batches, &mut report);
        report.ledger.frames += 1;
        report.ledger.bytes += frame.payload.len() as u64;
        let mut profiles = Vec::new();
        let mut prepared = PreparedFrame { seq, arrival_ns: frame.arrival_ns, batches: Vec::new() };
        for mut batch in batches {
            let plan = self.plan.signals.iter().position(|plan| plan.signal == batch.signal);
            let Some(signal) = plan else { continue };
            self.clamp_times(signal as u32, &mut batch);
            let first_profile = profiles.len();
            self.profile(signal as u32, &batch, frame.arrival_ns, &mut profiles);
            let counts = &mut report.ledger.signals[batch.signal.index()];
            let timed = profiles.get(first_profile).map_or(0, |(_, p)| u64::from(p.rows));
            let untimed = batch.rows as u64 - timed;
            counts.used += timed;
            if untimed > 0 {
                counts.dropped += untimed;
                *report.ledger.dropped.entry(DropReason::NoTime).or_default() += untimed;
            }
            prepared.batches.push(self.prepare(
                signal as u32,
                (batch, frame.arrival_ns),
                local,
                epoch,
                facts,
            ));
        }
        let bound_ns = frame.arrival_ns.map_or(i64::MAX, |at| at.saturating_add(AHEAD_MAX_NS));
        let heartbeats = report.heartbeats.iter().map(|(_, time_ns)| *time_ns);
        let heartbeat_ns = heartbeats.filter(|time_ns| (1..=bound_ns).contains(time_ns)).max();
        let senders = report.senders.iter().map(|sender| (sender.hash, sender.leaves)).collect();
        facts.ledger.merge(&report.ledger);
        facts.frames.push(FrameFacts {
            seq,
            bytes: frame.payload.len() as u64,
            event: FrameEvent::Data { source: frame.source, profiles, heartbeat_ns, senders },
        });
        epoch.frames.insert(seq, prepared);
    }

    /// Keeps event times where window arithmetic cannot overflow.
    fn clamp_times(&self, signal: u32, batch: &mut Batch) {
        for column in self.plan.time_columns.iter().filter(|column| column.signal == signal) {
            if let Column::Times(times) = &mut batch.columns[column.column as usize] {
                times.iter_mut().for_each(|time| *time = (*time).clamp(0, TIME_MAX_NS));
            }
        }
    }

    fn profile(
        &self,
        signal: u32,
        batch: &Batch,
        arrival_ns: Option<i64>,
        profiles: &mut Vec<(u32, TimeProfile)>,
    ) {
        for (index, column) in self.plan.time_columns.iter().enumerate() {
            if column.signal == signal
                && let Column::Times(times) = &batch.columns[column.column as usize]
                && let Some(profile) = TimeProfile::of(times, arrival_ns)
            {
                profiles.push((index as u32, profile));
            }
        }
    }

    /// Collects the items that may be duplicates.
    fn candidates(
        &self,
        signal: u32,
        (batch, arrival_ns): (&Batch, Option<i64>),
        filters: &Selections,
        out: &mut Vec<Candidate>,
    ) {
        for (index, dedupe) in self.plan.dedupes.iter().enumerate() {
            let line = &self.plan.timelines[dedupe.timeline as usize];
            let column = self.plan.time_columns[line.time_column as usize].column;
            let Some(Column::Times(times)) = batch.columns.get(column as usize) else { continue };
            if dedupe.signal != signal || dedupe.side_of.is_some() {
                continue;
            }
            let dedupe = (index as u32, dedupe);
            match dedupe.1.filter {
                Some(filter) => {
                    let rows = filters.of(filter).iter().copied();
                    candidates(dedupe, batch, (times, arrival_ns), rows, out);
                }
                None => candidates(dedupe, batch, (times, arrival_ns), 0..batch.rows as u32, out),
            }
        }
    }

    fn prepare(
        &mut self,
        signal: u32,
        (mut batch, arrival_ns): (Batch, Option<i64>),
        local: &mut LocalState,
        epoch: &mut PreparedEpoch,
        facts: &mut EpochFacts,
    ) -> PreparedBatch {
        let plan = &self.plan.signals[signal as usize];
        let index = &mut self.filters[signal as usize];
        let filters = self.evaluator.derive(&plan.computed, index, &mut batch);
        self.candidates(signal, (&batch, arrival_ns), &filters, &mut facts.candidates);
        let mut tables = Vec::new();
        self.sharing.begin();
        for (index, table) in self.plan.tables.iter().enumerate() {
            if table.signal != signal {
                continue;
            }
            let rows = match table.filter {
                Some(filter) => filters.of(filter).to_vec(),
                None => (0..batch.rows as u32).collect(),
            };
            let time_column = self.plan.timelines[table.timeline as usize].time_column;
            let column = self.plan.time_columns[time_column as usize].column;
            let Column::Times(times) = &batch.columns[column as usize] else {
                continue;
            };
            let (mut slots, mut new_slots) = (Vec::new(), Vec::new());
            let live_from = local.live_from[index];
            let state = &mut local.tables[index];
            let here = (&*self.plan, index);
            let out = (&mut slots, &mut new_slots);
            let lowest_slice =
                match self.sharing.keys_of(here, &filters, (&mut *state, &batch, times)) {
                    Some(keys) => state.locate_known(&batch, keys, (&rows, live_from), out),
                    None => state.locate(&batch, times, &rows, live_from, out.0, out.1),
                };
            if self.plan.is_of_duplicates(table.dedupe) {
                // Which rows are some is not known yet: each one asks for its key.
                state.all_slots((&rows, &slots), &mut new_slots);
            }
            new_slots.sort_by_key(|new| new.row); // of columns shared, they come key by key
            let mut tops = Tops::new(times, arrival_ns);
            for new in new_slots {
                facts.new_keys.push(NewKey {
                    top_ns: tops.before(new.row),
                    seq: batch.frame_seq,
                    row: new.row,
                    table: index as u32,
                    slice: new.slice,
                    key_hash: new.key_hash,
                });
                epoch.new_slots.push((index as u32, new));
            }
            tables.push(PreparedTable { table: index as u32, rows, slots, lowest_slice });
        }
        PreparedBatch { batch, filters, tables }
    }
}

impl Stage for Decode {
    type In = WorkerFrames;
    type Out = EpochFacts;

    fn epoch(
        &mut self,
        epoch: EpochNumber,
        messages: Vec<WorkerFrames>,
        out: &mut Outbox<EpochFacts>,
    ) -> EpochNumber {
        self.renew_symbols();
        let mut prepared = PreparedEpoch::default();
        let mut facts = EpochFacts::default();
        for message in messages {
            facts.snapshot |= message.snapshot;
            for frame in &message.frames {
                let event = match &frame.body {
                    FrameBody::Data(data) => {
                        self.data_frame(frame.seq, data, &mut prepared, &mut facts);
                        continue;
                    }
                    FrameBody::Tick(tick_ns) => FrameEvent::Tick(*tick_ns),
                    FrameBody::SourceEnd(source) => FrameEvent::SourceEnd(*source),
                    FrameBody::End => FrameEvent::End,
                };
                facts.frames.push(FrameFacts { seq: frame.seq, bytes: 0, event });
            }
        }
        let local = &mut *self.local.borrow_mut();
        local.prepared.insert(epoch, prepared);
        local.prepared_to = epoch;
        out.send(epoch, 0, facts);
        epoch + 1
    }
}
