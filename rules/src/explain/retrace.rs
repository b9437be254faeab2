//! Derived traces: from what, when they end, and what bounds them.

use tailwater_engine::limits::{RETRACE_BYTES_MAX, RETRACE_TRACES_MAX};
use tailwater_engine::model::render::duration;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    KeepLine, PatternRule, PatternSource, Plan, REGISTERS_FROM, ROW_KEY_FROM, RetraceRule, Rule,
    RuleKind,
};

use super::pattern::source;
use super::words::{column, expression};

/// A rule that makes new traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retracing {
    /// The rule's name.
    pub rule: String,
    /// What it reads.
    pub reads: String,
    /// Which of it.
    pub filter: Option<String>,
    /// Names of the key values.
    pub by: Vec<String>,
    /// When a trace ends.
    pub ends: String,
    /// Which traces are kept, line by line.
    pub keep: Vec<String>,
    /// The bound of its state, in words with numbers.
    pub bound: String,
}

pub(super) fn retracing(plan: &Plan, rule: &Rule, retrace: &RetraceRule) -> Retracing {
    let input = &plan.rules[retrace.input.0 as usize];
    let (reads, filter) = match &input.kind {
        RuleKind::Pattern(spans) => (source(plan, spans.inputs[0].from), filter(plan, spans)),
        _ => {
            let named = |at: u32| input.column_name(at).to_string();
            let filter = retrace.filter.as_ref().map(|filter| expression(filter, &named));
            let outcome = input.name.strip_suffix(" with spans").unwrap_or(&input.name);
            (outcome.to_owned(), filter)
        }
    };
    let line = |line: &KeepLine| {
        let share = f64::from_bits(line.share_bits) * 100.0;
        let when = line.when.as_ref().map(|when| match &input.kind {
            RuleKind::Pattern(spans) => asked(plan, spans, when),
            _ => expression(when, &|at: u32| input.column_name(at).to_string()),
        });
        when.map_or(format!("{share}% otherwise"), |when| format!("{share}% when {when}"))
    };
    Retracing {
        rule: rule.name.to_string(),
        reads,
        filter,
        by: retrace.key_names.iter().map(ToString::to_string).collect(),
        ends: format!(
            "{} after its first span, or with {} spans",
            duration(retrace.flush_ns),
            retrace.flush_spans
        ),
        keep: retrace.keep.iter().map(line).collect(),
        bound: format!(
            "at most {RETRACE_TRACES_MAX} traces and {} MiB of their spans; beyond, the oldest end \
             early and are counted",
            RETRACE_BYTES_MAX >> 20
        ),
    }
}

/// Which spans of a stream.
fn filter(plan: &Plan, spans: &PatternRule) -> Option<String> {
    let PatternSource::Signal { signal, .. } = spans.inputs[0].from else { return None };
    let signal = &plan.signals[signal as usize];
    let filter = &signal.filters[spans.symbols[0].filter? as usize];
    Some(expression(filter, &|at: u32| column(signal, at)))
}

/// What a value of a span's row was asked.
fn asked(plan: &Plan, spans: &PatternRule, when: &Expr) -> String {
    let of = || {
        let Expr::Column(at) = when else { return None };
        let at = at.checked_sub(ROW_KEY_FROM)?.checked_sub(spans.key_names.len() as u32)?;
        let Expr::Column(at) = spans.values.get(at as usize)?.1 else { return None };
        let register = spans.registers.get(at.checked_sub(REGISTERS_FROM)? as usize)?;
        let slots = &spans.inputs[0].slots;
        let (_, at) = slots.iter().find(|(slot, _)| *slot == register.slot)?;
        let PatternSource::Signal { signal, .. } = spans.inputs[0].from else { return None };
        Some(column(&plan.signals[signal as usize], *at))
    };
    of().unwrap_or_else(|| "?".to_owned())
}
