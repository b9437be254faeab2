//! Clauses that make no sense for the windows or items that they are about: why, and what to do.

use super::Checker;
use super::shape::{RowsOf, Shape};
use crate::ast::{Clause, ClauseKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Alert, NoData, Window};
use crate::text_range::TextRange;

impl Checker<'_> {
    /// What windows an aggregate's rows are of; reports those that late items cannot amend.
    pub(super) fn windows_of(
        &mut self,
        window: Option<(Window, i64)>,
        clauses: &[Clause],
        input: &Shape,
    ) -> RowsOf {
        let over = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Over(window) => Some(window.range),
            _ => None,
        });
        let (message, help, rows_of) = match window.map(|(window, _)| window) {
            Some(Window::Count(_)) => (
                "late items cannot amend `count` windows: one item more shifts the items of every \
                 later window of its group",
                "keep them apart with `late side NAME`, or count in windows of time",
                RowsOf::Counts,
            ),
            Some(Window::Session { max_ns: Some(_), .. }) => (
                "late items cannot amend sessions with `max`: one item more moves the cut of every \
                 later part of its session",
                "leave `max` out, or keep late items apart with `late side NAME`",
                RowsOf::Sessions,
            ),
            Some(Window::Session { max_ns: None, .. }) => return RowsOf::Sessions,
            _ => return RowsOf::Grid,
        };
        if let (Some(amends), Some(over)) = (input.amends, over) {
            self.report(
                Diagnostic::new(codes::UNFIT_CLAUSE, over, message)
                    .because(amends, "late items are to amend here")
                    .help(help),
            );
        }
        rows_of
    }

    /// Clauses about time on a stream of late items.
    pub(super) fn late_again(&mut self, clause: &Clause, input: &Shape) {
        let (message, help) = match &clause.kind {
            ClauseKind::Lateness(_) | ClauseKind::Idle(_) | ClauseKind::Late { .. } => (
                "late items come in the order in which they turned up: none of them is late again",
                "leave it out here; `lateness` stands where the items come from",
            ),
            ClauseKind::At(_) => (
                "a late item's time is when it turned up, whatever its start and end",
                "leave `at` out; it stands where the items come from",
            ),
            ClauseKind::Dedupe { .. } => (
                "late items are deduped where they come from, before it is known that they are late",
                "move `dedupe` to the stream with `late side`",
            ),
            _ => return,
        };
        if input.is_late {
            let diagnostic = Diagnostic::new(codes::UNFIT_CLAUSE, clause.range, message);
            self.report(diagnostic.help(help));
        }
    }

    /// `on no data` where nobody can say when a group has none.
    pub(super) fn no_data_of(&mut self, alert: &Alert, input: &Shape, range: TextRange) {
        let wants = alert.no_data.is_some_and(|no_data| no_data != NoData::Keep);
        let (message, help) = match input.rows_of {
            _ if !wants => return,
            RowsOf::Counts => (
                "a `count` window ends with its last item, not at a time: no moment says that a \
                 group has none",
                "write `on no data keep`, or count in windows of time",
            ),
            RowsOf::Transitions => (
                "a transition comes when something changes: none is missing in between",
                "write `on no data keep` or leave it out; it stands where the rows come from",
            ),
            RowsOf::Matches => (
                "a match comes when something happens: none is missing in between",
                "write `on no data keep` or leave it out; what is missing is found by a pattern with \
                 `not … for`, or as `left_only` of a correlation",
            ),
            RowsOf::SessionRows => (
                "only a group of sessions itself can say that it has none: it is silent, not in \
                 the middle of a session",
                "write `on no data keep`, or let the alert read the sessions themselves",
            ),
            RowsOf::Sessions if alert.by != input.keys() => (
                "only a group of sessions can say that it has none, and this alert is `by` other \
                 columns than these groups",
                "write `on no data keep`, or leave `by` out",
            ),
            RowsOf::Sessions | RowsOf::Grid => return,
        };
        self.report(Diagnostic::new(codes::UNFIT_CLAUSE, range, message).help(help));
    }
}
