//! Options of `tailwater gen`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// How spans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GenFormat {
    /// OTLP/JSON requests, one a line
    OtlpJson,
    /// Flat JSON objects, one a line
    Ndjson,
    /// OTLP protobuf requests with their lengths
    OtlpDelimited,
}

/// `tailwater gen`
#[derive(Debug, ClapArgs)]
pub(crate) struct Gen {
    /// Write spans to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write what the incidents are, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,

    /// How spans are written
    #[arg(long, value_enum, default_value_t = GenFormat::OtlpJson)]
    pub(crate) format: GenFormat,

    /// Where the random numbers start: equal options and seed give equal bytes
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Spans to write
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) spans: u64,

    /// Traces a second
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) rate: u32,

    /// Time of the first trace (RFC 3339) [default: 2026-01-01T00:00:00Z]
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<String>,

    /// Services, 1 to 20
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) services: usize,

    /// Operations of a service
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) operations: usize,

    /// Share of spans that fail outside incidents
    #[arg(long, default_value_t = 0.002, value_name = "SHARE")]
    pub(crate) error_rate: f64,

    /// Median duration of a request; the mix is log-normal
    #[arg(long, default_value = "40ms", value_name = "DURATION")]
    pub(crate) median: String,

    /// Standard deviation of the logarithm of durations
    #[arg(long, default_value_t = 0.8, value_name = "NUMBER")]
    pub(crate) sigma: f64,

    /// Share of spans that arrive out of order
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub(crate) disorder: f64,

    /// How much later such a span arrives at most
    #[arg(long, default_value = "2s", value_name = "DURATION")]
    pub(crate) disorder_max: String,

    /// Share of spans that are written twice
    #[arg(long, default_value_t = 0.001, value_name = "SHARE")]
    pub(crate) duplicates: f64,

    /// Incidents over the whole time
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) incidents: usize,
}
