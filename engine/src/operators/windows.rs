//! The windows of one table on one worker: slices merged, windows closed, results said.
//!
//! Deltas are merged in the order of the boundary from which windows see them. What is said
//! follows from event time alone, except for `results changes`, which may follow the cut into
//! epochs: that is what such rows are for. Must not know where deltas come from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::applied::SliceDelta;
use super::apply::boundary;
use super::close::Closed;
use super::groups::{GroupDelta, GroupId, Groups};
use super::keyed::{Keyed, KeyedState};
use super::keyed_window::Terms;
use super::past::{Pasts, PastsState};
use super::row_maker::{PartsWork, RowMaker};
use super::running::{Running, running_of};
use super::slice_index::{SliceIndex, is_indexed};
use super::tails::{Tails, TailsState, has_tails};
use super::window_ends::{closing_kind, ends_over, so_far, watched_end};
use crate::limits::SERIES_LOOKBACK_NS;
use crate::model::{Row, RowKind, RuleId};
use crate::plan::{AggregateRule, Plan, Results, RuleKind, Table, TableWindow, WindowShape};

/// A row said before and not final: (rule, end of the window, group).
type SaidKey = (RuleId, i64, GroupId);

/// One table's windows on this worker.
#[derive(Default)]
pub(crate) struct Windows {
    pub(super) slices: BTreeMap<i64, Groups>,
    /// Groups of all slices.
    pub(super) held: usize,
    /// By shape: windows over several slices, as far as they have come.
    running: Vec<(WindowShape, Running)>,
    /// Windows over a few slices are read through it.
    index: SliceIndex,
    /// Boundaries up to this one have closed.
    pub(super) closed: i64,
    /// Windows off the grid.
    pub(super) keyed: Keyed,
    /// The watermark up to which these have been decided.
    pub(super) keyed_ns: i64,
    /// Groups that late items changed since the last boundary, by slice.
    amended: BTreeMap<i64, BTreeSet<GroupId>>,
    /// Rows that a later one may replace, with their revision.
    said: BTreeMap<SaidKey, (u32, Row)>,
    pub(super) pasts: Pasts,
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
    pub(super) fn rule(&self, id: RuleId) -> Option<&AggregateRule> {
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
        let mut windows = Self { closed, keyed_ns: watermark_ns, ..Self::default() };
        for (slice, group) in restored.groups {
            windows.slices.entry(slice).or_default().merge(group);
        }
        windows.held = windows.slices.values().map(|groups| groups.held.len()).sum();
        if let Some(terms) = Terms::of(table, watermark_ns) {
            windows.keyed = Keyed::restore(restored.keyed, terms);
        }
        windows.said = restored.said.into_iter().collect();
        windows.pasts = Pasts::restore(restored.pasts);
        windows.tails = Tails::restore(restored.tails);
        windows
    }

    /// Bytes of what windows over several slices are read through.
    pub(super) fn index_bytes(&self) -> usize {
        self.index.held_bytes()
    }

    /// Groups of the windows that slide.
    pub(super) fn running_groups(&self) -> usize {
        self.running.iter().map(|(_, running)| running.groups.held.len()).sum()
    }

    /// The state.
    pub(crate) fn state(&self) -> WindowsState {
        let groups = self
            .slices
            .iter()
            .flat_map(|(slice, groups)| groups.held.iter().map(|group| (*slice, group.clone())));
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
        self.held -= slice.held.len();
        for group in delta.groups {
            if !self.running.is_empty() {
                let is_new = slice.position(group.id()).is_none();
                let running = self.running.iter_mut().map(|(_, running)| running);
                running.for_each(|running| running.amend(delta.slice, &group, is_new));
            }
            slice.merge(group);
        }
        self.held += slice.held.len();
        self.index.forget(delta.slice);
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
                self.close_window(closing, window, now_ns, alerts, out);
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
        for (shape, running) in &mut self.running {
            if shape.is_end(now_ns, table.offset_ns) {
                // What the next window does not hold leaves while it is still there.
                let next_ns = now_ns.saturating_add(shape.every_ns());
                let start_ns = shape.start_ns(next_ns, table.offset_ns);
                running.leave(&self.slices, table.slice_of(start_ns));
            }
        }
        while let Some(first) = self.slices.first_entry() {
            if table.slice_dead_ns(*first.key()) > now_ns {
                break;
            }
            let slice = first.remove();
            self.held -= slice.held.len();
            if has_tails(table) {
                self.tails.keep(&slice, now_ns.saturating_sub(SERIES_LOOKBACK_NS));
            }
        }
    }

