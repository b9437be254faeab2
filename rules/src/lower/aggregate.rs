//! Aggregates to rules and their place in a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{
    self, Aggregate, AggregateCall, Declaration, ExprKind, FieldRef, Results,
};
use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
use tailwater_engine::limits::{COLLECTED_MAX, TOP_VALUES_MAX};
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    AggregateCall as PlanCall, AggregateRule, Plan, Results as PlanResults, Rule, RuleKind,
    TableAccumulator, WindowShape,
};

use super::expr::{Names, lower as lower_expr};
use super::signal::{column_of, filter_of};
use super::stream::{Composed, ItemNames, Streams, both, timeline};
use super::table::{Wanted, place};
use super::{NotYet, not_yet};

/// Keys open at once where a rule states no limit.
const GROUPS_DEFAULT: u32 = 10_000;

/// Lowers an aggregate into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    aggregate: &Aggregate,
) -> Result<(), Vec<NotYet>> {
    if aggregate.results != Results::Final {
        return Err(not_yet("`results` other than `final`", declaration.name_range));
    }
    let mut composed = streams.compose(plan, &aggregate.input, declaration.name_range)?;
    if let Some(filter) = &aggregate.filter {
        let condition = item_expr(plan, &composed, filter)?;
        composed.condition = both(composed.condition.take(), Some(condition));
    }
    let mut key = Vec::new();
    for binding in &aggregate.by {
        let value = item_expr(plan, &composed, &binding.value)?;
        key.push(column_of(&mut plan.signals[composed.signal as usize], value));
    }
    let (mut accumulators, mut calls) = (Vec::new(), Vec::new());
    for call in &aggregate.calls {
        let (accumulator, finisher) = lower_call(plan, &composed, call)?;
        calls.push((accumulator.clone(), finisher));
        if !accumulators.contains(&accumulator) {
            accumulators.push(accumulator);
        }
    }
    let rule_id = RuleId(plan.rules.len() as u32);
    let filter = composed.condition.clone();
    let wanted = Wanted {
        signal: composed.signal,
        timeline: timeline(plan, &composed),
        filter: filter
            .map(|condition| filter_of(&mut plan.signals[composed.signal as usize], condition)),
        dedupe: composed.dedupe,
        key,
        shape: shape(aggregate.window),
        offset_ns: aggregate.offset_ns,
        accumulators,
        groups_max: aggregate
            .limit
            .map_or(GROUPS_DEFAULT, |limit| u32::try_from(limit.groups).unwrap_or(u32::MAX)),
        rule: rule_id,
    };
    let accumulators = place(plan, wanted);
    let calls = calls
        .into_iter()
        .map(|(accumulator, finisher)| {
            let index = accumulators.iter().position(|known| *known == accumulator);
            let index = index.expect("the table has every accumulator that was asked for");
            PlanCall { accumulator: index as u32, finisher }
        })
        .collect();
    let kind = RuleKind::Aggregate(rows(aggregate, calls)?);
    plan.rules.push(Rule { name: Arc::from(declaration.name.as_str()), kind });
    Ok(())
}

/// The selected values and `having`, over keys, calls and earlier values.
fn rows(aggregate: &Aggregate, calls: Vec<PlanCall>) -> Result<AggregateRule, Vec<NotYet>> {
    let keys = aggregate.by.len();
    let mut names = RowNames { items: BTreeMap::new(), keys };
    for (index, binding) in aggregate.by.iter().enumerate() {
        names.items.insert(binding.name.clone(), index as u32);
    }
    let mut values = Vec::new();
    for item in &aggregate.items {
        let value = lower_expr(&item.value, &mut names)?;
        names.items.insert(item.name.clone(), (keys + calls.len() + values.len()) as u32);
        values.push((Arc::from(item.name.as_str()), value));
    }
    let having = aggregate.having.as_ref().map(|having| lower_expr(having, &mut names));
    Ok(AggregateRule {
        key_names: aggregate.by.iter().map(|b| Arc::from(b.name.as_str())).collect(),
        calls,
        values,
        having: having.transpose()?,
        results: PlanResults::Final,
    })
}

/// The names of a row: group keys, then calls, then values.
struct RowNames {
    items: BTreeMap<String, u32>,
    keys: usize,
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
}

fn item_expr(plan: &mut Plan, composed: &Composed, expr: &hir::Expr) -> Result<Expr, Vec<NotYet>> {
    let signal = &mut plan.signals[composed.signal as usize];
    lower_expr(expr, &mut ItemNames { signal, columns: &composed.columns })
}

fn lower_call(
    plan: &mut Plan,
    composed: &Composed,
    call: &AggregateCall,
) -> Result<(TableAccumulator, Finisher), Vec<NotYet>> {
    let what = format!("`{}`", call.function);
    let (kind, finisher) = accumulator(call).ok_or_else(|| not_yet(&what, call.range))?;
    let mut condition = match &call.filter {
        Some(filter) => Some(item_expr(plan, composed, filter)?),
        None => None,
    };
    let mut arguments = Vec::new();
    // `top(k, x)` is the one call whose items are not its first argument.
    let position = usize::from(call.function == "top");
    if let Some(Some(argument)) = call.args.get(position) {
        let value = item_expr(plan, composed, argument)?;
        if kind == AccumulatorKind::Count {
            let present = Expr::Not(Box::new(Expr::IsNull(Box::new(value))));
            condition = both(condition, Some(present));
        } else {
            let signal = &mut plan.signals[composed.signal as usize];
            arguments.push(column_of(signal, value));
        }
    }
    let signal = &mut plan.signals[composed.signal as usize];
    let filter = condition.map(|condition| filter_of(signal, condition));
    Ok((TableAccumulator { kind, arguments, filter }, finisher))
}

/// What is stored for a call, and how its result is read.
fn accumulator(call: &AggregateCall) -> Option<(AccumulatorKind, Finisher)> {
    let sketch = AccumulatorKind::Sketch { digits: 2 };
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
