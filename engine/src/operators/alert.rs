//! Alert state machines: one instance a group, moved by the rows of closed windows.
//!
//! An alert lives where its rule's groups live, so that no row travels for it. Time is the end of
//! the window that closed; nothing is looked up later: the row that causes a transition goes out
//! with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::groups::GroupId;
use crate::model::{AlertState, Row, RuleId, Transition, Value};
use crate::plan::eval::eval_row;
use crate::plan::{AlertRule, NoData};
use crate::self_metrics::{EngineGauges, Holder};

/// One instance; inactive ones are kept only where missing rows fire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    key: Vec<Value>,
    /// Columns of the last row, for the texts of a transition without one.
    columns: Vec<Value>,
    phase: Phase,
    /// Over an alert: its instances whose newest transition makes the condition hold, by key.
    holding: Vec<(Upstream, Row)>,
    /// Over an alert: whether the newest transition lets it resolve.
    may_resolve: bool,
}

/// An instance of the alert that an alert reads: whether it is `other`, its key.
type Upstream = (bool, Vec<Value>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Inactive,
    Pending { since_ns: i64 },
    Firing { since_ns: i64, held_ns: i64 },
}

impl Instance {
    /// The end of the window of its last row.
    fn end_ns(&self) -> Option<i64> {
        match self.columns.get(1) {
            Some(Value::Time(end_ns)) => Some(*end_ns),
            _ => None,
        }
    }

    /// Where nothing was said before.
    fn of(row: &Row) -> Self {
        Self {
            key: row.key.to_vec(),
            columns: row.columns(),
            phase: Phase::Inactive,
            holding: Vec::new(),
            may_resolve: true,
        }
    }
}

/// What a window says about a group.
enum Seen<'a> {
    Row(&'a Row),
    Nothing,
}

/// What the rows of one window say about a group: the condition holds if it does for any of them,
/// and the group may resolve if each lets it. The row is the first for which the condition holds,
/// else the first.
#[derive(Clone, Copy)]
struct Found<'a> {
    row: &'a Row,
    holds: bool,
    may_resolve: bool,
}

impl<'a> Found<'a> {
    fn join(&mut self, other: Found<'a>) {
        if other.holds && !self.holds {
            self.row = other.row;
        }
        self.holds |= other.holds;
        self.may_resolve &= other.may_resolve;
    }
}

/// The instances of one alert on one worker.
pub(crate) struct Alert {
    id: RuleId,
    rule: AlertRule,
    instances: BTreeMap<GroupId, Instance>,
}

impl Alert {
    pub(crate) fn new(id: RuleId, rule: AlertRule) -> Self {
        Self { id, rule, instances: BTreeMap::new() }
    }

    /// The rule whose rows it reads.
    pub(crate) fn source(&self) -> RuleId {
        self.rule.source
    }

    /// The identity of its state.
    pub(crate) fn hash(&self) -> u64 {
        self.rule.hash
    }

    /// Whether it is moved by groups that have no row.
    pub(crate) fn has_no_data(&self) -> bool {
        self.rule.no_data != NoData::Keep
    }

    /// Whether a window without any row could move it.
    pub(crate) fn watches(&self) -> bool {
        self.rule.no_data != NoData::Keep && !self.instances.is_empty()
    }

    /// Tells what it holds on a worker: each worker has its own instances.
    pub(crate) fn tell(&self, gauges: &EngineGauges, worker: usize) {
        let rule = self.id.0 as usize;
        gauges.set_instances(worker, rule, self.instances.len() as u64);
        let one = self.instances.first_key_value().map_or(0, |(_, instance)| {
            let values = Value::bytes_of(&instance.key) + Value::bytes_of(&instance.columns);
            size_of::<Instance>() + size_of::<GroupId>() + values
        });
        let bytes = (one * self.instances.len()) as u64;
        gauges.set_state_bytes(Holder::Rows, worker, rule, bytes);
    }

