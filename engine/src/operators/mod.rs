//! The few generic operators, and the one stream type between them.
//!
//! Decode → sequence → apply → close → relate (once a level of rules about rules) → output:
//! stages, each processing whole epochs in order. Stages know the plan and the model; only
//! [`stream`] and the dataflow modules above name timely. They must not know: rule syntax, files,
//! the wall clock.

pub(crate) mod accumulate;
mod admission;
pub(crate) mod alert;
pub(crate) mod applied;
pub(crate) mod apply;
mod apply_keyed;
pub(crate) mod clock;
pub(crate) mod close;
pub(crate) mod correlate;
pub(crate) mod decode;
pub(crate) mod dedupe;
pub(crate) mod facts;
pub(crate) mod feeds;
pub(crate) mod group_key;
pub(crate) mod groups;
mod held;
pub(crate) mod key_limit;
pub(crate) mod keyed;
mod keyed_rows;
mod keyed_window;
mod late_leaving;
mod lateness;
pub(crate) mod local_rows;
pub(crate) mod output;
mod parents;
pub(crate) mod past;
pub(crate) mod pattern;
mod pattern_events;
mod placed;
pub(crate) mod relate;
mod retrace;
pub(crate) mod route;
mod row_clock;
mod row_maker;
mod row_order;
pub(crate) mod row_table;
mod rows_made;
mod running;
mod said_values;
pub(crate) mod sample;
mod senders;
pub(crate) mod sequence;
mod slice_index;
pub(crate) mod slice_table;
pub(crate) mod snapshot;
pub(crate) mod stream;
mod tails;
mod taken;
pub(crate) mod traces;
mod walk;
mod window_ends;
pub(crate) mod windows;
