//! Traces: which spans, when they close, and what rules read of them.
//!
//! What is read of a trace is asked for by its readers, one value at a time, as late items are: a
//! trace brings along nothing that no rule reads.

use std::sync::Arc;

use tailwater_dsl::hir::{self, Declaration, ExprKind, FieldRef, Program, SourceRef, Traces};
use tailwater_dsl::text_range::{FileId, TextRange};
use tailwater_dsl::types::Type;
use tailwater_engine::limits::{TRACE_BYTES_MAX, TRACE_SPANS_MAX};
use tailwater_engine::model::{AttributePlace, ColumnSpec, Field, RuleId, Value};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    CloseTerm, EdgesPart, OperationsPart, Plan, ROW_KEY_FROM, Rule, RuleKind, RulePlace,
    SpanColumns, TraceField, TracePart, TracePartRule, TraceRule, TraceValue,
};
use tailwater_engine::trace::{PEER_ATTRIBUTES, Structure, is_database_attribute};
use xxhash_rust::xxh3::xxh3_64;

use super::expr::Lowered;
use super::signal::{demand, find_or_push, resolve};
use super::stream::{Composed, Origin, Streams, timeline};
use super::{NotYet, not_yet};

/// How the source `traces` closes: `(root and quiet 5s) or age 60s`.
const CLOSE_DEFAULT: [CloseTerm; 2] = [
    CloseTerm { root: true, quiet_ns: Some(5_000_000_000), age_ns: None },
    CloseTerm { root: false, quiet_ns: None, age_ns: Some(60_000_000_000) },
];

/// Whether some declaration reads the source `traces`.
pub(super) fn reads_all(program: &Program) -> bool {
    let is_all = |source: &SourceRef| match source {
        SourceRef::Catalog(name) => name == "traces" || name.starts_with("traces."),
        _ => false,
    };
    program.declarations.iter().flat_map(|declaration| declaration.kind.inputs()).any(is_all)
}

/// Makes the rule of the source `traces`.
pub(super) fn all(plan: &mut Plan, streams: &mut Streams<'_>) {
    let nowhere = TextRange::new(FileId(0), 0, 0);
    let spans = SourceRef::Catalog("spans".to_owned());
    let Ok(composed) = streams.compose(plan, &spans, nowhere) else { return };
    let rule = rule_of(plan, &composed, CLOSE_DEFAULT.to_vec(), (None, None));
    if let Some(rule) = rule {
        let id = push(plan, "traces", rule);
        streams.traces.insert(id, composed);
        streams.all_traces = Some(id);
    }
}

/// Lowers a declaration.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &mut Streams<'_>,
    declaration: &Declaration,
    traces: &Traces,
) -> Result<RuleId, Vec<NotYet>> {
    let composed = streams.compose(plan, &traces.input, declaration.name_range)?;
    let term = |term: &hir::CloseTerm| CloseTerm {
        root: term.root,
        quiet_ns: term.quiet_ns,
        age_ns: term.age_ns,
    };
    let close = traces.close.iter().map(term).collect();
    let caps = (traces.spans_max, traces.bytes_max);
    let rule = rule_of(plan, &composed, close, caps)
        .ok_or_else(|| not_yet("traces of these items", declaration.name_range))?;
    let id = push(plan, &declaration.name, rule);
    streams.traces.insert(id, composed);
    Ok(id)
}

fn push(plan: &mut Plan, name: &str, rule: TraceRule) -> RuleId {
    let id = RuleId(plan.rules.len() as u32);
    let place =
        RulePlace { timelines: vec![rule.timeline], is_hidden: true, ..RulePlace::default() };
    let kind = RuleKind::Traces(Box::new(rule));
    plan.rules.push(Rule { name: Arc::from(name), kind, place });
    id
}

