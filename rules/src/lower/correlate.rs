//! Correlations: what either side takes, and what the rows of every outcome hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{self, Correlate, Declaration, FieldRef, Outcome, Pick, StepPick};
use tailwater_engine::limits::LEVELS_MAX;
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    CorrelateRule, KEY_FROM, OutcomeRule, PickMode, Plan, RIGHT_FROM, Rule, RuleKind, RulePlace,
    VALUES_FROM,
};
use xxhash_rust::xxh3::xxh3_64;

use super::expr::{Names, lower as lower_expr};
use super::pattern::Lowering;
use super::stream::Streams;
use super::{NotYet, not_yet, pattern_identity};

/// Lowers a correlation into the plan: a rule for each outcome.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    correlate: &Correlate,
) -> Result<[(Outcome, RuleId); 4], Vec<NotYet>> {
    let range = declaration.name_range;
    let mut lowering = Lowering::new(plan, streams, &correlate.sides, range)?;
    let (mut items, mut values) = (BTreeMap::new(), Vec::new());
    let keys = correlate.by.iter().enumerate();
    items.extend(keys.map(|(at, name)| (name.clone(), KEY_FROM + at as u32)));
    for item in &correlate.items {
        let names = &mut PairNames { lowering: &mut lowering, items: &items };
        let value = lower_expr(&item.value, names)?;
        items.insert(item.name.clone(), VALUES_FROM + values.len() as u32);
        values.push((Arc::from(item.name.as_str()), value));
    }
    let place = lowering.place();
    if place.level > LEVELS_MAX {
        return Err(not_yet(&format!("more than {LEVELS_MAX} rules that read one another"), range));
    }
    let Lowering { inputs, symbols, slots, .. } = lowering;
    let id = RuleId(plan.rules.len() as u32);
    let mut rule = CorrelateRule {
        key_names: correlate.by.iter().map(|name| Arc::from(name.as_str())).collect(),
        inputs,
        symbols,
        slots,
        within_ns: correlate.within_ns,
        pick: match correlate.pick {
            Pick::First => PickMode::First(1),
            Pick::All { limit } => PickMode::First(u32::try_from(limit).unwrap_or(u32::MAX)),
            Pick::Last => PickMode::Last,
        },
        values,
        others: [1, 2, 3].map(|at| RuleId(id.0 + at)),
        with_items: [None; 4],
        item_slots: [None; 2],
        hash: 0,
    };
    rule.hash = pattern_identity::hash_of_pairs(plan, &rule);
    let rules = Outcome::ALL.map(|outcome| one(declaration, &rule, (outcome, id), &place));
    plan.rules.extend(rules);
    let mut at = id.0;
    Ok(Outcome::ALL.map(|outcome| {
        at += 1;
        (outcome, RuleId(at - 1))
    }))
}

/// The rule of one outcome; duplicates are said to their readers only.
fn one(
    declaration: &Declaration,
    rule: &CorrelateRule,
    (outcome, of): (Outcome, RuleId),
    place: &RulePlace,
) -> Rule {
    let kind = match outcome {
        Outcome::Matched => RuleKind::Correlate(Box::new(rule.clone())),
        _ => RuleKind::Outcome(OutcomeRule {
            of,
            key_names: rule.key_names.clone(),
            value_names: rule.values.iter().map(|(name, _)| Arc::clone(name)).collect(),
            with_items: false,
            hash: xxh3_64(format!("{} {}", outcome.word(), rule.hash).as_bytes()),
        }),
    };
    let is_hidden = outcome == Outcome::Duplicates;
    let name = Arc::from(format!("{}.{}", declaration.name, outcome.word()));
    Rule { name, kind, place: RulePlace { is_hidden, ..place.clone() } }
}

/// The names of selected values: keys, values before, items of both sides.
struct PairNames<'x, 'a, 'b> {
    lowering: &'x mut Lowering<'a, 'b>,
    items: &'x BTreeMap<String, u32>,
}

impl Names for PairNames<'_, '_, '_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        match field {
            FieldRef::Item(name) => self.items.get(name).map(|at| Expr::Column(*at)),
            _ => None,
        }
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn step(&mut self, step: (usize, StepPick), value: Option<&hir::Expr>) -> Option<Expr> {
        let (side, _) = step;
        let slot = self.lowering.slot(side, value?).ok()?;
        Some(Expr::Column(if side == 0 { slot } else { RIGHT_FROM + slot }))
    }
}
