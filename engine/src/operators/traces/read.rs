//! What rules read of a closed trace: its values as a row.

use std::sync::Arc;

use super::assembled::Assembled;
use super::parts::Parts;
use super::said::Said;
use crate::limits::SAMPLE_TRACE_KEYS_MAX;
use crate::model::{Row, RuleId, Value};
use crate::operators::close::Closed;
use crate::operators::local_rows::LocalRowsState;
use crate::operators::sample::ROW_ID;
use crate::plan::eval::eval_columns;
use crate::plan::{KeyOf, NamedRead, Plan, SpanExpr, TraceField, TraceRule, TraceValue};
use crate::self_metrics::EngineGauges;
use crate::trace::{
    Assignment, CriticalPath, Forest, LinkedKind, NamedStructure, PathSpans, Search, Structure,
    Structures,
};

/// Reads traces; keeps its memory between them.
pub(super) struct Reader {
    rule: Arc<TraceRule>,
    /// What the row has behind start, end and id.
    values: Vec<TraceValue>,
    needs_forest: bool,
    needs_path: bool,
    /// Whether no value of the root is read twice.
    takes_root: bool,
    /// Carried column of the kind, where the critical path reads it.
    kind: Option<u32>,
    forest: Forest,
    structures: Structures,
    path: CriticalPath,
    /// Values that are unknown because finding spans would have taken too long.
    unknown: u64,
    columns: Columns,
    parts: Parts,
    /// Who reads the traces themselves.
    said: Said,
    /// The last row.
    read: Vec<Value>,
}

/// What is computed of one trace for the functions over traces.
#[derive(Default)]
struct Columns {
    ends_ns: Vec<i64>,
    kinds: Vec<LinkedKind>,
}

impl Reader {
    pub(super) fn new(
        plan: &Plan,
        (id, rule): (RuleId, &Arc<TraceRule>),
        restored: &LocalRowsState,
    ) -> Self {
        Self {
            values: rule.values.iter().map(|(_, value)| value.clone()).collect(),
            needs_forest: rule.needs_forest(),
            needs_path: rule.needs_path(),
            takes_root: reads_root_once(rule),
            kind: path_kind(rule),
            parts: Parts::new(plan, rule, restored),
            said: Said::new(plan, (id, &[]), restored),
            rule: Arc::clone(rule),
            forest: Forest::default(),
            structures: Structures::default(),
            path: CriticalPath::default(),
            unknown: 0,
            columns: Columns::default(),
            read: vec![Value::Null; ROW_ID as usize + 1],
        }
    }

    /// Everything that rules read of a trace. What samplings read are its columns, among which
    /// some read the id.
    pub(super) fn rows(
        &mut self,
        trace: &mut Assembled,
        (is_sampled, reads_id): (bool, bool),
        out: &mut Vec<Row>,
    ) {
        self.prepare(trace);
        if self.said.is_asked() || is_sampled {
            self.read(trace, reads_id || self.said.is_asked());
        }
        if self.said.is_asked() {
            self.said.begin(trace);
            self.said.say(trace, &self.read[2], &self.read[3..], out);
        }
        self.parts.say(trace, (&self.forest, &self.path), out);
    }

    /// Whether any rule reads the traces or what they say.
    pub(super) fn is_asked(&self) -> bool {
        self.said.is_asked() || self.parts.is_asked()
    }

    /// Aggregates what traces said in an epoch to the rules that aggregate it.
    pub(super) fn step(&mut self, plan: &Plan, watermark_ns: i64, out: &mut Closed) {
        self.said.step(plan, watermark_ns, out);
        self.parts.step(plan, watermark_ns, out);
    }

    /// Tells what is held on a worker.
    pub(super) fn tell(&mut self, gauges: &EngineGauges, worker: usize) {
        self.said.tell(gauges, worker);
        self.parts.tell(gauges, worker);
    }

    /// What a snapshot holds of rows that are aggregated here.
    pub(super) fn local_state(&self) -> LocalRowsState {
        self.said.state().into_iter().chain(self.parts.state()).collect()
    }

    /// The columns of the row of the last trace, as [`Row::columns`] gives them.
    pub(super) fn columns(&self) -> &[Value] {
        &self.read
    }

    fn read(&mut self, trace: &mut Assembled, reads_id: bool) {
        let (values, mut read) = (std::mem::take(&mut self.values), std::mem::take(&mut self.read));
        // Written in place: what is moved after it was written by parts is waited for.
        read[0] = Value::Time(trace.start_ns);
        read[1] = Value::Time(trace.decided_ns);
        if reads_id {
            let id = &mut read[ROW_ID as usize];
            *id = id_value(&trace.id, std::mem::take(id));
        }
        read.truncate(ROW_ID as usize + 1);
        read.extend(values.iter().map(|value| match value {
            // Each once, and nobody else reads it: a reference that is counted up and down waits
            // twice for all that was written before.
            TraceValue::Root(at) if self.takes_root => {
                trace.root.get_mut(*at as usize).map(std::mem::take).unwrap_or_default()
            }
            value => self.value(value, trace),
        }));
        (self.values, self.read) = (values, read);
    }

