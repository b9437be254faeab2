//! Rules about rules: one stage a level, after the windows over telemetry.
//!
//! A rule over rows lives whole on one worker, so that its rows have one order: decision time,
//! upstream first, rule, key. It takes the rows of an epoch, all of them, and then what the
//! watermark has passed is decided. Must not know how relations are kept.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Instance};
use super::close::{Closed, Times, alerts, rule_watermark_ns};
use super::correlate::{Correlations, CorrelationsState, is_correlated};
use super::decode::LocalState;
use super::feeds::{Distributed, Feeds, FeedsState, PairChange, owner_of_rule};
use super::group_key::key_hash;
use super::groups::GroupId;
use super::late_leaving::LateLeaving;
use super::local_rows::LocalSlices;
use super::past::{Pasts, PastsState};
use super::pattern::{Patterns, PatternsState, Watermarks};
use super::retrace::{Retraces, RetracesState};
use super::row_table::{RowTableState, RowTableWindows};
use super::rows_made::{Memory, mapped, related};
use super::said_values::{SaidState, SaidValues};
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use crate::model::{Row, RowKind, RuleId, Transition};
use crate::plan::{Plan, RowTime, RuleKind};

/// What a snapshot holds of one level on one worker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RelateState {
    /// By table hash.
    tables: Vec<(u64, RowTableState)>,
    /// (alert hash, group, instance).
    alerts: Vec<(u64, GroupId, Instance)>,
    pub(crate) feeds: FeedsState,
    pasts: PastsState,
    said: SaidState,
    patterns: PatternsState,
    correlations: CorrelationsState,
    retraces: RetracesState,
}

impl RelateState {
    /// The states of all workers as one, of the rules that live here; who looks by hash or shard
    /// finds what is its own.
    fn joined(states: Vec<Self>, is_mine: impl Fn(RuleId) -> bool) -> Self {
        let mut joined = Self::default();
        for state in states {
            joined.tables.extend(state.tables);
            joined.alerts.extend(state.alerts);
            joined.pasts.extend(state.pasts.into_iter().filter(|((rule, _), _)| is_mine(*rule)));
            joined.said.extend(state.said.into_iter().filter(|((rule, ..), _)| is_mine(*rule)));
            joined.patterns.extend(state.patterns);
            joined.correlations.extend(state.correlations);
            joined.retraces.extend(state.retraces);
            // With the rule that made the row: a later revision of it must find it here.
            let feeds = state.feeds.into_iter().filter(|change| is_mine(change.row.rule));
            joined.feeds.extend(feeds);
        }
        joined
    }
}

/// The stage.
pub(crate) struct Relate {
    plan: Arc<Plan>,
    level: u32,
    local: Rc<RefCell<LocalState>>,
    tables: Vec<RowTableWindows>,
    /// `rows` rules of this level on this worker.
    rows_rules: Vec<RuleId>,
    alerts: Vec<Alert>,
    patterns: Patterns,
    correlations: Correlations,
    retraces: Retraces,
    late: LateLeaving,
    feeds: Feeds,
    memory: Memory,
    /// By rule: whether a rule above this level reads its rows here.
    read_above: Vec<bool>,
    /// By rule: whether it takes late items, which are counted by the first rule that reads them.
    counts_late: Vec<bool>,
    /// After the epoch before.
    times: Times,
    worker: usize,
    peers: usize,
    snapshots: Snapshots,
}

