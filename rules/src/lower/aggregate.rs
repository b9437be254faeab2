//! Aggregates to rules and their place in a table.
//!
//! Invariant: equal calls over equal columns are one accumulator, whoever asks. How tables are
//! shared, `table` knows; what a call computes, the engine's accumulators.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{
    self, Aggregate, AggregateCall, Declaration, ExprKind, FieldRef, Results,
};
use tailwater_dsl::types::Type;
use tailwater_engine::aggregate::{AccumulatorKind, ExemplarOrder, Finisher};
use tailwater_engine::limits::{COLLECTED_MAX, TOP_VALUES_MAX};
use tailwater_engine::model::{ColumnSpec, Field, RuleId, Signal};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    AggregateCall as PlanCall, AggregateRule, PastCall, PastKind, Plan, Results as PlanResults,
    Rule, RuleKind, RulePlace, TableAccumulator, TableWindow, WindowShape,
};

use super::expr::{Names, lower as lower_expr};
use super::rows::check_level;
use super::signal::demand;
use super::stream::{Composed, Origin, Streams, both, timeline};
use super::table::{Wanted, place};
use super::{NotYet, not_yet, past};

/// Keys open at once where a rule states no limit.
pub(super) const GROUPS_DEFAULT: u32 = 10_000;

/// Lowers an aggregate into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    aggregate: &Aggregate,
) -> Result<RuleId, Vec<NotYet>> {
    let range = declaration.name_range;
    let mut composed = streams.compose(plan, &aggregate.input, range)?;
    let shape = shape(aggregate.window);
    let results = results(aggregate.results);
    if let Some(filter) = &aggregate.filter {
        let condition = composed.lower(plan, streams, filter)?;
        composed.condition = both(composed.condition.take(), Some(condition));
    }
    let mut key = Vec::new();
    let mut named = Vec::new();
    for binding in &aggregate.by {
        let value = composed.lower(plan, streams, &binding.value)?;
        key.push(composed.column(plan, value.clone()));
        named.push((binding.name.clone(), value));
    }
    // In calls a key's name is its value, of each item.
    composed.columns.extend(named);
    let lowered = aggregate.calls.iter().map(|call| lower_call(plan, streams, &composed, call));
    let calls = lowered.collect::<Result<Vec<_>, _>>()?;
    let place_of_rule = rule_place(plan, &composed, results);
    check_level(&place_of_rule, range)?;
    let filter = composed.condition.clone().map(|condition| composed.filter(plan, condition));
    let rule = RuleId(plan.rules.len() as u32);
    let wanted = Wanted {
        origin: composed.origin,
        timeline: place_of_rule.timelines.first().copied().unwrap_or(0),
        filter,
        dedupe: composed.dedupe,
        key,
        window: TableWindow { shape, rule, results },
        offset_ns: aggregate.offset_ns,
        accumulators: each_once(&calls),
        groups_max: aggregate
            .limit
            .map_or(GROUPS_DEFAULT, |limit| u32::try_from(limit.groups).unwrap_or(u32::MAX)),
        amend_ns: composed.amend_ns,
        late: composed.late,
    };
    let calls = in_table(calls, place(plan, wanted));
    let input = match composed.origin {
        Origin::Signal(_) => None,
        Origin::Rows(input) => Some(plan.row_inputs[input as usize].rule),
    };
    let kind = RuleKind::Aggregate(rows(aggregate, input, calls)?);
    let name = Arc::from(declaration.name.as_str());
    plan.rules.push(Rule { name, kind, place: place_of_rule });
    Ok(rule)
}

/// The accumulators of calls, equal ones once.
fn each_once(calls: &[(TableAccumulator, Finisher)]) -> Vec<TableAccumulator> {
    let mut accumulators: Vec<TableAccumulator> = Vec::new();
    for (accumulator, _) in calls {
        if !accumulators.contains(accumulator) {
            accumulators.push(accumulator.clone());
        }
    }
    accumulators
}

/// Calls by where their accumulators stand in the table.
fn in_table(
    calls: Vec<(TableAccumulator, Finisher)>,
    accumulators: &[TableAccumulator],
) -> Vec<PlanCall> {
    let call = |(accumulator, finisher): (TableAccumulator, Finisher)| {
        let index = accumulators.iter().position(|known| *known == accumulator);
        let index = index.expect("the table has every accumulator that was asked for");
        PlanCall { accumulator: index as u32, finisher }
    };
    calls.into_iter().map(call).collect()
}

