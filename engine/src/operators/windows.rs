//! The windows of one table on one worker: slices merged, windows closed, results said.
//!
//! Deltas are merged in the order of the boundary from which windows see them. What is said
//! follows from event time alone, except for `results changes`, which may follow the cut into
//! epochs: that is what such rows are for. Must not know where deltas come from.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::applied::{KeyedEvent, RuleCounts, SliceDelta};
use super::apply::boundary;
use super::close::Closed;
use super::groups::{GroupId, Groups};
use super::keyed::{ClosedWindow, Keyed, KeyedState};
use super::past::{Pasts, PastsState};
use super::row_maker::RowMaker;
use super::slice_table::GroupDelta;
use super::tails::{Tails, TailsState, has_tails};
use crate::limits::SERIES_LOOKBACK_NS;
use crate::model::{Row, RowKind, RuleId};
use crate::plan::{AggregateRule, Plan, Results, RuleKind, Table, TableWindow};

/// A row said before and not final: (rule, end of the window, group).
type SaidKey = (RuleId, i64, GroupId);

/// One table's windows on this worker.
#[derive(Default)]
pub(crate) struct Windows {
    slices: BTreeMap<i64, Groups>,
    /// Boundaries up to this one have closed.
    closed: i64,
    /// Windows off the grid.
    keyed: Keyed,
    /// Groups that late items changed since the last boundary, by slice.
    amended: BTreeMap<i64, BTreeSet<GroupId>>,
    /// Rows that a later one may replace, with their revision.
    said: BTreeMap<SaidKey, (u32, Row)>,
    pasts: Pasts,
    /// What windows begin with.
    tails: Tails,
}

/// What a snapshot holds of one table's windows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct WindowsState {
    pub(crate) groups: Vec<(i64, GroupDelta)>,
    pub(crate) keyed: KeyedState,
    said: Vec<(SaidKey, (u32, Row))>,
    pasts: PastsState,
    tails: TailsState,
}

impl WindowsState {
    /// The part whose groups fulfil a condition on the hash of their key.
    pub(crate) fn part(&self, is_mine: impl Fn(u128) -> bool) -> Self {
        let groups = self.groups.iter().filter(|(_, group)| is_mine(group.key_hash));
        let said = self.said.iter().filter(|((_, _, (key_hash, _)), _)| is_mine(*key_hash));
        Self {
            groups: groups.cloned().collect(),
            keyed: self.keyed.part(&is_mine),
            said: said.cloned().collect(),
            tails: self.tails.iter().filter(|(id, _)| is_mine(id.0)).cloned().collect(),
            pasts: self.pasts.iter().filter(|((_, id), _)| is_mine(id.0)).cloned().collect(),
        }
    }

    /// Adds another worker's part.
    pub(crate) fn extend(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.keyed.extend(other.keyed);
        self.said.extend(other.said);
        self.pasts.extend(other.pasts);
        self.tails.extend(other.tails);
    }
}

/// Where a table stands while its windows close.
pub(crate) struct Closing<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) table: &'a Table,
    pub(crate) watermark_ns: i64,
    /// The highest time of any item.
    pub(crate) top_ns: i64,
}

impl Closing<'_> {
    fn rule(&self, id: RuleId) -> Option<&AggregateRule> {
        match &self.plan.rules[id.0 as usize].kind {
            RuleKind::Aggregate(rule) => Some(rule),
            _ => None,
        }
    }
}

impl Windows {
    /// Windows closed up to a watermark.
    pub(crate) fn new(table: &Table, watermark_ns: i64, restored: WindowsState) -> Self {
        let closed = boundary(table, watermark_ns);
        let mut windows = Self { closed, ..Self::default() };
        for (slice, group) in restored.groups {
            windows.slices.entry(slice).or_default().merge(group);
        }
        if let Some(shape) = table.keyed_shape() {
            windows.keyed = Keyed::restore(restored.keyed, shape);
        }
        windows.said = restored.said.into_iter().collect();
        windows.pasts = Pasts::restore(restored.pasts);
        windows.tails = Tails::restore(restored.tails);
        windows
    }

    /// The state.
    pub(crate) fn state(&self) -> WindowsState {
        let groups = self
            .slices
            .iter()
            .flat_map(|(slice, groups)| groups.groups.iter().map(|group| (*slice, group.clone())));
        let said = self.said.iter().map(|(key, row)| (*key, row.clone()));
        WindowsState {
            groups: groups.collect(),
            keyed: self.keyed.state(),
            said: said.collect(),
            pasts: self.pasts.state(),
            tails: self.tails.state(),
        }
    }