impl Relate {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        level: u32,
        local: &Rc<RefCell<LocalState>>,
        times: Times,
        restored: Vec<RelateState>,
        (worker, peers): (usize, usize),
        snapshots: Snapshots,
    ) -> Self {
        let is_mine = |rule: RuleId| {
            let is_level = plan.rules[rule.0 as usize].place.level == level;
            is_level && owner_of_rule(plan, rule, peers) == worker
        };
        let restored = RelateState::joined(restored, is_mine);
        let mut states: BTreeMap<u64, RowTableState> = restored.tables.into_iter().collect();
        let mut tables = Vec::new();
        for (index, row_table) in plan.row_tables.iter().enumerate() {
            let Some(window) = row_table.table.windows.first() else { continue };
            if is_mine(window.rule) {
                let watermark_ns = rule_watermark_ns(plan, window.rule, &times);
                let state = states.remove(&row_table.table.hash).unwrap_or_default();
                tables.push(RowTableWindows::new(plan, index, watermark_ns, state));
            }
        }
        let rows_rules = (0..plan.rules.len() as u32).map(RuleId).filter(|id| is_mine(*id));
        let is_rows = |id: &RuleId| matches!(plan.rules[id.0 as usize].kind, RuleKind::Rows(_));
        let rows_rules = rows_rules.filter(is_rows).collect();
        let mut alerts = alerts(plan, is_mine);
        for (hash, group, instance) in restored.alerts {
            if let Some(alert) = alerts.iter_mut().find(|alert| alert.hash() == hash) {
                alert.restore(group, instance);
            }
        }
        Self {
            plan: Arc::clone(plan),
            level,
            local: Rc::clone(local),
            tables,
            rows_rules,
            alerts,
            patterns: Patterns::new(plan, is_mine, restored.patterns),
            correlations: Correlations::new(plan, is_mine, restored.correlations),
            retraces: Retraces::new(plan, is_mine, restored.retraces),
            late: LateLeaving::new(plan, is_mine),
            feeds: Feeds::new(plan, peers, restored.feeds),
            memory: Memory {
                pasts: Pasts::restore(restored.pasts),
                said: SaidValues::restore(restored.said),
                forgotten: 0,
            },
            read_above: read_above(plan, level, (worker, peers)),
            counts_late: counts_late(plan, is_mine),
            times,
            worker,
            peers,
            snapshots,
        }
    }

    /// The rows of the aggregates of this level.
    fn aggregate(
        &mut self,
        (fed, mut local): (&[Row], Vec<LocalSlices>),
        times: &[(i64, i64)],
        out: &mut Closed,
    ) {
        let plan = Arc::clone(&self.plan);
        for table in &mut self.tables {
            let row_table = &plan.row_tables[table.index()];
            let input = plan.row_inputs[row_table.input as usize].rule;
            let is_taken = |row: &&Row| row.rule == input && row.kind == RowKind::Final;
            let rows: Vec<&Row> = fed.iter().filter(is_taken).collect();
            let watermark_ns = rule_watermark_ns(&plan, input, times);
            let top_ns = top_ns(&plan, input, times);
            let is_own = |told: &mut LocalSlices| told.table as usize == table.index();
            let local: Vec<LocalSlices> = local.extract_if(.., is_own).collect();
            let between = (watermark_ns, top_ns);
            table.step(&plan, (&rows, local), between, &mut self.alerts, out);
        }
    }

    /// The rows of the `rows` rules of this level.
    fn rows(
        &mut self,
        fed: &[Row],
        mut pairs: Vec<PairChange>,
        times: &[(i64, i64)],
        out: &mut Closed,
    ) {
        pairs.sort();
        let plan = Arc::clone(&self.plan);
        for &id in &self.rows_rules {
            let RuleKind::Rows(rule) = &plan.rules[id.0 as usize].kind else { continue };
            let passed_ns = rule_watermark_ns(&plan, id, &self.times);
            let is_counted = plan.row_time(rule.input) == RowTime::Decision;
            let mut rows = if rule.relates() {
                let own = pairs.iter().filter(|pair| pair.reader == id);
                let own = own.filter(|pair| pair.left.end_ns > passed_ns);
                related((id, is_counted), rule, own, &mut self.memory)
            } else {
                let own = fed.iter().filter(|row| row.rule == rule.input);
                own.filter_map(|row| mapped((id, is_counted), rule, row, &mut self.memory))
                    .collect()
            };
            if !is_counted {
                self.memory.said.pass(id, passed_ns);
            }
            out.rules[id.0 as usize].refused += std::mem::take(&mut self.memory.forgotten);
            rows.sort_by(Row::output_cmp);
            let finals = rows.iter().filter(|row| row.kind == RowKind::Final).count() as u64;
            out.rules[id.0 as usize].taken += finals;
            out.rules[id.0 as usize].used += finals;
            for alert in self.alerts.iter_mut().filter(|alert| alert.source() == id) {
                let watermark_ns = rule_watermark_ns(&plan, id, times);
                let before_ns = rule_watermark_ns(&plan, id, &self.times);
                let between = (before_ns, watermark_ns, top_ns(&plan, id, times));
                watch(alert, &plan, &rows, between, &mut out.transitions);
            }
            out.rows.extend(rows);
        }
    }

    fn tell(&mut self) {
        let gauges = &self.local.borrow().gauges;
        for table in &mut self.tables {
            let plan = &self.plan.row_tables[table.index()].table;
            table.tell(plan, gauges, self.worker);
        }
        self.alerts.iter().for_each(|alert| alert.tell(gauges, self.worker));
        self.patterns.tell(gauges, self.worker);
        self.correlations.tell(gauges, self.worker);
        self.retraces.tell(gauges, self.worker);
    }

    /// Sends what is said to worker 0, rows to the workers of the rules that read them.
    fn send(
        &self,
        epoch: EpochNumber,
        (mut closed, mut sent): (Closed, Distributed),
        out: &mut Outbox<Closed>,
    ) {
        let snapshot = closed.snapshot;
        let is_last = self.level == self.plan.levels();
        for worker in 0..self.peers {
            let fed = std::mem::take(&mut sent.fed[worker]);
            let said = if worker == 0 { std::mem::take(&mut closed) } else { Closed::default() };
            if worker == 0 || !is_last {
                out.send(epoch, worker, Closed { snapshot, fed, ..said });
            }
        }
        if !sent.changes.is_empty() {
            let changes = sent.changes;
            out.send(epoch, self.worker, Closed { changes, ..Closed::default() });
        }
    }

    fn snapshot(&self, epoch: EpochNumber) {
        let mut state = RelateState {
            feeds: self.feeds.state(),
            pasts: self.memory.pasts.state(),
            said: self.memory.said.state(),
            patterns: self.patterns.state(),
            correlations: self.correlations.state(),
            retraces: self.retraces.state(),
            ..RelateState::default()
        };
        for table in &self.tables {
            let hash = self.plan.row_tables[table.index()].table.hash;
            state.tables.push((hash, table.state()));
        }
        for alert in &self.alerts {
            let own = alert.instances().map(|(group, instance)| (alert.hash(), group, instance));
            state.alerts.extend(own);
        }
        self.snapshots.write(epoch, StageName::Relate(self.level), &state);
    }
}

