//! Alerts over the rows of a rule, or over items.
//!
//! Invariant: every alert reads rows of one rule, told apart by its own key. Where there is no such
//! rule, a hidden one is made: rows told apart by other columns, or windows of one item each.

use std::sync::Arc;

use tailwater_dsl::hir::{Alert, Declaration, ExprKind, FieldRef, NoData, Place, TraceValue};
use tailwater_dsl::text_range::TextRange;
use tailwater_dsl::types::Type;
use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
use tailwater_engine::model::{Field, RuleId, Signal, Value};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    AggregateCall, AggregateRule, AlertRule, NoData as PlanNoData, Plan, ROW_KEY_FROM, Results,
    Rule, RuleKind, RulePlace, TableAccumulator, TableWindow, TraceField, WindowShape,
};
use xxhash_rust::xxh3::xxh3_64;

use super::aggregate::{GROUPS_DEFAULT, rule_place};
use super::expr::{Lowered, Names, lower as lower_expr};
use super::row_names::{Columns, row_column};
use super::stream::{Composed, Origin, Streams, both};
use super::table::{Wanted, place, rule_identity};
use super::{NotYet, not_yet, traces};

/// Lowers an alert into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    alert: &Alert,
) -> Result<RuleId, Vec<NotYet>> {
    match streams.rule(&alert.input) {
        Some(source) => over_rows(plan, source, declaration, alert),
        None => over_items(plan, streams, declaration, alert),
    }
}

/// An alert over the rows of a rule.
fn over_rows(
    plan: &mut Plan,
    source: RuleId,
    declaration: &Declaration,
    alert: &Alert,
) -> Result<RuleId, Vec<NotYet>> {
    let range = declaration.name_range;
    let rule = &plan.rules[source.0 as usize];
    let upstream = match &rule.kind {
        RuleKind::Alert(upstream) => Some(upstream.key_names.clone()),
        _ => None,
    };
    let keys = rule.key_names().iter().map(|key| &**key);
    // Transitions travel as rows: an alert never lives with the alert that it reads.
    let source = if upstream.is_none() && alert.by.iter().map(String::as_str).eq(keys) {
        source
    } else {
        super::rows::regrouped(plan, source, &alert.by, range)?
    };
    let rule = &plan.rules[source.0 as usize];
    let place = RulePlace { is_hidden: false, ..rule.place.clone() };
    let mut names = Columns { rule };
    let column = |name: &Arc<str>| row_column(rule, &FieldRef::Column(name.to_string()));
    let follows = upstream.map(|keys| columns_of(keys.iter().filter_map(column)));
    let mut expr = |e: &tailwater_dsl::hir::Expr| lower_expr(e, &mut names);
    let when = match (&alert.when, &follows) {
        _ if alert.per_item => Expr::Const(Value::Bool(true)),
        (Some(when), _) => expr(when)?,
        (None, Some(_)) => fires(rule).ok_or_else(|| not_yet("this alert on an alert", range))?,
        (None, None) => return Err(not_yet("an alert without `when`", range)),
    };
    let lowered = AlertRule {
        filter: {
            let filter = alert.filter.as_ref().map(&mut expr).transpose()?;
            let when = alert.when.as_ref().filter(|_| alert.per_item);
            both(filter, when.map(&mut expr).transpose()?)
        },
        is_per_item: alert.per_item,
        until: alert.until.as_ref().map(&mut expr).transpose()?,
        labels: texts(&alert.labels, &mut expr)?,
        annotations: texts(&alert.annotations, &mut expr)?,
        key_names: rule.key_names().to_vec(),
        evidence: evidence(rule),
        follows,
        ..plain(source, alert, when)
    };
    Ok(push(plan, declaration, lowered, place))
}

/// The condition of an alert on an alert that states none: that one fires.
fn fires(rule: &Rule) -> Option<Expr> {
    let state = row_column(rule, &FieldRef::Column("state".to_owned()))?;
    Some(Expr::binary(BinaryOp::Eq, state, Expr::Const(Value::str("firing"))))
}

/// What transitions show of their evidence, as far as they do not say it themselves.
fn evidence(rule: &Rule) -> Vec<(Arc<str>, u32)> {
    let from = ROW_KEY_FROM + rule.key_names().len() as u32;
    let named = rule.value_names().into_iter().zip(from..);
    let named = named.filter(|(name, _)| !["state", "severity"].contains(&&***name));
    named.map(|(name, at)| (Arc::clone(name), at)).collect()
}

fn columns_of(exprs: impl Iterator<Item = Expr>) -> Vec<u32> {
    let column = |expr| if let Expr::Column(at) = expr { Some(at) } else { None };
    exprs.filter_map(column).collect()
}