fn rule_of(
    plan: &mut Plan,
    composed: &Composed,
    close: Vec<CloseTerm>,
    (spans_max, bytes_max): (Option<u64>, Option<u64>),
) -> Option<TraceRule> {
    let signal = composed.signal()?;
    let timeline = timeline(plan, composed, signal);
    let filter = composed.condition.clone().map(|condition| composed.filter(plan, condition));
    let columns = &mut plan.signals[signal as usize];
    let mut column = |field| demand(columns, ColumnSpec::Field(field));
    let columns = SpanColumns {
        trace_id: column(Field::TraceId),
        span_id: column(Field::SpanId),
        parent_id: column(Field::ParentId),
        start: column(Field::Start),
        duration: column(Field::Duration),
    };
    Some(TraceRule {
        signal,
        timeline,
        filter,
        dedupe: composed.dedupe,
        late: composed.late,
        columns,
        close,
        spans_max: spans_max.map_or(TRACE_SPANS_MAX, |max| max as u32),
        bytes_max: bytes_max.unwrap_or(TRACE_BYTES_MAX),
        leaves: Vec::new(),
        carried: Vec::new(),
        of_root: Vec::new(),
        values: Vec::new(),
        pairs: Vec::new(),
        operations: None,
        edges: None,
        is_read: false,
        sampled: None,
        hash: 0,
    })
}

/// The rule of what traces say beside themselves, made where it is first read.
pub(super) fn part(
    plan: &mut Plan,
    streams: &Streams<'_>,
    id: RuleId,
    part: hir::TracePart,
) -> Option<RuleId> {
    let (name, place) = {
        let rule = &plan.rules[id.0 as usize];
        (format!("{}.{}", rule.name, part.name()), rule.place.clone())
    };
    let rule = RuleId(plan.rules.len() as u32);
    let mut reading = Reading::new(plan, streams, id)?;
    let kind = match part {
        hir::TracePart::Operations => {
            if let Some(known) = reading.rule().operations {
                return Some(known.rule);
            }
            let known = OperationsPart {
                rule,
                service: reading.service(),
                name: reading.carried(ColumnSpec::Field(Field::Name)),
                kind: reading.carried(ColumnSpec::Field(Field::LinkedKind)),
                error: reading.error()?,
            };
            reading.rule().operations = Some(known);
            TracePart::Operations
        }
        hir::TracePart::Edges => {
            if let Some(known) = reading.rule().edges {
                return Some(known.rule);
            }
            let known = reading.edges(rule)?;
            reading.rule().edges = Some(known);
            TracePart::Edges
        }
    };
    let kind = RuleKind::TracePart(TracePartRule { of: id, part: kind });
    plan.rules.push(Rule { name: Arc::from(name.as_str()), kind, place });
    Some(rule)
}

/// The column of a field of traces.
pub(super) fn field(
    plan: &mut Plan,
    streams: &Streams<'_>,
    rule: RuleId,
    path: &str,
) -> Option<Expr> {
    let field = *TraceField::ALL.iter().find(|field| field.path() == path)?;
    if field == TraceField::Id {
        return Some(Expr::Column(ROW_KEY_FROM));
    }
    let mut reading = Reading::new(plan, streams, rule)?;
    let value = reading.field(field);
    Some(reading.column(path, value))
}

/// The column of something about the spans of a trace.
pub(super) fn value(
    plan: &mut Plan,
    streams: &Streams<'_>,
    rule: RuleId,
    value: &hir::TraceValue,
) -> Lowered {
    let Some(mut reading) = Reading::new(plan, streams, rule) else { return Err(Vec::new()) };
    let (name, value) = match value {
        hir::TraceValue::Has(set) => ("has", reading.has(set)?),
        hir::TraceValue::Count(set) => ("count", reading.count(set)?),
        hir::TraceValue::Any(value, set) => ("any", reading.any(value, set)?),
        hir::TraceValue::Named(..) => return Err(Vec::new()), // stands between braces only
        hir::TraceValue::Root(value) => {
            let column = reading.batch_column(value)?;
            ("root", TraceValue::Root(find_or_push(&mut reading.rule().of_root, column)))
        }
    };
    Ok(reading.column(name, value))
}

/// What a value of the root is called: as the rules name it where that is short.
pub(super) fn name_of(value: &hir::Expr) -> String {
    match &value.kind {
        ExprKind::Field(FieldRef::Attribute { key, .. }) => key.clone(),
        ExprKind::Field(
            FieldRef::Builtin(name) | FieldRef::Column(name) | FieldRef::Item(name),
        ) => name.clone(),
        _ => "value".to_owned(),
    }
}

