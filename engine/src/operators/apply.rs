//! Stage 3: applies prepared frames in log order, row by row as far as time is concerned.
//!
//! Every worker follows the whole log's clock and applies its own frames at their place in it. A
//! row is late iff the windows that it belongs to had closed at the watermark as of the row
//! before. When a watermark passes a window end, what the ended slices hold leaves as deltas, by
//! virtual shard, so that the closing stage sees exactly the rows before that place in the log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::accumulate::{Buffers, accumulate};
use super::applied::{Applied, ApplyState, RuleCounts, SliceDelta, owner};
use super::clock::{Clock, UNSEEN};
use super::decode::{LocalState, PreparedEpoch, PreparedFrame, PreparedTable};
use super::facts::{ClockStep, Decisions, FrameDecision, SharedDecisions};
use super::groups::GroupDelta;
use super::held::{Looks, tell_bytes};
use super::lateness::{fresh_from, live_by_window, live_from};
use super::pattern_events::Takers;
use super::placed::Placed;
use super::slice_table::NO_SLOT;
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use super::traces::TraceTakers;
use super::walk::Walk;
use crate::limits::SPENT_BATCHES_MAX;
use crate::model::RuleId;
use crate::plan::{Plan, Table, WindowShape};
use crate::self_metrics::Holder;

/// The stage.
pub(crate) struct Apply {
    pub(super) plan: Arc<Plan>,
    local: Rc<RefCell<LocalState>>,
    pub(super) clock: Clock,
    /// By table: boundaries (in slices) up to this one have closed.
    closed: Vec<i64>,
    /// By table: groups restored from a snapshot, by slice.
    restored: Vec<Vec<(i64, GroupDelta)>>,
    pub(super) outgoing: Vec<Applied>,
    pub(super) rules: Vec<RuleCounts>,
    /// Rows of the batch at hand that were found late, by the rule that takes them.
    pub(super) late_rows: BTreeSet<(RuleId, u32)>,
    pub(super) worker: usize,
    snapshots: Snapshots,
    pub(super) takers: Arc<Takers>,
    pub(super) trace_takers: Arc<TraceTakers>,
    /// Reused between frames.
    pub(super) buffers: Buffers,
    /// By table.
    looks: Vec<Looks>,
}

/// The rows of one table in a batch.
#[derive(Clone, Copy)]
pub(super) struct TableRows<'a> {
    pub(super) at: Placed<'a>,
    pub(super) rows: &'a PreparedTable,
}

/// The last boundary (in slices) at or before a watermark.
pub(crate) fn boundary(table: &Table, watermark_ns: i64) -> i64 {
    if watermark_ns == UNSEEN { i64::MIN } else { table.slice_of(watermark_ns) }
}