/// An alert over items: each fires for itself and holds. They come as rows of one item each, in
/// the order of event time.
fn over_items(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    alert: &Alert,
) -> Result<RuleId, Vec<NotYet>> {
    let range = declaration.name_range;
    let mut composed = streams.compose(plan, &alert.input, range)?;
    for condition in alert.filter.iter().chain(&alert.when) {
        let condition = composed.lower(plan, streams, condition)?;
        composed.condition = both(composed.condition.take(), Some(condition));
    }
    let mut items = Items { plan, streams, composed, fields: Vec::new(), keys: 0, range };
    for name in &alert.by {
        items.key(name).ok_or_else(|| not_yet("this `by` of an alert on items", range))?;
    }
    items.keys = items.fields.len();
    let mut expr = |e: &tailwater_dsl::hir::Expr| lower_expr(e, &mut items);
    let labels = texts(&alert.labels, &mut expr)?;
    let annotations = texts(&alert.annotations, &mut expr)?;
    let Items { composed, fields, keys, .. } = items;
    let name = format!("{}'s items", declaration.name);
    let source = item_rows(plan, &composed, &name, (fields, keys));
    let always = Expr::Const(Value::Bool(true));
    let lowered = AlertRule {
        is_per_item: true,
        no_data: PlanNoData::Keep,
        labels,
        annotations,
        key_names: plan.rules[source.0 as usize].key_names().to_vec(),
        ..plain(source, alert, always)
    };
    let place = RulePlace { is_hidden: false, ..plan.rules[source.0 as usize].place.clone() };
    Ok(push(plan, declaration, lowered, place))
}

/// What alerts over rows and over items have in common.
fn plain(source: RuleId, alert: &Alert, when: Expr) -> AlertRule {
    AlertRule {
        source,
        key_names: Vec::new(),
        evidence: Vec::new(),
        follows: None,
        filter: None,
        when,
        until: None,
        for_ns: alert.for_ns,
        hold_ns: alert.hold_ns,
        no_data: match alert.no_data {
            Some(NoData::Resolve) => PlanNoData::Resolve,
            Some(NoData::Fire) => PlanNoData::Fire,
            Some(NoData::Keep) | None => PlanNoData::Keep,
        },
        is_per_item: false,
        with_other: alert.with_other,
        severity: alert.severity.as_deref().map(Arc::from),
        labels: Vec::new(),
        annotations: Vec::new(),
        hash: 0,
    }
}

fn push(
    plan: &mut Plan,
    declaration: &Declaration,
    mut lowered: AlertRule,
    place: RulePlace,
) -> RuleId {
    let source = rule_identity(plan, lowered.source);
    lowered.hash = xxh3_64(format!("{source}\n{lowered:?}").as_bytes());
    let name = Arc::from(declaration.name.as_str());
    // No transition is ever replaced.
    let place = RulePlace { is_revised: false, ..place };
    plan.rules.push(Rule { name, kind: RuleKind::Alert(lowered), place });
    RuleId(plan.rules.len() as u32 - 1)
}

/// A rule that only an alert reads: windows of one item each, with the fields that it asks for.
pub(super) fn item_rows(
    plan: &mut Plan,
    composed: &Composed,
    name: &str,
    (fields, keys): (Vec<(Arc<str>, u32)>, usize),
) -> RuleId {
    let (by, read) = fields.split_at(keys);
    let first = |(_, column): &(Arc<str>, u32)| TableAccumulator {
        kind: AccumulatorKind::First,
        arguments: vec![*column],
        filter: None,
    };
    let mut accumulators: Vec<TableAccumulator> = Vec::new();
    for accumulator in read.iter().map(first) {
        if !accumulators.contains(&accumulator) {
            accumulators.push(accumulator);
        }
    }
    let filter = composed.condition.clone().map(|condition| composed.filter(plan, condition));
    let rule = RuleId(plan.rules.len() as u32);
    let place_of_rule = RulePlace { is_hidden: true, ..rule_place(plan, composed, Results::Final) };
    let wanted = Wanted {
        origin: composed.origin,
        timeline: place_of_rule.timelines.first().copied().unwrap_or(0),
        filter,
        dedupe: composed.dedupe,
        key: by.iter().map(|(_, column)| *column).collect(),
        window: TableWindow {
            shape: WindowShape::Count { events: 1 },
            rule,
            results: Results::Final,
        },
        offset_ns: 0,
        accumulators,
        groups_max: GROUPS_DEFAULT,
        amend_ns: 0,
        late: None,
    };
    let known = place(plan, wanted).to_vec();
    let call = |field: &(Arc<str>, u32)| {
        let at = known.iter().position(|accumulator| *accumulator == first(field));
        AggregateCall { accumulator: at.unwrap_or(0) as u32, finisher: Finisher::Value }
    };
    let value = |(at, (name, _)): (usize, &(Arc<str>, u32))| {
        (Arc::clone(name), Expr::Column((keys + at) as u32))
    };
    let input = match composed.origin {
        Origin::Signal(_) => None,
        Origin::Rows(input) => Some(plan.row_inputs[input as usize].rule),
    };
    let kind = RuleKind::Aggregate(AggregateRule {
        input,
        key_names: by.iter().map(|(name, _)| Arc::clone(name)).collect(),
        calls: read.iter().map(call).collect(),
        values: read.iter().enumerate().map(value).collect(),
        pasts: Vec::new(),
        having: None,
    });
    plan.rules.push(Rule { name: Arc::from(name), kind, place: place_of_rule });
    rule
}

