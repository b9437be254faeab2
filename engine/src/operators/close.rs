//! Stage 4: merges slices by group, closes windows, makes rows.
//!
//! Each virtual shard of keys lives on one worker. Deltas are merged in the order of the boundary
//! from which windows see them; merging is exact and order-free, so neither the cut into epochs
//! nor the number of workers shows in a row.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::applied::{Applied, KeyedEvent, RuleCounts, SliceDelta, owner};
use super::apply::boundary;
use super::decode::LocalState;
use super::keyed::{ClosedWindow, Keyed, KeyedState};
use super::slice_table::GroupDelta;
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use crate::aggregate::Partial;
use crate::model::{Ledger, Row, RowKind, RuleId, Value};
use crate::plan::eval::eval_row;
use crate::plan::{AggregateRule, Plan, RuleKind, Table, TableWindow};

/// What one worker says at the end of an epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) rows: Vec<Row>,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) rules: Vec<RuleCounts>,
    pub(crate) snapshot: bool,
}

/// Groups by key, in no order.
#[derive(Default)]
struct Groups {
    index: HashTable<u32>,
    groups: Vec<GroupDelta>,
}

impl Groups {
    fn merge(&mut self, group: GroupDelta) {
        let groups = &mut self.groups;
        let hash = group.key_hash as u64;
        let found = self.index.find(hash, |&at| {
            let known = &groups[at as usize];
            known.key_hash == group.key_hash && known.is_other == group.is_other
        });
        if let Some(&at) = found {
            let known = &mut groups[at as usize];
            for (mine, theirs) in known.partials.iter_mut().zip(group.partials) {
                mine.merge(theirs);
            }
            return;
        }
        groups.push(group);
        let at = (groups.len() - 1) as u32;
        self.index.insert_unique(hash, at, |&at| groups[at as usize].key_hash as u64);
    }
}

/// One table's part on this worker.
#[derive(Default)]
struct TableState {
    slices: BTreeMap<i64, Groups>,
    /// Boundaries up to this one have closed.
    closed: i64,
    /// Windows off the grid.
    keyed: Keyed,
}

/// The stage's state as a snapshot holds it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CloseState {
    /// (table hash, slice, group).
    pub(crate) groups: Vec<(u64, i64, GroupDelta)>,
    /// (table hash, windows off the grid).
    pub(crate) keyed: Vec<(u64, KeyedState)>,
}

impl CloseState {
    /// The part of one of `peers` workers.
    pub(crate) fn of_worker(&self, worker: usize, peers: usize) -> Self {
        let is_mine = |group: &GroupDelta| owner(group, peers) == worker;
        let groups = self.groups.iter().filter(|(_, _, group)| is_mine(group)).cloned();
        let keyed = self.keyed.iter();
        Self {
            groups: groups.collect(),
            keyed: keyed.map(|(hash, state)| (*hash, state.of_worker(worker, peers))).collect(),
        }
    }
}

/// The stage.
pub(crate) struct Close {
    plan: Arc<Plan>,
    local: Rc<RefCell<LocalState>>,
    tables: Vec<TableState>,
    snapshots: Snapshots,
}

