//! Which traces are shown: by id, by an expression, by order and number.

use std::cmp::Reverse;

use tailwater_engine::model::Signal;
use tailwater_engine::plan::SignalPlan;

use crate::args::{General, Sort, View};
use crate::exit::Usage;
use crate::rule_files::{RuleFile, compile};
use crate::trace::Gathered;

/// The half bytes that a trace id starts with.
pub(super) fn id_start(text: &str) -> Result<Vec<u8>, Usage> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if (1..=32).contains(&digits.len()) => Ok(digits),
        _ => Err(Usage(format!(
            "expected a trace id, or its start, of 1 to 32 hex digits after `--trace`, found \
             `{text}`"
        ))),
    }
}

/// What an expression reads and asks of spans; `None`, and told why, if it does not compile. The
/// language has no expressions on their own, so it is the condition of a stream.
pub(super) fn span_filter(expression: &str, general: General) -> Option<SignalPlan> {
    let text = format!(
        "stream matching = spans\n  where ({expression})\n  lateness 10s\n\naggregate counted from matching\n  over \
         tumbling(1m)\n  select {{ n: count() }}\n"
    );
    let file = RuleFile { path: None, name: "--has".to_owned(), text };
    let compiled = compile(&[file], Vec::new());
    if compiled.has_error() {
        compiled.tell(general);
    }
    let plan = compiled.plan?;
    plan.signals.iter().find(|plan| plan.signal == Signal::Spans).cloned()
}

/// The traces that are shown, in order, and how many there would be without a limit.
pub(super) fn choose(
    mut traces: Vec<Gathered>,
    args: &View,
    limit: usize,
) -> (Vec<Gathered>, usize) {
    if args.has.is_some() {
        traces.retain(|trace| trace.spans.iter().any(|span| span.is_match));
    }
    traces.retain(|trace| !trace.spans.is_empty());
    let matching = traces.len();
    traces.sort_by_cached_key(|trace| {
        let first = match args.sort {
            Sort::Start => 0,
            Sort::Duration => trace.duration_ns(),
            Sort::Spans => trace.spans.len() as i64,
            Sort::Errors => trace.errors() as i64,
        };
        (Reverse(first), trace.start_ns(), trace.id)
    });
    if limit > 0 {
        traces.truncate(limit);
    }
    (traces, matching)
}
