//! Rules as the plan holds them: how rows are made and what they look like.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::correlate::{CorrelateRule, OutcomeRule};
use super::expr::Expr;
use super::past::PastCall;
use super::pattern::{PatternInput, PatternRule, PatternSource, TimeoutRule};
use super::retrace::RetraceRule;
use super::route::RoutedFrom;
use super::rows::{LateRule, ROW_KEY_FROM, RowsRule, RulePlace};
use super::sample::SampledFrom;
use super::trace::TracePart;
use crate::aggregate::Finisher;
use crate::model::RuleId;

/// One rule of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in the rule files, with the pack's prefix where imported.
    pub name: Arc<str>,
    /// What it does.
    pub kind: RuleKind,
    /// Where it stands among the others.
    pub place: RulePlace,
}

/// Kinds of rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleKind {
    /// Rows from windows and groups.
    Aggregate(AggregateRule),
    /// Rows from rows.
    Rows(RowsRule),
    /// A stream's late items as rows; said to its readers only.
    Late(LateRule),
    /// Alerts over the rows of a rule.
    Alert(super::AlertRule),
    /// Rows from events in an order.
    Pattern(Box<PatternRule>),
    /// Unfinished matches of a pattern; said to their readers only.
    Timeout(TimeoutRule),
    /// Items as they came.
    Route(super::RouteRule),
    /// Rows from the spans of a trace.
    Traces(Box<super::TraceRule>),
    /// Pairs of items of two sources.
    Correlate(Box<CorrelateRule>),
    /// Another outcome of a correlation.
    Outcome(OutcomeRule),
    /// Rows that a trace says beside its own.
    TracePart(super::TracePartRule),
    /// Items or traces of which some are kept.
    Sample(Box<super::SampleRule>),
    /// New traces from the spans of a correlation.
    Retrace(Box<RetraceRule>),
}

impl Rule {
    /// Names of the columns of its rows: key values, then selected values. An alert's rows are its
    /// transitions.
    pub fn column_names(&self) -> Vec<&Arc<str>> {
        match &self.kind {
            RuleKind::Aggregate(rule) => names(&rule.key_names, &rule.values),
            RuleKind::Rows(rule) => names(&rule.key_names, &rule.values),
            RuleKind::Late(rule) => rule.values.iter().map(|(name, _)| name).collect(),
            RuleKind::TracePart(rule) => part_names(rule.part).iter().collect(),
            RuleKind::Traces(rule) => {
                TRACE_KEY.iter().chain(rule.values.iter().map(|(name, _)| name)).collect()
            }
            RuleKind::Route(_) | RuleKind::Sample(_) | RuleKind::Retrace(_) => Vec::new(),
            RuleKind::Pattern(rule) => names(&rule.key_names, &rule.values),
            RuleKind::Correlate(rule) => names(&rule.key_names, &rule.values),
            RuleKind::Outcome(rule) => rule.key_names.iter().chain(&rule.value_names).collect(),
            RuleKind::Timeout(rule) => {
                let all = rule.key_names.iter().chain(&rule.value_names);
                all.chain([&*REACHED]).collect()
            }
            RuleKind::Alert(rule) => {
                let said = TRANSITION_COLUMNS.iter();
                let evidence = rule.evidence.iter().map(|(name, _)| name);
                rule.key_names.iter().chain(said).chain(evidence).collect()
            }
        }
    }

    /// The name of a column of its rows, as rules that read them see it.
    pub fn column_name(&self, column: u32) -> Arc<str> {
        match column {
            0 => Arc::from("window.start"),
            1 => Arc::from("window.end"),
            _ => {
                let names = self.column_names();
                let name = names.get((column - ROW_KEY_FROM) as usize);
                name.map_or_else(|| Arc::from("?"), |name| Arc::clone(name))
            }
        }
    }

    /// Names of the selected values of its rows.
    pub fn value_names(&self) -> Vec<&Arc<str>> {
        self.column_names().split_off(self.key_names().len())
    }