    /// Takes what has come, and closes windows up to the watermark.
    pub(crate) fn close(
        &mut self,
        closing: &Closing<'_>,
        mut deltas: Vec<SliceDelta>,
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        let until = boundary(closing.table, closing.watermark_ns);
        deltas.sort_by_key(|delta| delta.boundary);
        let mut deltas = deltas.into_iter().peekable();
        let mut at = self.closed.saturating_add(1);
        while at <= until {
            // Nothing ends before the first slice does: skip gaps in the data.
            let slice = self.slices.first_key_value().map(|(slice, _)| slice.saturating_add(1));
            let arriving = deltas.peek().map(|delta| delta.boundary);
            let watched = watched_end(closing, at, alerts);
            let Some(next) = slice.into_iter().chain(arriving).chain(watched).min() else {
                break;
            };
            at = at.max(next);
            if at > until {
                break;
            }
            while let Some(delta) = deltas.next_if(|delta| delta.boundary <= at) {
                self.merge(closing.table, delta);
            }
            self.close_boundary(closing, at, alerts, out);
            at = at.saturating_add(1);
        }
        self.closed = self.closed.max(until);
        deltas.for_each(|delta| self.merge(closing.table, delta));
        if closing.table.says_changes() {
            self.say_open(closing, until, out);
        }
    }

    fn merge(&mut self, table: &Table, delta: SliceDelta) {
        if table.amend_ns > 0 && delta.boundary > delta.slice.saturating_add(1) {
            let ids = delta.groups.iter().map(GroupDelta::id);
            self.amended.entry(delta.slice).or_default().extend(ids);
        }
        let slice = self.slices.entry(delta.slice).or_default();
        delta.groups.into_iter().for_each(|group| slice.merge(group));
    }

    /// Closes the windows that end at a boundary, and forgets the slices that none needs any more.
    fn close_boundary(
        &mut self,
        closing: &Closing<'_>,
        at: i64,
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        let table = closing.table;
        let now_ns = table.slice_start_ns(at);
        for window in &table.windows {
            self.amend(closing, window, now_ns, out);
            if window.shape.is_end(now_ns, table.offset_ns) {
                let kind = closing_kind(table, window, now_ns);
                let rows = self.rows(closing, window, (now_ns, now_ns, now_ns), kind, None);
                for alert in alerts.iter_mut().filter(|a| a.source() == window.rule) {
                    alert.window(now_ns, &rows, &mut out.transitions);
                }
                self.say(window, now_ns, rows, None, out);
            }
            if table.amend_ns > 0 {
                let end_ns = table.slice_start_ns(at.saturating_sub(table.amend_slices()));
                if window.shape.is_end(end_ns, table.offset_ns) {
                    let when = (end_ns, end_ns, now_ns);
                    let rows = self.rows(closing, window, when, RowKind::Final, None);
                    self.say(window, end_ns, rows, None, out);
                }
            }
            if let Results::Every(every_ns) = window.results
                && (now_ns - table.offset_ns).rem_euclid(every_ns) == 0
            {
                self.say_so_far(closing, window, now_ns, out);
            }
        }
        self.amended.clear();
        while let Some(first) = self.slices.first_entry() {
            if table.slice_dead_ns(*first.key()) > now_ns {
                break;
            }
            let slice = first.remove();
            if has_tails(table) {
                self.tails.keep(&slice, now_ns.saturating_sub(SERIES_LOOKBACK_NS));
            }
        }
    }

    /// Says again the rows of closed windows that late items have changed.
    fn amend(
        &mut self,
        closing: &Closing<'_>,
        window: &TableWindow,
        now_ns: i64,
        out: &mut Closed,
    ) {
        let table = closing.table;
        let mut ends: BTreeMap<i64, BTreeSet<GroupId>> = BTreeMap::new();
        for (slice, ids) in &self.amended {
            let slice_ns = table.slice_start_ns(*slice);
            for end_ns in ends_over(window, table, slice_ns, now_ns) {
                let final_ns = end_ns.saturating_add(table.amend_slices() * table.width_ns);
                if final_ns <= now_ns {
                    continue; // decided for good before, or right here
                }
                ends.entry(end_ns).or_default().extend(ids);
            }
        }
        for (end_ns, ids) in ends {
            let when = (end_ns, end_ns, now_ns);
            let rows = self.rows(closing, window, when, RowKind::Revision(0), Some(&ids));
            self.say(window, end_ns, rows, Some(&ids), out);
        }
    }

    /// `results every`: the open windows as they are at a boundary.
    fn say_so_far(
        &mut self,
        closing: &Closing<'_>,
        window: &TableWindow,
        now_ns: i64,
        out: &mut Closed,
    ) {
        let table = closing.table;
        for end_ns in ends_over(window, table, now_ns.saturating_sub(1), i64::MAX) {
            if end_ns <= now_ns {
                continue;
            }
            let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
            let revision = so_far(window, table, start_ns, now_ns.saturating_add(1));
            let kind = RowKind::Revision(revision);
            let rows = self.rows(closing, window, (end_ns, now_ns, now_ns), kind, None);
            out.rows.extend(rows.into_iter().map(|(_, row)| row));
        }
    }

