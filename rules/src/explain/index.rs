//! What is looked up and what stands in order among the filters of all rules.

use tailwater_engine::plan::eval::FilterIndex;
use tailwater_engine::plan::{Plan, SignalPlan};

use super::words::column;

/// The filters of one signal, as far as they are asked together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The signal's name.
    pub signal: String,
    /// Distinct filters of all rules.
    pub filters: usize,
    /// Columns whose text says at once which filters may hold, with the number of texts.
    pub lookups: Vec<String>,
    /// Columns whose bounds are asked from the weakest on, with the number of bounds.
    pub bounds: Vec<String>,
    /// Conditions that are asked one by one, each once an item at most.
    pub single: usize,
}

/// Of every signal whose filters gain by it.
pub(super) fn indexed(plan: &Plan) -> Vec<Indexed> {
    plan.signals.iter().filter_map(of_signal).collect()
}

fn of_signal(signal: &SignalPlan) -> Option<Indexed> {
    let summary = FilterIndex::new(&signal.filters).summary();
    let said = |what: &str, columns: &[(u32, usize)]| -> Vec<String> {
        let said = columns.iter().filter(|(_, count)| *count > 1);
        said.map(|(at, count)| format!("{} ({count} {what})", column(signal, *at))).collect()
    };
    let lookups = said("texts", &summary.lookups);
    let bounds = said("bounds", &summary.bounds);
    let gains = !lookups.is_empty() || !bounds.is_empty();
    gains.then(|| Indexed {
        signal: signal.signal.name().to_owned(),
        filters: signal.filters.len(),
        lookups,
        bounds,
        single: summary.single,
    })
}
