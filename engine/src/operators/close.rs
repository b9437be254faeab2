//! Stage 4: merges slices by group, closes windows, makes rows.
//!
//! Each virtual shard of keys lives on one worker, with the alerts over its rows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Instance};
use super::applied::{Applied, KeyedEvent, RuleCounts, SliceDelta, owner_of};
use super::clock::UNSEEN;
use super::correlate::{Correlations, CorrelationsState, is_correlated};
use super::decode::LocalState;
use super::feeds::{Feeds, FeedsState, PairChange, RowChange, owner_of_rule};
use super::groups::GroupId;
use super::held::{Looks, tell_bytes};
use super::local_rows::{self, LocalRowsState, LocalSlices};
use super::pattern::{Patterns, PatternsState, Watermarks};
use super::row_order::RowOrder;
use super::sample::{self, Case, Tally, TraceExplained};
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use super::traces::{self, SpanBlock, Traces, TracesState};
use super::windows::{Closing, Windows, WindowsState};
use crate::keyed_events::Event;
use crate::limits::ROWS_EXPECTED_MAX;
use crate::model::{EmittedItem, Ledger, Row, RuleId, Transition};
use crate::plan::{Plan, RuleKind};
use crate::self_metrics::Holder;

/// Watermark and highest time of every timeline.
pub(crate) type Times = Vec<(i64, i64)>;

/// What one worker says at the end of an epoch, on its way to worker 0; and what it tells the
/// rules that read rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) rows: Vec<Row>,
    /// Whether the rows are in their order already.
    #[serde(skip)]
    pub(crate) order: RowOrder,
    pub(crate) transitions: Vec<Transition>,
    /// Items that leave.
    pub(crate) items: Vec<EmittedItem>,
    /// What a sampling decides on worker 0.
    pub(crate) cases: Vec<Case>,
    /// What lines of samplings did.
    pub(crate) samples: Tally,
    /// What a sampling made of the trace that is asked for.
    pub(crate) explained: Vec<TraceExplained>,
    /// Watermark and highest time of every timeline, where worker 0 decides by them.
    pub(crate) times: Times,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) rules: Vec<RuleCounts>,
    pub(crate) snapshot: bool,
    /// Rows for rules on the receiving worker.
    pub(crate) fed: Vec<Row>,
    /// What is aggregated already of rows for rules there.
    pub(crate) local: Vec<LocalSlices>,
    /// A message with changes holds nothing else.
    pub(crate) changes: Vec<RowChange>,
    /// A message with pairs holds nothing else.
    pub(crate) pairs: Vec<PairChange>,
}

impl Closed {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { rules: vec![RuleCounts::default(); plan.rules.len()], ..Self::default() }
    }

    /// Takes what leaves, or may leave.
    fn take_items(&mut self, applied: &mut Applied) {
        self.items.append(&mut applied.items);
        self.cases.append(&mut applied.cases);
        sample::merge(&mut self.samples, &applied.samples);
    }

    /// Takes what samplings of traces say.
    pub(crate) fn take_sampled(&mut self, sampled: sample::Sampled) {
        self.items.extend(sampled.items);
        self.cases.extend(sampled.cases);
        self.explained.extend(sampled.explained);
        sample::merge(&mut self.samples, &sampled.tally);
    }

    /// Tells worker 0 how far time has come.
    fn tell_times(&mut self, worker: usize, times: &Times) {
        if worker == 0 {
            self.times.clone_from(times);
        }
    }

    /// Drops the rows that only rules read.
    pub(crate) fn leave_hidden_out(&mut self, plan: &Plan) {
        self.rows.retain(|row| !plan.rules[row.rule.0 as usize].place.is_hidden);
    }

    /// Adds what another worker or stage says to worker 0.
    pub(crate) fn take(&mut self, other: Self) {
        if self.rows.is_empty() {
            self.rows = other.rows; // of one worker, nothing is moved
        } else {
            self.rows.extend(other.rows);
        }
        self.transitions.extend(other.transitions);
        self.items.extend(other.items);
        self.cases.extend(other.cases);
        sample::merge(&mut self.samples, &other.samples);
        self.explained.extend(other.explained);
        if self.times.is_empty() {
            self.times = other.times;
        }
        self.ledger = self.ledger.take().or(other.ledger);
        self.snapshot |= other.snapshot;
        for (mine, theirs) in self.rules.iter_mut().zip(&other.rules) {
            mine.merge(theirs);
        }
    }
}

