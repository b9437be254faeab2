//! What decides which traces and items are kept, and what kept ones carry.
//!
//! Pure functions and state machines: thresholds of consistent probability sampling, the
//! tracestate that carries them, targets and rates over what has closed, what other rules have
//! said, and the memory of past verdicts. Everything is integer arithmetic in a given order, so
//! that every process and every replay decides alike. Knows values; must not know rules, traces,
//! epochs or operators.

mod budget;
mod decisions;
mod facts;
mod filter;
mod id_queue;
mod logarithm;
mod rate;
mod seen;
mod stamp;
mod target;
mod threshold;
mod tracestate;
mod verdicts;

pub use decisions::{Decisions, DecisionsState, Past, Verdict};
pub use facts::{Facts, KeyTimes, Saying};
pub use filter::IdFilter;
pub(crate) use id_queue::{IdQueue, id_hash};
pub use rate::{Buckets, Rate, RateLimit};
pub use stamp::{
    RANDOMNESS_KEY, THRESHOLD_KEY, read_log, stamp_log, stamp_span, without_attributes,
};
pub use target::{Arrival, Goal, Target, TargetState};
pub use threshold::{Randomness, Threshold};
pub(crate) use tracestate::members;
pub use tracestate::{Arrived, Reading, Settled, read_tracestate, rewrite_tracestate};
pub(crate) use verdicts::Verdicts;
