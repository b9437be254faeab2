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

use super::alert::{Alert, Instance};
use super::applied::{Applied, KeyedEvent, RuleCounts, SliceDelta, owner, owner_of};
use super::apply::boundary;
use super::decode::LocalState;
use super::keyed::{ClosedWindow, Keyed, KeyedState};
use super::slice_table::GroupDelta;
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use crate::aggregate::Partial;
use crate::model::{Ledger, Row, RowKind, RuleId, Transition, Value};
use crate::plan::eval::eval_row;
use crate::plan::{AggregateRule, Plan, RuleKind, Table, TableWindow};

/// What one worker says at the end of an epoch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) rows: Vec<Row>,
    pub(crate) transitions: Vec<Transition>,
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
    /// (alert hash, group, instance).
    pub(crate) alerts: Vec<(u64, (u128, bool), Instance)>,
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
            alerts: self
                .alerts
                .iter()
                .filter(|(_, (key_hash, _), _)| owner_of(*key_hash, peers) == worker)
                .cloned()
                .collect(),
        }
    }
}

/// The stage.
pub(crate) struct Close {
    plan: Arc<Plan>,
    local: Rc<RefCell<LocalState>>,
    tables: Vec<TableState>,
    alerts: Vec<Alert>,
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
        let mut alerts = alerts(plan);
        for (hash, group, instance) in restored.alerts {
            if let Some(alert) = alerts.iter_mut().find(|alert| alert.hash() == hash) {
                alert.restore(group, instance);
            }
        }
        Self { plan: Arc::clone(plan), local: Rc::clone(local), tables, alerts, snapshots }
    }

    /// Closes one table's windows up to a watermark.
    fn close_table(
        &mut self,
        index: usize,
        mut deltas: Vec<SliceDelta>,
        (watermark_ns, top_ns): (i64, i64),
        closed: &mut Closed,
    ) {
        let plan = Arc::clone(&self.plan);
        let table = &plan.tables[index];
        let until = boundary(table, watermark_ns);
        deltas.sort_by_key(|delta| delta.boundary);
        let mut deltas = deltas.into_iter().peekable();
        let mut at = self.tables[index].closed.saturating_add(1);
        while at <= until {
            let state = &mut self.tables[index];
            // Nothing ends before the first slice does: skip gaps in the data.
            let slice = state.slices.first_key_value().map(|(slice, _)| slice.saturating_add(1));
            let arriving = deltas.peek().map(|delta| delta.boundary);
            let watched = self.watched_end(table, at, (watermark_ns, top_ns));
            let Some(next) = slice.into_iter().chain(arriving).chain(watched).min() else {
                break;
            };
            at = at.max(next);
            if at > until {
                break;
            }
            let state = &mut self.tables[index];
            while let Some(delta) = deltas.next_if(|delta| delta.boundary <= at) {
                let slice = state.slices.entry(delta.slice).or_default();
                delta.groups.into_iter().for_each(|group| slice.merge(group));
            }
            self.close_boundary(&plan, index, at, closed);
            at = at.saturating_add(1);
        }
        let state = &mut self.tables[index];
        state.closed = state.closed.max(until);
    }

    /// Closes the windows that end at a boundary, and forgets the slices that none needs any more.
    fn close_boundary(&mut self, plan: &Plan, index: usize, at: i64, closed: &mut Closed) {
        let table = &plan.tables[index];
        let state = &mut self.tables[index];
        let end_ns = table.slice_start_ns(at);
        for window in &table.windows {
            if window.shape.is_end(end_ns, table.offset_ns) {
                let rows = close_window(plan, table, window, end_ns, &mut state.slices);
                for alert in self.alerts.iter_mut().filter(|a| a.source() == window.rule) {
                    alert.window(end_ns, &rows, &mut closed.transitions);
                }
                closed.rows.extend(rows.into_iter().map(|(_, row)| row));
            }
        }
        while let Some(first) = state.slices.first_entry() {
            if table.slice_dead_ns(*first.key()) > end_ns {
                break;
            }
            first.remove();
        }
    }

    /// The next boundary at which an alert must hear that its groups have no row. At the end of
    /// the log that is every window that any event could be in: the same on every worker.
    fn watched_end(
        &self,
        table: &Table,
        at: i64,
        (watermark_ns, top_ns): (i64, i64),
    ) -> Option<i64> {
        let is_watched = |rule| self.alerts.iter().any(|a| a.source() == rule && a.watches());
        let last_ns = match watermark_ns {
            i64::MAX => table.slice_dead_ns(table.slice_of(top_ns)),
            watermark_ns => watermark_ns,
        };
        let next_end = |window: &TableWindow| {
            let every_ns = window.shape.every_ns();
            let from_ns = table.slice_start_ns(at).saturating_sub(table.offset_ns);
            let end_ns = from_ns.saturating_add(every_ns - 1).div_euclid(every_ns) * every_ns;
            end_ns.saturating_add(table.offset_ns)
        };
        let ends = table.windows.iter().filter(|window| is_watched(window.rule)).map(next_end);
        let next = ends.filter(|end_ns| *end_ns <= last_ns).min();
        next.map(|end_ns| table.slice_of(end_ns))
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
            let RuleKind::Aggregate(rule) = &plan.rules[window.rule.0 as usize].kind else {
                continue;
            };
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
        for alert in &self.alerts {
            let own = alert.instances().map(|(group, instance)| (alert.hash(), group, instance));
            state.alerts.extend(own);
        }
        self.snapshots.write(epoch, StageName::Close, &state);
    }
}