pub(super) fn rule_place(plan: &mut Plan, composed: &Composed, results: PlanResults) -> RulePlace {
    let is_revised = results != PlanResults::Final || composed.amend_ns > 0;
    match composed.origin {
        Origin::Signal(signal) => RulePlace {
            timelines: vec![timeline(plan, composed, signal)],
            is_revised,
            ..RulePlace::default() // the delay is known when the width of slices is
        },
        Origin::Rows(input) => {
            let source = plan.row_inputs[input as usize].rule;
            let source = &plan.rules[source.0 as usize].place;
            RulePlace { level: source.level + 1, is_revised, is_hidden: false, ..source.clone() }
        }
    }
}

fn results(results: Results) -> PlanResults {
    match results {
        Results::Final => PlanResults::Final,
        Results::Every(every_ns) => PlanResults::Every(every_ns),
        Results::Changes => PlanResults::Changes,
    }
}

/// The selected values and `having`, over keys, calls and earlier values.
fn rows(
    aggregate: &Aggregate,
    input: Option<RuleId>,
    calls: Vec<PlanCall>,
) -> Result<AggregateRule, Vec<NotYet>> {
    let keys = aggregate.by.len();
    let columns = (keys + calls.len()) as u32;
    let mut names = RowNames {
        items: BTreeMap::new(),
        keys,
        pasts: Vec::new(),
        values: 0,
        pasts_from: columns + aggregate.items.len() as u32,
    };
    for (index, binding) in aggregate.by.iter().enumerate() {
        names.items.insert(binding.name.clone(), index as u32);
    }
    let mut values = Vec::new();
    for item in &aggregate.items {
        let value = lower_expr(&item.value, &mut names)?;
        names.items.insert(item.name.clone(), (keys + calls.len() + values.len()) as u32);
        values.push((Arc::from(item.name.as_str()), value));
        names.values += 1;
    }
    let having = aggregate.having.as_ref().map(|having| lower_expr(having, &mut names));
    Ok(AggregateRule {
        input,
        key_names: aggregate.by.iter().map(|b| Arc::from(b.name.as_str())).collect(),
        calls,
        values,
        having: having.transpose()?,
        pasts: names.pasts,
    })
}

/// The names of a row: group keys, then calls, then values.
struct RowNames {
    items: BTreeMap<String, u32>,
    keys: usize,
    pasts: Vec<PastCall>,
    /// Values so far.
    values: u32,
    /// The first column of a call over the past.
    pasts_from: u32,
}

impl Names for RowNames {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        match field {
            FieldRef::Item(name) | FieldRef::Column(name) => {
                self.items.get(name).map(|index| Expr::Column(*index))
            }
            _ => None,
        }
    }

    fn call(&mut self, index: usize) -> Option<Expr> {
        Some(Expr::Column((self.keys + index) as u32))
    }

    fn past(&mut self, kind: PastKind, argument: Expr) -> Option<Expr> {
        Some(past::place(&mut self.pasts, (kind, argument), self.values, self.pasts_from))
    }
}

fn lower_call(
    plan: &mut Plan,
    streams: &Streams<'_>,
    composed: &Composed,
    call: &AggregateCall,
) -> Result<(TableAccumulator, Finisher), Vec<NotYet>> {
    let what = format!("`{}`", call.function);
    if ["increase", "rate"].contains(&call.function.as_str())
        && let Some(Some(argument)) = call.args.first()
    {
        return counters(plan, streams, composed, (call, argument));
    }
    if call.function == "exemplar" {
        return exemplar(plan, streams, composed, call);
    }
    let (mut kind, finisher) = accumulator(call).ok_or_else(|| not_yet(&what, call.range))?;
    let mut condition = match &call.filter {
        Some(filter) => Some(composed.lower(plan, streams, filter)?),
        None => None,
    };
    let mut arguments = Vec::new();
    // `top(k, x)` is the one call whose items are not its first argument.
    let position = usize::from(call.function == "top");
    if let Some(Some(argument)) = call.args.get(position) {
        if matches!(kind, AccumulatorKind::Sketch { .. }) && may_be_distribution(argument) {
            kind = AccumulatorKind::Histogram;
        }
        let value = composed.lower(plan, streams, argument)?;
        if kind == AccumulatorKind::Count {
            let present = Expr::Not(Box::new(Expr::IsNull(Box::new(value))));
            condition = both(condition, Some(present));
        } else {
            arguments.push(composed.column(plan, value));
        }
    }
    let filter = condition.map(|condition| composed.filter(plan, condition));
    Ok((TableAccumulator { kind, arguments, filter }, finisher))
}