    /// Names of the key values of its rows.
    pub fn key_names(&self) -> &[Arc<str>] {
        match &self.kind {
            RuleKind::Aggregate(rule) => &rule.key_names,
            RuleKind::Rows(rule) => &rule.key_names,
            RuleKind::Alert(rule) => &rule.key_names,
            RuleKind::Pattern(rule) => &rule.key_names,
            RuleKind::Timeout(rule) => &rule.key_names,
            RuleKind::Correlate(rule) => &rule.key_names,
            RuleKind::Outcome(rule) => &rule.key_names,
            RuleKind::Traces(_) => &*TRACE_KEY,
            RuleKind::TracePart(rule) => &part_names(rule.part)[..2],
            RuleKind::Late(_) | RuleKind::Route(_) | RuleKind::Sample(_) | RuleKind::Retrace(_) => {
                &[]
            }
        }
    }

    /// The rules that it reads.
    pub fn inputs(&self) -> Vec<RuleId> {
        match &self.kind {
            RuleKind::Aggregate(rule) => rule.input.into_iter().collect(),
            RuleKind::Rows(rule) => {
                std::iter::once(rule.input).chain(rule.join.as_ref().map(|j| j.with)).collect()
            }
            RuleKind::Late(_)
            | RuleKind::Timeout(_)
            | RuleKind::Outcome(_)
            | RuleKind::Traces(_)
            | RuleKind::TracePart(_) => Vec::new(),
            RuleKind::Route(route) => match route.from {
                RoutedFrom::Late { rule, .. } => vec![rule],
                RoutedFrom::Items { .. } => Vec::new(),
            },
            RuleKind::Sample(sample) => match sample.from {
                SampledFrom::Late { rule, .. } => vec![rule],
                SampledFrom::Items { .. } | SampledFrom::Traces { .. } => Vec::new(),
            },
            RuleKind::Alert(alert) => vec![alert.source],
            RuleKind::Pattern(pattern) => rules_of(&pattern.inputs),
            RuleKind::Correlate(rule) => rules_of(&rule.inputs),
            RuleKind::Retrace(rule) => vec![rule.input],
        }
    }
}

/// The rules among inputs, each once.
fn rules_of(inputs: &[PatternInput]) -> Vec<RuleId> {
    let mut rules: Vec<RuleId> = Vec::new();
    for input in inputs {
        match input.from {
            PatternSource::Rows { rule, .. } if !rules.contains(&rule) => rules.push(rule),
            _ => {}
        }
    }
    rules
}

/// The column of an unfinished match that names its last step.
static REACHED: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("reached"));

/// Names of the columns of what a trace says beside itself.
fn part_names(part: TracePart) -> &'static [Arc<str>] {
    static OPERATIONS: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| named(TracePart::Operations));
    static EDGES: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| named(TracePart::Edges));
    fn named(part: TracePart) -> Vec<Arc<str>> {
        part.columns().iter().map(|(name, _)| Arc::from(*name)).collect()
    }
    match part {
        TracePart::Operations => &OPERATIONS,
        TracePart::Edges => &EDGES,
    }
}

/// The key of traces.
static TRACE_KEY: LazyLock<[Arc<str>; 1]> = LazyLock::new(|| [Arc::from("trace.id")]);

/// What transitions say of themselves where rules read them.
static TRANSITION_COLUMNS: LazyLock<[Arc<str>; 2]> =
    LazyLock::new(|| [Arc::from("state"), Arc::from("severity")]);

fn names<'a>(keys: &'a [Arc<str>], values: &'a [(Arc<str>, Expr)]) -> Vec<&'a Arc<str>> {
    keys.iter().chain(values.iter().map(|(name, _)| name)).collect()
}

/// One aggregate call of a rule: an accumulator of its table and how to read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Index among the table's accumulators.
    pub accumulator: u32,
    /// How the result is made from it.
    pub finisher: Finisher,
}

/// When a rule says its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Results {
    /// Once, when the window has closed.
    Final,
    /// Also in between, every so many nanoseconds of event time.
    Every(i64),
    /// As withdrawals and replacements.
    Changes,
}

/// An aggregate: what its rows hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateRule {
    /// The rule whose rows it reads; `None` where it reads telemetry.
    pub input: Option<RuleId>,
    /// Names of the key values, in the order of `by`.
    pub key_names: Vec<Arc<str>>,
    /// The aggregate calls.
    pub calls: Vec<AggregateCall>,
    /// (name, expression) of every selected value. Columns of the expressions: the key values,
    /// then the calls' results, then the selected values before this one.
    pub values: Vec<(Arc<str>, Expr)>,
    /// Calls over the group's own past; their columns follow the values'.
    pub pasts: Vec<PastCall>,
    /// Which rows leave; columns as for values, all of them.
    pub having: Option<Expr>,
}
