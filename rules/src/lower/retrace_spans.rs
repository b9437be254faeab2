//! Spans of a stream as rows, for derived traces: a hidden pattern of one step.
//!
//! As of any pattern its events are taken in the order of their time once the watermark has passed
//! them, so which span is the first of a trace does not depend on who sent it when. Rows of one
//! time are sorted by their values on the way: the first is the place in the log.

use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, PatternSymbol, Retrace};
use tailwater_engine::limits::LEVELS_MAX;
use tailwater_engine::model::{RuleId, Signal, Value};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    LaneStep, MatchMode, PatternRule, PatternSource, Pick, Plan, REGISTERS_FROM, Register, Rule,
    RuleKind, RulePlace, START_PLACE,
};

use super::pattern::Lowering;
use super::stream::Streams;
use super::{NotYet, not_yet, pattern_identity, too_deep};

/// The rule that says a row for each span: its key, its place, for each line of `keep` with a
/// condition whether that holds, the span as it came, and nobody beside it.
pub(super) fn rows(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    retrace: &Retrace,
) -> Result<RuleId, Vec<NotYet>> {
    let range = declaration.name_range;
    let symbol = PatternSymbol {
        name: "span".to_owned(),
        input: retrace.input.clone(),
        filter: retrace.filter.clone(),
        key: retrace.by.iter().map(|key| key.value.clone()).collect(),
    };
    let mut lowering = Lowering::new(plan, streams, &[symbol], range)?;
    let mut slots = Vec::new();
    for when in retrace.keep.iter().filter_map(|line| line.when.as_ref()) {
        slots.push(lowering.slot(0, when)?);
    }
    let place = RulePlace { is_hidden: true, ..lowering.place() };
    if place.level > LEVELS_MAX {
        return Err(too_deep(range));
    }
    let Lowering { plan, mut inputs, symbols, slots: item_slot, .. } = lowering;
    let PatternSource::Signal { signal, .. } = inputs[0].from else {
        return Err(not_yet("`retrace` of spans that are rows", range));
    };
    if plan.signals[signal as usize].signal != Signal::Spans {
        return Err(not_yet("`retrace` of items that are no spans", range));
    }
    plan.signals[signal as usize].raw = true;
    inputs[0].item_slot = Some(item_slot);
    slots.push(item_slot);
    let register = |slot| Register { symbol: 0, pick: Pick::First, slot };
    let value = |at: u32| (Arc::from(format!("{at}")), Expr::Column(REGISTERS_FROM + at));
    let mut values: Vec<(Arc<str>, Expr)> = vec![(Arc::from("place"), Expr::Column(START_PLACE))];
    values.extend((0..slots.len() as u32).map(value));
    values.push((Arc::from("nobody"), Expr::Const(Value::Null)));
    let step = LaneStep { symbol: 0, min: 1, max: 1, gap_ns: None, stream: None };
    let mut rule = PatternRule {
        key_names: retrace.by.iter().map(|key| Arc::from(key.name.as_str())).collect(),
        within_ns: 0,
        mode: MatchMode::Each,
        inputs,
        symbols,
        slots: item_slot + 1,
        registers: slots.into_iter().map(register).collect(),
        lanes: vec![vec![step]],
        lead: None,
        trail: None,
        without: Vec::new(),
        until: None,
        values,
        timeout: None,
        hash: 0,
    };
    rule.hash = pattern_identity::hash(plan, &rule);
    let id = RuleId(plan.rules.len() as u32);
    let name = Arc::from(format!("{}'s spans", declaration.name));
    plan.rules.push(Rule { name, kind: RuleKind::Pattern(Box::new(rule)), place });
    Ok(id)
}