/// Rows of all workers in one order, late items once.
fn put_in_order(plan: &Plan, fed: &mut Vec<Row>) {
    fed.sort_by(|a: &Row, b: &Row| {
        // Transitions of one instance come from one worker, in their order.
        let is_alert = matches!(plan.rules[a.rule.0 as usize].kind, RuleKind::Alert(_));
        let by_values = || if is_alert { Ordering::Equal } else { a.values.cmp(&b.values) };
        a.output_cmp(b).then_with(by_values)
    });
    let is_late = |row: &Row| matches!(plan.rules[row.rule.0 as usize].kind, RuleKind::Late(_));
    // Late for several tables, an item has come several times.
    fed.dedup_by(|a, b| a == b && is_late(a));
}

/// By rule: whether a rule above a level reads its rows on a worker.
fn read_above(plan: &Plan, level: u32, (worker, peers): (usize, usize)) -> Vec<bool> {
    let mut read = vec![false; plan.rules.len()];
    for (index, rule) in plan.rules.iter().enumerate() {
        if rule.place.level > level && owner_of_rule(plan, RuleId(index as u32), peers) == worker {
            rule.inputs().into_iter().for_each(|input| read[input.0 as usize] = true);
        }
    }
    read
}

/// By rule: whether it takes late items and its first reader fulfils a condition.
fn counts_late(plan: &Plan, is_mine: impl Fn(RuleId) -> bool) -> Vec<bool> {
    let reader = |late: RuleId| {
        let mut readers = (0..plan.rules.len() as u32).map(RuleId);
        readers.find(|id| plan.rules[id.0 as usize].inputs().contains(&late))
    };
    let counts = |(index, rule): (usize, &crate::plan::Rule)| {
        let is_late = matches!(rule.kind, RuleKind::Late(_));
        is_late && reader(RuleId(index as u32)).is_some_and(&is_mine)
    };
    plan.rules.iter().enumerate().map(counts).collect()
}

/// The highest time of any item under a rule.
pub(super) fn top_ns(plan: &Plan, rule: RuleId, times: &[(i64, i64)]) -> i64 {
    let lines = &plan.rules[rule.0 as usize].place.timelines;
    let tops = lines.iter().filter_map(|line| times.get(*line as usize)).map(|times| times.1);
    tops.max().unwrap_or(i64::MIN)
}

