//! Options of a live run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as ClapArgs, ValueEnum};

use super::observe::ObserveArgs;
use super::replay::RuleInputs;

/// An address, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Not at all.
    Nowhere,
    /// There.
    Address(SocketAddr),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::Nowhere);
        }
        text.parse().map(Self::Address).map_err(|_| {
            "expected an address such as `127.0.0.1:4317` or `[::1]:4317`, or `none`".to_owned()
        })
    }
}

/// `tailwater run`
#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    /// Take settings from this file, in YAML or TOML; options win over it. Without it, the first of
    /// `tailwater.yaml`, `.yml`, `.toml` is taken that is found here, in the user's folder of
    /// configurations or in `/etc/tailwater`, if there is one
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Which rules run.
    #[command(flatten)]
    pub(crate) rules: RuleInputs,

    /// Worker threads; results are the same for any number [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,

    /// Take OTLP over gRPC there; `none` for not at all
    /// [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDRESS", help_heading = "Input")]
    pub(crate) otlp_grpc: Option<At>,

    /// Take OTLP over HTTP there; `none` for not at all
    /// [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDRESS", help_heading = "Input")]
    pub(crate) otlp_http: Option<At>,

    /// Take the line protocol over TCP there; `none` for not at all
    /// [default: 127.0.0.1:17000]
    #[arg(long, value_name = "ADDRESS", help_heading = "Input")]
    pub(crate) lines: Option<At>,

    /// Take the line protocol on a Unix socket, too
    #[arg(long, value_name = "PATH", help_heading = "Input")]
    pub(crate) lines_socket: Option<PathBuf>,

    /// Encrypt what listeners take (TLS) with this certificate; PEM, read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Input")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Input")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Take telemetry only from those who show a certificate of these authorities
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Input")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Take telemetry only from those who show one of the bearer tokens in this file, one a line
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(crate) token_file: Option<PathBuf>,

    /// Let listeners and pages be reached from other machines without TLS or credentials
    #[arg(long, help_heading = "Input")]
    pub(crate) allow_insecure: bool,

    /// Write what was taken to a file that `tailwater replay` replays
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(crate) record: Option<PathBuf>,

    /// Write rows and alerts to a file instead of standard output, as JSON lines
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub(crate) output: Option<PathBuf>,

    /// Show the newest results to Prometheus there, at `/metrics`; `none` for not at all
    /// [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS")]
    #[arg(help_heading = "Results")]
    pub(crate) prometheus: Option<At>,

    /// Send alerts to an Alertmanager: `http://localhost:9093`
    #[arg(long, value_name = "URL", help_heading = "Results")]
    pub(crate) alertmanager: Option<String>,

    /// Send rows as OTLP metrics and alerts as OTLP logs over HTTP: `http://localhost:4318`; `env`
    /// for where and how `OTEL_EXPORTER_OTLP_*` say
    #[arg(long, value_name = "URL", help_heading = "Results")]
    pub(crate) otlp: Option<String>,

    /// Post alerts to a URL, as Alertmanager's webhooks do
    #[arg(long, value_name = "URL", help_heading = "Results")]
    pub(crate) webhook: Option<String>,

    /// Say how the run is there: `/livez`, `/readyz`, `/healthz`, `/metrics`; `none` for not at all
    /// [default: 127.0.0.1:9465]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<At>,

    /// Seconds that what was accepted may take to be worked on and sent once the run is told to end
    /// [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) grace: Option<u64>,

    /// What it says of itself.
    #[command(flatten)]
    pub(crate) observe: ObserveArgs,
}

/// How a configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigFormat {
    /// With the origin of each value as a comment
    Yaml,
    /// With the origins beside the values
    Json,
}

/// `tailwater print-config`
#[derive(Debug, ClapArgs)]
pub(crate) struct PrintConfig {
    /// The options of the run that it is about.
    #[command(flatten)]
    pub(crate) run: Run,

    /// How it is printed
    #[arg(long, value_enum, default_value_t = ConfigFormat::Yaml)]
    pub(crate) format: ConfigFormat,

    /// Print the JSON Schema of configuration files instead, for editors
    #[arg(long)]
    pub(crate) schema: bool,
}
