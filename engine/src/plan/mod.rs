//! What to compute, as plain data: expressions, functions, tables, rules.
//!
//! A plan is compiled outside the dataflow, shared by all workers, and never changed. It knows
//! the model and the accumulators; it must not know rule syntax, readers or operators.

mod alert;
mod dedupe;
pub mod eval;
pub mod expr;
pub mod function;
mod rule;
mod table;

pub use alert::{AlertRule, NoData};
pub use dedupe::Dedupe;
pub use rule::{AggregateCall, AggregateRule, Results, Rule, RuleKind};
pub use table::{Table, TableAccumulator, TableWindow, Timeline, WindowShape};

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
    /// The rules, by id.
    pub rules: Vec<Rule>,
}

impl Plan {
    /// What the decoder must fill.
    pub fn demand(&self) -> Demand {
        let mut demand = Demand::default();
        for plan in &self.signals {
            demand.want(plan.signal);
            for column in &plan.columns {
                demand.column(plan.signal, column.clone());
            }
        }
        demand
    }
}
