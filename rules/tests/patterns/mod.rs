//! Patterns against every assignment of events to steps that there is.

mod bounds;
mod oracle;
mod outcome;
mod random;
