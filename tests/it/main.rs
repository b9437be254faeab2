//! The one integration binary of the root package: what holds for the project as a whole.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "our own file names")]
#![allow(clippy::format_push_string, reason = "tests build small texts")]

mod backtest;
mod cli;
mod config;
mod full_queue;
mod functions;
mod generated;
mod items;
mod jobs_entities;
mod limits;
mod lines_documented;
mod live;
mod live_run;
mod log;
mod observe;
mod odd_input;
mod output;
mod packs;
mod pages;
mod promises;
mod readme;
mod recorded_packs;
mod recordings;
mod redact;
mod refused;
mod spec;
mod start;
mod tables;
mod tidy;
mod view;
mod why;