    fn prepare(&mut self, trace: &Assembled) {
        if !self.needs_forest {
            return;
        }
        let spans = &trace.spans;
        self.forest.build(&spans.ids, &spans.parents);
        if !self.needs_path {
            return;
        }
        let columns = &mut self.columns;
        columns.ends_ns.clear();
        let times_ns = spans.starts_ns.iter().zip(&spans.durations_ns);
        columns.ends_ns.extend(times_ns.map(|(start_ns, of)| start_ns.saturating_add(*of)));
        columns.kinds.clear();
        match self.kind {
            Some(kind) => columns.kinds.extend((0..spans.len()).map(|at| trace.kind(at, kind))),
            None => columns.kinds.resize(spans.len(), LinkedKind::default()),
        }
        let spans = PathSpans {
            starts_ns: &spans.starts_ns,
            ends_ns: &columns.ends_ns,
            kinds: &columns.kinds,
        };
        if self.rule.operations.is_some() {
            self.path.find(&self.forest, spans);
        } else {
            self.path.find_segments(&self.forest, spans);
        }
    }

    fn value(&mut self, value: &TraceValue, trace: &Assembled) -> Value {
        match value {
            TraceValue::Field(field) => self.field(*field, trace),
            TraceValue::Distinct(column) => {
                Value::List(distinct(trace, *column).into_iter().cloned().collect())
            }
            TraceValue::DistinctCount(column) => Value::Int(distinct(trace, *column).len() as i64),
            TraceValue::Keys(columns) => keys(trace, columns),
            TraceValue::Root(at) => trace.root.get(*at as usize).cloned().unwrap_or_default(),
            TraceValue::Has(Structure::Leaf(bit)) => Value::Bool(trace.mask >> bit & 1 == 1),
            TraceValue::Has(structure) => {
                let found = self.structures.evaluate(structure, &self.forest, &trace.spans.masks);
                let has = !found.is_empty();
                self.structures.recycle(found);
                Value::Bool(has)
            }
            TraceValue::Count(structure) => {
                let found = self.structures.evaluate(structure, &self.forest, &trace.spans.masks);
                let count = found.count();
                self.structures.recycle(found);
                Value::Int(count as i64)
            }
            TraceValue::Any(column, structure) => {
                let found = self.structures.evaluate(structure, &self.forest, &trace.spans.masks);
                let of = |span: u32| trace.value(span, *column);
                let value = found.iter().map(of).find(|value| !value.is_null()).cloned();
                self.structures.recycle(found);
                value.unwrap_or_default()
            }
            TraceValue::Named(read, structure) => self.named(*read, structure, trace),
            TraceValue::CriticalPath { service, name, .. } => {
                self.critical_path(trace, *service, *name)
            }
            TraceValue::CriticalPathDuration(_) => Value::Duration(self.path.duration_ns()),
        }
    }

    /// How many values were given up since this was last asked.
    pub(super) fn take_unknown(&mut self) -> u64 {
        std::mem::take(&mut self.unknown)
    }

    fn named(&mut self, read: NamedRead, what: &NamedStructure, trace: &Assembled) -> Value {
        let pairs = &self.rule.pairs;
        let holds = |condition: u32, spans: &Assignment| {
            of_spans(&pairs[condition as usize], spans, trace) == Value::Bool(true)
        };
        let traced = (&self.forest, trace.spans.masks.as_slice());
        let Some(found) = Search::new(traced, &mut self.structures, holds).find(what) else {
            self.unknown += 1;
            return Value::Null;
        };
        match read {
            NamedRead::Has => Value::Bool(!found.is_empty()),
            NamedRead::Count => Value::Int(found.chunk_by(|a, b| a.span == b.span).count() as i64),
            NamedRead::Any(value) => {
                let value = |spans| of_spans(&pairs[value as usize], spans, trace);
                found.iter().map(value).find(|value| !value.is_null()).unwrap_or_default()
            }
        }
    }