/// The stage's state as a snapshot holds it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CloseState {
    /// By table hash.
    pub(crate) windows: Vec<(u64, WindowsState)>,
    /// (alert hash, group, instance).
    pub(crate) alerts: Vec<(u64, GroupId, Instance)>,
    pub(crate) feeds: FeedsState,
    pub(crate) patterns: PatternsState,
    pub(crate) traces: TracesState,
    pub(crate) correlations: CorrelationsState,
    /// Of rows that are aggregated here.
    pub(crate) local: LocalRowsState,
}

impl CloseState {
    /// The part of one of `peers` workers.
    pub(crate) fn of_worker(&self, worker: usize, peers: usize) -> Self {
        let is_mine = |key_hash: u128| owner_of(key_hash, peers) == worker;
        let windows = self.windows.iter();
        let alerts = self.alerts.iter().filter(|(_, (key_hash, _), _)| is_mine(*key_hash));
        // With the group that made the row: a later revision of it must find it there.
        let feeds = self.feeds.iter().filter(|change| is_mine(group_hash(&change.row)));
        let patterns = self.patterns.iter().map(|(hash, state)| (*hash, state.part(is_mine)));
        let correlations = self.correlations.iter();
        let correlations = correlations.map(|(hash, state)| (*hash, state.part(is_mine)));
        Self {
            correlations: correlations.collect(),
            local: local_rows::part(&self.local, is_mine),
            patterns: patterns.collect(),
            traces: traces::part(&self.traces, is_mine),
            windows: windows.map(|(hash, state)| (*hash, state.part(is_mine))).collect(),
            alerts: alerts.cloned().collect(),
            feeds: feeds.cloned().collect(),
        }
    }

    /// Adds another worker's part.
    pub(crate) fn extend(&mut self, other: Self) {
        self.windows.extend(other.windows);
        self.alerts.extend(other.alerts);
        self.feeds.extend(other.feeds);
        self.patterns.extend(other.patterns);
        self.traces.extend(other.traces);
        self.correlations.extend(other.correlations);
        self.local.extend(other.local);
    }
}

/// What decides where the group of a row lives; that of the groups beyond a limit is 0.
fn group_hash(row: &Row) -> u128 {
    if row.is_other { 0 } else { super::group_key::key_hash(&row.key) }
}

/// Up to when a rule's rows are there.
pub(crate) fn rule_watermark_ns(plan: &Plan, rule: RuleId, times: &[(i64, i64)]) -> i64 {
    let place = &plan.rules[rule.0 as usize].place;
    let watermarks = place.timelines.iter().filter_map(|line| times.get(*line as usize));
    match watermarks.map(|(watermark_ns, _)| *watermark_ns).min() {
        None | Some(UNSEEN) => UNSEEN,
        Some(i64::MAX) => i64::MAX,
        Some(watermark_ns) => watermark_ns.saturating_sub(place.delay_ns),
    }
}

/// What comes for one table.
type Arriving = (Vec<SliceDelta>, Vec<KeyedEvent>);

/// The stage.
pub(crate) struct Close {
    plan: Arc<Plan>,
    local: Rc<RefCell<LocalState>>,
    tables: Vec<Windows>,
    alerts: Vec<Alert>,
    patterns: Patterns,
    traces: Traces,
    correlations: Correlations,
    feeds: Feeds,
    /// By table.
    looks: Vec<Looks>,
    /// After the epoch before.
    times: Times,
    worker: usize,
    peers: usize,
    snapshots: Snapshots,
}

