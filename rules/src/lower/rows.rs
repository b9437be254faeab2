//! Rows from rows: joins, earlier windows, the first by an order.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, FieldRef, Rows, SelectItem};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::limits::LEVELS_MAX;
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    PastCall, PastKind, Plan, ROW_KEY_FROM, RowsJoin, RowsRule, RowsTop, Rule, RuleKind, RulePlace,
};
use xxhash_rust::xxh3::xxh3_64;

use super::expr::{Names, lower as lower_expr};
use super::row_names::row_column;
use super::stream::Streams;
use super::table::rule_identity;
use super::{NotYet, not_yet, past, too_deep, traces};

/// Lowers a `rows` rule into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    rows: &Rows,
) -> Result<RuleId, Vec<NotYet>> {
    let range = declaration.name_range;
    // What could not be lowered is reported where it stands.
    let (input, rows) = match streams.rule(&rows.input) {
        Some(input) => (input, rows.clone()),
        None => traces::as_rows(plan, streams, declaration, rows)?,
    };
    let rows = &rows;
    let joined = match &rows.join {
        Some(join) => Some(streams.rule(&join.with).ok_or_else(Vec::new)?),
        None => None,
    };
    let place = rule_place(plan, input, joined);
    check_level(&place, range)?;
    let left = &plan.rules[input.0 as usize];
    let right = joined.map(|joined| &plan.rules[joined.0 as usize]);
    let is_key = |item: &SelectItem| rows.keys.iter().any(|key| key.name == item.name);
    let columns = |rule: &Rule| ROW_KEY_FROM + rule.column_names().len() as u32;
    let from = columns(left) + right.map_or(0, columns);
    let mut names = PairNames {
        left,
        right,
        left_columns: columns(left),
        items: BTreeMap::new(),
        values: Vec::new(),
        pasts: None,
        pasts_from: from + rows.items.iter().filter(|item| !is_key(item)).count() as u32,
    };
    let filter = rows.filter.as_ref().map(|filter| lower_expr(filter, &mut names)).transpose()?;
    let top = match &rows.top {
        Some(top) => Some(RowsTop {
            rows: u32::try_from(top.rows).unwrap_or(u32::MAX),
            by: lower_expr(&top.by, &mut names)?,
            is_ascending: top.ascending,
        }),
        None => None,
    };
    names.pasts = Some(Vec::new());
    for item in &rows.items {
        let value = lower_expr(&item.value, &mut names)?;
        let at = match value {
            Expr::Column(at) if is_key(item) => at,
            value => {
                names.values.push((Arc::from(item.name.as_str()), value));
                from + names.values.len() as u32 - 1
            }
        };
        names.items.insert(item.name.clone(), at);
    }
    let key_names: Vec<Arc<str>> =
        rows.keys.iter().map(|key| Arc::from(key.name.as_str())).collect();
    let key: Option<Vec<Expr>> = rows.keys.iter().map(|key| names.field(&key.field)).collect();
    let key = key.ok_or_else(|| not_yet("this key", range))?;
    if rows.items.is_empty() {
        let column = |name: &Arc<str>| Expr::Column(column_at(left, name).unwrap_or(ROW_KEY_FROM));
        let own = left.column_names().into_iter().skip(left.key_names().len());
        names.values = own.map(|name| (Arc::clone(name), column(name))).collect();
    }
    let join = match (&rows.join, joined, right) {
        (Some(join), Some(with), Some(right)) => {
            let on = equal_columns(&join.on, left, right);
            let on = on.ok_or_else(|| not_yet("this join", range))?;
            Some(RowsJoin { with, before_ns: join.before_ns, on })
        }
        _ => None,
    };
    let identities = (rule_identity(plan, input), joined.map(|joined| rule_identity(plan, joined)));
    let PairNames { values, pasts, .. } = names;
    let pasts = pasts.unwrap_or_default();
    let mut rule = RowsRule { input, filter, join, top, key_names, key, values, pasts, hash: 0 };
    rule.hash = xxh3_64(format!("{identities:?}\n{rule:?}").as_bytes());
    let id = RuleId(plan.rules.len() as u32);
    let name = Arc::from(declaration.name.as_str());
    plan.rules.push(Rule { name, kind: RuleKind::Rows(rule), place });
    Ok(id)
}

