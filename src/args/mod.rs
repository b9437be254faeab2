//! The command line's grammar: what may be written, before anything is looked at.
//!
//! Parsing has two steps, as in ripgrep: these types hold what was written; `resolve` and
//! `command::replay` turn it into what is meant, where files, terminal and
//! environment are asked.

mod r#gen;
mod observe;
mod replay;
mod run;
mod view;

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::terminal::{ColorChoice, Colors};

pub(crate) use r#gen::{Gen, GenFormat};
pub(crate) use observe::{Health, LogFormat, LogLevel, Observe};
pub(crate) use replay::{
    Content, Format, InputFormat, Inputs, Order, Replay, RuleInputs, SignalName, TablesFrom, Why,
};
pub(crate) use run::{At, ConfigFormat, PrintConfig, Run};
pub(crate) use view::{Sort, View, ViewFormat};

const EXIT_CODES: &str = "\
Exit codes:
  0    done, nothing to report
  1    findings: errors in rules, tests that fail, files that are not formatted, rows that
       differ, an alert that fired under `--fail-on-alert`
  2    the command line cannot be understood
  3    only warnings, under `--deny-warnings`
  65   some input is damaged or of no known format; what could be read was used
  66   an input cannot be opened or read
  70   a bug in tailwater
  74   results cannot be written
  78   the rules or the configuration that shall run have errors
  130  stopped by Ctrl-C; what had been read was worked on (`run`: by the second one, at once)
  143  `run`: stopped at once by a second signal, SIGTERM";

/// Stream processing for telemetry, with a rules language of its own.
#[derive(Debug, Parser)]
#[command(name = "tailwater", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Options of every command.
    #[command(flatten)]
    pub(crate) general: GeneralArgs,
}

/// Options of every command.
#[derive(Debug, ClapArgs)]
pub(crate) struct GeneralArgs {
    /// When to use colour; `auto` honours `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb`
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto, global = true, value_name = "WHEN")]
    #[arg(help_heading = "General options")]
    pub(crate) color: ColorChoice,

    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    #[arg(help_heading = "General options")]
    pub(crate) quiet: bool,

    /// Say more: every row of a table, every place of damage
    #[arg(short, long, global = true, action = ArgAction::Count)]
    #[arg(help_heading = "General options")]
    pub(crate) verbose: u8,
}

/// [`GeneralArgs`], resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct General {
    /// Where colour is used.
    pub(crate) colors: Colors,
    /// Nothing but results and errors.
    pub(crate) is_quiet: bool,
    /// Everything there is to say.
    pub(crate) is_verbose: bool,
}