/// Lets an alert follow the rows of a rule, and the windows without any.
pub(super) fn watch(
    alert: &mut Alert,
    plan: &Plan,
    rows: &[Row],
    (before_ns, watermark_ns, top_ns): (i64, i64, i64),
    out: &mut Vec<Transition>,
) {
    let grid = plan.grid_of(alert.source());
    // Which revisions there are may follow the cut into epochs; an alert must not.
    let mut rows = rows.iter().filter(|row| row.kind == RowKind::Final).peekable();
    let mut after_ns = before_ns;
    loop {
        let row_ns =
            rows.peek().map(|row| if grid.is_some() { row.end_ns } else { row.decision_ns });
        let next_ns = grid.filter(|_| alert.watches()).and_then(|(every_ns, offset_ns)| {
            let last_ns = if watermark_ns == i64::MAX {
                top_ns.saturating_add(every_ns - 1)
            } else {
                watermark_ns
            };
            if after_ns >= last_ns {
                return None; // behind the end of the log, too, where there is no next one
            }
            let window = after_ns.saturating_sub(offset_ns).div_euclid(every_ns);
            let next_ns = (window + 1) * every_ns + offset_ns;
            (next_ns <= last_ns).then_some(next_ns)
        });
        let Some(at_ns) = row_ns.into_iter().chain(next_ns).min() else { break };
        let mut own = Vec::new();
        let is_then = |row: &&Row| Some(if grid.is_some() { row.end_ns } else { row.decision_ns });
        while let Some(row) = rows.next_if(|row| is_then(row) == Some(at_ns)) {
            own.push(((key_hash(&row.key), row.is_other), row.clone()));
        }
        if grid.is_some() {
            alert.window(at_ns, &own, out);
        } else {
            alert.follow(at_ns, &own, out);
        }
        after_ns = at_ns;
    }
    alert.pass(watermark_ns.min(top_ns), out);
    alert.expire(watermark_ns.min(top_ns), out);
}

impl Stage for Relate {
    type In = Closed;
    type Out = Closed;

    fn epoch(
        &mut self,
        epoch: EpochNumber,
        messages: Vec<Closed>,
        out: &mut Outbox<Closed>,
    ) -> EpochNumber {
        let plan = Arc::clone(&self.plan);
        let times = self.local.borrow().times.get(&epoch).cloned().unwrap_or_default();
        let is_last = self.level == plan.levels();
        if is_last {
            self.local.borrow_mut().times.remove(&epoch);
        }
        let mut closed = Closed::new(&plan);
        let (mut fed, mut pairs, mut local) = (Vec::new(), Vec::new(), Vec::new());
        for mut message in messages {
            fed.append(&mut message.fed);
            pairs.append(&mut message.pairs);
            local.append(&mut message.local);
            closed.take(message);
        }
        put_in_order(&plan, &mut fed);
        let mut own = Closed::new(&plan);
        for row in fed.iter().filter(|row| self.counts_late[row.rule.0 as usize]) {
            own.rules[row.rule.0 as usize].taken += 1;
            own.rules[row.rule.0 as usize].used += 1;
        }
        self.aggregate((&fed, local), &times, &mut own);
        self.rows(&fed, pairs, &times, &mut own);
        let is_mine = |id: RuleId| plan.rules[id.0 as usize].place.level == self.level;
        let events = self.local.borrow_mut().events.take(epoch, is_mine);
        let watermarks = Watermarks { before: &self.times, after: &times };
        let (correlated, events) =
            events.into_iter().partition(|event| is_correlated(&plan, event));
        self.patterns.step(&plan, events, (&fed, watermarks), &mut self.alerts, &mut own);
        self.correlations.step(&plan, correlated, (&fed, watermarks), &mut self.alerts, &mut own);
        self.retraces.step(&plan, &fed, watermarks, &mut own);
        self.late.step(&plan, &fed, &mut own);
        own.rows.sort_by(Row::output_cmp);
        let passed_ns = |rule| rule_watermark_ns(&plan, rule, &self.times);
        let mut sent = self.feeds.distribute(epoch, &own.rows, &own.transitions, passed_ns);
        self.feeds.tell(&self.local.borrow().gauges, self.worker);
        if !is_last {
            let above = fed.into_iter().filter(|row| self.read_above[row.rule.0 as usize]);
            sent.fed[self.worker].extend(above);
        }
        own.leave_hidden_out(&plan);
        closed.take(own);
        let is_snapshot = closed.snapshot;
        self.send(epoch, (closed, sent), out);
        self.tell();
        self.times = times;
        if is_snapshot {
            self.snapshot(epoch);
        }
        epoch + 1
    }
}
