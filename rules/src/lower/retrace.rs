//! Derived traces: rows with their spans, and what is made of them.

use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, Expr as Expression, FieldRef, Keep, Retrace, SourceRef};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::limits::LEVELS_MAX;
use tailwater_engine::model::{RuleId, Signal};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    CorrelateRule, KeepLine, OutcomeRule, PatternSource, Plan, ROW_KEY_FROM, RetraceRule, Rule,
    RuleKind, RulePlace,
};
use xxhash_rust::xxh3::xxh3_64;

use super::expr::{Names, lower as lower_expr};
use super::row_names::Columns;
use super::stream::Streams;
use super::{NotYet, not_yet, retrace_spans, too_deep};

/// Lowers derived traces into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    retrace: &Retrace,
) -> Result<(), Vec<NotYet>> {
    let range = declaration.name_range;
    let is_outcome = matches!(retrace.input, SourceRef::Outcome(..));
    let (outcome, input) = if is_outcome {
        // What could not be lowered is reported where it stands.
        let outcome = streams.rule(&retrace.input).ok_or_else(Vec::new)?;
        (outcome, with_items(plan, outcome, range)?)
    } else {
        let rows = retrace_spans::rows(plan, streams, declaration, retrace)?;
        (rows, rows)
    };
    let place = &plan.rules[outcome.0 as usize].place;
    let place = RulePlace { level: place.level + 1, is_hidden: false, ..place.clone() };
    if place.level > LEVELS_MAX {
        return Err(too_deep(range));
    }
    let source = plan.rules[outcome.0 as usize].clone();
    let over_row = |expr: &Expression| lower_expr(expr, &mut Columns { rule: &source });
    let keys: Vec<String> = retrace.by.iter().map(|key| key.name.clone()).collect();
    let over_key = |expr: &Expression| lower_expr(expr, &mut Keys { keys: &keys });
    // The rows of spans hold the key, the place, then what is asked of them.
    let column = |at: usize| Expr::Column(ROW_KEY_FROM + at as u32);
    let mut asked = (keys.len() + 1..).map(column);
    let mut keep_line = |line: &Keep| {
        let when = match &line.when {
            Some(when) if is_outcome => Some(over_row(when)?),
            Some(_) => asked.next(),
            None => None,
        };
        let share_bits = line.share.to_bits();
        Ok(KeepLine { share_bits, when, names_errors: line.names_errors })
    };
    let keep = retrace.keep.iter().map(&mut keep_line).collect::<Result<_, Vec<NotYet>>>()?;
    let (filter, key) = if is_outcome {
        let key = retrace.by.iter().map(|key| over_row(&key.value)).collect::<Result<_, _>>()?;
        (retrace.filter.as_ref().map(over_row).transpose()?, key)
    } else {
        (None, (0..keys.len()).map(column).collect())
    };
    let root_name = retrace.root_name.as_ref().ok_or_else(Vec::new)?;
    let attribute = |one: &tailwater_dsl::hir::Binding| {
        Ok((Arc::from(one.name.as_str()), over_key(&one.value)?))
    };
    let mut rule = RetraceRule {
        input,
        filter,
        key_names: keys.iter().map(|name| Arc::from(name.as_str())).collect(),
        key,
        root_name: over_key(root_name)?,
        root_attributes: retrace.root.iter().map(attribute).collect::<Result<_, Vec<NotYet>>>()?,
        keep,
        flush_ns: retrace.flush_ns,
        flush_spans: u32::try_from(retrace.flush_spans).unwrap_or(u32::MAX),
        hash: 0,
    };
    let identity = super::table::rule_identity(plan, outcome);
    let known = RetraceRule { input: RuleId(0), ..rule.clone() };
    rule.hash = xxh3_64(format!("{} {identity} {known:?}", declaration.name).as_bytes());
    let name = Arc::from(declaration.name.as_str());
    plan.rules.push(Rule { name, kind: RuleKind::Retrace(Box::new(rule)), place });
    Ok(())
}

/// The hidden rule that takes the rows of an outcome with their spans, made where needed.
fn with_items(plan: &mut Plan, outcome: RuleId, range: TextRange) -> Result<RuleId, Vec<NotYet>> {
    let of = match &plan.rules[outcome.0 as usize].kind {
        RuleKind::Outcome(rule) => rule.of,
        _ => outcome,
    };
    let next = RuleId(plan.rules.len() as u32);
    let signals: Vec<Signal> = plan.signals.iter().map(|signal| signal.signal).collect();
    let RuleKind::Correlate(rule) = &mut plan.rules[of.0 as usize].kind else {
        return Err(not_yet("`retrace` of anything but a correlation", range));
    };
    let place = std::iter::once(of).chain(rule.others).position(|id| id == outcome).unwrap_or(0);
    if let Some(known) = rule.with_items[place] {
        return Ok(known);
    }
    rule.with_items[place] = Some(next);
    let wanted: &[usize] = match place {
        0 => &[0, 1],
        1 => &[0],
        _ => &[1],
    };
    let spans: Vec<u32> =
        wanted.iter().filter_map(|side| item_slot(rule, *side, &signals)).collect();
    if spans.is_empty() {
        return Err(not_yet("`retrace` of items that are no spans", range));
    }
    rule.hash = xxh3_64(format!("{} {:?}", rule.hash, rule.item_slots).as_bytes());
    let with_items = OutcomeRule {
        of,
        key_names: rule.key_names.clone(),
        value_names: rule.values.iter().map(|(name, _)| Arc::clone(name)).collect(),
        with_items: true,
        hash: xxh3_64(format!("{place} with items {}", rule.hash).as_bytes()),
    };
    for signal in spans {
        plan.signals[signal as usize].raw = true;
    }
    let source = &plan.rules[outcome.0 as usize];
    let name = Arc::from(format!("{} with spans", source.name));
    let place = RulePlace { is_hidden: true, ..source.place.clone() };
    plan.rules.push(Rule { name, kind: RuleKind::Outcome(with_items), place });
    Ok(next)
}

/// Gives the items of a side a slot where they are spans: the signal of that side.
fn item_slot(rule: &mut CorrelateRule, side: usize, signals: &[Signal]) -> Option<u32> {
    let input = &mut rule.inputs[rule.symbols[side].input as usize];
    let PatternSource::Signal { signal, .. } = input.from else { return None };
    if signals[signal as usize] != Signal::Spans {
        return None;
    }
    let next = rule.slots;
    let slot = *input.item_slot.get_or_insert(next);
    if slot == next {
        rule.slots += 1;
    }
    rule.item_slots[side] = Some(slot);
    Some(signal)
}

/// The names of what a root span says: keys.
struct Keys<'k> {
    keys: &'k [String],
}

impl Names for Keys<'_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        let FieldRef::Item(name) = field else { return None };
        let at = self.keys.iter().position(|key| key == name)?;
        Some(Expr::Column(at as u32))
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }
}