impl Close {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        local: &Rc<RefCell<LocalState>>,
        watermarks: Option<&[i64]>,
        restored: CloseState,
        snapshots: Snapshots,
    ) -> Self {
        let closed = |table: &Table| {
            let known = watermarks.map(|w| w[table.timeline as usize]);
            known.map_or(i64::MIN, |watermark_ns| boundary(table, watermark_ns))
        };
        let state = |table: &Table| TableState { closed: closed(table), ..TableState::default() };
        let mut tables: Vec<TableState> = plan.tables.iter().map(state).collect();
        let find = |hash: u64| plan.tables.iter().position(|table| table.hash == hash);
        for (hash, slice, group) in restored.groups {
            if let Some(table) = find(hash) {
                tables[table].slices.entry(slice).or_default().merge(group);
            }
        }
        let mut keyed: BTreeMap<usize, KeyedState> = BTreeMap::new();
        for (hash, state) in restored.keyed {
            if let Some(table) = find(hash) {
                keyed.entry(table).or_default().extend(state);
            }
        }
        for (table, state) in keyed {
            if let Some(shape) = plan.tables[table].keyed_shape() {
                tables[table].keyed = Keyed::restore(state, shape);
            }
        }
        Self { plan: Arc::clone(plan), local: Rc::clone(local), tables, snapshots }
    }

    /// Closes one table's windows up to a watermark.
    fn close_table(
        &mut self,
        index: usize,
        mut deltas: Vec<SliceDelta>,
        watermark_ns: i64,
        rows: &mut Vec<Row>,
    ) {
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[index];
        let state = &mut self.tables[index];
        let until = boundary(table, watermark_ns);
        deltas.sort_by_key(|delta| delta.boundary);
        let mut deltas = deltas.into_iter().peekable();
        let mut at = state.closed.saturating_add(1);
        while at <= until {
            // Nothing ends before the first slice does: skip gaps in the data.
            let slice = state.slices.first_key_value().map(|(slice, _)| slice.saturating_add(1));
            let arriving = deltas.peek().map(|delta| delta.boundary);
            let Some(next) = slice.into_iter().chain(arriving).min() else {
                break;
            };
            at = at.max(next);
            if at > until {
                break;
            }
            while let Some(delta) = deltas.next_if(|delta| delta.boundary <= at) {
                let slice = state.slices.entry(delta.slice).or_default();
                delta.groups.into_iter().for_each(|group| slice.merge(group));
            }
            let end_ns = table.slice_start_ns(at);
            for window in &table.windows {
                if window.shape.is_end(end_ns, table.offset_ns) {
                    close_window(&plan, table, window, end_ns, &mut state.slices, rows);
                }
            }
            while let Some(first) = state.slices.first_entry() {
                if table.slice_dead_ns(*first.key()) > end_ns {
                    break;
                }
                first.remove();
            }
            at = at.saturating_add(1);
        }
        state.closed = state.closed.max(until);
    }

    /// Takes what has come for a table off the grid, and closes what the watermark has passed.
    fn close_keyed(
        &mut self,
        index: usize,
        deltas: Vec<SliceDelta>,
        events: Vec<KeyedEvent>,
        watermark_ns: i64,
        closed: &mut Closed,
    ) {
        let plan = Arc::clone(&self.plan);
        let Some(window) = plan.tables[index].windows.first() else {
            return;
        };
        let keyed = &mut self.tables[index].keyed;
        for group in deltas.into_iter().flat_map(|delta| delta.groups) {
            keyed.merge(group, window.shape);
        }
        let counts = keyed.take(events, window.shape);
        let mut ended = Vec::new();
        keyed.close(watermark_ns, window.shape, &mut ended);
        for window in &plan.tables[index].windows {
            closed.rules[window.rule.0 as usize].merge(&counts);
            let RuleKind::Aggregate(rule) = &plan.rules[window.rule.0 as usize].kind;
            for ClosedWindow { group, end_ns, decision_ns } in &mut ended {
                let (start_ns, end_ns) = (group.span_ns.0, *end_ns);
                let maker = RowMaker { rule, id: window.rule, start_ns, end_ns };
                let row = maker.row(group).map(|row| Row { decision_ns: *decision_ns, ..row });
                closed.rows.extend(row);
            }
        }
    }

    fn snapshot(&self, epoch: EpochNumber) {
        let mut state = CloseState::default();
        for (table, tables) in self.plan.tables.iter().zip(&self.tables) {
            if table.keyed_shape().is_some() {
                state.keyed.push((table.hash, tables.keyed.state()));
            }
            for (slice, groups) in &tables.slices {
                let own = groups.groups.iter().cloned();
                state.groups.extend(own.map(|group| (table.hash, *slice, group)));
            }
        }
        self.snapshots.write(epoch, StageName::Close, &state);
    }
}

