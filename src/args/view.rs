//! Options of `tailwater view`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::replay::Content;

/// How traces are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewFormat {
    /// For people
    Text,
    /// One JSON object a line
    #[value(alias = "json")]
    Jsonl,
}

/// In which order traces are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The first to start first
    Start,
    /// The longest first
    Duration,
    /// The largest first
    Spans,
    /// Those with the most errors first
    Errors,
}

/// `tailwater view`
#[derive(Debug, ClapArgs)]
pub(crate) struct View {
    /// Recorded telemetry, or the input log of a run; `-` is standard input. Format and
    /// compression are recognised by content
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,

    /// One line a trace instead of waterfalls
    #[arg(short, long)]
    pub(crate) list: bool,

    /// Only the traces whose id starts so
    #[arg(long, value_name = "ID", help_heading = "Which traces")]
    pub(crate) trace: Option<String>,

    /// Only traces that have a span for which this expression of the rules language holds;
    /// waterfalls mark it
    #[arg(long, value_name = "EXPRESSION", help_heading = "Which traces")]
    pub(crate) has: Option<String>,

    /// Only traces for which this condition holds: fields of the trace, and `has`, `count` and
    /// `any` of sets of spans, as in
    /// `duration > 1s and has({status == error} >> {db.system != null})`
    #[arg(long = "where", value_name = "CONDITION", help_heading = "Which traces")]
    #[arg(conflicts_with = "follow")]
    pub(crate) condition: Option<String>,

    /// In which order
    #[arg(long, value_enum, default_value_t = Sort::Start, help_heading = "Which traces")]
    pub(crate) sort: Sort,

    /// At most so many; 0 for all [default: 10 waterfalls, 50 lines, all as JSON]
    #[arg(short = 'n', long, value_name = "N", help_heading = "Which traces")]
    pub(crate) limit: Option<usize>,

    /// Go on reading a file that grows; a trace is shown when nothing of it has come for a second,
    /// and again when more comes
    #[arg(short, long, help_heading = "Which traces")]
    pub(crate) follow: bool,

    /// How traces are written
    #[arg(long, value_enum, default_value_t = ViewFormat::Text, help_heading = "Results")]
    pub(crate) format: ViewFormat,

    /// Show an attribute of spans, where it is present (repeatable)
    #[arg(long, value_name = "KEY", help_heading = "Results")]
    pub(crate) show: Vec<String>,

    /// Show all events of spans, not only exceptions
    #[arg(long, help_heading = "Results")]
    pub(crate) events: bool,

    /// Columns to fit into, instead of the terminal's
    #[arg(long, value_name = "COLUMNS", help_heading = "Results")]
    pub(crate) width: Option<usize>,

    /// What the files hold
    #[command(flatten)]
    pub(crate) content: Content,
}
