//! What is said beside the traces: how much was read, shown and left out.

use std::fmt::Write as _;

use crate::args::View;
use crate::render::summary::grouped;
use crate::trace::Gather;

/// How many traces there were and were shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) matching: usize,
    pub(super) traces: usize,
}

/// What was read.
pub(super) struct Told {
    traces: usize,
    spans: usize,
    left_out: u64,
    without_id: u64,
    damaged: u64,
    other_items: u64,
    place: Option<String>,
}

impl Told {
    pub(super) fn of(gather: &Gather, damaged: u64) -> Self {
        let ledger = gather.ledger();
        let items: u64 = ledger.signals.iter().map(|counts| counts.received).sum();
        let first = ledger.set_aside.first();
        Self {
            traces: gather.traces().len(),
            spans: gather.held(),
            left_out: gather.left_out(),
            without_id: gather.without_id(),
            damaged,
            other_items: items,
            place: first.map(|item| format!("{} at {}", item.reason, item.place)),
        }
    }

    /// One line of what was read and shown, and one for what was not.
    pub(super) fn text(&self, args: &View, shown: Shown) -> String {
        let mut text = if self.traces == 0 { self.nothing(args) } else { self.found(args, shown) };
        if self.without_id > 0 {
            let _ = writeln!(text, "{} spans or events name no trace", grouped(self.without_id));
        }
        if self.left_out > 0 {
            let left_out = grouped(self.left_out);
            let _ = writeln!(
                text,
                "{left_out} spans had no room: `--trace ID` reads one trace of any recording"
            );
        }
        if self.damaged > 0 {
            let (damaged, s) = (grouped(self.damaged), if self.damaged == 1 { "" } else { "s" });
            let place = self.place.as_ref().map(|place| format!(": {place}")).unwrap_or_default();
            let _ = writeln!(text, "{damaged} damaged item{s} set aside{place}");
        }
        text
    }

    fn nothing(&self, args: &View) -> String {
        match (&args.trace, self.other_items) {
            (Some(id), 1..) => format!("no trace whose id starts with `{id}`\n"),
            (_, 0) => "no spans: the input holds no telemetry\n".to_owned(),
            (_, items) => format!("no traces in {} items\n", grouped(items)),
        }
    }

    fn found(&self, args: &View, shown: Shown) -> String {
        let count = |count: usize| grouped(count as u64);
        let (traces, spans) = (count(self.traces), count(self.spans));
        let many = |count: usize| if count == 1 { "" } else { "s" };
        let (s, t) = (many(self.spans), many(self.traces));
        let mut text = format!("read {spans} span{s} of {traces} trace{t}");
        if shown.matching < self.traces {
            let _ = write!(text, "; {} match", count(shown.matching));
        }
        if shown.traces < shown.matching {
            let hint = if args.list { "" } else { ", `--list` gives an overview" };
            let _ = write!(text, "; {} shown: `-n 0` shows all{hint}", count(shown.traces));
        }
        text.push('\n');
        text
    }
}