/// The filter of `… where …` behind a call.
fn own_filter(
    plan: &mut Plan,
    streams: &Streams<'_>,
    composed: &Composed,
    call: &AggregateCall,
) -> Result<Option<u32>, Vec<NotYet>> {
    let Some(filter) = &call.filter else { return Ok(None) };
    let condition = composed.lower(plan, streams, filter)?;
    Ok(Some(composed.filter(plan, condition)))
}

/// Whether values may be histogram points, which only the exponential histogram takes in: the
/// `value` of metrics, where nothing says that it is a number.
fn may_be_distribution(argument: &hir::Expr) -> bool {
    let is_value =
        matches!(&argument.kind, ExprKind::Field(FieldRef::Builtin(path)) if path == "value");
    is_value && matches!(argument.ty, Type::Any | Type::Histogram)
}

/// The increase of counters, by series where there are any.
fn counters(
    plan: &mut Plan,
    streams: &Streams<'_>,
    composed: &Composed,
    (call, argument): (&AggregateCall, &hir::Expr),
) -> Result<(TableAccumulator, Finisher), Vec<NotYet>> {
    let value = composed.lower(plan, streams, argument)?;
    let mut arguments = vec![composed.column(plan, value)];
    if let Some(signal) = composed.signal() {
        let signal = &mut plan.signals[signal as usize];
        if signal.signal == Signal::Metrics {
            for field in [Field::Temporality, Field::Series, Field::Name] {
                arguments.push(demand(signal, ColumnSpec::Field(field)));
            }
        }
    }
    let filter = own_filter(plan, streams, composed, call)?;
    let per_second = call.function == "rate";
    let finisher = if per_second { Finisher::IncreaseRate } else { Finisher::Increase };
    Ok((TableAccumulator { kind: AccumulatorKind::Series, arguments, filter }, finisher))
}

/// Items that stand for the group: by a value, or any that has a trace.
fn exemplar(
    plan: &mut Plan,
    streams: &Streams<'_>,
    composed: &Composed,
    call: &AggregateCall,
) -> Result<(TableAccumulator, Finisher), Vec<NotYet>> {
    let order = match (call.args.first(), call.args.get(1)) {
        (Some(Some(_)), _) => ExemplarOrder::Max,
        (_, Some(Some(_))) => ExemplarOrder::Min,
        _ => ExemplarOrder::Any,
    };
    let mut id = |path: &str| {
        let id = composed.field(plan, streams, path);
        let id = id.ok_or_else(|| not_yet("`exemplar` of these items", call.range))?;
        Ok::<u32, Vec<NotYet>>(composed.column(plan, id))
    };
    let (trace, span) = (id("trace.id")?, id("span.id")?);
    let value = match call.args.iter().flatten().next() {
        Some(argument) => {
            let value = composed.lower(plan, streams, argument)?;
            composed.column(plan, value)
        }
        None => trace,
    };
    let filter = own_filter(plan, streams, composed, call)?;
    let (kind, arguments) = (AccumulatorKind::Exemplar { order }, vec![value, trace, span]);
    Ok((TableAccumulator { kind, arguments, filter }, Finisher::List))
}

