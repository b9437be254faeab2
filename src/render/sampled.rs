//! What samplings did, by line, for the summary: what was kept of what, and at which rate.
//!
//! Lines in the shadow decide nothing, so they are in no sum.

use std::fmt::Write as _;

use tailwater_engine::model::RuleId;
use tailwater_engine::model::render::duration;
use tailwater_engine::plan::{SampleRule, SampledFrom};
use tailwater_engine::runtime::{EarlyClose, EpochOutput, LineCounts};

use super::summary::grouped;

/// Counts of all lines, by rule and line.
pub(crate) type LinesCounted = Vec<(RuleId, u16, LineCounts)>;

/// The counts as of an epoch.
pub(crate) fn lines_counted(output: &EpochOutput) -> LinesCounted {
    output.samples.iter().map(|((rule, line), counts)| (*rule, *line, *counts)).collect()
}

/// The counts of one line.
pub(crate) fn of_line(counted: &LinesCounted, rule: RuleId, line: usize) -> LineCounts {
    let found = counted.iter().find(|(of, at, _)| (*of, *at as usize) == (rule, line));
    found.map(|(.., counts)| *counts).unwrap_or_default()
}

/// Whether a sampling is of traces, which its rule takes and not the sampling.
pub(crate) fn is_of_traces(sample: &SampleRule) -> bool {
    matches!(sample.from, SampledFrom::Traces { .. })
}

/// What came of a sampling: the end of its own line, then its lines.
pub(crate) fn sampled(id: RuleId, sample: &SampleRule, counted: &LinesCounted) -> String {
    let lines = sample.lines.iter().enumerate();
    let lines: Vec<_> = lines.map(|(at, line)| (line, of_line(counted, id, at))).collect();
    let mut sum = LineCounts::default();
    lines.iter().filter(|(line, _)| !line.is_shadow).for_each(|(_, counts)| sum.merge(counts));
    let verb = if sample.is_shadow { "would keep" } else { "kept" };
    let items = share(sum.items_kept, sum.items_kept + sum.items_dropped);
    let bytes = share(sum.bytes_kept, sum.bytes_kept + sum.bytes_dropped);
    let mut text = if is_of_traces(sample) {
        let traces = share(sum.kept, sum.cases);
        format!("{verb} {traces} traces, {items} spans, {bytes} bytes\n")
    } else {
        format!("{verb} {items}, {bytes} bytes\n")
    };
    for (line, counts) in lines {
        let verb = match (line.is_shadow, sample.is_shadow) {
            (true, _) => "in the shadow, would keep",
            (false, true) => "would keep",
            (false, false) => "kept",
        };
        let kept = share(counts.kept, counts.cases);
        let _ = write!(text, "  {}: {verb} {kept}", line.name);
        if counts.late_kept + counts.late_dropped > 0 {
            let late = share(counts.late_kept, counts.late_kept + counts.late_dropped);
            let _ = write!(text, ", {late} late spans");
        }
        if counts.logs_kept + counts.logs_dropped > 0 {
            let logs = share(counts.logs_kept, counts.logs_kept + counts.logs_dropped);
            let _ = write!(text, ", {logs} log records");
        }
        if counts.linked > 0 {
            let _ = write!(text, ", {} of them for linked traces", grouped(counts.linked));
        }
        text.push('\n');
    }
    text.push_str(&decided(&sum));
    if sum.tracestates_refused > 0 {
        let count = grouped(sum.tracestates_refused);
        let _ = writeln!(text, "  {count} tracestates against W3C's rules were left out");
    }
    text
}

/// How many traces closed before their time, by what, if any did.
pub(super) fn early_text(counts: &[u64; EarlyClose::ALL.len()]) -> Option<String> {
    let early = EarlyClose::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
    let early: Vec<_> =
        early.map(|(why, count)| format!("{} by {}", grouped(*count), why.word())).collect();
    (!early.is_empty()).then(|| early.join(", "))
}

/// How long traces took to be decided, which of them early, and what room did not allow.
fn decided(sum: &LineCounts) -> String {
    let mut text = String::new();
    let traces: u64 = sum.latency.iter().sum();
    if let Some(mean_ns) = sum.latency_sum_ns.checked_div(traces) {
        // From a second on whole milliseconds: in minutes, all the rest would be written out.
        let whole =
            |ns: u64| if ns < 1_000_000_000 { ns } else { (ns + 500_000) / 1_000_000 * 1_000_000 };
        let [mean, most] = [mean_ns, sum.latency_max_ns].map(|ns| duration(whole(ns) as i64));
        let _ = writeln!(text, "  decided {mean} after their first span began, {most} at most");
    }
    if let Some(early) = early_text(&sum.early) {
        let _ = writeln!(text, "  decided early: {early}");
    }
    if sum.hurried > 0 {
        let count = grouped(sum.hurried);
        let _ = writeln!(text, "  {count} decided before all was there, for want of room");
    }
    if sum.forgotten > 0 {
        let count = grouped(sum.forgotten);
        let _ = writeln!(text, "  {count} keys, names and links forgotten, for want of room");
    }
    text
}

/// `1_234 of 5_000 (24.68 %)`
fn share(kept: u64, of: u64) -> String {
    format!("{} of {}{}", grouped(kept), grouped(of), percent(kept, of))
}

/// The effective rate in hundredths of a percent, rounded down: what is not all never reads as all.
fn percent(kept: u64, of: u64) -> String {
    let Some(hundredths) = (u128::from(kept) * 10_000).checked_div(u128::from(of)) else {
        return String::new();
    };
    format!(" ({}.{:02} %)", hundredths / 100, hundredths % 100)
}
