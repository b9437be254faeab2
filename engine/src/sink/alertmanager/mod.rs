//! Alertmanager, API v2: firing alerts are sent again and again, resolved ones until taken.
//!
//! Alertmanager knows an alert by its labels, and takes one that is not renewed as resolved once
//! its `endsAt` has passed. So this sink holds a state, not a queue: a failed post loses nothing,
//! the next one says how things stand by then.
//!
//! Source: Alertmanager's OpenAPI, `POST /api/v2/alerts`; Prometheus sends with the same scheme.

mod state;
mod worker;

pub use worker::{AlertmanagerConfig, AlertmanagerCounts, AlertmanagerSink, AlertmanagerWatch};
