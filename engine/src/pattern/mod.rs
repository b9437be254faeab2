//! Patterns: unfinished matches of keys, moved by events in order and by time alone.
//!
//! A match is found by a *run*: it begins with an event that can be the first step of a lane, and
//! then takes the next event that fits, step by step. Runs of one key see its events in (event
//! time, source, position) and what ends by time alone in the order of time, whatever arrived
//! when: the watermark has passed all of it. Knows the plan and values; must not know how events
//! travel, what an epoch is, or who reads rows.

mod combine;
mod found;
mod key;
mod matcher;
mod register;
mod run;

pub(crate) use found::{Found, FoundKind};
pub(crate) use matcher::{Matcher, MatcherState};
