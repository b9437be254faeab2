//! `tailwater completions SHELL`.

use std::io;

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::exit::Exit;

/// Prints the completion script.
#[expect(clippy::unnecessary_wraps, reason = "commands have one signature")]
pub fn run(args: &Completions) -> anyhow::Result<Exit> {
    let mut command = Args::command();
    clap_complete::generate(args.shell, &mut command, "tailwater", &mut io::stdout());
    Ok(Exit::Good)
}
