//! Options of the commands that read telemetry.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object a line
    #[value(alias = "json")]
    Jsonl,
    /// Comma-separated values, a header line before each rule's columns
    Csv,
}

/// In which order items are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// As they stand in the files
    File,
    /// By their time; everything is read and sorted first
    Time,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// One OTLP trace request in protobuf
    OtlpTraces,
    /// One OTLP log request in protobuf
    OtlpLogs,
    /// One OTLP metric request in protobuf
    OtlpMetrics,
    /// OTLP protobuf requests with their lengths, as the Collector's file exporter writes them
    OtlpDelimited,
    /// OTLP/JSON requests, one a line
    OtlpJson,
    /// The line protocol
    Lines,
    /// Plain JSON objects, one a line
    Ndjson,
    /// Comma-separated values with a header line
    Csv,
    /// JSON of Jaeger's user interface
    Jaeger,
    /// A JSON list of Zipkin v2 spans
    Zipkin,
}

/// What a row of plain NDJSON or CSV is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignalName {
    /// A span
    Spans,
    /// A log record
    Logs,
    /// A metric data point
    Metrics,
}

/// What files hold, where it cannot be recognised.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Content {
    /// What the files hold, where it cannot be recognised
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Input")]
    pub(crate) input_format: Option<InputFormat>,

    /// Take a field or attribute from a column of plain NDJSON or CSV (repeatable); times may
    /// name their unit: `start=begin:ms` (ns, us, ms, s)
    #[arg(long = "map", value_name = "FIELD=COLUMN", help_heading = "Input")]
    pub(crate) mapping: Vec<String>,

    /// What the rows of plain NDJSON or CSV are, where `--map` says what they hold
    #[arg(long, value_enum, default_value_t = SignalName::Spans, requires = "mapping")]
    #[arg(value_name = "SIGNAL", help_heading = "Input")]
    pub(crate) map_signal: SignalName,
}

/// Where telemetry is read.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Inputs {
    /// Recorded telemetry; `-` is standard input. Format and compression are recognised by
    /// content
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,

    /// Worker threads; results are the same for any number
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) workers: usize,

    /// What the files hold
    #[command(flatten)]
    pub(crate) content: Content,

    /// In which order items are taken
    #[arg(long, value_enum, default_value_t = Order::File, help_heading = "Input")]
    pub(crate) order: Order,

    /// Interleave several files by time, instead of one after the other
    #[arg(long, help_heading = "Input", conflicts_with = "order")]
    pub(crate) merge: bool,

    /// Leave windows open that the end of the recording does not close
    #[arg(long)]
    pub(crate) open: bool,

    /// Bound what one item brings, as `limits` of a run does (repeatable): `attributes=128`,
    /// `attribute_length`, `events`, `event_attributes`, `links`, `link_attributes`
    #[arg(long = "limit", value_name = "NAME=N", help_heading = "Input")]
    pub(crate) limits: Vec<String>,
}

/// Which rules run.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RuleInputs {
    /// Rule files, folders of them, or packs such as `std/red` (repeatable); here or by `-e` some
    /// rules are needed
    #[arg(long, value_name = "PATH", help_heading = "Rules")]
    pub(crate) rules: Vec<PathBuf>,

    /// Rules on the command line (repeatable)
    #[arg(short = 'e', long = "expression", value_name = "RULES", help_heading = "Rules")]
    pub(crate) expressions: Vec<String>,

    /// Give a `param` of the rules a value (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE", help_heading = "Rules")]
    pub(crate) params: Vec<String>,
}

/// Where the tables of rules come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TablesFrom {
    /// The log: as the run read them, changes at their place
    Log,
    /// The files, as they are now
    Files,
}

/// `tailwater replay`
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Replay {
    /// Where telemetry is read.
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// Which rules run.
    #[command(flatten)]
    pub(crate) rules: RuleInputs,

    /// Which tables rules read over the input log of a run, where the log holds them
    #[arg(long, value_enum, default_value_t = TablesFrom::Log, help_heading = "Rules")]
    pub(crate) tables: TablesFrom,

    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Results")]
    pub(crate) format: Format,

    /// Show only rows of windows that end after this time (RFC 3339, UTC)
    #[arg(long, value_name = "TIME", help_heading = "Results")]
    pub(crate) from: Option<String>,

    /// Show only rows of windows that start before this time (RFC 3339, UTC)
    #[arg(long, value_name = "TIME", help_heading = "Results")]
    pub(crate) to: Option<String>,

    /// Write rows to a file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub(crate) output: Option<PathBuf>,

    /// Write the telemetry that routes let through to a file, as OTLP/JSON requests, one a line;
    /// `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) items: Option<PathBuf>,

    /// Instead of rows, show what an alert did: of each group the rows and states behind it, the
    /// condition with its values, and how long it held; or why a trace was kept or dropped, by its
    /// id of 32 hex digits: each line of each sampling (text or jsonl)
    #[arg(long, value_name = "ALERT|TRACE", help_heading = "Results")]
    pub(crate) why: Option<String>,

    /// Exit with code 1 if an alert fired
    #[arg(long, help_heading = "Results")]
    pub(crate) fail_on_alert: bool,

    /// Draw the selected values over time as an SVG image
    #[arg(long, value_name = "FILE.svg", help_heading = "Results")]
    pub(crate) plot: Option<PathBuf>,

    /// Draw the service graph of the traces: who asks whom, how often, how long it takes. The
    /// name's end says how: svg, dot or gv, mmd or mermaid. Needs no rules
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) graph: Option<PathBuf>,
}

/// `tailwater why`: a replay with `--why`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Why {
    /// An alert, or a trace by its id of 32 hex digits
    #[arg(value_name = "ALERT|TRACE", conflicts_with = "why")]
    pub(crate) what: String,

    /// What is asked, and where.
    #[command(flatten)]
    pub(crate) replay: Replay,
}

impl Why {
    /// The same as a replay.
    pub(crate) fn replay(&self) -> Replay {
        Replay { why: Some(self.what.clone()), ..self.replay.clone() }
    }
}
