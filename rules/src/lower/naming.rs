//! Which rules may name a trace in what they say, and how long an item waits for being named.
//!
//! A value may name a trace where it is made of a trace id or an exemplar. Attributes do not count:
//! any of them may hold anything, and a sampling waits for every rule that it asks.

use tailwater_engine::aggregate::AccumulatorKind;
use tailwater_engine::limits::SAMPLE_NAMED_WAIT_NS_MAX;
use tailwater_engine::model::{ColumnSpec, Field, RuleId};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    AggregateRule, PatternInput, PatternSource, PatternSymbol, Plan, ROW_KEY_FROM, RowsRule,
    RuleKind, SampledFrom, Table, WindowShape,
};

/// What is known of a rule.
#[derive(Debug, Clone, Default)]
struct Naming {
    /// By column of its rows, as its readers see them: whether it may name a trace.
    columns: Vec<bool>,
    /// Whether its labels or annotations may.
    in_texts: bool,
    /// The longest time from an item to what the rule says of it, nanoseconds.
    reach_ns: i64,
}

impl Naming {
    fn names(&self) -> bool {
        self.in_texts || self.columns.contains(&true)
    }
}

/// Tells samplings that ask for `named` whom they have to hear.
pub(super) fn settle(plan: &mut Plan) {
    let asks = |kind: &RuleKind| matches!(kind, RuleKind::Sample(sample) if sample.asks_named());
    if !plan.rules.iter().any(|rule| asks(&rule.kind)) {
        return;
    }
    let mut known: Vec<Naming> = Vec::new();
    for index in 0..plan.rules.len() {
        let naming = of_rule(plan, RuleId(index as u32), &known);
        known.push(naming);
    }
    let said = plan.rules.iter().zip(&known).enumerate();
    let said = said.filter(|(_, (rule, naming))| !rule.place.is_hidden && naming.names());
    let named_by: Vec<RuleId> = said.map(|(index, _)| RuleId(index as u32)).collect();
    let reaches = named_by.iter().map(|rule| known[rule.0 as usize].reach_ns);
    let wait_ns = reaches.max().unwrap_or(0).min(SAMPLE_NAMED_WAIT_NS_MAX);
    for rule in &mut plan.rules {
        let RuleKind::Sample(sample) = &mut rule.kind else { continue };
        if sample.asks_named() {
            sample.named_by.clone_from(&named_by);
            let of_items = matches!(sample.from, SampledFrom::Items { .. });
            sample.named_wait_ns = if of_items { wait_ns } else { 0 };
        }
    }
}

/// A rule's sources come before it.
fn of_rule(plan: &Plan, rule: RuleId, known: &[Naming]) -> Naming {
    let of = &plan.rules[rule.0 as usize];
    match &of.kind {
        RuleKind::Aggregate(aggregate) => of_aggregate(plan, rule, aggregate, known),
        RuleKind::Rows(rows) => of_rows(rows, known),
        RuleKind::Alert(alert) => {
            let source = &known[alert.source.0 as usize];
            let own = &source.columns[ROW_KEY_FROM as usize..];
            let mut texts = alert.labels.iter().chain(&alert.annotations);
            let in_texts = texts.any(|(_, text)| reads(text, &|at| flag(own, at)));
            let columns = of.column_names().len() + ROW_KEY_FROM as usize;
            // Its transitions name what the row names that caused them.
            let columns = vec![source.names(); columns];
            Naming { columns, in_texts, reach_ns: source.reach_ns }
        }
        RuleKind::Pattern(pattern) => {
            let absent_ns = pattern.trail.as_ref().map_or(0, |absent| absent.for_ns);
            let own_ns = pattern.within_ns.saturating_add(absent_ns);
            of_events(plan, rule, (&pattern.inputs, &pattern.symbols), own_ns, known)
        }
        RuleKind::Correlate(pairs) => {
            let (least_ns, most_ns) = pairs.within_ns;
            let own_ns = most_ns.max(0).saturating_add(least_ns.min(0).saturating_neg());
            of_events(plan, rule, (&pairs.inputs, &pairs.symbols), own_ns, known)
        }
        RuleKind::Timeout(timeout) => alike(plan, rule, timeout.of, known),
        RuleKind::Outcome(outcome) => alike(plan, rule, outcome.of, known),
        RuleKind::Traces(traces) => {
            let terms = traces.close.iter().flat_map(|term| [term.quiet_ns, term.age_ns]).flatten();
            of_traces(plan, rule, terms.max().unwrap_or(0))
        }
        RuleKind::TracePart(part) => {
            let reach_ns = known.get(part.of.0 as usize).map_or(0, |traces| traces.reach_ns);
            of_traces(plan, rule, reach_ns)
        }
        RuleKind::Late(late) => {
            let mut columns = vec![false; ROW_KEY_FROM as usize];
            columns.extend(late.values.iter().map(|(_, at)| of_item(plan, late.signal, *at)));
            Naming { columns, ..Naming::default() }
        }
        RuleKind::Route(_) | RuleKind::Sample(_) | RuleKind::Retrace(_) => Naming::default(),
    }
}

