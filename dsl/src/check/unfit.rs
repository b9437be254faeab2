//! Clauses that make no sense for the windows or items that they are about: why, and what to do.

use super::Checker;
use super::shape::{RowsOf, Shape};
use crate::ast::{Clause, ClauseKind, Name};
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

    /// Clauses about time on a stream of traces, or of what traces say: they count when they close.
    pub(super) fn never_late(&mut self, clause: &Clause, input: &Shape) {
        let (message, help) = match &clause.kind {
            ClauseKind::Lateness(_) | ClauseKind::Idle(_) | ClauseKind::Late { .. } => (
                "traces count when they close, in that order: none of them is late",
                "leave it out here; it stands where the spans come from",
            ),
            ClauseKind::Dedupe { .. } => (
                "duplicates are taken out of the spans, before traces are put together",
                "move `dedupe` to the stream of spans that the traces are made of",
            ),
            _ => return,
        };
        if input.is_traces() || input.is_trace_part() {
            let diagnostic = Diagnostic::new(codes::UNFIT_CLAUSE, clause.range, message);
            self.report(diagnostic.help(help));
        }
    }

    /// Traces of late spans: what came in time is not in them.
    pub(super) fn pieces(&mut self, range: TextRange, input: &Shape) {
        if input.is_late {
            let message =
                "of late spans alone no trace can be put together: the others are missing";
            self.report(
                Diagnostic::new(codes::UNFIT_CLAUSE, range, message)
                    .label("late spans")
                    .help("read the stream itself, with a longer `lateness` or `close` that waits"),
            );
        }
    }

    /// What is to leave as it came, but cannot.
    pub(super) fn must_leave(&mut self, name: &Name, input: &Shape, is_sampled: bool) {
        if input.is_broken || input.is_rows || input.leaves || (is_sampled && input.is_traces()) {
            return;
        }
        let what = &name.text;
        let (message, help) = if input.is_traces() {
            (
                "whole traces leave by a `sample`, a `route` takes items and rows".to_owned(),
                format!("write `sample {what} {{ keep 100% otherwise }} to …`, or route the spans"),
            )
        } else if input.is_trace_part() {
            (
                "what traces say of themselves are no items that came".to_owned(),
                format!("make rows of them: `rows NAME = {what} select {{ … }}`, and route these"),
            )
        } else {
            (
                format!(
                    "items of `{what}` cannot leave as they came: OTLP has no message for them"
                ),
                "take what is wanted of them into rows of an `aggregate` or a `pattern`; rows can \
                 leave"
                    .to_owned(),
            )
        };
        self.report(Diagnostic::new(codes::SHAPE, name.range, message).help(help));
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
