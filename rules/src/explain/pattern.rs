//! What a pattern waits for, how it finds it, and what bounds that.

use tailwater_engine::limits::{
    EVENTS_WAITING_BYTES_PER_SHARD_MAX, PATTERN_EVENTS_PER_KEY_MAX, PATTERN_KEYS_PER_SHARD_MAX,
    PATTERN_RUNS_PER_KEY_MAX, PATTERN_WALK_MAX, SHARDS,
};
use tailwater_engine::model::RuleId;
use tailwater_engine::model::render::duration;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    LaneStep, MatchMode, PatternInput, PatternRule, PatternSource, PatternSymbol, Pick, Plan,
    REGISTERS_FROM, Register, Rule,
};

use super::{alerts_of, words};

/// Orders of steps that are written out; the rest is counted.
const ORDERS_SHOWN: usize = 8;

/// A rule that finds events in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// The rule's name.
    pub rule: String,
    /// Names of what it reads.
    pub reads: Vec<String>,
    /// Names of the key values.
    pub by: Vec<String>,
    /// Its steps and guards, as rules write them.
    pub steps: Vec<String>,
    /// How matches are found.
    pub algorithm: String,
    /// The bound of its state, in words with numbers.
    pub bound: String,
    /// Names of the alerts that read its rows.
    pub alerts: Vec<String>,
}

pub(super) fn matching(plan: &Plan, id: RuleId, rule: &Rule, pattern: &PatternRule) -> Matching {
    let mut reads: Vec<String> = Vec::new();
    for input in &pattern.inputs {
        let name = source(plan, input.from);
        if !reads.contains(&name) {
            reads.push(name);
        }
    }
    Matching {
        rule: rule.name.to_string(),
        reads,
        by: pattern.key_names.iter().map(ToString::to_string).collect(),
        steps: steps(plan, pattern),
        algorithm: algorithm(pattern),
        bound: bound(pattern),
        alerts: alerts_of(plan, id),
    }
}

pub(super) fn source(plan: &Plan, from: PatternSource) -> String {
    match from {
        PatternSource::Signal { signal, .. } => {
            plan.signals[signal as usize].signal.name().to_owned()
        }
        PatternSource::Rows { rule, .. } => plan.rules[rule.0 as usize].name.to_string(),
    }
}

fn steps(plan: &Plan, pattern: &PatternRule) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !steps.contains(&text) {
            steps.push(text);
        }
    };
    let of = |symbol: u32| of_symbol(plan, pattern, &pattern.symbols[symbol as usize]);
    let name = |symbol: u32| &*pattern.symbols[symbol as usize].name;
    if let Some(lead) = pattern.lead {
        add(format!(
            "not {}: {} for {}",
            name(lead.symbol),
            of(lead.symbol),
            duration(lead.for_ns)
        ));
    }
    for step in pattern.lanes.iter().flatten() {
        let gap = step.gap_ns.map_or(String::new(), |ns| format!(" gap {}", duration(ns)));
        // Where there are several orders, they say what follows what.
        let next = if step.stream.is_some() && pattern.lanes.len() == 1 { "next " } else { "" };
        add(format!("{next}{}{}: {}{gap}", name(step.symbol), quantity(step), of(step.symbol)));
    }
    if pattern.lanes.len() > 1 {
        let orders = pattern.lanes.iter().map(|lane| order(pattern, lane));
        orders.take(ORDERS_SHOWN).enumerate().for_each(|(index, text)| {
            add(if index == 0 { format!("as {text}") } else { format!("or {text}") });
        });
        match pattern.lanes.len().saturating_sub(ORDERS_SHOWN) {
            0 => {}
            more => add(format!("or in one of {more} more orders")),
        }
    }
    if let Some(trail) = pattern.trail {
        let time = duration(trail.for_ns);
        add(format!("not {}: {} for {time}", name(trail.symbol), of(trail.symbol)));
    }
    pattern.without.iter().for_each(|symbol| add(format!("without {}", of(*symbol))));
    pattern.until.iter().for_each(|symbol| add(format!("until {}", of(*symbol))));
    steps
}

/// What follows what, by the names of the steps.
fn order(pattern: &PatternRule, lane: &[LaneStep]) -> String {
    let mut text = String::new();
    for (index, step) in lane.iter().enumerate() {
        text.push_str(match (index, step.stream.is_some()) {
            (0, _) => "",
            (_, false) => " then ",
            (_, true) => " next ",
        });
        text.push_str(&pattern.symbols[step.symbol as usize].name);
    }
    text
}

fn quantity(step: &LaneStep) -> String {
    match (step.min, step.max) {
        (1, 1) => String::new(),
        (0, 1) => "?".to_owned(),
        (min, u32::MAX) => format!("{{{min},}}"),
        (min, max) if min == max => format!("{{{min}}}"),
        (min, max) => format!("{{{min},{max}}}"),
    }
}

fn of_symbol(plan: &Plan, pattern: &PatternRule, symbol: &PatternSymbol) -> String {
    let input = &pattern.inputs[symbol.input as usize];
    of_event(plan, input, symbol, &|condition, named| related((plan, pattern), condition, named))
}

/// Columns by name.
type Named<'n> = &'n dyn Fn(u32) -> String;

