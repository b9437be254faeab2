//! The families of samplings: what their lines kept and dropped.

use tailwater_engine::model::RuleId;
use tailwater_engine::plan::{Plan, RuleKind, SampleLine};
use tailwater_engine::runtime::LineCounts;

use super::Counts;
use super::exposition::Families;

/// What of a line a family shows: kept, dropped.
type Of = fn(&LineCounts) -> [u64; 2];

const KINDS: [(&str, &str, Of); 4] = [
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
];

/// Adds them.
pub(super) fn sampling_families(plan: &Plan, counts: &Counts, all: &mut Families) {
    for (index, rule) in plan.rules.iter().enumerate() {
        let RuleKind::Sample(sample) = &rule.kind else { continue };
        let mut refused = 0;
        for (at, line) in sample.lines.iter().enumerate() {
            let key = (RuleId(index as u32), at as u16);
            let of_line = counts.samples.get(&key).copied().unwrap_or_default();
            refused += of_line.tracestates_refused;
            line_families(&rule.name, line, line.is_shadow || sample.is_shadow, &of_line, all);
        }
        all.counter(
            "tailwater_sample_refused_tracestates_total",
            "Tracestates of kept spans that broke the rules of W3C and were left out",
        )
        .whole(&[("rule", &*rule.name)], refused);
    }
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