/// A `rows` over traces as one over a rule that gives a row a trace, with what it reads of them.
pub(super) fn as_rows(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    rows: &hir::Rows,
) -> Result<(RuleId, hir::Rows), Vec<NotYet>> {
    let composed = streams.compose(plan, &rows.input, declaration.name_range)?;
    let mut rows = rows.clone();
    let mut read: Vec<(String, ExprKind)> = Vec::new();
    let exprs = rows.filter.iter_mut().chain(rows.top.iter_mut().map(|top| &mut top.by));
    for expr in exprs.chain(rows.items.iter_mut().map(|item| &mut item.value)) {
        expr.leaves_mut(&mut |kind| leaf(kind, &mut read));
    }
    let source = match composed.origin {
        Origin::Rows(input) => Some(plan.row_inputs[input as usize].rule),
        Origin::Signal(_) => None,
    };
    let is_part = source
        .is_some_and(|rule| matches!(plan.rules[rule.0 as usize].kind, RuleKind::TracePart(_)));
    let mut fields = vec![(Arc::from("trace.id"), ROW_KEY_FROM)];
    if is_part {
        fields.push((Arc::from("place"), ROW_KEY_FROM + 1));
    }
    let keys = fields.len();
    read.retain(|(name, _)| !(is_part && name == "place"));
    for (name, kind) in read {
        let range = declaration.name_range;
        let expr = hir::Expr { ty: Type::Any, optional: true, range, kind };
        let value = composed.lower(plan, streams, &expr)?;
        fields.push((Arc::from(name.as_str()), composed.column(plan, value)));
    }
    let name = format!("{}'s traces", declaration.name);
    let rule = super::alert::item_rows(plan, &composed, &name, (fields, keys));
    Ok((rule, rows))
}

/// Replaces what is read of a trace by the column that will hold it.
fn leaf(kind: &mut ExprKind, read: &mut Vec<(String, ExprKind)>) {
    let name = match kind {
        ExprKind::Field(FieldRef::Builtin(name)) if name.starts_with("window.") => return,
        ExprKind::Field(FieldRef::Builtin(name) | FieldRef::Column(name)) => name.clone(),
        ExprKind::Trace(value) => match &**value {
            hir::TraceValue::Root(value) => format!("root.{}", name_of(value)),
            _ => "spans".to_owned(),
        },
        _ => return,
    };
    if name == "trace.id" {
        *kind = ExprKind::Field(FieldRef::Column(name));
        return;
    }
    let at = match read.iter().position(|(_, known)| known == kind) {
        Some(at) => at,
        None => {
            let is_taken = read.iter().any(|(known, _)| *known == name);
            let name = if is_taken { format!("{name} {}", read.len()) } else { name };
            read.push((name, kind.clone()));
            read.len() - 1
        }
    };
    *kind = ExprKind::Field(FieldRef::Column(read[at].0.clone()));
}

/// A rule of traces that gets one more value.
pub(super) struct Reading<'a, 'b> {
    pub(super) plan: &'a mut Plan,
    pub(super) streams: &'a Streams<'b>,
    pub(super) composed: Composed,
    id: RuleId,
}

impl<'a, 'b> Reading<'a, 'b> {
    fn new(plan: &'a mut Plan, streams: &'a Streams<'b>, id: RuleId) -> Option<Self> {
        let composed = streams.traces.get(&id)?.clone();
        matches!(plan.rules[id.0 as usize].kind, RuleKind::Traces(_)).then_some(())?;
        Some(Self { plan, streams, composed, id })
    }

    pub(super) fn rule(&mut self) -> &mut TraceRule {
        let RuleKind::Traces(rule) = &mut self.plan.rules[self.id.0 as usize].kind else {
            unreachable!("looked at when it was made");
        };
        rule
    }

    /// The column of the rule's rows with a value, which is named after what it is.
    fn column(&mut self, name: &str, value: TraceValue) -> Expr {
        let values = &mut self.rule().values;
        let at = match values.iter().position(|(_, known)| *known == value) {
            Some(at) => at,
            None => {
                values.push((Arc::from(name), value));
                values.len() - 1
            }
        };
        Expr::Column(ROW_KEY_FROM + 1 + at as u32)
    }

    /// The column of the batch with an expression over spans.
    pub(super) fn batch_column(&mut self, expr: &hir::Expr) -> Result<u32, Vec<NotYet>> {
        let expr = self.composed.lower(self.plan, self.streams, expr)?;
        Ok(self.composed.column(self.plan, expr))
    }

    /// The carried column of a field or attribute.
    fn carried(&mut self, spec: ColumnSpec) -> u32 {
        let Origin::Signal(signal) = self.composed.origin else { return 0 };
        let column = demand(&mut self.plan.signals[signal as usize], spec);
        find_or_push(&mut self.rule().carried, column)
    }

