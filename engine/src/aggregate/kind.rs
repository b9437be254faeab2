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
    /// The distribution of any numbers, and of histogram points, in exponential buckets.
    Histogram,
    /// The number of distinct values.
    Distinct {
        /// Registers are 2^precision, 4 to 16.
        precision: u8,
    },
    /// The most frequent values.
    Top,
    /// The first values by order key.
    Collect {
        /// Values kept.
        limit: u32,
    },
    /// Events that stand for the group. Arguments: value, trace id, span id.
    Exemplar {
        /// Which ones.
        order: ExemplarOrder,
    },
    /// Points of counters, by series. Arguments: value, temporality, then what tells series apart.
    Series,
    /// Durations up to a threshold, up to four times it, and all.
    Apdex {
        /// The threshold, nanoseconds.
        threshold_ns: i64,
    },
}

impl AccumulatorKind {
    /// Whether an event that stands for several changes the result; where not, one of them says
    /// it all.
    pub(super) fn adds_up(self) -> bool {
        match self {
            Self::Count
            | Self::Sum
            | Self::SumSquares
            | Self::Sketch { .. }
            | Self::Truth
            | Self::Histogram
            | Self::Top
            | Self::Apdex { .. } => true,
            Self::Min
            | Self::Max
            | Self::First
            | Self::Last
            | Self::Distinct { .. }
            | Self::Collect { .. }
            | Self::Exemplar { .. }
            | Self::Series => false,
        }
    }
}

/// Which events stand for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ExemplarOrder {
    /// Those of the largest values.
    Max,
    /// Those of the smallest values.
    Min,
    /// A sample that does not depend on the values.
    Any,
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
    /// The distribution, as a histogram.
    Histogram,
    /// The number of distinct values.
    Distinct,
    /// The most frequent values, at most so many.
    Top(u32),
    /// The values kept, as a list.
    List,
    /// The increase of counters.
    Increase,
    /// The increase of counters per second of the window's length.
    IncreaseRate,
    /// (satisfied + tolerating / 2) / all.
    Apdex,
}