    fn close_window(
        &mut self,
        closing: &Closing<'_>,
        window: &TableWindow,
        now_ns: i64,
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        let table = closing.table;
        let (when, kind) = ((now_ns, now_ns, now_ns), closing_kind(table, window, now_ns));
        let is_final = table.amend_ns == 0 && window.results == Results::Final;
        if is_final && alerts.iter().all(|alert| alert.source() != window.rule) {
            // Nobody asks later: rows are not moved a second time.
            let from = out.rows.len();
            self.each_row(closing, window, when, kind, None, |_, row| out.rows.push(row));
            out.order.window(from, &out.rows);
            return;
        }
        let rows = self.rows(closing, window, when, kind, None);
        for alert in alerts.iter_mut().filter(|a| a.source() == window.rule) {
            alert.window(now_ns, &rows, &mut out.transitions);
        }
        self.say(window, now_ns, rows, None, out);
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

    fn rows(
        &mut self,
        closing: &Closing<'_>,
        window: &TableWindow,
        when: (i64, i64, i64),
        kind: RowKind,
        only: Option<&BTreeSet<GroupId>>,
    ) -> Vec<(GroupId, Row)> {
        let mut rows = Vec::new();
        self.each_row(closing, window, when, kind, only, |id, row| rows.push((id, row)));
        rows
    }

    /// The rows of one window from its slices, by key: (its end, how far it is seen, when that is
    /// decided); of some groups where `only` is given.
    fn each_row(
        &mut self,
        closing: &Closing<'_>,
        window: &TableWindow,
        (end_ns, until_ns, decision_ns): (i64, i64, i64),
        kind: RowKind,
        only: Option<&BTreeSet<GroupId>>,
        mut out: impl FnMut(GroupId, Row),
    ) {
        let table = closing.table;
        let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
        let Some(rule) = closing.rule(window.rule) else { return };
        let maker =
            RowMaker { rule, id: window.rule, start_ns, end_ns, until_ns, kind, decision_ns };
        let range =
            table.slice_of(start_ns)..table.slice_of(until_ns).max(table.slice_of(start_ns));
        let has_tails = has_tails(table);
        let is_whole = only.is_none() && (until_ns, decision_ns) == (end_ns, end_ns) && !has_tails;
        let (pasts, mut work) = (&mut self.pasts, PartsWork::default());
        if is_whole && is_indexed(table, window.shape) {
            self.index.prepare(&mut self.slices, range.clone());
            self.index.each(&self.slices, range, |parts| {
                let row = maker.row_of_parts(parts, pasts, &mut work);
                row.into_iter().for_each(|row| out(parts.id, row));
            });
            return;
        }
        let mut columns = Vec::new();
        let take = |group: &mut GroupDelta| {
            if only.is_none_or(|only| only.contains(&group.id()))
                && let Some(row) = maker.row(group, pasts, &mut columns)
            {
                out(group.id(), row);
            }
        };
        let mut slices = self.slices.range_mut(range.clone()).map(|(_, groups)| groups);
        let (first, second) = (slices.next(), slices.next());
        if let (Some(single), None, false) = (first, second, has_tails) {
            single.each(take);
        } else if is_whole {
            let running = running_of(&mut self.running, window.shape);
            running.advance(&self.slices, range);
            running.groups.each(take);
        } else {
            let mut merged = merged(&self.slices, range.clone(), only);
            if has_tails {
                let since_ns = start_ns.saturating_sub(SERIES_LOOKBACK_NS);
                let before = self.slices.range(..range.start).map(|(_, groups)| groups);
                self.tails.add_to(&mut merged, before, since_ns);
            }
            merged.each(take);
        }
    }

    /// Takes the rows of a window that were said; those of some groups where `only` is given.
    fn take_said(
        &mut self,
        rule: RuleId,
        end_ns: i64,
        only: Option<&BTreeSet<GroupId>>,
    ) -> BTreeMap<SaidKey, (u32, Row)> {
        let (first, last) = ((rule, end_ns, (0, false)), (rule, end_ns, (u128::MAX, true)));
        let keys: Vec<SaidKey> = self.said.range(first..=last).map(|(key, _)| *key).collect();
        let keys = keys.into_iter().filter(|key| only.is_none_or(|only| only.contains(&key.2)));
        keys.filter_map(|key| Some((key, self.said.remove(&key)?))).collect()
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
        let mut before = self.take_said(window.rule, end_ns, only);
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
                // A last word that says the same is said all the same: rules that read it wait for
                // final rows.
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
}

/// The groups of slices as one; some of them where `only` is given.
fn merged(
    slices: &BTreeMap<i64, Groups>,
    range: Range<i64>,
    only: Option<&BTreeSet<GroupId>>,
) -> Groups {
    let mut merged = Groups::default();
    let groups = slices.range(range).flat_map(|(_, groups)| &groups.held);
    for group in groups.filter(|group| only.is_none_or(|only| only.contains(&group.id()))) {
        merged.add(group);
    }
    merged
}

/// The withdrawal of a row.
pub(super) fn withdrawn(row: Row, decision_ns: i64) -> Row {
    Row { kind: RowKind::Retraction, decision_ns, ..row }
}