impl Close {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        local: &Rc<RefCell<LocalState>>,
        times: Times,
        restored: CloseState,
        (worker, peers): (usize, usize),
        snapshots: Snapshots,
    ) -> Self {
        let mut states: BTreeMap<u64, WindowsState> = BTreeMap::new();
        for (hash, state) in restored.windows {
            states.entry(hash).or_default().extend(state);
        }
        let windows = |table: &crate::plan::Table| {
            let watermark_ns = times.get(table.timeline as usize).map_or(UNSEEN, |times| times.0);
            Windows::new(table, watermark_ns, states.remove(&table.hash).unwrap_or_default())
        };
        let tables = plan.tables.iter().map(windows).collect();
        let mut alerts = alerts(plan, |rule| plan.rules[rule.0 as usize].place.level == 0);
        for (hash, group, instance) in restored.alerts {
            if let Some(alert) = alerts.iter_mut().find(|alert| alert.hash() == hash) {
                alert.restore(group, instance);
            }
        }
        let feeds = Feeds::new(plan, peers, restored.feeds);
        let looks = plan.tables.iter().map(|_| Looks::default()).collect();
        let is_mine = |rule: RuleId| plan.rules[rule.0 as usize].place.level == 0;
        let patterns = Patterns::new(plan, is_mine, restored.patterns);
        let traces = Traces::new(plan, restored.traces, &restored.local);
        let correlations = Correlations::new(plan, is_mine, restored.correlations);
        let (plan, local) = (Arc::clone(plan), Rc::clone(local));
        Self {
            plan,
            local,
            tables,
            alerts,
            patterns,
            traces,
            correlations,
            feeds,
            looks,
            times,
            worker,
            peers,
            snapshots,
        }
    }

    /// Makes room for the rows of the windows that end: growing into fresh memory step by step was
    /// a sixth of what closing many windows costs.
    fn expect_rows(&self, times: &Times, arriving: &[Arriving], out: &mut Closed) {
        let tables = self.plan.tables.iter().zip(&self.tables).zip(arriving);
        let expected = tables.map(|((table, windows), (deltas, _))| {
            let Some(&(watermark_ns, top_ns)) = times.get(table.timeline as usize) else {
                return 0;
            };
            let closing = Closing { plan: &self.plan, table, watermark_ns, top_ns };
            windows.rows_expected(&closing, deltas)
        });
        out.rows.reserve_exact(expected.sum::<usize>().min(ROWS_EXPECTED_MAX));
    }

    fn tell(&mut self) {
        let gauges = &self.local.borrow().gauges;
        let tables = self.plan.tables.iter().zip(&self.tables).zip(&mut self.looks);
        for ((plan, windows), looks) in tables {
            let holder = (Holder::Windows, self.worker);
            tell_bytes(gauges, plan, holder, windows.held_bytes(looks));
        }
        self.alerts.iter().for_each(|alert| alert.tell(gauges, self.worker));
        self.patterns.tell(gauges, self.worker);
        self.traces.tell(gauges, self.worker);
        self.correlations.tell(gauges, self.worker);
    }

    fn snapshot(&self, epoch: EpochNumber) {
        let mut state = CloseState {
            feeds: self.feeds.state(),
            patterns: self.patterns.state(),
            traces: self.traces.state(),
            correlations: self.correlations.state(),
            local: self.traces.local_state(),
            ..CloseState::default()
        };
        for (table, windows) in self.plan.tables.iter().zip(&self.tables) {
            state.windows.push((table.hash, windows.state()));
        }
        for alert in &self.alerts {
            let own = alert.instances().map(|(group, instance)| (alert.hash(), group, instance));
            state.alerts.extend(own);
        }
        self.snapshots.write(epoch, StageName::Close, &state);
    }

    /// Sends rows to whoever reads them, and everything to worker 0.
    fn send(
        &mut self,
        epoch: EpochNumber,
        late: Vec<Row>,
        mut closed: Closed,
        out: &mut Outbox<Closed>,
    ) {
        if closed.rows.len() < closed.rows.capacity() / 2 {
            closed.rows.shrink_to_fit();
        }
        if self.plan.levels() == 0 {
            closed.leave_hidden_out(&self.plan);
            out.send(epoch, 0, closed);
            return;
        }
        let (plan, times) = (&self.plan, &self.times);
        let passed_ns = |rule| rule_watermark_ns(plan, rule, times);
        let mut rows = late;
        rows.append(&mut closed.rows);
        let mut sent = self.feeds.distribute(epoch, &rows, &closed.transitions, passed_ns);
        self.feeds.tell(&self.local.borrow().gauges, self.worker);
        closed.rows = rows;
        closed.leave_hidden_out(plan);
        let snapshot = closed.snapshot;
        let mut local = std::mem::take(&mut closed.local);
        let mut local_of = |worker| -> Vec<LocalSlices> {
            let owner = |told: &LocalSlices| {
                let table = &plan.row_tables[told.table as usize].table;
                table.windows.first().map_or(0, |of| owner_of_rule(plan, of.rule, self.peers))
            };
            local.extract_if(.., |told| owner(told) == worker).collect()
        };
        for worker in 1..self.peers {
            let (fed, local) = (std::mem::take(&mut sent.fed[worker]), local_of(worker));
            out.send(epoch, worker, Closed { snapshot, fed, local, ..Closed::default() });
        }
        (closed.fed, closed.local) = (std::mem::take(&mut sent.fed[0]), local_of(0));
        out.send(epoch, 0, closed);
        if !sent.changes.is_empty() {
            let changes = sent.changes;
            out.send(epoch, self.worker, Closed { changes, ..Closed::default() });
        }
    }
}

