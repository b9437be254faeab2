//! Patterns: unfinished matches of keys, moved by events in order and by time alone.
//!
//! A match is found by a *run*: it begins with an event that can be the first step of a lane, and
//! then takes the next event that fits, step by step. Runs of one key see its events in (event
//! time, source, position) and what ends by time alone in the order of time, whatever arrived
//! when: the watermark has passed all of it. Knows the plan and values; must not know how events
//! travel, what an epoch is, or who reads rows.

mod combine;
mod event;
mod key;
mod keys_state;
mod matcher;
mod register;
mod run;
mod waiting;

pub(crate) use event::{Event, Found, FoundKind, Place};
pub(crate) use keys_state::{Keyed, KeysState};
pub(crate) use matcher::{Matcher, MatcherState};
pub(crate) use waiting::Waiting;