/// What is stored for a call, and how its result is read.
fn accumulator(call: &AggregateCall) -> Option<(AccumulatorKind, Finisher)> {
    let sketch = AccumulatorKind::Sketch { digits: digits(call)? };
    Some(match call.function.as_str() {
        "count" => (AccumulatorKind::Count, Finisher::Count),
        "rate" => (AccumulatorKind::Count, Finisher::CountRate),
        "sum" => (AccumulatorKind::Sum, Finisher::Sum),
        "avg" => (AccumulatorKind::Sum, Finisher::Avg),
        "stddev" => (AccumulatorKind::SumSquares, Finisher::Stddev),
        "min" => (AccumulatorKind::Min, Finisher::Value),
        "max" => (AccumulatorKind::Max, Finisher::Value),
        "first" => (AccumulatorKind::First, Finisher::Value),
        "last" => (AccumulatorKind::Last, Finisher::Value),
        "ratio" => (AccumulatorKind::Truth, Finisher::Ratio),
        "p50" => (sketch, Finisher::Quantile(500_000)),
        "p75" => (sketch, Finisher::Quantile(750_000)),
        "p90" => (sketch, Finisher::Quantile(900_000)),
        "p95" => (sketch, Finisher::Quantile(950_000)),
        "p99" => (sketch, Finisher::Quantile(990_000)),
        "p999" => (sketch, Finisher::Quantile(999_000)),
        "percentile" => (sketch, Finisher::Quantile(rank(call)?)),
        "histogram" => (AccumulatorKind::Histogram, Finisher::Histogram),
        "distinct" => (AccumulatorKind::Distinct { precision: 12 }, Finisher::Distinct),
        "top" => {
            let most = u32::try_from(TOP_VALUES_MAX).expect("a small constant");
            (AccumulatorKind::Top, Finisher::Top(int_within(call, 0, most)?))
        }
        "collect" => {
            let limit = int_within(call, 1, COLLECTED_MAX)?;
            (AccumulatorKind::Collect { limit }, Finisher::List)
        }
        "apdex" => {
            let hir::Literal::Duration(threshold_ns) = constant(call, 1)? else { return None };
            (AccumulatorKind::Apdex { threshold_ns: *threshold_ns }, Finisher::Apdex)
        }
        _ => return None,
    })
}

/// The value of a constant argument.
fn constant(call: &AggregateCall, position: usize) -> Option<&hir::Literal> {
    let ExprKind::Constant { value, .. } = &call.args.get(position)?.as_ref()?.kind else {
        return None;
    };
    Some(value)
}

/// A constant whole number from 1 to a bound.
fn int_within(call: &AggregateCall, position: usize, most: u32) -> Option<u32> {
    let hir::Literal::Int(number) = constant(call, position)? else { return None };
    u32::try_from(*number).ok().filter(|number| (1..=most).contains(number))
}

/// Significant digits that a percentile keeps: 2, or what its last argument says.
fn digits(call: &AggregateCall) -> Option<u8> {
    let position = usize::from(call.function == "percentile") + 1;
    let is_given = matches!(call.args.get(position), Some(Some(_)));
    match (is_given && has_digits(&call.function)).then(|| constant(call, position)).flatten() {
        Some(hir::Literal::Int(digits)) => u8::try_from(*digits).ok(),
        _ => Some(2),
    }
}

/// Whether the last parameter of a function is `digits`.
fn has_digits(function: &str) -> bool {
    matches!(function, "percentile" | "p50" | "p75" | "p90" | "p95" | "p99" | "p999")
}

/// The rank of `percentile(x, n)`, in millionths; n counts in percent.
fn rank(call: &AggregateCall) -> Option<u32> {
    let percent = match constant(call, 1)? {
        hir::Literal::Int(n) => *n as f64,
        hir::Literal::Float(n) => *n,
        hir::Literal::Ratio(n) => *n * 100.0,
        _ => return None,
    };
    (0.0..=100.0).contains(&percent).then(|| (percent * 10_000.0).round() as u32)
}

fn shape(window: hir::Window) -> WindowShape {
    match window {
        hir::Window::Tumbling { size_ns } => WindowShape::Sliding { size_ns, every_ns: size_ns },
        hir::Window::Sliding { size_ns, every_ns } => WindowShape::Sliding { size_ns, every_ns },
        hir::Window::Cumulate { size_ns, every_ns } => WindowShape::Cumulate { size_ns, every_ns },
        hir::Window::Session { gap_ns, max_ns } => WindowShape::Session { gap_ns, max_ns },
        hir::Window::Count(events) => {
            WindowShape::Count { events: u32::try_from(events).unwrap_or(u32::MAX) }
        }
    }
}
