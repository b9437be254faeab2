//! When windows on a grid end, and what is said of them by then.
//!
//! Follows from the plan and event time alone. Must not know what windows hold.

use super::alert::Alert;
use super::applied::SliceDelta;
use super::apply::boundary;
use super::windows::{Closing, Windows};
use crate::limits::ENDS_EXPECTED_MAX;
use crate::model::RowKind;
use crate::plan::{Results, Table, TableWindow};

/// What the first row at the end of a window is.
pub(super) fn closing_kind(table: &Table, window: &TableWindow, end_ns: i64) -> RowKind {
    if table.amend_ns == 0 {
        return RowKind::Final;
    }
    if window.results == Results::Changes {
        return RowKind::Revision(0);
    }
    let start_ns = window.shape.start_ns(end_ns, table.offset_ns);
    RowKind::Revision(so_far(window, table, start_ns, end_ns) + 1)
}

/// Ends before `before_ns` of the windows that hold a time.
pub(super) fn ends_over(
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
pub(super) fn so_far(window: &TableWindow, table: &Table, start_ns: i64, before_ns: i64) -> u32 {
    let Results::Every(every_ns) = window.results else { return 0 };
    let steps = |time_ns: i64| (time_ns - table.offset_ns).div_euclid(every_ns);
    u32::try_from(steps(before_ns - 1) - steps(start_ns)).unwrap_or(u32::MAX)
}

/// The next boundary at which an alert must hear that its groups have no row. At the end of
/// the log that is every window that any event could be in: the same on every worker.
pub(super) fn watched_end(closing: &Closing<'_>, at: i64, alerts: &[Alert]) -> Option<i64> {
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

impl Windows {
    /// About how many rows the windows will say that end by the watermark, where each group has
    /// one; those of many windows at once are not counted.
    pub(super) fn rows_expected(&self, closing: &Closing<'_>, deltas: &[SliceDelta]) -> usize {
        let table = closing.table;
        let until = boundary(table, closing.watermark_ns);
        let held = self.slices.iter().map(|(slice, groups)| (*slice, groups.held.len()));
        let all = held.chain(deltas.iter().map(|delta| (delta.slice, delta.groups.len())));
        let none = (i64::MAX, i64::MIN, 0);
        let (first, last, groups) = all.fold(none, |(first, last, most), (slice, groups)| {
            (first.min(slice), last.max(slice), most.max(groups))
        });
        if groups == 0 {
            return 0;
        }
        let until = until.min(table.slice_of(table.slice_closed_ns(last)));
        let from = self.closed.max(first).saturating_add(1);
        let says = |window: &&TableWindow| {
            let rule = closing.rule(window.rule);
            window.shape.is_grid() && rule.is_some_and(|rule| rule.having.is_none())
        };
        let ends = (from..=until).take(ENDS_EXPECTED_MAX).map(|at| {
            let end_ns = table.slice_start_ns(at);
            let windows = table.windows.iter().filter(says);
            windows.filter(|window| window.shape.is_end(end_ns, table.offset_ns)).count()
        });
        ends.sum::<usize>() * groups
    }
}
