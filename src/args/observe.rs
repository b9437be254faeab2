//! Options of what a live run says of itself.

use clap::{Args as ClapArgs, ValueEnum};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// How much is logged: each level has those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    /// What ends the run
    Error,
    /// What goes wrong and is dealt with
    Warn,
    /// What a run begins and ends with
    Info,
    /// What it does in between
    Debug,
}

/// [`ObserveArgs`] with a configuration below them.
#[derive(Debug)]
pub(crate) struct Observe {
    /// How log lines are written.
    pub(crate) log_format: LogFormat,
    /// How much is logged.
    pub(crate) log_level: LogLevel,
    /// Whether the run's own metrics are a source.
    pub(crate) self_metrics: bool,
    /// Where spans about itself go.
    pub(crate) trace_self: Option<String>,
    /// One epoch and one delivery in so many has a span.
    pub(crate) trace_self_every: u64,
}

/// What a live run says of itself.
#[derive(Debug, ClapArgs)]
pub(crate) struct ObserveArgs {
    /// How log lines on standard error are written [default: text]
    #[arg(long, value_enum, help_heading = "Itself")]
    pub(crate) log_format: Option<LogFormat>,

    /// How much is logged [default: info]
    #[arg(long, value_enum, help_heading = "Itself")]
    pub(crate) log_level: Option<LogLevel>,

    /// Take the run's own metrics as telemetry of the source `self` every 10 s, for rules to read
    #[arg(long, help_heading = "Itself")]
    pub(crate) self_metrics: bool,

    /// Send spans of epochs and deliveries over OTLP/HTTP: `http://localhost:4318`
    #[arg(long, value_name = "URL", help_heading = "Itself")]
    pub(crate) trace_self: Option<String>,

    /// Trace one epoch and one delivery in so many [default: 100]
    #[arg(long, value_name = "N", help_heading = "Itself")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) trace_self_every: Option<u64>,
}

/// `tailwater health`
#[derive(Debug, ClapArgs)]
pub(crate) struct Health {
    /// The page to ask for
    #[arg(default_value = "http://127.0.0.1:9465/readyz", value_name = "URL")]
    pub(crate) url: String,

    /// Seconds to wait for each step
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
}
