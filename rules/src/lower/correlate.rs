//! Correlations: what either side takes, and what the rows of every outcome hold.

use std::sync::Arc;

use tailwater_dsl::hir::{Correlate, Declaration, Outcome, Pick};
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    CorrelateRule, KEY_FROM, OutcomeRule, PickMode, Plan, RIGHT_FROM, Rule, RuleKind, RulePlace,
};
use xxhash_rust::xxh3::xxh3_64;

use super::pattern::Lowering;
use super::rows::check_level;
use super::stream::Streams;
use super::{NotYet, pattern_identity, selected};

/// Lowers a correlation into the plan: a rule for each outcome.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    correlate: &Correlate,
) -> Result<[(Outcome, RuleId); 4], Vec<NotYet>> {
    let range = declaration.name_range;
    let mut lowering = Lowering::new(plan, streams, &correlate.sides, range)?;
    let by = (correlate.by.as_slice(), KEY_FROM);
    let values = selected::values(&correlate.items, by, |(side, _), value| {
        let slot = lowering.slot(side, value?).ok()?;
        Some(Expr::Column(if side == 0 { slot } else { RIGHT_FROM + slot }))
    })?;
    let place = lowering.place();
    check_level(&place, range)?;
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