    /// `results changes`: the rows of windows that are still open, as far as they changed.
    fn say_open(&mut self, closing: &Closing<'_>, until: i64, out: &mut Closed) {
        let table = closing.table;
        let now_ns = closing.watermark_ns;
        let closed_ns = if until == i64::MIN { i64::MIN } else { table.slice_start_ns(until) };
        for window in &table.windows {
            let mut ends = BTreeSet::new();
            for slice in self.slices.keys() {
                ends.extend(ends_over(window, table, table.slice_start_ns(*slice), i64::MAX));
            }
            for end_ns in ends.into_iter().filter(|end_ns| *end_ns > closed_ns) {
                let when = (end_ns, end_ns, now_ns);
                let rows = self.rows(closing, window, when, RowKind::Revision(0), None);
                self.say(window, end_ns, rows, None, out);
            }
        }
    }

    /// The rows of one window from its slices: (its end, how far it is seen, when that is
    /// decided); of some groups where `only` is given.
    fn rows(
        &mut self,
        closing: &Closing<'_>,
        window: &TableWindow,
        (end_ns, until_ns, decision_ns): (i64, i64, i64),
        kind: RowKind,
        only: Option<&BTreeSet<GroupId>>,
    ) -> Vec<(GroupId, Row)> {
        let table = closing.table;
        let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
        let Some(rule) = closing.rule(window.rule) else { return Vec::new() };
        let maker =
            RowMaker { rule, id: window.rule, start_ns, end_ns, until_ns, kind, decision_ns };
        let range =
            table.slice_of(start_ns)..table.slice_of(until_ns).max(table.slice_of(start_ns));
        let wanted = |group: &GroupDelta| only.is_none_or(|only| only.contains(&group.id()));
        let is_plain = rule.pasts.is_empty() && !has_tails(table);
        if is_plain && self.slices.range(range.clone()).nth(1).is_none() {
            let groups = self.slices.range_mut(range).flat_map(|(_, groups)| &mut groups.groups);
            let pasts = &mut self.pasts;
            let row = |group: &mut GroupDelta| maker.row(group, pasts).map(|row| (group.id(), row));
            return groups.filter(|group| wanted(group)).filter_map(row).collect();
        }
        let mut merged = Groups::default();
        for (_, groups) in self.slices.range(range) {
            let groups = groups.groups.iter().filter(|group| wanted(group));
            groups.for_each(|group| merged.merge(group.clone()));
        }
        if has_tails(table) {
            let since_ns = start_ns.saturating_sub(SERIES_LOOKBACK_NS);
            let before = self.slices.range(..table.slice_of(start_ns)).map(|(_, groups)| groups);
            self.tails.add_to(&mut merged, before, since_ns);
        }
        if !is_plain {
            // Which pasts are forgotten follows this order.
            merged.groups.sort_by_key(GroupDelta::id);
        }
        let pasts = &mut self.pasts;
        let row = |group: &mut GroupDelta| maker.row(group, pasts).map(|row| (group.id(), row));
        merged.groups.iter_mut().filter_map(row).collect()
    }

    /// Says the rows of a window, in the way that its rule asked for. With `only`, rows of other
    /// groups stay as they are; else a group without a row has none any more.
    fn say(
        &mut self,
        window: &TableWindow,
        end_ns: i64,
        rows: Vec<(GroupId, Row)>,
        only: Option<&BTreeSet<GroupId>>,
        out: &mut Closed,
    ) {
        let is_kept = window.results == Results::Changes;
        let first = (window.rule, end_ns, (0, false));
        let last = (window.rule, end_ns, (u128::MAX, true));
        let mut before: BTreeMap<SaidKey, (u32, Row)> = BTreeMap::new();
        let keys: Vec<SaidKey> = self.said.range(first..=last).map(|(key, _)| *key).collect();
        for key in keys {
            if only.is_none_or(|only| only.contains(&key.2))
                && let Some(said) = self.said.remove(&key)
            {
                before.insert(key, said);
            }
        }
        for (id, mut row) in rows {
            let key = (window.rule, end_ns, id);
            let old = before.remove(&key);
            let is_same = old.as_ref().is_some_and(|(_, old)| old.values == row.values);
            let said_before = old.as_ref().map_or(0, |(revision, _)| *revision);
            if row.kind == RowKind::Revision(0) {
                if is_same {
                    self.said.extend(old.map(|old| (key, old)));
                    continue;
                }
                row.kind = RowKind::Revision(said_before + 1);
            }
            if is_kept {
                if is_same {
                    continue; // final by now: what was said stands
                }
                out.rows.extend(old.map(|(_, old)| withdrawn(old, row.decision_ns)));
            }
            if let RowKind::Revision(revision) = row.kind {
                self.said.insert(key, (revision, row.clone()));
            }
            out.rows.push(row);
        }
        for (_, (_, old)) in before {
            let decision_ns = old.decision_ns.max(end_ns);
            out.rows.push(withdrawn(old, decision_ns));
        }
    }