/// Makes the rows of one window from its slices.
fn close_window(
    plan: &Plan,
    table: &Table,
    window: &TableWindow,
    end_ns: i64,
    slices: &mut BTreeMap<i64, Groups>,
    rows: &mut Vec<Row>,
) {
    let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
    let from = table.slice_of(start_ns);
    let until = table.slice_of(end_ns);
    let RuleKind::Aggregate(rule) = &plan.rules[window.rule.0 as usize].kind;
    let maker = RowMaker { rule, id: window.rule, start_ns, end_ns };
    if slices.range(from..until).nth(1).is_none() {
        for (_, groups) in slices.range_mut(from..until) {
            rows.extend(groups.groups.iter_mut().filter_map(|group| maker.row(group)));
        }
        return;
    }
    let mut merged = Groups::default();
    for (_, groups) in slices.range(from..until) {
        groups.groups.iter().for_each(|group| merged.merge(group.clone()));
    }
    rows.extend(merged.groups.iter_mut().filter_map(|group| maker.row(group)));
}

/// Turns a group's partials into a row of a rule.
struct RowMaker<'a> {
    rule: &'a AggregateRule,
    id: RuleId,
    start_ns: i64,
    end_ns: i64,
}

impl RowMaker<'_> {
    fn row(&self, group: &mut GroupDelta) -> Option<Row> {
        let rule = self.rule;
        group.partials.iter_mut().for_each(Partial::seal);
        let keys = rule.key_names.len();
        let mut columns = Vec::with_capacity(keys + rule.calls.len() + rule.values.len());
        if group.is_other {
            columns.resize(keys, Value::Null);
        } else {
            columns.extend(group.key.iter().cloned());
        }
        let length_ns = self.end_ns - self.start_ns;
        for call in &rule.calls {
            let partial: &Partial = &group.partials[call.accumulator as usize];
            columns.push(partial.finish(&call.finisher, length_ns));
        }
        for (_, expr) in &rule.values {
            let value = eval_row(expr, &columns);
            columns.push(value);
        }
        if let Some(having) = &rule.having
            && eval_row(having, &columns) != Value::Bool(true)
        {
            return None;
        }
        let values = columns.split_off(keys + rule.calls.len());
        columns.truncate(keys);
        Some(Row {
            rule: self.id,
            decision_ns: self.end_ns,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            kind: RowKind::Final,
            is_other: group.is_other,
            key: columns,
            values,
        })
    }
}

impl Stage for Close {
    type In = Applied;
    type Out = Closed;

    fn epoch(
        &mut self,
        epoch: EpochNumber,
        messages: Vec<Applied>,
        out: &mut Outbox<Closed>,
    ) -> EpochNumber {
        let watermarks = self.local.borrow_mut().watermarks.remove(&epoch).unwrap_or_default();
        let mut closed = Closed::default();
        let tables = self.plan.tables.len();
        let mut by_table: Vec<(Vec<SliceDelta>, Vec<KeyedEvent>)> = Vec::new();
        by_table.resize_with(tables, Default::default);
        closed.rules = vec![RuleCounts::default(); self.plan.rules.len()];
        for message in messages {
            closed.ledger = closed.ledger.or(message.ledger);
            closed.snapshot |= message.snapshot;
            for (mine, theirs) in closed.rules.iter_mut().zip(&message.rules) {
                mine.merge(theirs);
            }
            for delta in message.deltas {
                by_table[delta.table as usize].0.push(delta);
            }
            for event in message.events {
                by_table[event.table as usize].1.push(event);
            }
        }
        for (index, (deltas, events)) in by_table.into_iter().enumerate() {
            let timeline = self.plan.tables[index].timeline as usize;
            let Some(&watermark_ns) = watermarks.get(timeline) else {
                continue;
            };
            if self.plan.tables[index].keyed_shape().is_some() {
                self.close_keyed(index, deltas, events, watermark_ns, &mut closed);
            } else {
                self.close_table(index, deltas, watermark_ns, &mut closed.rows);
            }
        }
        closed.rows.sort_by(Row::output_cmp);
        if closed.snapshot {
            self.snapshot(epoch);
        }
        out.send(epoch, 0, closed);
        epoch + 1
    }
}