    fn service(&mut self) -> u32 {
        let key = Arc::from("service.name");
        self.carried(ColumnSpec::Attribute { place: AttributePlace::Resource, key })
    }

    /// The bit of the condition that the status is error.
    fn error(&mut self) -> Option<u32> {
        let Origin::Signal(signal) = self.composed.origin else { return None };
        let signal = &mut self.plan.signals[signal as usize];
        let status = Expr::Column(demand(signal, ColumnSpec::Field(Field::Status)));
        let is_error = Expr::Const(Value::str("error"));
        self.leaf(Some(Expr::binary(BinaryOp::Eq, status, is_error)))
    }

    /// What edges read: the first attribute that names the peer, whether one is of a database.
    fn edges(&mut self, rule: RuleId) -> Option<EdgesPart> {
        let Origin::Signal(signal) = self.composed.origin else { return None };
        let first = |keys: &mut dyn Iterator<Item = &&str>| {
            ColumnSpec::FirstAttribute(keys.map(|key| Arc::from(*key)).collect())
        };
        let databases = &mut PEER_ATTRIBUTES.iter().filter(|key| is_database_attribute(key));
        let database = demand(&mut self.plan.signals[signal as usize], first(databases));
        let database = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(database)))));
        Some(EdgesPart {
            rule,
            service: self.service(),
            kind: self.carried(ColumnSpec::Field(Field::LinkedKind)),
            peer: self.carried(first(&mut PEER_ATTRIBUTES.iter())),
            error: self.error()?,
            database: self.leaf(Some(database))?,
        })
    }

    fn field(&mut self, field: TraceField) -> TraceValue {
        match field {
            TraceField::Services => TraceValue::Distinct(self.service()),
            TraceField::ServiceCount => TraceValue::DistinctCount(self.service()),
            TraceField::ErrorCount => match self.error() {
                Some(leaf) => TraceValue::Count(Structure::Leaf(leaf)),
                None => TraceValue::Field(field),
            },
            TraceField::CriticalPath => TraceValue::CriticalPath {
                service: self.service(),
                name: self.carried(ColumnSpec::Field(Field::Name)),
                kind: self.carried(ColumnSpec::Field(Field::LinkedKind)),
            },
            TraceField::CriticalPathDuration => {
                TraceValue::CriticalPathDuration(self.carried(ColumnSpec::Field(Field::LinkedKind)))
            }
            field => TraceValue::Field(field),
        }
    }
}

/// Gives columns their places and rules their identities, once everything is read that is.
pub(super) fn seal(plan: &mut Plan) {
    let read: Vec<RuleId> = plan.rules.iter().flat_map(Rule::inputs).collect();
    let columns: Vec<u32> = plan.signals.iter().map(|s| s.columns.len() as u32).collect();
    for index in 0..plan.rules.len() {
        let RuleKind::Traces(traces) = &mut plan.rules[index].kind else { continue };
        let columns = columns[traces.signal as usize];
        for column in traces.carried.iter_mut().chain(&mut traces.of_root) {
            *column = resolve(columns, *column);
        }
        let id = RuleId(index as u32);
        traces.is_read = read.contains(&id);
        let RuleKind::Traces(traces) = &plan.rules[index].kind else { continue };
        let hash = identity(plan, traces);
        if let RuleKind::Traces(traces) = &mut plan.rules[index].kind {
            traces.hash = hash;
        }
    }
}

/// What decides which traces there are and what is kept of them.
fn identity(plan: &Plan, rule: &TraceRule) -> u64 {
    let signal = &plan.signals[rule.signal as usize];
    let filter = |filter: u32| &signal.filters[filter as usize];
    let text = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        signal.signal,
        signal.columns,
        signal.computed,
        plan.timelines[rule.timeline as usize],
        rule.filter.map(filter),
        rule.dedupe.map(|dedupe| &plan.dedupes[dedupe as usize]),
        rule.close,
        (rule.spans_max, rule.bytes_max),
        rule.leaves.iter().map(|leaf| leaf.map(filter)).collect::<Vec<_>>(),
        rule.carried,
        rule.of_root,
        (rule.needs_forest(), rule.needs_spans(), rule.needs_ends()),
        (rule.needs_masks(), rule.needs_durations()),
    );
    xxh3_64(text.as_bytes())
}
