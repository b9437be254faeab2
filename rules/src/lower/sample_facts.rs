//! What lines of a sampling ask about other rules: which rule, and which keys mean a trace or an
//! item.
//!
//! A match or an alert has key values. An item is meant by them where it has these values, a trace
//! where one of its spans has, or its root for a key of roots: each key is computed of every item
//! as its rule computes it of its own.

use tailwater_dsl::hir::{
    self, DeclarationKind, ExprKind, FieldRef, Place, RuleFact, Sample, SourceRef,
};
use tailwater_dsl::text_range::{FileId, TextRange};
use tailwater_engine::limits::{SAMPLE_LINKS_WAIT_NS, SAMPLE_LOGS_WAIT_NS};
use tailwater_engine::model::{ColumnSpec, Field, RuleId, Signal};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    FollowingLogs, KeyOf, Plan, ROW_KEY_FROM, RuleKind, SampleAbout, SampleFact, TraceValue,
};

use super::expr::{Lowered, Names};
use super::row_names::RowNames;
use super::signal::{demand, find_or_push};
use super::stream::{Composed, Streams, timeline};
use super::{NotYet, not_yet, wrong};

/// A question as the rules ask it, and its column among the rows of traces.
pub(super) type Asked = Vec<(RuleFact, Expr)>;

/// The questions of all lines, each once, with what the plan holds of them.
pub(super) fn facts(
    plan: &mut Plan,
    streams: &Streams<'_>,
    sample: &Sample,
    rule: RuleId,
) -> Result<(Asked, Vec<SampleFact>), Vec<NotYet>> {
    let (mut asked, mut facts) = (Vec::new(), Vec::new());
    for (fact, range) in questions(sample) {
        let (about, keys) = match &fact {
            RuleFact::Named => (SampleAbout::Named, Vec::new()),
            RuleFact::Matched(source) | RuleFact::Firing(source) => {
                let (of, is_match) = of_rule(plan, streams, source, range)?;
                let about =
                    if is_match { SampleAbout::Matched(of) } else { SampleAbout::Firing(of) };
                (about, keys(plan, streams, (rule, of, source), range)?)
            }
        };
        let column = column(plan, rule, TraceValue::Keys(keys));
        facts.push(SampleFact { about, column, reach_ns: None });
        asked.push((fact, Expr::Column(column)));
    }
    Ok((asked, facts))
}

/// The questions of all lines, each once, with the condition that asks first.
pub(super) fn questions(sample: &Sample) -> Vec<(RuleFact, TextRange)> {
    let mut questions: Vec<(RuleFact, TextRange)> = Vec::new();
    for when in sample.lines.iter().filter_map(|line| line.when.as_ref()) {
        when.clone().leaves_mut(&mut |leaf| {
            if let ExprKind::Rule(fact) = leaf
                && questions.iter().all(|(known, _)| *known != **fact)
            {
                questions.push(((**fact).clone(), when.range));
            }
        });
    }
    questions
}

/// Whether a condition asks about other rules.
pub(super) fn asks(when: &hir::Expr) -> bool {
    let mut asks = false;
    when.clone().leaves_mut(&mut |leaf| asks |= matches!(leaf, ExprKind::Rule(_)));
    asks
}

/// The rule that is asked about, and whether its matches are.
pub(super) fn of_rule(
    plan: &Plan,
    streams: &Streams<'_>,
    source: &SourceRef,
    range: TextRange,
) -> Result<(RuleId, bool), Vec<NotYet>> {
    let found = streams.rule(source).and_then(|id| match &plan.rules[id.0 as usize].kind {
        RuleKind::Pattern(_) => Some((id, true)),
        RuleKind::Alert(_) => Some((id, false)),
        _ => None,
    });
    found.ok_or_else(|| not_yet("this question about another rule", range))
}

/// The column of a value of traces, made new: answers to two questions never share one.
fn column(plan: &mut Plan, rule: RuleId, value: TraceValue) -> u32 {
    let RuleKind::Traces(traces) = &mut plan.rules[rule.0 as usize].kind else { return 0 };
    traces.values.push(("asked".into(), value));
    ROW_KEY_FROM + traces.values.len() as u32
}

