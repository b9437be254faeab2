//! The identity of the state of patterns and correlations: what they read and find, and not where
//! columns stand.

use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    CorrelateRule, PatternInput, PatternRule, PatternSource, PatternSymbol, Plan, SignalPlan,
};
use xxhash_rust::xxh3::xxh3_64;

use super::signal::COMPUTED_FROM;
use super::table::{expr_text, rule_identity};

/// The hash of everything that the state depends on; columns are still symbolic.
pub(super) fn hash(plan: &Plan, rule: &PatternRule) -> u64 {
    let mut parts = vec![format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        rule.within_ns,
        rule.mode,
        rule.lanes,
        rule.lead,
        rule.trail,
        rule.without,
        rule.until,
        rule.registers,
        rule.values,
    )];
    parts.extend(events_text(plan, &rule.inputs, &rule.symbols));
    xxh3_64(parts.join("\n").as_bytes())
}

/// The hash of everything that the state of a correlation depends on.
pub(super) fn hash_of_pairs(plan: &Plan, rule: &CorrelateRule) -> u64 {
    let mut parts = vec![format!("{:?} {:?} {:?}", rule.within_ns, rule.pick, rule.values)];
    parts.extend(events_text(plan, &rule.inputs, &rule.symbols));
    xxh3_64(parts.join("\n").as_bytes())
}

/// What a rule takes as events.
fn events_text(plan: &Plan, inputs: &[PatternInput], symbols: &[PatternSymbol]) -> Vec<String> {
    let mut parts = Vec::new();
    for input in inputs {
        parts.push(source_text(plan, input.from));
        let column = |at: u32| column_text(plan, input.from, at);
        parts.extend(input.slots.iter().map(|(slot, at)| format!("{slot} {}", column(*at))));
    }
    for symbol in symbols {
        let from = inputs[symbol.input as usize].from;
        let column = |at: u32| column_text(plan, from, at);
        let key: Vec<String> = symbol.key.iter().map(|at| column(*at)).collect();
        let filter = symbol.filter.map(|at| expr_text(&column, filter_of(plan, from, at)));
        parts.push(format!("{} {key:?} {filter:?} {:?}", symbol.name, symbol.condition));
    }
    parts
}

fn filter_of(plan: &Plan, from: PatternSource, at: u32) -> &Expr {
    match from {
        PatternSource::Signal { signal, .. } => &plan.signals[signal as usize].filters[at as usize],
        PatternSource::Rows { input, .. } => &plan.row_inputs[input as usize].filters[at as usize],
    }
}

fn source_text(plan: &Plan, from: PatternSource) -> String {
    let name = |rule: tailwater_engine::model::RuleId| &plan.rules[rule.0 as usize].name;
    match from {
        PatternSource::Signal { signal, timeline, dedupe, late } => {
            let signal = &plan.signals[signal as usize];
            let line = &plan.timelines[timeline as usize];
            let time = plan.time_columns[line.time_column as usize].column;
            let mut texts = vec![format!(
                "{} {:?} {} {} {:?}",
                signal.signal.name(),
                signal.columns.get(time as usize),
                line.lateness_ns,
                line.idle_ns,
                late.map(name),
            )];
            let mut at = dedupe;
            while let Some(dedupe) = at.map(|at| &plan.dedupes[at as usize]) {
                let key: Vec<String> =
                    dedupe.key.iter().map(|at| signal_column(signal, *at)).collect();
                texts.push(format!("{key:?} {} {}", dedupe.within_ns, dedupe.keys_max));
                if dedupe.side_of.is_some() {
                    texts.push("duplicates".to_owned());
                }
                at = dedupe.side_of.or(dedupe.after);
            }
            texts.join(" ")
        }
        PatternSource::Rows { rule, .. } => format!("{} {}", name(rule), rule_identity(plan, rule)),
    }
}

fn column_text(plan: &Plan, from: PatternSource, at: u32) -> String {
    match from {
        PatternSource::Signal { signal, .. } => signal_column(&plan.signals[signal as usize], at),
        PatternSource::Rows { input, rule } => {
            let input = &plan.row_inputs[input as usize];
            let name = |at: u32| plan.rules[rule.0 as usize].column_name(at).to_string();
            match at.checked_sub(COMPUTED_FROM) {
                Some(computed) => expr_text(&name, &input.computed[computed as usize]),
                None => name(at),
            }
        }
    }
}

fn signal_column(signal: &SignalPlan, at: u32) -> String {
    match at.checked_sub(COMPUTED_FROM) {
        Some(computed) => {
            let expr = &signal.computed[computed as usize];
            expr_text(&|at| signal_column(signal, at), expr)
        }
        None => format!("{:?}", signal.columns.get(at as usize)),
    }
}
