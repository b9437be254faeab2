//! Rules about rows, as the plan holds them: joins, the first by an order, aggregates over rows.
//!
//! The columns of a rule's row, as its readers see them: start and end of the window, key values,
//! selected values.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;
use super::past::PastCall;
use super::table::Table;
use super::{Plan, RuleKind};
use crate::aggregate::AccumulatorKind;
use crate::model::{Row, RuleId};

/// Where a rule stands among the others, and how its event time advances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RulePlace {
    /// 0 where it reads telemetry (an alert: rows of such a rule); else one more than its
    /// highest source's.
    pub level: u32,
    /// The timelines under it: its rows up to a time are there once all of them have passed it.
    pub timelines: Vec<u32>,
    /// How much later than that its last word on a window comes, nanoseconds: the time in which
    /// late items amend it.
    pub delay_ns: i64,
    /// Whether a row of it may replace an earlier one.
    pub is_revised: bool,
    /// Whether its rows are for other rules only.
    pub is_hidden: bool,
    /// Of matches and outcomes: whether rows of windows are among what it reads, which are decided
    /// 1 ns behind the moment at which they count; so are its own.
    pub is_behind: bool,
}

/// Rows made from rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowsRule {
    /// The rule whose rows it reads.
    pub input: RuleId,
    /// Which rows it takes; columns of the input, then of the joined row.
    pub filter: Option<Expr>,
    /// Rows put beside them.
    pub join: Option<RowsJoin>,
    /// Only the first by an order, of the rows whose windows end together.
    pub top: Option<RowsTop>,
    /// Names of the key values.
    pub key_names: Vec<Arc<str>>,
    /// The key values; columns of the input, then of the joined row.
    pub key: Vec<Expr>,
    /// (name, expression) of every value; columns as for the key, then the values before it.
    pub values: Vec<(Arc<str>, Expr)>,
    /// Calls over the rows of the same key before; their columns follow the values'.
    pub pasts: Vec<PastCall>,
    /// Hash of the rule and what it reads: the identity of its state.
    pub hash: u64,
}

impl RowsRule {
    /// Whether rows must be related to others: kept for a while, joined or ranked.
    pub fn relates(&self) -> bool {
        self.join.is_some() || self.top.is_some()
    }
}

/// Rows put beside others: an inner join of equal columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowsJoin {
    /// The rule whose rows are put beside.
    pub with: RuleId,
    /// How much earlier their windows end, nanoseconds.
    pub before_ns: i64,
    /// Columns that are equal: of the input, of the joined rule.
    pub on: Vec<(u32, u32)>,
}

/// The first rows by an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowsTop {
    /// How many.
    pub rows: u32,
    /// The order; columns as for the values. Rows where it is null come last.
    pub by: Expr,
    /// Smallest first.
    pub is_ascending: bool,
}

/// Columns of a row before its key values: start and end of the window.
pub const ROW_KEY_FROM: u32 = 2;

/// Late items as rows, for whoever reads a stream's late side. Their time is the watermark that
/// they came behind; the window of such a row begins at the item's own time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LateRule {
    /// Index of the signal's plan.
    pub signal: u32,
    /// (name, column of the batch) of every value that is read.
    pub values: Vec<(Arc<str>, u32)>,
    /// Whether items leave as they came: then the whole item travels behind the values.
    pub is_whole: bool,
}

/// The moment at which a row counts for the rules that read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RowTime {
    /// Its end less 1 ns: windows end before the moment that their end names.
    #[default]
    BeforeEnd,
    /// Its end: matches end with a moment inside them, unless windows are among what they are of.
    End,
    /// When it was decided: a count window that the end of the log leaves unfinished is decided
    /// long after its last item.
    Decision,
}

impl RowTime {
    /// The moment of one row, nanoseconds.
    pub fn of(self, row: &Row) -> i64 {
        match self {
            Self::BeforeEnd => row.end_ns.saturating_sub(1),
            Self::End => row.end_ns,
            Self::Decision => row.decision_ns,
        }
    }
}

/// What is computed for the rows of one rule before the aggregates that read them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowInput {
    /// The rule.
    pub rule: RuleId,
    /// When its rows count.
    pub time: RowTime,
    /// Number of its rows' columns.
    pub columns: u32,
    /// Expressions whose columns follow those, each over the columns before it.
    pub computed: Vec<Expr>,
    /// The distinct filters of its readers.
    pub filters: Vec<Expr>,
}

/// The first column of a row that is of its key: start and end of its window come before.
const KEY_COLUMNS_FROM: u32 = 2;

impl RowInput {
    /// Whether a column of a row is of its key or computed of it, a key of so many columns. Those
    /// of the group `other` have none.
    pub fn reads_key(&self, column: u32, key_columns: u32) -> bool {
        let Some(computed) = column.checked_sub(self.columns) else {
            return (KEY_COLUMNS_FROM..KEY_COLUMNS_FROM + key_columns).contains(&column);
        };
        let mut reads = false;
        if let Some(expr) = self.computed.get(computed as usize) {
            // Each is computed of columns before it.
            expr.columns(&mut |at| reads = reads || self.reads_key(at, key_columns));
        }
        reads
    }
}

/// Whether a result is the same whatever order rows have; others ask for the place of a row in the
/// log.
fn is_free_of_order(kind: AccumulatorKind) -> bool {
    use AccumulatorKind::{
        Apdex, Collect, Count, Distinct, Exemplar, First, Histogram, Last, Max, Min, Series,
        Sketch, Sum, SumSquares, Top, Truth,
    };
    match kind {
        Count | Sum | SumSquares | Min | Max | Sketch { .. } | Truth | Histogram => true,
        Distinct { .. } | Apdex { .. } => true,
        First | Last | Top | Collect { .. } | Exemplar { .. } | Series => false,
    }
}

impl Plan {
    /// Whether the rows of a table are aggregated on the workers that make them: the table is on a
    /// grid, over what traces say, and its results do not depend on the order of rows.
    ///
    /// # Panics
    /// If the table is of another plan.
    pub fn is_aggregated_where_made(&self, RowTable { input, table }: &RowTable) -> bool {
        let rule = self.row_inputs[*input as usize].rule;
        let of_traces = matches!(
            self.rules[rule.0 as usize].kind,
            RuleKind::Traces(_) | RuleKind::TracePart(_)
        );
        let kinds = table.accumulators.iter().map(|accumulator| accumulator.kind);
        of_traces && table.keyed_shape().is_none() && kinds.into_iter().all(is_free_of_order)
    }
}

/// An aggregate's table over rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowTable {
    /// Index of the input among the plan's row inputs.
    pub input: u32,
    /// The table; its signal and timeline are not used.
    pub table: Table,
}