/// The carried columns of the spans of a trace that hold the keys of a rule.
fn keys(
    plan: &mut Plan,
    streams: &Streams<'_>,
    (traces, of, source): (RuleId, RuleId, &SourceRef),
    range: TextRange,
) -> Result<Vec<KeyOf>, Vec<NotYet>> {
    let Some(spans) = streams.traces.get(&traces).cloned() else { return Ok(Vec::new()) };
    let own = key_columns(plan, streams, (&spans, Signal::Spans), (of, source), range)?;
    let RuleKind::Traces(rule) = &mut plan.rules[traces.0 as usize].kind else {
        return Ok(Vec::new());
    };
    let key = |(column, is_root): (u32, bool)| {
        if is_root {
            KeyOf::Root(find_or_push(&mut rule.of_root, column))
        } else {
            KeyOf::Span(find_or_push(&mut rule.carried, column))
        }
    };
    Ok(own.into_iter().map(key).collect())
}

/// The columns of a stream's items that hold the keys of a rule, and which are of roots of traces.
pub(super) fn key_columns(
    plan: &mut Plan,
    streams: &Streams<'_>,
    (items, signal): (&Composed, Signal),
    (of, source): (RuleId, &SourceRef),
    range: TextRange,
) -> Result<Vec<(u32, bool)>, Vec<NotYet>> {
    let names = plan.rules[of.0 as usize].key_names().to_vec();
    let mut columns = Vec::new();
    for name in names {
        let mut keys = Keys { plan: &mut *plan, streams, items, signal, is_root: false };
        let (value, is_root) = (keys.of_source(source, &name), keys.is_root);
        let value = value.ok_or_else(|| {
            let (items, rule) = (signal.name(), &plan.rules[of.0 as usize].name);
            let what = format!("`{rule}` has the key `{name}`, which {items} have no value for");
            let help = format!(
                "ask about a rule whose keys are fields or attributes of {items}; what is between \
                 two services, or computed of other telemetry, is no part of one of them"
            );
            wrong("E2004", (what, help), range)
        })?;
        columns.push((items.column(plan, value), is_root));
    }
    Ok(columns)
}

/// Finds what a key of a rule is of an item.
struct Keys<'a, 'b> {
    plan: &'a mut Plan,
    streams: &'a Streams<'b>,
    /// The stream that is sampled, or the one of the sampled traces.
    items: &'a Composed,
    signal: Signal,
    /// Whether the key is of the root of a trace.
    is_root: bool,
}

impl Keys<'_, '_> {
    /// The key of a source by its name.
    fn of_source(&mut self, source: &SourceRef, name: &str) -> Option<Expr> {
        let streams = self.streams;
        let declaration = match source {
            SourceRef::Declaration(id) => &streams.program().declaration(*id).kind,
            SourceRef::TracePart(_, part) => return self.of_part(*part, name),
            _ => return self.named(source, name),
        };
        match declaration {
            DeclarationKind::Aggregate(of) => {
                let key = of.by.iter().find(|key| key.name == name)?;
                self.of_expr(&of.input, &key.value)
            }
            DeclarationKind::Rows(of) => self.of_source(&of.input, name),
            DeclarationKind::Alert(of) => self.of_source(&of.input, name),
            DeclarationKind::Pattern(of) => {
                let at = of.by.iter().position(|key| key == name)?;
                let keys = || of.symbols.iter().filter_map(|s| Some((&s.input, s.key.get(at)?)));
                let own = keys().find(|(input, _)| self.is_own(input));
                let (input, key) = own.or_else(|| keys().next())?;
                self.of_expr(input, key)
            }
            DeclarationKind::Stream(of) if self.composed(source)?.signal().is_none() => {
                self.of_source(&of.input, name)
            }
            _ => self.named(source, name),
        }
    }

    /// A column of what traces say beside themselves: an operation is the service and the name of
    /// spans, an edge lies between two of them.
    fn of_part(&mut self, part: hir::TracePart, name: &str) -> Option<Expr> {
        let field = match (part, name) {
            (_, "trace.id") => FieldRef::Builtin(name.to_owned()),
            (hir::TracePart::Operations, "name") => FieldRef::Builtin(name.to_owned()),
            (hir::TracePart::Operations, "service.name") => {
                FieldRef::Attribute { place: Place::Resource, key: name.to_owned() }
            }
            _ => return None,
        };
        if let FieldRef::Builtin(path) = &field {
            Field::by_path(self.signal, path)?;
        }
        self.of_items(field)
    }

    /// A field of the items.
    fn of_items(&mut self, field: FieldRef) -> Option<Expr> {
        let (ty, range) = (tailwater_dsl::types::Type::Any, nowhere());
        let expr = hir::Expr { ty, optional: true, range, kind: ExprKind::Field(field) };
        self.items.lower(self.plan, self.streams, &expr).ok()
    }

