//! Alerts over the rows of a rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{Alert, Declaration, DeclarationId, FieldRef, NoData, SourceRef};
use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{AlertRule, NoData as PlanNoData, Plan, Rule, RuleKind};
use xxhash_rust::xxh3::xxh3_64;

use super::expr::{Names, lower as lower_expr};
use super::stream::row_column;
use super::{NotYet, not_yet};

/// Lowers an alert into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    rules: &BTreeMap<DeclarationId, RuleId>,
    declaration: &Declaration,
    alert: &Alert,
) -> Result<(), Vec<NotYet>> {
    let range = declaration.name_range;
    let source = match &alert.input {
        SourceRef::Declaration(id) => rules.get(id).copied(),
        SourceRef::Catalog(_) | SourceRef::Late(_) => None,
    };
    let source = source.ok_or_else(|| not_yet("an alert on items", range))?;
    let when = alert.when.as_ref().ok_or_else(|| not_yet("an alert without `when`", range))?;
    let rule = &plan.rules[source.0 as usize];
    if matches!(rule.kind, RuleKind::Alert(_) | RuleKind::Late(_)) {
        return Err(not_yet("an alert on an alert or on late items", range));
    }
    if alert.no_data.is_some_and(|no_data| no_data != NoData::Keep)
        && plan.grid_of(source).is_none()
    {
        return Err(not_yet("`on no data` over session or count windows", range));
    }
    let keys = rule.key_names().iter().map(|key| &**key);
    if !alert.by.is_empty() && !alert.by.iter().map(String::as_str).eq(keys) {
        return Err(not_yet("an alert `by` other columns than its rule's", range));
    }
    let place = rule.place.clone();
    let mut names = Columns { rule };
    let mut expr = |e: &tailwater_dsl::hir::Expr| lower_expr(e, &mut names);
    let mut lowered = AlertRule {
        source,
        filter: alert.filter.as_ref().map(&mut expr).transpose()?,
        when: expr(when)?,
        until: alert.until.as_ref().map(&mut expr).transpose()?,
        for_ns: alert.for_ns,
        hold_ns: alert.hold_ns,
        no_data: match alert.no_data {
            Some(NoData::Resolve) => PlanNoData::Resolve,
            Some(NoData::Fire) => PlanNoData::Fire,
            Some(NoData::Keep) | None => PlanNoData::Keep,
        },
        with_other: alert.with_other,
        severity: alert.severity.as_deref().map(Arc::from),
        labels: texts(&alert.labels, &mut expr)?,
        annotations: texts(&alert.annotations, &mut expr)?,
        hash: 0,
    };
    let source = super::table::rule_identity(plan, source);
    lowered.hash = xxh3_64(format!("{source}\n{lowered:?}").as_bytes());
    let name = Arc::from(declaration.name.as_str());
    plan.rules.push(Rule { name, kind: RuleKind::Alert(lowered), place });
    Ok(())
}

fn texts(
    named: &[(String, tailwater_dsl::hir::Expr)],
    expr: &mut impl FnMut(&tailwater_dsl::hir::Expr) -> Result<Expr, Vec<NotYet>>,
) -> Result<Vec<(Arc<str>, Expr)>, Vec<NotYet>> {
    named.iter().map(|(name, value)| Ok((Arc::from(name.as_str()), expr(value)?))).collect()
}

/// The columns of the rows that an alert reads.
struct Columns<'a> {
    rule: &'a Rule,
}

impl Names for Columns<'_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        row_column(self.rule, field)
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }
}