/// Where the rows of a rule hold a column.
fn column_at(rule: &Rule, name: &str) -> Option<u32> {
    let at = rule.column_names().iter().position(|known| ***known == *name)?;
    Some(ROW_KEY_FROM + at as u32)
}

/// The columns of both sides that a join wants equal; `None` where either lacks one.
fn equal_columns(on: &[String], left: &Rule, right: &Rule) -> Option<Vec<(u32, u32)>> {
    on.iter().map(|name| Some((column_at(left, name)?, column_at(right, name)?))).collect()
}

/// A rule that only an alert reads: the rows of another rule, told apart by other columns. The
/// other columns are its values.
pub(super) fn regrouped(
    plan: &mut Plan,
    input: RuleId,
    by: &[String],
    range: TextRange,
) -> Result<RuleId, Vec<NotYet>> {
    let place = RulePlace { is_hidden: true, ..rule_place(plan, input, None) };
    check_level(&place, range)?;
    let source = &plan.rules[input.0 as usize];
    let column = |name: &str| {
        let window = ["window.start", "window.end"].contains(&name);
        let name = name.to_owned();
        let field = if window { FieldRef::Builtin(name) } else { FieldRef::Column(name) };
        row_column(source, &field).ok_or_else(|| not_yet("an alert `by` this column", range))
    };
    let key: Result<Vec<Expr>, _> = by.iter().map(|name| column(name)).collect();
    let others = source.column_names().into_iter().filter(|name| !by.contains(&name.to_string()));
    let values: Result<Vec<_>, Vec<NotYet>> =
        others.map(|name| Ok((Arc::clone(name), column(name)?))).collect();
    let mut rule = RowsRule {
        input,
        filter: None,
        join: None,
        top: None,
        key_names: by.iter().map(|name| Arc::from(name.as_str())).collect(),
        key: key?,
        values: values?,
        pasts: Vec::new(),
        hash: 0,
    };
    rule.hash = xxh3_64(format!("{}\n{rule:?}", rule_identity(plan, input)).as_bytes());
    let name = Arc::from(format!("{} by {}", source.name, by.join(", ")));
    let id = RuleId(plan.rules.len() as u32);
    plan.rules.push(Rule { name, kind: RuleKind::Rows(rule), place });
    Ok(id)
}

pub(super) fn check_level(place: &RulePlace, range: TextRange) -> Result<(), Vec<NotYet>> {
    if place.level <= LEVELS_MAX {
        return Ok(());
    }
    Err(too_deep(range))
}

fn rule_place(plan: &Plan, input: RuleId, joined: Option<RuleId>) -> RulePlace {
    let place = plan.rules[input.0 as usize].place.clone();
    let mut place = RulePlace { is_hidden: false, ..place };
    if let Some(joined) = joined {
        let other = &plan.rules[joined.0 as usize].place;
        place.level = place.level.max(other.level);
        place.timelines.extend(&other.timelines);
        place.timelines.sort_unstable();
        place.timelines.dedup();
        place.is_revised |= other.is_revised;
    }
    place.level += 1;
    place
}

/// The names of a row and of the one joined to it.
struct PairNames<'a> {
    left: &'a Rule,
    right: Option<&'a Rule>,
    left_columns: u32,
    /// Values selected so far.
    items: BTreeMap<String, u32>,
    /// Those of them that are no part of the key.
    values: Vec<(Arc<str>, Expr)>,
    /// Calls over the past so far, where they may stand.
    pasts: Option<Vec<PastCall>>,
    /// The first column of a call over the past.
    pasts_from: u32,
}

impl Names for PairNames<'_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        match field {
            FieldRef::Joined(name) => {
                let window = ["window.start", "window.end"].contains(&name.as_str());
                let field = if window { FieldRef::Builtin(name.clone()) } else { field.clone() };
                let Expr::Column(at) = row_column(self.right?, &field)? else { return None };
                Some(Expr::Column(self.left_columns + at))
            }
            FieldRef::Item(name) if self.items.contains_key(name) => {
                self.items.get(name).map(|at| Expr::Column(*at))
            }
            field => row_column(self.left, field),
        }
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn past(&mut self, kind: PastKind, argument: Expr) -> Option<Expr> {
        let before = self.values.len() as u32;
        Some(past::place(self.pasts.as_mut()?, (kind, argument), before, self.pasts_from))
    }
}