    pub(crate) fn instances(&self) -> impl Iterator<Item = (GroupId, Instance)> + '_ {
        self.instances.iter().map(|(group, instance)| (*group, instance.clone()))
    }

    pub(crate) fn restore(&mut self, group: GroupId, instance: Instance) {
        self.instances.insert(group, instance);
    }

    /// Takes rows, and says of no group that it has none: where windows have no common end.
    /// Returns the groups that had a row.
    pub(crate) fn follow(
        &mut self,
        at_ns: i64,
        rows: &[(GroupId, Row)],
        out: &mut Vec<Transition>,
    ) -> BTreeSet<GroupId> {
        if self.rule.follows.is_some() {
            self.pass(at_ns.saturating_sub(1), out);
        }
        // Of others only the watermark says that their time has come: where they live on another
        // worker, no row of this one is seen.
        if self.rule.is_per_item {
            let over = rows.iter().filter_map(|(group, _)| self.over(*group, at_ns)).collect();
            self.resolve(over, out);
        }
        let mut found: Vec<(GroupId, Found<'_>)> = Vec::new();
        let mut places: BTreeMap<GroupId, usize> = BTreeMap::new();
        for (group, row) in rows {
            let new = if let Some(follows) = &self.rule.follows {
                let columns = row.columns();
                let value = |at: &u32| columns.get(*at as usize).cloned().unwrap_or_default();
                let upstream = (row.is_other, follows.iter().map(value).collect());
                self.state(*group, upstream, row, at_ns)
            } else {
                self.judge(row)
            };
            let Some(new) = new else { continue };
            match places.get(group) {
                Some(&at) if !self.rule.is_per_item => found[at].1.join(new),
                _ => {
                    places.insert(*group, found.len());
                    found.push((*group, new));
                }
            }
        }
        for (group, found) in found {
            let holds = match self.rule.follows {
                None => found.holds,
                Some(_) => self.instances.get(&group).is_some_and(|one| !one.holding.is_empty()),
            };
            let said = (holds, found.may_resolve);
            self.step(group, &found.row.key, at_ns, said, &Seen::Row(found.row), out);
        }
        places.into_keys().collect()
    }

    /// What a row says, if the alert takes it.
    fn judge<'a>(&self, row: &'a Row) -> Option<Found<'a>> {
        if row.is_other && !self.rule.with_other {
            return None;
        }
        let columns = row.columns();
        if self.rule.filter.as_ref().is_some_and(|filter| !is_true(filter, &columns)) {
            return None;
        }
        let holds = is_true(&self.rule.when, &columns);
        let may_resolve = self.rule.until.as_ref().is_none_or(|until| is_true(until, &columns));
        Some(Found { row, holds, may_resolve })
    }

    /// What a transition of the alert that it reads says of an instance: each instance of that one
    /// counts with its newest transition. One that is not taken no longer holds.
    fn state<'a>(
        &mut self,
        group: GroupId,
        upstream: Upstream,
        row: &'a Row,
        at_ns: i64,
    ) -> Option<Found<'a>> {
        let judged = self.judge(row);
        let known = self.instances.get(&group);
        let place = |one: &Instance| one.holding.binary_search_by(|(key, _)| key.cmp(&upstream));
        let held = known.map(place);
        let found = match judged {
            Some(found) => found,
            // A filter such as `state == firing` must not hide that it fires no more.
            None if matches!(held, Some(Ok(_))) => Found { row, holds: false, may_resolve: true },
            None => return None,
        };
        if known.is_none() && !found.holds {
            return Some(found);
        }
        let instance = self.instances.entry(group).or_insert_with(|| Instance::of(row));
        instance.may_resolve = found.may_resolve;
        match (held.unwrap_or(Err(0)), found.holds) {
            (Ok(at), true) => instance.holding[at].1 = row.clone(),
            (Err(at), true) => instance.holding.insert(at, (upstream, row.clone())),
            (Ok(at), false) => {
                instance.holding.remove(at);
                if let Phase::Firing { held_ns, .. } = &mut instance.phase {
                    *held_ns = at_ns; // it held until now
                }
            }
            (Err(_), false) => {}
        }
        Some(found)
    }

    /// Where transitions of another alert are read: time alone moves what has waited for long
    /// enough, for `for` or for `hold`.
    pub(crate) fn pass(&mut self, now_ns: i64, out: &mut Vec<Transition>) {
        if self.rule.follows.is_none() {
            return;
        }
        let (for_ns, hold_ns) = (self.rule.for_ns, self.rule.hold_ns);
        let due = |(group, instance): (&GroupId, &Instance)| {
            let due_ns = match instance.phase {
                Phase::Pending { since_ns } => since_ns.saturating_add(for_ns),
                Phase::Firing { held_ns, .. }
                    if instance.holding.is_empty() && instance.may_resolve =>
                {
                    held_ns.saturating_add(hold_ns)
                }
                _ => return None,
            };
            (due_ns <= now_ns).then(|| (due_ns, instance.key.clone(), *group))
        };
        let mut due: Vec<(i64, Vec<Value>, GroupId)> =
            self.instances.iter().filter_map(due).collect();
        due.sort();
        for (due_ns, key, group) in due {
            let first = self.instances.get(&group).and_then(|one| one.holding.first());
            let row = first.map(|(_, row)| row.clone());
            let seen = row.as_ref().map_or(Seen::Nothing, Seen::Row);
            self.step(group, &key, due_ns, (row.is_some(), true), &seen, out);
        }
    }

    /// Where items fire one by one: resolves what has been held long enough.
    pub(crate) fn expire(&mut self, now_ns: i64, out: &mut Vec<Transition>) {
        if self.rule.is_per_item {
            let groups = self.instances.keys();
            let over = groups.filter_map(|group| self.over(*group, now_ns)).collect();
            self.resolve(over, out);
        }
    }

    /// When a group that fires has been held long enough, if that is by now, and since when it
    /// fired.
    fn over(&self, group: GroupId, now_ns: i64) -> Option<(i64, i64, GroupId)> {
        let Phase::Firing { since_ns, held_ns } = self.instances.get(&group)?.phase else {
            return None;
        };
        let end_ns = held_ns.saturating_add(self.rule.hold_ns);
        (end_ns <= now_ns).then_some((end_ns, since_ns, group))
    }

    /// Resolves groups that were held long enough, each at its own time; one may be named twice.
    fn resolve(&mut self, mut over: Vec<(i64, i64, GroupId)>, out: &mut Vec<Transition>) {
        over.sort_unstable();
        for (end_ns, since_ns, group) in over {
            let Some(instance) = self.instances.remove(&group) else { continue };
            let said = (group, &instance.key[..], &instance.columns[..]);
            let resolved = (AlertState::Resolved, since_ns);
            out.push(self.say(said, end_ns, resolved, &Seen::Nothing));
        }
    }

    /// Takes the rows of a window that ended.
    pub(crate) fn window(
        &mut self,
        end_ns: i64,
        rows: &[(GroupId, Row)],
        out: &mut Vec<Transition>,
    ) {
        let seen = self.follow(end_ns, rows, out);
        if self.rule.no_data == NoData::Keep {
            return;
        }
        let missing: Vec<(GroupId, Vec<Value>)> = self
            .instances
            .iter()
            .filter(|(group, _)| !seen.contains(*group))
            .map(|(group, instance)| (*group, instance.key.clone()))
            .collect();
        let holds = self.rule.no_data == NoData::Fire;
        for (group, key) in missing {
            self.step(group, &key, end_ns, (holds, true), &Seen::Nothing, out);
        }
    }

    /// Where windows have no common end: the first time after another at which some group may have
    /// none, whole steps after the end of its last row's window.
    pub(crate) fn next_look_ns(&self, after_ns: i64, step_ns: i64) -> Option<i64> {
        if !self.watches() {
            return None;
        }
        let next = |instance: &Instance| {
            let end_ns = instance.end_ns()?;
            let steps = after_ns.max(end_ns).saturating_sub(end_ns).div_euclid(step_ns) + 1;
            Some(end_ns.saturating_add(steps.saturating_mul(step_ns)))
        };
        self.instances.values().filter_map(next).min()
    }

    /// Says of the groups whose time it is that they have none, unless a window of them is open.
    pub(crate) fn look(
        &mut self,
        (at_ns, step_ns): (i64, i64),
        is_open: impl Fn(GroupId) -> bool,
        out: &mut Vec<Transition>,
    ) {
        if !self.watches() {
            return;
        }
        let is_due = |instance: &Instance| {
            instance.end_ns().is_some_and(|end| at_ns > end && (at_ns - end) % step_ns == 0)
        };
        let due = self.instances.iter().filter(|(group, known)| is_due(known) && !is_open(**group));
        let missing: Vec<_> = due.map(|(group, known)| (*group, known.key.clone())).collect();
        let holds = self.rule.no_data == NoData::Fire;
        for (group, key) in missing {
            self.step(group, &key, at_ns, (holds, true), &Seen::Nothing, out);
        }
    }

    /// Moves one instance: the whole state machine.
    fn step(
        &mut self,
        group: GroupId,
        key: &[Value],
        now_ns: i64,
        (holds, may_resolve): (bool, bool),
        seen: &Seen<'_>,
        out: &mut Vec<Transition>,
    ) {
        let known = self.instances.get(&group);
        let phase = known.map_or(Phase::Inactive, |known| known.phase);
        let columns: Vec<Value> = match seen {
            Seen::Row(row) => row.columns(),
            Seen::Nothing => {
                let empty = || [Value::Null, Value::Null].iter().chain(key).cloned().collect();
                known.map_or_else(empty, |known| known.columns.clone())
            }
        };
        let rule = &self.rule;
        let ripe = |since_ns: i64| now_ns.saturating_sub(since_ns) >= rule.for_ns;
        let firing = |since_ns| Phase::Firing { since_ns, held_ns: now_ns };
        let next = match (phase, holds) {
            (Phase::Inactive, true) if rule.for_ns == 0 => firing(now_ns),
            (Phase::Inactive, true) => Phase::Pending { since_ns: now_ns },
            (Phase::Inactive, false) => Phase::Inactive,
            (Phase::Pending { since_ns }, true) if ripe(since_ns) => firing(since_ns),
            (Phase::Pending { since_ns }, true) => Phase::Pending { since_ns },
            (Phase::Pending { .. }, false) => Phase::Inactive,
            (Phase::Firing { since_ns, .. }, true) => firing(since_ns),
            (Phase::Firing { since_ns, held_ns }, false) => {
                let is_held = now_ns.saturating_sub(held_ns) < rule.hold_ns;
                if may_resolve && !is_held {
                    Phase::Inactive
                } else {
                    Phase::Firing { since_ns, held_ns }
                }
            }
        };
        if let Some((state, since_ns)) = transition(phase, next, now_ns) {
            out.push(self.say((group, key, &columns), now_ns, (state, since_ns), seen));
        }
        // Where missing rows fire, a group must be remembered to be missed.
        if next == Phase::Inactive && self.rule.no_data != NoData::Fire {
            self.instances.remove(&group);
        } else {
            let before = self.instances.remove(&group);
            let (holding, may_resolve) =
                before.map_or((Vec::new(), true), |one| (one.holding, one.may_resolve));
            let key = key.to_vec();
            let instance = Instance { key, columns, phase: next, holding, may_resolve };
            self.instances.insert(group, instance);
        }
    }

    fn say(
        &self,
        (group, key, columns): (GroupId, &[Value], &[Value]),
        now_ns: i64,
        (state, since_ns): (AlertState, i64),
        seen: &Seen<'_>,
    ) -> Transition {
        let evidence = if let Seen::Row(row) = seen { Some((*row).clone()) } else { None };
        let all = |exprs: &[(std::sync::Arc<str>, crate::plan::expr::Expr)]| {
            exprs.iter().map(|(_, expr)| eval_row(expr, columns)).collect()
        };
        Transition {
            rule: self.id,
            decision_ns: now_ns,
            state,
            since_ns,
            key: key.to_vec(),
            is_other: group.1,
            labels: all(&self.rule.labels),
            annotations: all(&self.rule.annotations),
            evidence,
        }
    }
}

fn is_true(expr: &crate::plan::expr::Expr, columns: &[Value]) -> bool {
    eval_row(expr, columns) == Value::Bool(true)
}

/// What a change of phase is called, and since when the condition has held.
fn transition(from: Phase, to: Phase, now_ns: i64) -> Option<(AlertState, i64)> {
    match (from, to) {
        (Phase::Inactive, Phase::Pending { since_ns }) => Some((AlertState::Pending, since_ns)),
        (Phase::Inactive | Phase::Pending { .. }, Phase::Firing { since_ns, .. }) => {
            Some((AlertState::Firing, since_ns))
        }
        (Phase::Pending { .. }, Phase::Inactive) => Some((AlertState::Inactive, now_ns)),
        (Phase::Firing { since_ns, .. }, Phase::Inactive) => Some((AlertState::Resolved, since_ns)),
        _ => None,
    }
}