/// What an event is, as rules write it; `related` writes the condition on other events.
pub(super) fn of_event(
    plan: &Plan,
    input: &PatternInput,
    symbol: &PatternSymbol,
    related: &dyn Fn(&Expr, Named<'_>) -> String,
) -> String {
    let filter = |filters: &[Expr], named: Named<'_>| {
        symbol.filter.map(|at| words::expression(&filters[at as usize], named))
    };
    let condition = symbol.condition.as_ref();
    let named = |at: u32| column_of(plan, input, at);
    let filters = match input.from {
        PatternSource::Signal { signal, .. } => &plan.signals[signal as usize].filters,
        PatternSource::Rows { input, .. } => &plan.row_inputs[input as usize].filters,
    };
    let (own, other) =
        (filter(filters, &named), condition.map(|condition| related(condition, &named)));
    let all: Vec<String> = own.into_iter().chain(other).collect();
    let condition =
        if all.is_empty() { String::new() } else { format!(" where {}", all.join(" and ")) };
    format!("{}{condition}", source(plan, input.from))
}

/// A condition on other events, too.
fn related((plan, pattern): (&Plan, &PatternRule), condition: &Expr, named: Named<'_>) -> String {
    let of_slot = |slot: u32| {
        let slots = pattern.inputs.iter().flat_map(|input| &input.slots);
        let column = slots.clone().find(|(known, _)| *known == slot).map(|(_, column)| *column);
        column.map_or_else(|| "?".to_owned(), named)
    };
    let name = |at: u32| match at.checked_sub(REGISTERS_FROM) {
        None => of_slot(at),
        Some(at) => match pattern.registers.get(at as usize) {
            None => "?".to_owned(),
            Some(register) => remembered((plan, pattern), register),
        },
    };
    words::expression(condition, &name)
}

/// What is remembered of earlier events, as rules write it.
fn remembered((plan, pattern): (&Plan, &PatternRule), register: &Register) -> String {
    let symbol = &pattern.symbols[register.symbol as usize];
    if register.pick == Pick::Count {
        return format!("count({})", symbol.name);
    }
    let input = &pattern.inputs[symbol.input as usize];
    let column = input.slots.iter().find(|(slot, _)| *slot == register.slot);
    let column = column.map_or_else(|| "?".to_owned(), |(_, at)| column_of(plan, input, *at));
    let value = format!("{}.{column}", symbol.name);
    let steps = || pattern.lanes.iter().flatten();
    let is_single = steps()
        .filter(|step| std::ptr::eq(&raw const pattern.symbols[step.symbol as usize], symbol))
        .all(|step| step.max == 1);
    match register.pick {
        Pick::Values => format!("count({value})"),
        Pick::First | Pick::Last if is_single => value,
        pick => format!("{}({value})", format!("{pick:?}").to_lowercase()),
    }
}

/// A column of what a pattern reads, as rules write it.
fn column_of(plan: &Plan, input: &PatternInput, at: u32) -> String {
    match input.from {
        PatternSource::Signal { signal, .. } => words::column(&plan.signals[signal as usize], at),
        PatternSource::Rows { input, rule } => {
            let known = &plan.row_inputs[input as usize];
            let column = |at: u32| plan.rules[rule.0 as usize].column_name(at).to_string();
            match at.checked_sub(known.columns) {
                Some(at) => words::expression(&known.computed[at as usize], &column),
                None => column(at),
            }
        }
    }
}

fn algorithm(pattern: &PatternRule) -> String {
    match pattern.mode {
        MatchMode::One { .. } if pattern.keeps_newest() => {
            "one unfinished match a step: of several, the one that began last".to_owned()
        }
        MatchMode::One { .. } | MatchMode::Each => {
            "one unfinished match a start, each moved by every event of its key".to_owned()
        }
        MatchMode::All { limit } => format!(
            "events are held and combined anew for each that may be a last one; at most {limit} \
             matches and {PATTERN_WALK_MAX} events looked at for each"
        ),
    }
}

fn bound(pattern: &PatternRule) -> String {
    let keys = SHARDS * u64::from(PATTERN_KEYS_PER_SHARD_MAX);
    let lanes = match pattern.lanes.len() {
        1 => String::new(),
        lanes => format!(" ({lanes} orders)"),
    };
    let matches = |count: u64| {
        let es = if count == 1 { "" } else { "es" };
        format!("{count} unfinished match{es} a key{lanes}")
    };
    let a_key = match pattern.mode {
        MatchMode::One { .. } if pattern.keeps_newest() => match pattern.states() {
            0 if pattern.lead.is_none() => return "none: every event is a match".to_owned(),
            0 => "the time of the newest event that must be absent, by key".to_owned(),
            states => matches(states),
        },
        MatchMode::One { .. } | MatchMode::Each => matches(PATTERN_RUNS_PER_KEY_MAX as u64),
        MatchMode::All { .. } => format!("{PATTERN_EVENTS_PER_KEY_MAX} events a key{lanes}"),
    };
    let kept = pattern.within_ns.max(pattern.lead.map_or(0, |lead| lead.for_ns));
    let kept = duration(kept);
    let waiting = waiting();
    format!(
        "at most {a_key}, for {kept}; at most {keys} keys, {waiting}; more are refused and counted"
    )
}

/// What may wait for the watermark.
pub(super) fn waiting() -> String {
    let mib = EVENTS_WAITING_BYTES_PER_SHARD_MAX >> 20;
    format!("and {mib} MiB before the watermark in each of {SHARDS} shards")
}