/// Rows of traces: their first column is the id.
fn of_traces(plan: &Plan, rule: RuleId, reach_ns: i64) -> Naming {
    let columns = plan.rules[rule.0 as usize].column_names().len() + ROW_KEY_FROM as usize;
    let columns = (0..columns as u32).map(|at| at == ROW_KEY_FROM).collect();
    Naming { columns, in_texts: false, reach_ns }
}

/// Rows like those of another rule, which may have more columns.
fn alike(plan: &Plan, rule: RuleId, of: RuleId, known: &[Naming]) -> Naming {
    let mut naming = known.get(of.0 as usize).cloned().unwrap_or_default();
    let columns = plan.rules[rule.0 as usize].column_names().len() + ROW_KEY_FROM as usize;
    naming.columns.resize(columns, false);
    naming
}

fn of_aggregate(plan: &Plan, rule: RuleId, of: &AggregateRule, known: &[Naming]) -> Naming {
    let of_telemetry = plan.tables.iter().map(|table| (table, None));
    let of_rows = plan.row_tables.iter().map(|rows| (&rows.table, Some(rows.input)));
    let mut tables = of_telemetry.chain(of_rows);
    let owns = |table: &Table| table.windows.iter().find(|window| window.rule == rule).cloned();
    let found = tables.find_map(|(table, input)| Some((table, input, owns(table)?)));
    let Some((table, input, window)) = found else { return Naming::default() };
    let read = |at: u32| match input {
        None => of_item(plan, table.signal, at),
        Some(input) => of_row(plan, input, at, known),
    };
    let mut flags: Vec<bool> = table.key.iter().map(|at| read(*at)).collect();
    for call in &of.calls {
        let one = &table.accumulators[call.accumulator as usize];
        let is_exemplar = matches!(one.kind, AccumulatorKind::Exemplar { .. });
        flags.push(is_exemplar || one.arguments.iter().any(|at| read(*at)));
    }
    for (_, value) in &of.values {
        let flagged = reads(value, &|at| flag(&flags, at));
        flags.push(flagged);
    }
    let mut columns = vec![false; ROW_KEY_FROM as usize];
    let keys = table.key.len();
    columns.extend(&flags[..keys]);
    columns.extend(&flags[keys + of.calls.len()..]);
    let own_ns = match window.shape {
        WindowShape::Sliding { size_ns, .. } | WindowShape::Cumulate { size_ns, .. } => size_ns,
        WindowShape::Session { max_ns, gap_ns } => {
            max_ns.map_or(i64::MAX, |max_ns| max_ns.saturating_add(gap_ns))
        }
        WindowShape::Count { events: 1 } => 0, // an item as it comes: the rows of an alert on items
        WindowShape::Count { .. } => i64::MAX,
    };
    let below_ns = of.input.map_or(0, |input| known[input.0 as usize].reach_ns);
    Naming { columns, in_texts: false, reach_ns: own_ns.saturating_add(below_ns) }
}

