//! Which accumulators there are, and how results are read from them.

use serde::{Deserialize, Serialize};

/// What is stored for an aggregate call. Calls of different functions over the same argument
/// share one accumulator: p50, p95 and p99 read one sketch; sum and avg read one sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccumulatorKind {
    /// Number of events.
    Count,
    /// Count and exact sum of the numbers.
    Sum,
    /// Count, exact sum and exact sum of squares of the numbers.
    SumSquares,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The value of the first event.
    First,
    /// The value of the last event.
    Last,
    /// The distribution of numbers ≥ 0, to 2 or 3 significant digits.
    Sketch {
        /// Significant digits, 2 or 3.
        digits: u8,
    },
    /// How many of the truth values are true.
    Truth,
}

/// How a result is made from an accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Finisher {
    /// The number of events.
    Count,
    /// Events per second of the window's length.
    CountRate,
    /// The sum.
    Sum,
    /// The sum per second of the window's length.
    SumRate,
    /// The mean.
    Avg,
    /// The population standard deviation, as Prometheus's `stddev`.
    Stddev,
    /// The value kept.
    Value,
    /// A quantile by nearest rank, in millionths: p99 is 990 000.
    Quantile(u32),
    /// The share of true values.
    Ratio,
}
