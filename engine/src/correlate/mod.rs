//! Correlations: items of two sides that are paired by key and time, and what stays alone.
//!
//! A key's items are taken in (event time, source, position) once the watermark has passed them,
//! as patterns do, so either side may come first; an item that nothing was found for is told at
//! its deadline, after every item of that time. Each left item is told once or paired as often as
//! the rule picks; each right item is paired, told as alone, or told as a duplicate. Knows the
//! plan and values; must not know how items travel, what an epoch is, or who reads rows.

mod correlator;
mod key;

pub(crate) use correlator::{Correlator, CorrelatorState};
pub(crate) use key::{Decided, Item, Outcome};
