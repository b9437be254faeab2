//! Calls over the past of a row's own group, as the plan holds them.

use serde::{Deserialize, Serialize};

use super::expr::Expr;

/// What is made of a value and the group's values before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PastKind {
    /// Exponentially weighted moving average, this row included.
    Ewma {
        /// Weight of the newest value, in millionths.
        alpha_millionths: u32,
    },
    /// Distance from the mean of the rows before, in standard deviations.
    Zscore {
        /// Rows that are remembered.
        rows: u32,
    },
    /// Distance from the median of the rows before, in scaled median absolute deviations.
    Mad {
        /// Rows that are remembered.
        rows: u32,
    },
}

impl PastKind {
    /// Rows that are remembered.
    pub fn rows(self) -> u32 {
        match self {
            Self::Ewma { .. } => 1,
            Self::Zscore { rows } | Self::Mad { rows } => rows,
        }
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PastCall {
    /// What is made.
    pub kind: PastKind,
    /// Of what; columns as for the rule's values.
    pub argument: Expr,
    /// It is computed before the value with this index: what it reads stands before it.
    pub before: u32,
}
