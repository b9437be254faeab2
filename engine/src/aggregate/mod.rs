//! Accumulators: what windows keep of the events in them.
//!
//! Every accumulator merges exactly and in any order, so that neither the number of workers nor
//! the cut into batches shows in a result. State is columnar: one [`Accumulators`] holds one kind
//! for many slots. Must not know: tables, slices, operators.

mod buckets;
mod columns;
mod distinct;
mod distribution;
mod exact_sum;
mod kind;
mod partial;
mod parts;
mod pick;
mod series;
mod sketch;
mod state;
mod sum;
mod top;
mod update;

pub use columns::{PartColumn, SketchColumn, finish_columns};
pub use distinct::Distinct;
pub use distribution::Distribution;
pub use exact_sum::ExactSum;
pub use kind::{AccumulatorKind, ExemplarOrder, Finisher};
pub use partial::{OrderKey, Partial};
pub use parts::{PartsScratch, finish_parts};
pub use pick::{Candidate, Collected, Exemplars};
pub use series::{Reading, Series};
pub use sketch::{EXACT_VALUES_MAX, LIST_VALUES_MAX, NumberUnit, Sketch};
pub use state::{Accumulators, OrderColumn};
pub use sum::Sum;
pub use top::Top;