/// The alerts of a plan, without instances.
fn alerts(plan: &Plan) -> Vec<Alert> {
    let alert = |(index, rule): (usize, &crate::plan::Rule)| match &rule.kind {
        RuleKind::Alert(alert) => Some(Alert::new(RuleId(index as u32), alert.clone())),
        RuleKind::Aggregate(_) => None,
    };
    plan.rules.iter().enumerate().filter_map(alert).collect()
}

/// Makes the rows of one window from its slices, each with the hash of its key.
fn close_window(
    plan: &Plan,
    table: &Table,
    window: &TableWindow,
    end_ns: i64,
    slices: &mut BTreeMap<i64, Groups>,
) -> Vec<(u128, Row)> {
    let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
    let from = table.slice_of(start_ns);
    let until = table.slice_of(end_ns);
    let RuleKind::Aggregate(rule) = &plan.rules[window.rule.0 as usize].kind else {
        return Vec::new();
    };
    let maker = RowMaker { rule, id: window.rule, start_ns, end_ns };
    let row = |group: &mut GroupDelta| maker.row(group).map(|row| (group.key_hash, row));
    if slices.range(from..until).nth(1).is_none() {
        let groups = slices.range_mut(from..until).flat_map(|(_, groups)| &mut groups.groups);
        return groups.filter_map(row).collect();
    }
    let mut merged = Groups::default();
    for (_, groups) in slices.range(from..until) {
        groups.groups.iter().for_each(|group| merged.merge(group.clone()));
    }
    merged.groups.iter_mut().filter_map(row).collect()
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
        let times = self.local.borrow_mut().times.remove(&epoch).unwrap_or_default();
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
            let Some(&(watermark_ns, top_ns)) = times.get(timeline) else {
                continue;
            };
            if self.plan.tables[index].keyed_shape().is_some() {
                self.close_keyed(index, deltas, events, watermark_ns, &mut closed);
            } else {
                self.close_table(index, deltas, (watermark_ns, top_ns), &mut closed);
            }
        }
        closed.rows.sort_by(Row::output_cmp);
        closed.transitions.sort_by(Transition::output_cmp);
        if closed.snapshot {
            self.snapshot(epoch);
        }
        out.send(epoch, 0, closed);
        epoch + 1
    }
}