    /// Takes what has come for windows off the grid, and closes what the watermark has passed.
    pub(crate) fn close_keyed(
        &mut self,
        closing: &Closing<'_>,
        deltas: Vec<SliceDelta>,
        events: Vec<KeyedEvent>,
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        let Some(first) = closing.table.windows.first() else { return };
        for group in deltas.into_iter().flat_map(|delta| delta.groups) {
            self.keyed.merge(group, first.shape);
        }
        let counts: RuleCounts = self.keyed.take(events, first.shape);
        let mut ended = Vec::new();
        self.keyed.close(closing.watermark_ns, first.shape, &mut ended);
        ended.sort_by_key(|window| (window.decision_ns, window.end_ns, window.group.id()));
        for window in &closing.table.windows {
            out.rules[window.rule.0 as usize].merge(&counts);
            let Some(rule) = closing.rule(window.rule) else { continue };
            let mut rows = Vec::new();
            for ClosedWindow { group, end_ns, decision_ns } in &mut ended {
                let (start_ns, end_ns, decision_ns) = (group.span_ns.0, *end_ns, *decision_ns);
                let kind = RowKind::Final;
                let id = window.rule;
                let maker =
                    RowMaker { rule, id, start_ns, end_ns, until_ns: end_ns, kind, decision_ns };
                rows.extend(maker.row(group, &mut self.pasts).map(|row| (group.id(), row)));
            }
            if alerts.iter().any(|alert| alert.source() == window.rule) {
                rows.sort_by(|a, b| a.1.output_cmp(&b.1));
                for alert in alerts.iter_mut().filter(|a| a.source() == window.rule) {
                    for row in &rows {
                        let row = std::slice::from_ref(row);
                        alert.follow(row[0].1.decision_ns, row, &mut out.transitions);
                    }
                }
            }
            // The end of the log ends no hold: event time goes as far as there are items.
            let now_ns = closing.watermark_ns.min(closing.top_ns);
            for alert in alerts.iter_mut().filter(|a| a.source() == window.rule) {
                alert.expire(now_ns, &mut out.transitions);
            }
            out.rows.extend(rows.into_iter().map(|(_, row)| row));
        }
    }
}

/// What the first row at the end of a window is.
fn closing_kind(table: &Table, window: &TableWindow, end_ns: i64) -> RowKind {
    if table.amend_ns == 0 {
        return RowKind::Final;
    }
    if window.results == Results::Changes {
        return RowKind::Revision(0);
    }
    let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
    RowKind::Revision(so_far(window, table, start_ns, end_ns) + 1)
}

fn withdrawn(row: Row, decision_ns: i64) -> Row {
    Row { kind: RowKind::Retraction, decision_ns, ..row }
}

/// Ends before `before_ns` of the windows that hold a time.
fn ends_over(
    window: &TableWindow,
    table: &Table,
    time_ns: i64,
    before_ns: i64,
) -> impl Iterator<Item = i64> + use<> {
    let shape = window.shape;
    let every_ns = shape.every_ns();
    let offset_ns = table.offset_ns;
    let last_ns = shape.last_end_ns(table.slice_start_ns(table.slice_of(time_ns)), offset_ns);
    let first_ns = ((time_ns - offset_ns).div_euclid(every_ns) + 1) * every_ns + offset_ns;
    (0..)
        .map(move |step: i64| first_ns + step * every_ns)
        .take_while(move |end_ns| *end_ns <= last_ns && *end_ns < before_ns)
}

/// How many times `results every` has spoken of a window that began at `start_ns`, before a time.
fn so_far(window: &TableWindow, table: &Table, start_ns: i64, before_ns: i64) -> u32 {
    let Results::Every(every_ns) = window.results else { return 0 };
    let steps = |time_ns: i64| (time_ns - table.offset_ns).div_euclid(every_ns);
    u32::try_from(steps(before_ns - 1) - steps(start_ns)).unwrap_or(u32::MAX)
}

/// The next boundary at which an alert must hear that its groups have no row. At the end of
/// the log that is every window that any event could be in: the same on every worker.
fn watched_end(closing: &Closing<'_>, at: i64, alerts: &[Alert]) -> Option<i64> {
    let table = closing.table;
    let is_watched = |rule| alerts.iter().any(|a| a.source() == rule && a.watches());
    let last_ns = match closing.watermark_ns {
        i64::MAX => table.slice_closed_ns(table.slice_of(closing.top_ns)),
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