fn of_rows(of: &RowsRule, known: &[Naming]) -> Naming {
    let input = &known[of.input.0 as usize];
    let (mut flags, mut reach_ns) = (input.columns.clone(), input.reach_ns);
    if let Some(join) = &of.join {
        let with = &known[join.with.0 as usize];
        flags.extend(&with.columns);
        reach_ns = reach_ns.max(with.reach_ns.saturating_add(join.before_ns));
    }
    let mut columns = vec![false; ROW_KEY_FROM as usize];
    columns.extend(of.key.iter().map(|key| reads(key, &|at| flag(&flags, at))));
    for (_, value) in &of.values {
        let flagged = reads(value, &|at| flag(&flags, at));
        flags.push(flagged);
        columns.push(flagged);
    }
    Naming { columns, in_texts: false, reach_ns }
}

/// Rows made of events: where one carries an id, all of the row may hold it.
fn of_events(
    plan: &Plan,
    rule: RuleId,
    (inputs, symbols): (&[PatternInput], &[PatternSymbol]),
    own_ns: i64,
    known: &[Naming],
) -> Naming {
    let read = |input: &PatternInput, at: u32| match input.from {
        PatternSource::Signal { signal, .. } => of_item(plan, signal, at),
        PatternSource::Rows { input, .. } => of_row(plan, input, at, known),
    };
    let slots = inputs.iter().flat_map(|input| input.slots.iter().map(move |(_, at)| (input, *at)));
    let keys = symbols.iter().flat_map(|symbol| {
        let input = &inputs[symbol.input as usize];
        symbol.key.iter().map(move |at| (input, *at))
    });
    let flagged = slots.chain(keys).any(|(input, at)| read(input, at));
    let below = inputs.iter().map(|input| match input.from {
        PatternSource::Signal { .. } => 0,
        PatternSource::Rows { rule, .. } => known[rule.0 as usize].reach_ns,
    });
    let reach_ns = own_ns.saturating_add(below.max().unwrap_or(0));
    let columns = plan.rules[rule.0 as usize].column_names().len();
    let mut flags = vec![false; ROW_KEY_FROM as usize];
    flags.resize(ROW_KEY_FROM as usize + columns, flagged);
    Naming { columns: flags, in_texts: false, reach_ns }
}

fn flag(flags: &[bool], at: u32) -> bool {
    flags.get(at as usize).copied().unwrap_or(false)
}

fn reads(expr: &Expr, is_named: &dyn Fn(u32) -> bool) -> bool {
    let mut found = false;
    expr.columns(&mut |at| found |= is_named(at));
    found
}

/// Whether a column of items may hold the id of a trace.
fn of_item(plan: &Plan, signal: u32, at: u32) -> bool {
    let signal_plan = &plan.signals[signal as usize];
    match signal_plan.columns.get(at as usize) {
        Some(ColumnSpec::Field(Field::TraceId | Field::LinkTraceIds)) => true,
        Some(_) => false,
        None => {
            let computed = signal_plan.computed.get(at as usize - signal_plan.columns.len());
            computed.is_some_and(|value| reads(value, &|at| of_item(plan, signal, at)))
        }
    }
}

/// Whether a column of a rule's rows may, or what is computed of them.
fn of_row(plan: &Plan, input: u32, at: u32, known: &[Naming]) -> bool {
    let input_plan = &plan.row_inputs[input as usize];
    match at.checked_sub(input_plan.columns) {
        None => flag(&known[input_plan.rule.0 as usize].columns, at),
        Some(at) => {
            let computed = input_plan.computed.get(at as usize);
            computed.is_some_and(|value| reads(value, &|at| of_row(plan, input, at, known)))
        }
    }
}
