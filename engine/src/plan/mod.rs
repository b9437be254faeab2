//! What to compute, as plain data: expressions, functions, tables, rules.
//!
//! A plan is compiled outside the dataflow, shared by all workers, and never changed. It knows
//! the model and the accumulators; it must not know rule syntax, readers or operators.

mod alert;
mod correlate;
mod dedupe;
pub mod eval;
pub mod expr;
pub mod function;
mod past;
mod pattern;
mod redaction;
mod retrace;
mod route;
mod rows;
mod rule;
mod sample;
mod table;
mod trace;

pub use alert::{AlertRule, NoData};
pub use correlate::{
    CorrelateRule, EventInputs, KEY_FROM, LEFT, OutcomeRule, PickMode, RIGHT, RIGHT_FROM,
};
pub use dedupe::Dedupe;
pub use past::{PastCall, PastKind};
pub use pattern::{
    Absence, LaneStep, MatchMode, PatternInput, PatternRule, PatternSource, PatternSymbol, Pick,
    REGISTERS_FROM, Register, START_PLACE, TimeoutRule, VALUES_FROM,
};
pub use redaction::{ClassRule, KeyRule, RedactAction, Redaction, ValueClass};
pub use retrace::{KeepLine, RetraceRule};
pub use route::{Route, RouteRule, RoutedFrom, RowRoute};
pub use rows::{
    LateRule, ROW_KEY_FROM, RowInput, RowTable, RowTime, RowsJoin, RowsRule, RowsTop, RulePlace,
};
pub use rule::{AggregateCall, AggregateRule, Results, Rule, RuleKind};
pub use sample::{
    AskingColumns, FollowingLogs, SampleAbout, SampleFact, SampleFit, SampleKeys, SampleLine,
    SampleMeasure, SampleRule, SampleVerb, SampledFrom,
};
pub use table::{Table, TableAccumulator, TableWindow, Timeline, WindowShape};
pub use trace::{
    CloseTerm, EdgesPart, KeyOf, NamedRead, OperationsPart, SpanColumns, SpanExpr, TraceField,
    TracePart, TracePartRule, TraceRule, TraceValue,
};

use serde::{Deserialize, Serialize};

use crate::model::{ColumnSpec, Demand, Signal};
use expr::Expr;

/// What is computed for the items of one signal before any rule sees them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignalPlan {
    /// The signal.
    pub signal: Signal,
    /// Columns that the decoder fills.
    pub columns: Vec<ColumnSpec>,
    /// Expressions whose columns follow the decoded ones, each over the columns before it.
    pub computed: Vec<Expr>,
    /// The distinct filters of all rules.
    pub filters: Vec<Expr>,
    /// Whether a rule may say its items again: then the decoder keeps where they lie.
    pub raw: bool,
    /// Whether a rule puts its items in order with those of another signal.
    pub offsets: bool,
}

/// A time column: the column of a signal that some timeline follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeColumn {
    /// Index of the signal's plan.
    pub signal: u32,
    /// Column of the batch; holds `Column::Times`.
    pub column: u32,
}

/// A compiled set of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// Per signal that is read.
    pub signals: Vec<SignalPlan>,
    /// The time columns in use.
    pub time_columns: Vec<TimeColumn>,
    /// The timelines in use.
    pub timelines: Vec<Timeline>,
    /// Removals of duplicates.
    pub dedupes: Vec<Dedupe>,
    /// Slice tables.
    pub tables: Vec<Table>,
    /// What aggregates over rows read.
    pub row_inputs: Vec<RowInput>,
    /// Slice tables over rows.
    pub row_tables: Vec<RowTable>,
    /// The rules, by id; sources come before their readers.
    pub rules: Vec<Rule>,
    /// What goes to which sinks.
    pub routes: Vec<Route>,
    /// What is taken out of telemetry before any of it.
    pub redaction: Option<Redaction>,
    /// The trace whose verdicts are told line by line.
    pub explained: Option<[u8; 16]>,
    /// Whether nobody takes the items that leave: those of sampled traces are then decided on and
    /// counted, but not written. No part of what the plan is.
    #[serde(skip)]
    pub items_unread: bool,
}