/// The alerts over the rules that fulfil a condition, without instances.
pub(crate) fn alerts(plan: &Plan, is_source: impl Fn(RuleId) -> bool) -> Vec<Alert> {
    let alert = |(index, rule): (usize, &crate::plan::Rule)| match &rule.kind {
        RuleKind::Alert(alert) if is_source(alert.source) => {
            Some(Alert::new(RuleId(index as u32), alert.clone()))
        }
        _ => None,
    };
    plan.rules.iter().enumerate().filter_map(alert).collect()
}

/// What workers have applied for this one in an epoch.
struct Arrived {
    by_table: Vec<Arriving>,
    late: Vec<Row>,
    events: Vec<Event>,
    spans: Vec<SpanBlock>,
}

impl Close {
    /// Puts together what workers have applied; what only passes on is closed already.
    fn arrived(&self, epoch: EpochNumber, messages: Vec<Applied>, out: &mut Closed) -> Arrived {
        let by_table = self.plan.tables.iter().map(|_| Arriving::default()).collect();
        let (late, events, spans) = (Vec::new(), Vec::new(), Vec::new());
        let mut arrived = Arrived { by_table, late, events, spans };
        for mut message in messages {
            out.take_items(&mut message);
            out.ledger = out.ledger.take().or(message.ledger);
            out.snapshot |= message.snapshot;
            for (mine, theirs) in out.rules.iter_mut().zip(&message.rules) {
                mine.merge(theirs);
            }
            arrived.late.extend(message.late);
            arrived.spans.extend(message.spans);
            for event in message.pattern_events {
                if self.plan.rules[event.rule.0 as usize].place.level == 0 {
                    arrived.events.push(event);
                } else {
                    self.local.borrow_mut().events.put(epoch, event);
                }
            }
            for delta in message.deltas {
                arrived.by_table[delta.table as usize].0.push(delta);
            }
            for event in message.events {
                arrived.by_table[event.table as usize].1.push(event);
            }
        }
        arrived
    }

    /// Closes the windows whose time it is.
    fn close_windows(
        &mut self,
        by_table: Vec<Arriving>,
        times: &Times,
        late: &mut Vec<Row>,
        out: &mut Closed,
    ) {
        let plan = Arc::clone(&self.plan);
        for (index, (deltas, events)) in by_table.into_iter().enumerate() {
            let table = &plan.tables[index];
            let Some(&(watermark_ns, top_ns)) = times.get(table.timeline as usize) else {
                continue;
            };
            let closing = Closing { plan: &plan, table, watermark_ns, top_ns };
            let windows = &mut self.tables[index];
            if table.keyed_shape().is_some() {
                windows.close_keyed(&closing, (deltas, events), &mut self.alerts, late, out);
            } else {
                windows.close(&closing, deltas, &mut self.alerts, out);
            }
        }
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
        let plan = Arc::clone(&self.plan);
        let times = self.local.borrow().times.get(&epoch).cloned().unwrap_or_default();
        if plan.levels() == 0 {
            self.local.borrow_mut().times.remove(&epoch);
        }
        let mut closed = Closed::new(&plan);
        let Arrived { by_table, mut late, events, spans } =
            self.arrived(epoch, messages, &mut closed);
        self.expect_rows(&times, &by_table, &mut closed);
        self.close_windows(by_table, &times, &mut late, &mut closed);
        let watermarks = Watermarks { before: &self.times, after: &times };
        let (correlated, events) =
            events.into_iter().partition(|event| is_correlated(&plan, event));
        self.patterns.step(&plan, events, (&[], watermarks), &mut self.alerts, &mut closed);
        self.traces.step(&plan, spans, (&mut late, watermarks), &mut closed);
        self.correlations.step(&plan, correlated, (&[], watermarks), &mut self.alerts, &mut closed);
        self.tell();
        closed.tell_times(self.worker, &times);
        closed.order.sort(&mut closed.rows);
        closed.transitions.sort_by(Transition::output_cmp);
        let is_snapshot = closed.snapshot;
        self.send(epoch, late, closed, out);
        self.times = times;
        if is_snapshot {
            self.snapshot(epoch);
        }
        epoch + 1
    }
}
