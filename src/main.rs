//! `tailwater`: the command line.
//!
//! The only place that prints, reads the environment and knows the wall clock. One file a
//! command; results go to standard output, everything else to standard error.

#![forbid(unsafe_code)]

mod args;
mod command;
mod config;
mod exit;
#[cfg_attr(
    not(test),
    expect(unused_imports, reason = "the tests of the generator name the kinds of incidents")
)]
mod generate;
mod log;
mod near_path;
mod output;
mod plot;
mod render;
mod rule_files;
mod service_graph;
mod terminal;
mod trace;
mod view;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use exit::Exit;

/// Workers free batches that other threads allocated, which glibc's allocator answers with growth.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error),
    }
}

fn run(args: &Args) -> anyhow::Result<Exit> {
    let general = args.general.resolve();
    match &args.command {
        Command::Check(check) => command::check::run(check, general),
        Command::Fmt(fmt) => command::fmt::run(fmt, general),
        Command::Explain(explain) => command::explain::run(explain, general),
        Command::Test(test) => command::test::run(test, general),
        Command::Replay(replay) => command::replay::run(replay, general),
        Command::Why(why) => command::replay::run(&why.replay(), general),
        Command::Run(run) => command::run::run(run, general),
        Command::PrintConfig(print) => command::print_config::run(print, general),
        Command::Backtest(backtest) => command::backtest::run(backtest, general),
        Command::View(view) => command::view::run(view, general),
        Command::Health(health) => command::health::run(health),
        Command::Gen(options) => command::r#gen::run(options, general),
        Command::Completions(completions) => command::completions::run(completions),
    }
}
