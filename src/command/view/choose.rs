//! Which traces are shown: by id, by an expression, by order and number.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::args::{Sort, View};
use crate::exit::Usage;
use crate::trace::{Gathered, TraceId};

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

/// The traces that are shown, in order, and how many there would be without a limit. `among` are
/// those that a condition on traces lets through.
pub(super) fn choose(
    mut traces: Vec<Gathered>,
    args: &View,
    limit: usize,
    among: Option<&BTreeSet<TraceId>>,
) -> (Vec<Gathered>, usize) {
    if let Some(among) = among {
        traces.retain(|trace| among.contains(&trace.id));
    }
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