impl GeneralArgs {
    /// Asks the environment and the terminal.
    pub(crate) fn resolve(&self) -> General {
        General {
            colors: Colors::resolve(self.color),
            is_quiet: self.quiet,
            is_verbose: self.verbose > 0,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find what is wrong with rules
    Check(Check),
    /// Bring rules into their canonical form
    Fmt(Fmt),
    /// Explain a diagnostic by its code, or what the plan of rules shares and holds
    Explain(Explain),
    /// Run the tests that rules carry
    Test(Test),
    /// Run rules over recorded telemetry and show what they say
    Replay(Box<Replay>),
    /// Show what is behind an alert, or why a trace was kept or dropped: `replay --why`
    Why(Box<Why>),
    /// Run rules over a live feed, and send on what they say
    Run(Box<Run>),
    /// Print the configuration that a run would have, and where each value comes from
    PrintConfig(Box<PrintConfig>),
    /// Run two versions of rules over the same recording and show what differs
    Backtest(Box<Backtest>),
    /// Show traces as waterfalls with their critical paths
    View(Box<View>),
    /// Ask a run whether it is ready; exit code 0 if it is
    Health(Health),
    /// Make telemetry by a seed, with labelled incidents
    Gen(Gen),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagnosticFormat {
    /// For people
    Human,
    /// One JSON object a line
    Json,
    /// Workflow commands of GitHub Actions
    Github,
}

/// `tailwater check`
#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// Rule files, folders of them, or packs such as `std/red`; `-` is standard input
    #[arg(required_unless_present_any = ["expressions", "config"], value_name = "PATHS")]
    pub(crate) paths: Vec<PathBuf>,

    /// Take each file for itself: otherwise all files together are one set of rules, which may read
    /// one another
    #[arg(long)]
    pub(crate) each: bool,

    /// Rules on the command line (repeatable)
    #[arg(short = 'e', long = "expression", value_name = "RULES")]
    pub(crate) expressions: Vec<String>,

    /// Check this configuration, too, and that it has every sink that rules name; without PATHS
    /// its own rules are checked
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Compare with this recording (repeatable): attributes that rules read, and none of its items
    /// has, are warned of
    #[arg(long = "recording", value_name = "FILE")]
    pub(crate) recordings: Vec<PathBuf>,

    /// What recordings hold
    #[command(flatten)]
    pub(crate) content: Content,

    /// How diagnostics are written
    #[arg(long, value_enum, default_value_t = DiagnosticFormat::Human)]
    pub(crate) format: DiagnosticFormat,

    /// Apply the edits that are safe
    #[arg(long)]
    pub(crate) fix: bool,

    /// Exit with code 3 if there are warnings and no errors
    #[arg(long)]
    pub(crate) deny_warnings: bool,

    /// Give a `param` of the rules a value (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    Text,
    /// A graph for Graphviz
    Dot,
    /// A graph for Mermaid
    Mermaid,
}

/// `tailwater fmt`
#[derive(Debug, ClapArgs)]
pub(crate) struct Fmt {
    /// Rule files, or folders of them; standard input to standard output if there is none or `-`
    #[arg(value_name = "PATHS")]
    pub(crate) paths: Vec<PathBuf>,

    /// Change nothing; list files that are not in canonical form, and exit with code 1
    #[arg(long)]
    pub(crate) check: bool,
}

/// `tailwater explain`
#[derive(Debug, ClapArgs)]
pub(crate) struct Explain {
    /// A diagnostic's code, such as E2002, or rule files, folders and packs; the list of all
    /// codes if left out
    #[arg(value_name = "CODE|PATHS")]
    pub(crate) targets: Vec<String>,

    /// Rules on the command line (repeatable)
    #[arg(short = 'e', long = "expression", value_name = "RULES")]
    pub(crate) expressions: Vec<String>,

    /// How a plan is written
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,

    /// Say how the plans of two paths differ: OLD, then NEW
    #[arg(long, conflicts_with = "expressions")]
    pub(crate) diff: bool,

    /// Give a `param` of the rules a value (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
}

/// `tailwater test`
#[derive(Debug, ClapArgs)]
pub(crate) struct Test {
    /// Rule files, folders of them, or packs such as `std/red`
    #[arg(required = true, value_name = "PATHS")]
    pub(crate) paths: Vec<PathBuf>,

    /// Take each file for itself: otherwise all files together are one set of rules, which may read
    /// one another
    #[arg(long)]
    pub(crate) each: bool,

    /// Give a `param` of the rules a value (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
}

/// How differences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BacktestFormat {
    /// For people
    Text,
    /// One JSON object a line
    #[value(alias = "json")]
    Jsonl,
}

/// `tailwater backtest`
#[derive(Debug, ClapArgs)]
pub(crate) struct Backtest {
    /// The rules as they are: a file, a folder or a pack
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,

    /// The rules as they shall be: a file, a folder or a pack
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,

    /// Where telemetry is read.
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// How differences are written
    #[arg(long, value_enum, default_value_t = BacktestFormat::Text, help_heading = "Results")]
    pub(crate) format: BacktestFormat,

    /// Give a `param` of both versions a value (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
}

/// `tailwater completions`
#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
