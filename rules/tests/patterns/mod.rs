//! Patterns against every assignment of events to steps that there is.

mod oracle;
mod random;