impl Apply {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        local: &Rc<RefCell<LocalState>>,
        clock: Option<Clock>,
        restored: Vec<(u64, i64, GroupDelta)>,
        (worker, peers): (usize, usize),
        snapshots: Snapshots,
    ) -> Self {
        let clock = clock.unwrap_or_else(|| Clock::new(&plan.timelines));
        let watermark = |table: &Table| clock.watermark(table.timeline as usize);
        let closed = plan.tables.iter().map(|t| boundary(t, watermark(t))).collect();
        local.borrow_mut().live_from =
            plan.tables.iter().map(|t| live_from(t, watermark(t))).collect();
        let mut by_table = vec![Vec::new(); plan.tables.len()];
        for (hash, slice, group) in restored {
            if let Some(table) = plan.tables.iter().position(|t| t.hash == hash) {
                by_table[table].push((slice, group));
            }
        }
        Self {
            plan: Arc::clone(plan),
            local: Rc::clone(local),
            clock,
            closed,
            restored: by_table,
            outgoing: vec![Applied::default(); peers],
            rules: vec![RuleCounts::default(); plan.rules.len()],
            late_rows: BTreeSet::new(),
            worker,
            snapshots,
            takers: Arc::new(Takers::new(plan)),
            trace_takers: Arc::new(TraceTakers::new(plan)),
            buffers: Buffers::default(),
            looks: plan.tables.iter().map(|_| Looks::default()).collect(),
        }
    }

    fn frame(
        &mut self,
        decision: &FrameDecision,
        decisions: &Decisions,
        prepared: Option<PreparedFrame>,
        local: &mut LocalState,
    ) {
        if let (Some(frame), ClockStep::Data { source, .. }) = (prepared, &decision.step) {
            for batch in &frame.batches {
                let at = Placed { frame: &frame, batch, source: *source, decision, decisions };
                self.late_rows.clear();
                for rows in &batch.tables {
                    self.table_rows(TableRows { at, rows }, local);
                }
                self.pattern_events(at);
                self.routed(at);
            }
            if local.spent.len() < SPENT_BATCHES_MAX {
                local.spent.extend(frame.batches.into_iter().map(|batch| batch.batch));
            }
        }
        self.clock.step(&decision.step, &self.plan.timelines);
        for table in 0..self.plan.tables.len() {
            let timeline = self.plan.tables[table].timeline as usize;
            self.advance(table, self.clock.watermark(timeline), local);
        }
    }

    /// Takes the duplicates out of the rows of tables that want them gone.
    fn drop_duplicates(&mut self, decisions: &Decisions, frame: &mut PreparedFrame) {
        let plan = Arc::clone(&self.plan);
        let has_sides = plan.dedupes.iter().any(|dedupe| dedupe.side_of.is_some());
        if decisions.duplicates.is_empty() && !has_sides {
            return;
        }
        let seq = frame.seq;
        for rows in frame.batches.iter_mut().flat_map(|batch| &mut batch.tables) {
            let table = &plan.tables[rows.table as usize];
            let Some(dedupe) = table.dedupe else { continue };
            let is_kept = |row: u32| decisions.passes(&plan.dedupes, dedupe, (seq, row));
            let kept: Vec<bool> = rows.rows.iter().map(|row| is_kept(*row)).collect();
            let dropped = kept.iter().filter(|kept| !**kept).count() as u64;
            let (mut a, mut b) = (kept.iter(), kept.iter());
            rows.rows.retain(|_| *a.next().unwrap_or(&true));
            rows.slots.retain(|_| *b.next().unwrap_or(&true));
            if plan.is_of_duplicates(table.dedupe) {
                continue; // what is no duplicate is none of its items
            }
            for window in &table.windows {
                let counts = &mut self.rules[window.rule.0 as usize];
                counts.taken += dropped;
                counts.duplicates += dropped;
            }
        }
    }

    /// Applies the rows of one table, cut where the watermark passes a boundary.
    fn table_rows(&mut self, of: TableRows<'_>, local: &mut LocalState) {
        let TableRows { at, rows } = of;
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[rows.table as usize];
        let line = table.timeline as usize;
        let needs_order = table.keyed_shape().map(WindowShape::needs_order);
        let Some(mut walk) = self.walk(line, at) else { return };
        let mut watermark_ns = walk.watermark_ns;
        let end_ns = self.end_of_frame_ns(line, at);
        if let Some(needs_order) = needs_order {
            let lowest_ns = table.slice_start_ns(rows.lowest_slice);
            if needs_order || lowest_ns <= end_ns {
                self.keyed_events(of, &mut walk, needs_order, local);
            } else {
                let span = 0..rows.rows.len();
                self.segment(of, span, (&mut walk, UNSEEN), local);
            }
            return;
        }
        let mut from = 0;
        if boundary(table, watermark_ns) != boundary(table, end_ns) {
            // Somewhere in this frame a window closes: find after which row.
            let mut ahead = walk.clone();
            for row in 0..walk.times.len() {
                self.walk_to(row as u32 + 1, &mut ahead);
                let now_ns = ahead.watermark_ns;
                if now_ns == watermark_ns {
                    continue;
                }
                if boundary(table, now_ns) != boundary(table, watermark_ns) {
                    let to = rows.rows.partition_point(|&known| known as usize <= row);
                    let span = from..to;
                    self.segment(of, span, (&mut walk, watermark_ns), local);
                    from = to;
                    self.advance(rows.table as usize, now_ns, local);
                }
                watermark_ns = now_ns;
            }
        }
        let span = from..rows.rows.len();
        self.segment(of, span, (&mut walk, watermark_ns), local);
    }

    /// Applies rows between two boundaries; the watermark is as of the first of them. The walk
    /// comes to those that are late: how late they are follows from the row before each.
    pub(super) fn segment(
        &mut self,
        of: TableRows<'_>,
        span: Range<usize>,
        (walk, watermark_ns): (&mut Walk<'_>, i64),
        local: &mut LocalState,
    ) {
        if span.is_empty() {
            return;
        }
        let TableRows { at, rows } = of;
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[rows.table as usize];
        let mut buffers = std::mem::take(&mut self.buffers);
        buffers.rows.clear();
        buffers.slots.clear();
        self.keep_live(of, span, (walk, watermark_ns), &mut buffers);
        let state = &mut local.tables[rows.table as usize];
        let to_other = state.redirect(&mut buffers.slots);
        if table.keyed_shape().is_some() {
            state.extend_spans(&buffers.rows, &buffers.slots, walk.times);
        }
        if to_other > 0 {
            for window in &table.windows {
                self.rules[window.rule.0 as usize].to_other += to_other;
            }
        }
        accumulate(table, at.batch, walk.times, at.frame.seq, state, &mut buffers);
        self.buffers = buffers;
    }

    /// Notes the rows whose slices live, and counts all; those that are late go to who wants them.
    fn keep_live(
        &mut self,
        TableRows { at, rows }: TableRows<'_>,
        span: Range<usize>,
        (walk, watermark_ns): (&mut Walk<'_>, i64),
        buffers: &mut Buffers,
    ) {
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[rows.table as usize];
        let windows = live_by_window(table, watermark_ns);
        // The last of the windows of a slice ends no later than the slice is dead.
        let live = windows.iter().copied().min().unwrap_or_else(|| live_from(table, watermark_ns));
        let fresh = if table.amend_ns == 0 { live } else { fresh_from(table, watermark_ns) };
        let all_live = windows.iter().copied().max().unwrap_or(live).max(live).max(fresh);
        for index in span {
            let (row, slot) = (rows.rows[index], rows.slots[index]);
            let time = walk.times[row as usize];
            if time == 0 || walk.is_ahead(row) {
                continue; // counted by the ledger
            }
            if rows.lowest_slice < all_live {
                let slice = table.slice_of(time);
                if slice < all_live {
                    self.walk_to(row, walk);
                }
                let behind_ns = walk.watermark_ns.saturating_sub(time);
                if self.count_late(table, &windows, slice, (watermark_ns, behind_ns)) {
                    self.late_row(table, at.batch, (row, time), walk.watermark_ns);
                }
                if slice < live || slot == NO_SLOT {
                    continue;
                }
            }
            buffers.rows.push(row);
            buffers.slots.push(slot);
        }
        if rows.lowest_slice >= all_live {
            for window in &table.windows {
                let counts = &mut self.rules[window.rule.0 as usize];
                counts.taken += buffers.rows.len() as u64;
                counts.used += buffers.rows.len() as u64;
            }
        }
    }

    /// `results changes`: what an epoch brought leaves with it.
    fn flush_changes(&mut self, local: &mut LocalState) {
        for index in 0..self.plan.tables.len() {
            let table = &self.plan.tables[index];
            let watermark_ns = self.clock.watermark(table.timeline as usize);
            if table.says_changes() && watermark_ns != UNSEEN {
                let first = boundary(table, watermark_ns).saturating_add(1);
                self.flush(index, i64::MAX, first, watermark_ns, local);
            }
        }
    }

    /// Lets a table's boundaries close up to a watermark: what ended slices hold is sent.
    fn advance(&mut self, index: usize, watermark_ns: i64, local: &mut LocalState) {
        let table = &self.plan.tables[index];
        let before = self.closed[index];
        let now = boundary(table, watermark_ns);
        if now <= before || table.keyed_shape().is_some() {
            return;
        }
        self.closed[index] = now;
        let end = if watermark_ns == i64::MAX { i64::MAX } else { now };
        self.flush(index, end, before.saturating_add(1), watermark_ns, local);
    }

    /// Off the grid, whatever may touch a session that closes at this watermark must leave: all
    /// slices that begin at or before it, at the end of every epoch.
    fn flush_keyed(&mut self, local: &mut LocalState) {
        for index in 0..self.plan.tables.len() {
            let table = &self.plan.tables[index];
            let watermark_ns = self.clock.watermark(table.timeline as usize);
            if table.keyed_shape().is_some() && watermark_ns != UNSEEN {
                let end = boundary(table, watermark_ns).saturating_add(1);
                self.flush(index, end, i64::MIN, watermark_ns, local);
            }
        }
    }

    /// Sends what the slices before `end` hold; windows see it from boundary `first` on.
    fn flush(
        &mut self,
        index: usize,
        end: i64,
        first: i64,
        watermark_ns: i64,
        local: &mut LocalState,
    ) {
        let table = &self.plan.tables[index];
        let live = live_from(table, watermark_ns);
        local.live_from[index] = live;
        let mut flushed = local.tables[index].flush(end, live);
        let restored = std::mem::take(&mut self.restored[index]);
        for (slice, group) in restored {
            if slice < end {
                flushed.push((slice, vec![group]));
            } else {
                self.restored[index].push((slice, group));
            }
        }
        for (slice, groups) in flushed {
            // The first boundary that closed here, but not one before the slice's own end.
            self.send(index, first.max(slice.saturating_add(1)), slice, groups);
        }
    }

    fn send(&mut self, table: usize, boundary: i64, slice: i64, groups: Vec<GroupDelta>) {
        let peers = self.outgoing.len();
        let mut by_worker: Vec<Vec<GroupDelta>> = vec![Vec::new(); peers];
        for group in groups {
            by_worker[owner(&group, peers)].push(group);
        }
        for (outgoing, groups) in self.outgoing.iter_mut().zip(by_worker) {
            if !groups.is_empty() {
                outgoing.deltas.push(SliceDelta { table: table as u32, boundary, slice, groups });
            }
        }
    }

    fn tell(&mut self, local: &LocalState) {
        if self.worker == 0 {
            self.clock.tell(&local.gauges);
        }
        local.gauges.set_text_bytes(self.worker, local.symbols.borrow().held_bytes());
        let tables = self.plan.tables.iter().zip(&local.tables).zip(&mut self.looks);
        for ((plan, table), looks) in tables {
            let holder = (Holder::Slices, self.worker);
            tell_bytes(&local.gauges, plan, holder, table.held_bytes(looks));
        }
    }

    fn snapshot(&self, epoch: EpochNumber, local: &LocalState) {
        let mut state = ApplyState::default();
        for (index, table) in self.plan.tables.iter().enumerate() {
            for (slice, groups) in local.tables[index].read() {
                state.groups.extend(groups.into_iter().map(|group| (table.hash, slice, group)));
            }
            let restored = self.restored[index].iter().cloned();
            state.groups.extend(restored.map(|(slice, group)| (table.hash, slice, group)));
        }
        self.snapshots.write(epoch, StageName::Apply, &state);
    }
}

/// Marks the slots of keys that were not admitted.
fn refuse_keys(decisions: &Decisions, epoch: &PreparedEpoch, local: &mut LocalState) {
    if decisions.refused.is_empty() {
        return;
    }
    let mut refused: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (table, new) in &epoch.new_slots {
        let key = (*table, new.slice, new.key_hash);
        if decisions.refused.binary_search(&key).is_ok() {
            refused.entry(*table).or_default().push(new.slot);
        }
    }
    for (table, slots) in refused {
        local.tables[table as usize].refuse(&slots, local.prepared_to);
    }
}

impl Stage for Apply {
    type In = SharedDecisions;
    type Out = Applied;

    fn epoch(
        &mut self,
        epoch: EpochNumber,
        messages: Vec<SharedDecisions>,
        out: &mut Outbox<Applied>,
    ) -> EpochNumber {
        let local = Rc::clone(&self.local);
        let local = &mut *local.borrow_mut();
        let mut prepared = local.prepared.remove(&epoch).unwrap_or_default();
        for decisions in &messages {
            refuse_keys(decisions, &prepared, local);
            for decision in &decisions.frames {
                let mut frame = prepared.frames.remove(&decision.seq);
                if let Some(frame) = &mut frame {
                    self.drop_duplicates(decisions, frame);
                }
                self.frame(decision, decisions, frame, local);
            }
        }
        self.flush_keyed(local);
        self.flush_changes(local);
        local.tables.iter_mut().for_each(|table| table.release(epoch));
        let lines = self.plan.timelines.iter().enumerate();
        let times = lines.map(|(at, line)| (self.clock.watermark(at), self.clock.top(at, line)));
        local.times.insert(epoch, times.collect());
        let snapshot = messages.iter().any(|decisions| decisions.snapshot);
        if snapshot {
            self.snapshot(epoch, local);
        }
        self.tell(local);
        let rules = self.rules.iter_mut().map(std::mem::take).collect();
        self.outgoing[0].rules = rules;
        if self.worker == 0 {
            self.outgoing[0].ledger = messages.first().map(|decisions| decisions.ledger.clone());
        }
        for (worker, applied) in self.outgoing.iter_mut().enumerate() {
            let mut message = std::mem::take(applied);
            message.snapshot = snapshot;
            out.send(epoch, worker, message);
        }
        epoch + 1
    }
}
