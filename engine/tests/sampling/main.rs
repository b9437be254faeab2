//! Thresholds, tracestates, targets, rates, past verdicts and what other rules said.

mod decisions;
mod facts;
mod rates;
mod targets;
mod thresholds;
mod tracestates;
