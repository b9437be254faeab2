//! Thresholds, tracestates, targets, rates, past verdicts and what other rules said.

mod decisions;
mod facts;
mod rates;
mod thresholds;
mod tracestates;