    /// A key as a rule computes it of its items.
    fn of_expr(&mut self, input: &SourceRef, key: &hir::Expr) -> Option<Expr> {
        if self.is_own(input) {
            let composed = self.composed(input)?;
            return composed.lower(self.plan, self.streams, key).ok();
        }
        match &key.kind {
            ExprKind::Field(FieldRef::Column(name) | FieldRef::Item(name)) => {
                self.of_source(input, name)
            }
            ExprKind::Field(FieldRef::Builtin(path)) => {
                if let SourceRef::TracePart(_, part) = input {
                    return self.of_part(*part, path);
                }
                Field::by_path(self.signal, path)?;
                self.items.lower(self.plan, self.streams, key).ok()
            }
            ExprKind::Field(FieldRef::Attribute { .. }) => {
                self.items.lower(self.plan, self.streams, key).ok()
            }
            ExprKind::Trace(value) => match &**value {
                hir::TraceValue::Root(of) => {
                    self.is_root = true;
                    self.items.lower(self.plan, self.streams, of).ok()
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What a name means of the items of a stream.
    fn named(&mut self, source: &SourceRef, name: &str) -> Option<Expr> {
        let composed = self.composed(source)?;
        let is_own = self.is_own(source);
        if let Some(column) = composed.columns.get(name) {
            return is_own.then(|| column.clone());
        }
        let of_root = name.strip_prefix("root.");
        self.is_root |= of_root.is_some();
        let name = of_root.unwrap_or(name);
        let field = match Field::by_path(self.signal, name) {
            Some(_) => FieldRef::Builtin(name.to_owned()),
            None => FieldRef::Attribute { place: Place::Any, key: name.to_owned() },
        };
        self.of_items(field)
    }

    fn composed(&mut self, source: &SourceRef) -> Option<Composed> {
        self.streams.compose(self.plan, source, nowhere()).ok()
    }

    fn is_own(&mut self, source: &SourceRef) -> bool {
        let own = self.items.signal();
        self.composed(source).is_some_and(|composed| composed.signal() == own)
    }
}

/// What is composed here was reported where it stands.
fn nowhere() -> TextRange {
    TextRange::new(FileId(0), 0, 0)
}

/// The names of the rows of traces, questions among them.
pub(super) struct SampleNames<'a, 'b> {
    pub(super) rows: RowNames<'a, 'b>,
    pub(super) asked: &'a Asked,
}

impl Names for SampleNames<'_, '_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        self.rows.field(field)
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn trace(&mut self, value: &hir::TraceValue) -> Option<Lowered> {
        self.rows.trace(value)
    }

    fn fact(&mut self, fact: &RuleFact) -> Option<Expr> {
        self.asked.iter().find(|(known, _)| known == fact).map(|(_, column)| column.clone())
    }
}

/// The column of rows of traces with the traces that they link to.
pub(super) fn links(plan: &mut Plan, streams: &Streams<'_>, rule: RuleId) -> Option<u32> {
    let spans = streams.traces.get(&rule)?.clone();
    let signal = &mut plan.signals[spans.signal()? as usize];
    let ids = demand(signal, ColumnSpec::Field(Field::LinkTraceIds));
    let RuleKind::Traces(traces) = &mut plan.rules[rule.0 as usize].kind else { return None };
    let carried = find_or_push(&mut traces.carried, ids);
    Some(column(plan, rule, TraceValue::Distinct(carried)))
}

/// The log records that follow traces of a rule.
pub(super) fn logs(
    plan: &mut Plan,
    streams: &Streams<'_>,
    (sample, rule): (&Sample, RuleId),
    range: TextRange,
) -> Result<FollowingLogs, Vec<NotYet>> {
    let source = SourceRef::Catalog("logs".to_owned());
    let composed = streams.compose(plan, &source, range)?;
    let signal = composed.signal().ok_or_else(|| not_yet("`logs follow`", range))?;
    let logs = &mut plan.signals[signal as usize];
    logs.raw = true;
    let trace_id = demand(logs, ColumnSpec::Field(Field::TraceId));
    let is_there = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(trace_id)))));
    let filter = composed.filter(plan, is_there);
    let timeline = timeline(plan, &composed, signal);
    let RuleKind::Traces(traces) = &plan.rules[rule.0 as usize].kind else {
        return Err(not_yet("`logs follow`", range));
    };
    let terms = traces.close.iter().flat_map(|term| [term.quiet_ns, term.age_ns]).flatten();
    let linked_ns = if sample.links_together { SAMPLE_LINKS_WAIT_NS } else { 0 };
    let open_ns = terms.max().unwrap_or(0).saturating_add(linked_ns);
    let wait_ns = open_ns.saturating_add(SAMPLE_LOGS_WAIT_NS);
    Ok(FollowingLogs { signal, filter, timeline, trace_id, wait_ns })
}