    fn field(&self, field: TraceField, trace: &Assembled) -> Value {
        let forest = &self.forest;
        match field {
            TraceField::Id => Value::Bytes(Arc::from(&trace.id[..])),
            TraceField::Start => Value::Time(trace.start_ns),
            TraceField::End => Value::Time(trace.end_ns),
            TraceField::Duration => Value::Duration(trace.end_ns.saturating_sub(trace.start_ns)),
            TraceField::SpanCount => Value::Int(trace.spans.len() as i64),
            TraceField::Duplicates => Value::Int(trace.spans.duplicates as i64),
            TraceField::Roots => Value::Int(forest.root_count().into()),
            TraceField::Orphans => Value::Int(forest.orphan_count().into()),
            TraceField::Complete => Value::Bool(forest.is_complete()),
            TraceField::Depth => Value::Int(forest.depth().into()),
            TraceField::Loops => Value::Int(forest.loop_count().into()),
            TraceField::Early => Value::Bool(trace.early.is_some()),
            // Lowered to values of their own.
            TraceField::ErrorCount
            | TraceField::Services
            | TraceField::ServiceCount
            | TraceField::CriticalPath
            | TraceField::CriticalPathDuration => Value::Null,
        }
    }

    fn critical_path(&self, trace: &Assembled, service: u32, name: u32) -> Value {
        let segment = |segment: &crate::trace::Segment| {
            Value::map(vec![
                (Arc::from("service"), trace.value(segment.span, service).clone()),
                (Arc::from("name"), trace.value(segment.span, name).clone()),
                (Arc::from("start"), Value::Time(segment.start_ns)),
                (Arc::from("duration"), Value::Duration(segment.duration_ns())),
            ])
        };
        Value::List(self.path.segments().iter().map(segment).collect())
    }
}

/// Whether a rule's traces are asked once for each value of their root.
fn reads_root_once(rule: &TraceRule) -> bool {
    let is_root = |at: u32| {
        rule.values
            .iter()
            .filter(move |(_, value)| matches!(value, TraceValue::Root(of) if *of == at))
    };
    let is_key = |of: &KeyOf| matches!(of, KeyOf::Root(_));
    let asks = rule.values.iter().any(|(_, value)| match value {
        TraceValue::Keys(keys) => keys.iter().any(is_key),
        _ => false,
    });
    !asks && (0..rule.of_root.len() as u32).all(|at| is_root(at).count() <= 1)
}

/// An id as a value, in the memory of another one where nobody else holds that.
fn id_value(id: &[u8; 16], last: Value) -> Value {
    if let Value::Bytes(mut bytes) = last
        && let Some(own) = Arc::get_mut(&mut bytes)
        && own.len() == id.len()
    {
        own.copy_from_slice(id);
        return Value::Bytes(bytes);
    }
    Value::Bytes(Arc::from(&id[..]))
}

/// The carried column of the kind that the critical path reads.
fn path_kind(rule: &TraceRule) -> Option<u32> {
    let of_value = rule.values.iter().find_map(|(_, value)| match value {
        TraceValue::CriticalPath { kind, .. } => Some(*kind),
        TraceValue::CriticalPathDuration(kind) => Some(*kind),
        _ => None,
    });
    of_value.or(rule.operations.map(|part| part.kind))
}

/// The value of an expression over a span and those named beside it.
fn of_spans(what: &SpanExpr, spans: &Assignment, trace: &Assembled) -> Value {
    eval_columns(&what.expr, &mut |column| {
        let (name, carried) = what.reads[column as usize];
        let span = name.map_or(Some(spans.span), |name| spans.named(name));
        let value = |span: u32| trace.value(span, carried).clone();
        span.map(value).unwrap_or_default()
    })
}

fn distinct(trace: &Assembled, column: u32) -> std::collections::BTreeSet<&Value> {
    trace.column(column).filter(|value| !value.is_null()).collect()
}

/// The distinct values of columns in spans; of the root, or of no column, the one key that a trace
/// has.
fn keys(trace: &Assembled, columns: &[KeyOf]) -> Value {
    let of_root = |at: u32| trace.root.get(at as usize).cloned().unwrap_or_default();
    let key = |span: Option<u32>| -> Vec<Value> {
        let value = |column: &KeyOf| match (*column, span) {
            (KeyOf::Root(at), _) => of_root(at),
            (KeyOf::Span(column), Some(span)) => trace.value(span, column).clone(),
            (KeyOf::Span(_), None) => Value::Null,
        };
        columns.iter().map(value).collect()
    };
    let of_spans = columns.iter().any(|column| matches!(column, KeyOf::Span(_)));
    let keys: std::collections::BTreeSet<Vec<Value>> = if of_spans {
        (0..trace.spans.len() as u32).map(|span| key(Some(span))).collect()
    } else {
        [key(None)].into()
    };
    Value::List(
        keys.into_iter().take(SAMPLE_TRACE_KEYS_MAX).map(|key| Value::List(key.into())).collect(),
    )
}
