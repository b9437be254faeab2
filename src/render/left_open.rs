//! What was not decided when a run ended, or a replay that leaves it open: told, as nothing more
//! comes of it.

use tailwater_engine::plan::{Plan, RuleKind};
use tailwater_engine::self_metrics::EngineGauges;

use super::sampled::is_of_traces;
use super::summary::counted;

/// What there is, rule by rule; `None` where nothing was open. Alerts are none of it: what fires
/// is said.
pub(super) fn left_open(plan: &Plan, gauges: &EngineGauges) -> Option<String> {
    let mut parts = Vec::new();
    for (index, rule) in plan.rules.iter().enumerate() {
        let count = gauges.groups(index);
        let is_own = !rule.place.is_hidden || matches!(rule.kind, RuleKind::Traces(_));
        if count == 0 || !is_own {
            continue;
        }
        let what = match &rule.kind {
            RuleKind::Traces(_) | RuleKind::Retrace(_) => counted(count, "trace"),
            RuleKind::Sample(sample) if is_of_traces(sample) => {
                format!("{} without a verdict", counted(count, "trace"))
            }
            RuleKind::Sample(_) => format!("{} without a verdict", counted(count, "item")),
            RuleKind::Aggregate(_) => format!("windows of {}", counted(count, "group")),
            RuleKind::Pattern(_) | RuleKind::Correlate(_) => counted(count, "key"),
            _ => continue,
        };
        parts.push(format!("{}: {what}", rule.name));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
