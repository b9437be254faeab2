//! `tailwater`: the command line.
//!
//! The only place that prints, reads the environment and knows the wall clock. One file a
//! command; results go to standard output, everything else to standard error.

#![forbid(unsafe_code)]

mod args;
mod command;
mod exit;
mod render;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        Command::Replay(replay) => command::replay::run(&replay),
        Command::Completions(completions) => command::completions::run(&completions),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error).into(),
    }
}
