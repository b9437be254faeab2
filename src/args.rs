//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Stream processing for telemetry, with a rules language of its own.
#[derive(Debug, Parser)]
#[command(name = "tailwater", version, propagate_version = true, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run rules over recorded telemetry and show what they say
    Replay(Replay),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values, a header line before each rule's columns
    Csv,
}

/// `tailwater replay`
#[derive(Debug, ClapArgs)]
pub struct Replay {
    /// Recorded telemetry; `-` is standard input. Format and compression are recognised by
    /// content
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,

    /// Rule files, or folders of them (repeatable)
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Rules on the command line (repeatable)
    #[arg(short = 'e', long = "expression", value_name = "RULES")]
    pub expressions: Vec<String>,

    /// Give a `param` of the rules a value (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,

    /// Worker threads
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub workers: usize,

    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Leave windows open that the end of the recording does not close
    #[arg(long)]
    pub open: bool,

    /// Say nothing but the rows
    #[arg(short, long)]
    pub quiet: bool,
}

/// `tailwater completions`
#[derive(Debug, ClapArgs)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}