/// The fields that an alert reads of an item, each a column of its row.
struct Items<'a, 'b> {
    plan: &'a mut Plan,
    streams: &'a Streams<'b>,
    composed: Composed,
    /// Name and column of the batch.
    fields: Vec<(Arc<str>, u32)>,
    /// How many of them are keys.
    keys: usize,
    range: TextRange,
}

impl Items<'_, '_> {
    /// The place of a key among the values read.
    fn key(&mut self, name: &str) -> Option<usize> {
        if let (Origin::Rows(_), Some(of_root)) = (self.composed.origin, name.strip_prefix("root."))
        {
            let field = match Field::by_path(Signal::Spans, of_root) {
                Some(_) => FieldRef::Builtin(of_root.to_owned()),
                None => FieldRef::Attribute { place: Place::Any, key: of_root.to_owned() },
            };
            let root = self.any(ExprKind::Field(field));
            return self.value(name, ExprKind::Trace(Box::new(TraceValue::Root(Box::new(root)))));
        }
        let field = self.named(name);
        self.column(&field)
    }

    /// What a name means: a column of the stream, a field of its signal, else an attribute.
    fn named(&self, name: &str) -> FieldRef {
        if self.composed.columns.contains_key(name) {
            return FieldRef::Column(name.to_owned());
        }
        if let Origin::Rows(input) = self.composed.origin
            && let of = self.plan.row_inputs[input as usize].rule
            && let RuleKind::TracePart(part) = &self.plan.rules[of.0 as usize].kind
            && part.part.columns().iter().any(|(column, _)| *column == name)
        {
            return FieldRef::Builtin(name.to_owned());
        }
        if TraceField::ALL.iter().any(|field| field.path() == name)
            && self.composed.signal().is_none()
        {
            return FieldRef::Builtin(name.to_owned());
        }
        let signal = self.composed.signal().map(|at| self.plan.signals[at as usize].signal);
        match signal.and_then(|signal| Field::by_path(signal, name)) {
            Some(_) => FieldRef::Builtin(name.to_owned()),
            None => FieldRef::Attribute { place: Place::Any, key: name.to_owned() },
        }
    }

    /// The place of a field among those read.
    fn column(&mut self, field: &FieldRef) -> Option<usize> {
        let name = match field {
            FieldRef::Builtin(name) | FieldRef::Column(name) | FieldRef::Item(name) => name,
            FieldRef::Attribute { key, .. } => key,
            FieldRef::Joined(_) => return None,
        };
        self.value(name, ExprKind::Field(field.clone()))
    }

    fn any(&self, kind: ExprKind) -> tailwater_dsl::hir::Expr {
        tailwater_dsl::hir::Expr { ty: Type::Any, optional: true, range: self.range, kind }
    }

    /// The place of a value among those read.
    fn value(&mut self, name: &str, kind: ExprKind) -> Option<usize> {
        let expr = self.any(kind);
        let value = self.composed.lower(self.plan, self.streams, &expr).ok()?;
        let column = self.composed.column(self.plan, value);
        let known = self.fields.iter().position(|(_, known)| *known == column);
        Some(known.unwrap_or_else(|| {
            self.fields.push((Arc::from(name), column));
            self.fields.len() - 1
        }))
    }
}

impl Names for Items<'_, '_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        self.column(field).map(|at| Expr::Column(ROW_KEY_FROM + at as u32))
    }

    fn trace(&mut self, value: &TraceValue) -> Option<Lowered> {
        let name = match value {
            TraceValue::Has(_) => "has".to_owned(),
            TraceValue::Count(_) => "count".to_owned(),
            TraceValue::Any(..) => "any".to_owned(),
            TraceValue::Root(value) | TraceValue::Named(_, value) => {
                format!("root.{}", traces::name_of(value))
            }
        };
        let at = self.value(&name, ExprKind::Trace(Box::new(value.clone())))?;
        Some(Ok(Expr::Column(ROW_KEY_FROM + at as u32)))
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }
}

fn texts(
    named: &[(String, tailwater_dsl::hir::Expr)],
    expr: &mut impl FnMut(&tailwater_dsl::hir::Expr) -> Result<Expr, Vec<NotYet>>,
) -> Result<Vec<(Arc<str>, Expr)>, Vec<NotYet>> {
    named.iter().map(|(name, value)| Ok((Arc::from(name.as_str()), expr(value)?))).collect()
}
