//! Thresholds, tracestates, targets, rates and past verdicts.

mod decisions;
mod rates;
mod thresholds;
mod tracestates;