impl Plan {
    /// The identity of a plan: equal on every machine for equal plans, and for plans that differ
    /// in what files of tables say alone.
    ///
    /// # Panics
    /// Never: a plan is plain data.
    pub fn identity(&self) -> u64 {
        if self.explained.is_some() {
            // What is asked about is no part of what runs.
            return Self { explained: None, ..self.clone() }.identity();
        }
        xxhash_rust::xxh3::xxh3_64(&bincode::serialize(self).expect("a plan is plain data"))
    }

    /// The highest level of any rule.
    pub fn levels(&self) -> u32 {
        self.rules.iter().map(|rule| rule.place.level).max().unwrap_or(0)
    }

    /// Whether rows may name traces as exemplars whose verdicts samplings find.
    pub fn has_sampled_exemplars(&self) -> bool {
        let is_sampled = self.rules.iter().any(|rule| match &rule.kind {
            RuleKind::Sample(sample) => match sample.from {
                SampledFrom::Traces { .. } => true,
                SampledFrom::Items { .. } => self.samples_spans(sample),
                SampledFrom::Late { .. } => false,
            },
            _ => false,
        });
        let tables = self.tables.iter().chain(self.row_tables.iter().map(|rows| &rows.table));
        let mut accumulators = tables.flat_map(|table| &table.accumulators);
        is_sampled
            && accumulators
                .any(|one| matches!(one.kind, crate::aggregate::AccumulatorKind::Exemplar { .. }))
    }

    /// Whether a sampling looks at spans, each by itself.
    pub(crate) fn samples_spans(&self, sample: &SampleRule) -> bool {
        let SampledFrom::Items { signal, .. } = sample.from else { return false };
        self.signals.get(signal as usize).is_some_and(|plan| plan.signal == Signal::Spans)
    }

    /// Whether what passes a removal of duplicates are duplicates.
    pub fn is_of_duplicates(&self, dedupe: Option<u32>) -> bool {
        dedupe.is_some_and(|at| self.dedupes[at as usize].side_of.is_some())
    }

    /// The grid on which a rule's windows end, where there is one: distance and offset of the ends,
    /// nanoseconds.
    pub fn grid_of(&self, rule: crate::model::RuleId) -> Option<(i64, i64)> {
        if let RuleKind::Rows(rows) = &self.rules.get(rule.0 as usize)?.kind {
            return self.grid_of(rows.input);
        }
        let tables = self.tables.iter().chain(self.row_tables.iter().map(|rows| &rows.table));
        let mut windows = tables.flat_map(|t| t.windows.iter().map(move |w| (w, t.offset_ns)));
        let (window, offset_ns) = windows.find(|(window, _)| window.rule == rule)?;
        window.shape.is_grid().then(|| (window.shape.every_ns(), offset_ns))
    }

    /// When the rows of a rule count for the rules that read them.
    pub fn row_time(&self, rule: crate::model::RuleId) -> RowTime {
        let Some(rule_of) = self.rules.get(rule.0 as usize) else { return RowTime::default() };
        match &rule_of.kind {
            RuleKind::Rows(rows) => self.row_time(rows.input),
            RuleKind::Pattern(_)
            | RuleKind::Timeout(_)
            | RuleKind::Correlate(_)
            | RuleKind::Outcome(_)
                if !rule_of.place.is_behind =>
            {
                RowTime::End
            }
            RuleKind::Aggregate(_) => {
                let tables = self.tables.iter().chain(self.row_tables.iter().map(|of| &of.table));
                let mut windows = tables.flat_map(|table| &table.windows);
                let is_counted = |window: &TableWindow| {
                    window.rule == rule && matches!(window.shape, WindowShape::Count { .. })
                };
                if windows.any(is_counted) { RowTime::Decision } else { RowTime::BeforeEnd }
            }
            _ => RowTime::BeforeEnd,
        }
    }

    /// What the decoder must fill.
    pub fn demand(&self) -> Demand {
        let mut demand = Demand::default();
        for plan in &self.signals {
            demand.want(plan.signal);
            if plan.offsets {
                demand.want_offsets(plan.signal);
            }
            if plan.raw {
                demand.want_raw(plan.signal);
            }
            for column in &plan.columns {
                demand.column(plan.signal, column.clone());
            }
        }
        demand
    }
}
