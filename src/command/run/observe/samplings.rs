//! The families of samplings: what their lines kept and dropped.

use tailwater_engine::model::RuleId;
use tailwater_engine::plan::{Plan, RuleKind, SampleLine, SampledFrom};
use tailwater_engine::runtime::{DECISION_SECONDS, EarlyClose, LineCounts};

use super::Counts;
use super::exposition::{Distribution, Families, Sample};

/// What of a line a family shows: kept, dropped.
type Of = fn(&LineCounts) -> [u64; 2];

const KINDS: [(&str, &str, Of); 5] = [
    (
        "tailwater_sample_cases_total",
        "Traces, or items where these are sampled, by the line that decided them",
        |line| [line.kept, line.cases - line.kept],
    ),
    (
        "tailwater_sample_items_total",
        "Spans, log records and data points by the line that decided them",
        |line| [line.items_kept, line.items_dropped],
    ),
    (
        "tailwater_sample_bytes_total",
        "Bytes of sampled items, as received, by the line that decided them",
        |line| [line.bytes_kept, line.bytes_dropped],
    ),
    (
        "tailwater_sample_late_items_total",
        "Spans that came after their trace's verdict and followed it, by its line",
        |line| [line.late_kept, line.late_dropped],
    ),
    (
        "tailwater_sample_followed_logs_total",
        "Log records that followed the verdict of their trace, by its line",
        |line| [line.logs_kept, line.logs_dropped],
    ),
];

/// Adds them.
pub(super) fn sampling_families(plan: &Plan, counts: &Counts, all: &mut Families) {
    for (index, rule) in plan.rules.iter().enumerate() {
        let RuleKind::Sample(sample) = &rule.kind else { continue };
        let mut sum = LineCounts::default();
        for (at, line) in sample.lines.iter().enumerate() {
            let key = (RuleId(index as u32), at as u16);
            let of_line = counts.samples.get(&key).copied().unwrap_or_default();
            if !line.is_shadow {
                sum.merge(&of_line);
            }
            line_families(&rule.name, line, line.is_shadow || sample.is_shadow, &of_line, all);
        }
        all.counter(
            "tailwater_sample_refused_tracestates_total",
            "Tracestates of kept spans that broke the rules of W3C and were left out",
        )
        .whole(&[("rule", &*rule.name)], sum.tracestates_refused);
        if matches!(sample.from, SampledFrom::Traces { .. }) {
            trace_families(&rule.name, &sum, all);
        }
    }
}

/// Of samplings of traces: when they were decided, and what room did not allow.
fn trace_families(rule: &str, sum: &LineCounts, all: &mut Families) {
    let distribution = Distribution {
        bounds: DECISION_SECONDS.iter().map(|seconds| *seconds as f64).collect(),
        counts: sum.latency.to_vec(),
        sum: sum.latency_sum_ns as f64 / 1e9,
    };
    all.histogram(
        "tailwater_sample_decision_seconds",
        "Event time from the first span of a trace to its verdict",
    )
    .add(&[("rule", rule)], Sample::Histogram(distribution));
    for (why, count) in EarlyClose::ALL.iter().zip(sum.early) {
        all.counter("tailwater_sample_early_traces_total", "Traces decided early, by the cause")
            .whole(&[("rule", rule), ("reason", why.word())], count);
    }
    all.counter(
        "tailwater_sample_linked_traces_total",
        "Traces kept only because a trace that is linked to them was",
    )
    .whole(&[("rule", rule)], sum.linked);
    all.counter(
        "tailwater_sample_hurried_total",
        "Verdicts before all that they wait for was there, for want of room",
    )
    .whole(&[("rule", rule)], sum.hurried);
    all.counter(
        "tailwater_sample_forgotten_total",
        "Keys, named traces and links that a sampling forgot for want of room",
    )
    .whole(&[("rule", rule)], sum.forgotten);
}

fn line_families(
    rule: &str,
    line: &SampleLine,
    is_shadow: bool,
    of_line: &LineCounts,
    all: &mut Families,
) {
    // What is only counted must not be added to what was done.
    let shadow = if is_shadow { "true" } else { "false" };
    let labels = [("rule", rule), ("line", &*line.name), ("shadow", shadow)];
    for (name, help, of) in KINDS {
        let [kept, dropped] = of(of_line);
        for (outcome, count) in [("kept", kept), ("dropped", dropped)] {
            let [rule, line, shadow] = labels;
            all.counter(name, help).whole(&[rule, line, shadow, ("outcome", outcome)], count);
        }
    }
}
