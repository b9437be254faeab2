//! `tailwater completions SHELL`.

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::exit::Exit;
use crate::output::Output;

/// Prints the completion script.
pub(crate) fn run(args: &Completions) -> anyhow::Result<Exit> {
    // By way of memory: the generator itself panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "tailwater", &mut script);
    let mut output = Output::open(None)?;
    output.text(&String::from_utf8_lossy(&script))?;
    output.close()?;
    Ok(Exit::Good)
}
