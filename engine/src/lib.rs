//! The tailwater engine: an ordered input log of telemetry frames in, rows and alerts out.
//!
//! The engine runs a compiled [`plan::Plan`] over frames on timely workers. It knows no rule
//! syntax. Its output is a function of the frames and the plan alone: not of the number of
//! workers, thread timing, hash seeds or the wall clock.
//!
//! Modules are ranked and import downwards only:
//! 0 [`model`], [`limits`], [`error`], `otlp`, [`clock`], [`self_metrics`] · 1 [`ingest`],
//! [`journal`], [`plan`], [`aggregate`], [`sink`], [`redact`], [`trace`], [`sampling`],
//! `keyed_events`, `pattern`, `correlate` · 2 `operators` · 3 `dataflow` · 4 [`runtime`].

#![forbid(unsafe_code)]

pub mod aggregate;
pub mod clock;
mod correlate;
mod dataflow;
pub mod error;
pub mod ingest;
pub mod journal;
mod keyed_events;
pub mod limits;
pub mod model;
mod operators;
mod otlp;
mod pattern;
mod pem;
pub mod plan;
pub mod redact;
pub mod runtime;
pub mod sampling;
pub mod self_metrics;
pub mod sink;
pub mod trace;

pub use error::{Error, ErrorKind};
