//! Rows as OTLP metrics, transitions of alerts as OTLP logs, items as they came; over HTTP or gRPC.
//!
//! Metrics, logs and traces have a queue, a worker and a breaker each: a receiver that takes one
//! signal and not the others loses only what it refuses.
//!
//! Source: OTLP 1.11; opentelemetry-proto 1.11.

mod environment;
mod items;
mod json;
mod logs;
mod metrics;
mod protobuf;
mod sums;
mod weight;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use super::http::Compression;
use super::push::{Push, PushConfig, PushWatch, Said};
use super::{ExemplarVerdicts, Shape, SinkCounts, Tell};
use crate::error::Error;
use crate::model::{RowKind, Signal};
pub use items::{ItemRequest, Spans, item_requests};
pub use logs::Logs;
pub use metrics::{Metrics, MetricsConfig};
pub use wire::{Encoding, Temporality};

/// Protocols of OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`.
    #[default]
    HttpProtobuf,
    /// `http/json`.
    HttpJson,
    /// `grpc`.
    Grpc,
}

impl Protocol {
    /// The protocol of a name, as `OTEL_EXPORTER_OTLP_PROTOCOL` has it.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "http/protobuf" => Some(Self::HttpProtobuf),
            "http/json" => Some(Self::HttpJson),
            "grpc" => Some(Self::Grpc),
            _ => None,
        }
    }

    fn encoding(self) -> Encoding {
        match self {
            Self::HttpJson => Encoding::Json,
            Self::HttpProtobuf | Self::Grpc => Encoding::Protobuf,
        }
    }
}

/// What becomes of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RowsAs {
    /// Metrics.
    #[default]
    Metrics,
    /// Log records.
    Logs,
    /// Both.
    Both,
}

/// One signal of an OTLP sink.
#[derive(Debug, Clone)]
pub struct SignalConfig {
    /// How it is spoken. HTTP with protobuf.
    pub protocol: Protocol,
    /// How it is posted. Over HTTP its URL is where requests go; over gRPC the path is that of the
    /// method, whatever the URL says.
    pub push: PushConfig,
}

/// An OTLP sink.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// Where metrics go.
    pub metrics: SignalConfig,
    /// Where logs go.
    pub logs: SignalConfig,
    /// Where spans go.
    pub traces: SignalConfig,
    /// Whether sums and histograms count since the start or since the window before. Cumulative.
    pub temporality: Temporality,
    /// Series whose sums are kept, where they are cumulative. 100 000.
    pub series: usize,
    /// What becomes of rows. Metrics.
    pub rows: RowsAs,
    /// Where verdicts on exemplars are told that come behind their rows.
    pub exemplars: ExemplarVerdicts,
}

const METRICS: (&str, &str) =
    ("/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
const LOGS: (&str, &str) =
    ("/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export");

const TRACES: (&str, &str) =
    ("/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export");

impl OtlpConfig {
    /// The usual settings for an address such as `http://localhost:4318`; over HTTP `/v1/metrics`,
    /// `/v1/logs` and `/v1/traces` follow it.
    pub fn new(name: &str, protocol: Protocol, url: &str) -> Self {
        let signal = |(path, _): (&str, &str)| {
            let base = url.trim_end_matches('/');
            let url = match protocol {
                Protocol::Grpc => base.to_owned(),
                Protocol::HttpProtobuf | Protocol::HttpJson => format!("{base}{path}"),
            };
            SignalConfig { protocol, push: usual(name, &url) }
        };
        Self {
            metrics: signal(METRICS),
            logs: signal(LOGS),
            traces: signal(TRACES),
            temporality: Temporality::default(),
            series: MetricsConfig::default().series,
            rows: RowsAs::default(),
            exemplars: ExemplarVerdicts::default(),
        }
    }

    /// The settings that `OTEL_EXPORTER_OTLP_*` ask for, given what each variable holds.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Setting`] if a variable holds what cannot be used; its name is told.
    pub fn from_environment(
        name: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        environment::config(name, &lookup)
    }

    /// All signals: metrics, logs, traces.
    pub fn signals(&self) -> [&SignalConfig; 3] {
        [&self.metrics, &self.logs, &self.traces]
    }

    /// All signals, for settings that they share, in the same order.
    pub fn signals_mut(&mut self) -> [&mut SignalConfig; 3] {
        [&mut self.metrics, &mut self.logs, &mut self.traces]
    }
}

/// gzip, every 5 s, or sooner under backlog.
fn usual(name: &str, url: &str) -> PushConfig {
    let mut push = PushConfig {
        interval: Duration::from_secs(5),
        interval_min: Duration::from_millis(200),
        ..PushConfig::new(name, url)
    };
    push.target.compression = Compression::Gzip;
    push
}

/// A running sink.
pub struct OtlpSink {
    metrics: Push,
    logs: Push,
    traces: Push,
    rows: RowsAs,
}

/// What became of the items of an OTLP sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtlpCounts {
    /// Of its metrics.
    pub metrics: SinkCounts,
    /// Of its logs.
    pub logs: SinkCounts,
    /// Of its spans.
    pub traces: SinkCounts,
}

impl OtlpSink {
    /// Starts a sink; call it within a tokio runtime. Shapes are by rule id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Setting`] if a URL, a header or a file cannot be used,
    /// [`crate::ErrorKind::Read`] if a file cannot be read.
    pub fn start(config: OtlpConfig, shapes: Arc<[Shape]>, tell: Tell) -> Result<Self, Error> {
        let OtlpConfig { metrics, logs, traces, temporality, series, rows, exemplars } = config;
        let encoding = metrics.protocol.encoding();
        let of_metrics = MetricsConfig { encoding, temporality, series };
        let of_metrics = Metrics::with(of_metrics, Arc::clone(&shapes)).following(exemplars);
        let of_logs = Logs::with(logs.protocol.encoding(), Arc::clone(&shapes));
        let of_traces = Spans::with(traces.protocol.encoding(), shapes);
        Ok(Self {
            metrics: start(metrics, METRICS.1, of_metrics, Arc::clone(&tell))?,
            logs: start(logs, LOGS.1, of_logs, Arc::clone(&tell))?,
            traces: start(traces, TRACES.1, of_traces, tell)?,
            rows,
        })
    }

    /// Offers an item; it is dropped, and counted, where there is no room. Rows that are not final
    /// are nobody's business.
    pub fn offer(&self, said: Said) {
        match &said {
            Said::Row(row) if row.kind != RowKind::Final => {}
            Said::Row(_) => match self.rows {
                RowsAs::Metrics => self.metrics.offer(said),
                RowsAs::Logs => self.logs.offer(said),
                RowsAs::Both => {
                    self.metrics.offer(said.clone());
                    self.logs.offer(said);
                }
            },
            Said::Transition(_) => self.logs.offer(said),
            Said::Item(item) => match item.signal {
                Signal::Spans => self.traces.offer(said),
                Signal::Metrics => self.metrics.offer(said),
                _ => self.logs.offer(said),
            },
        }
    }

    /// Views of its metrics, of its logs and of its spans that outlive it.
    pub fn watch(&self) -> [PushWatch; 3] {
        [self.metrics.watch(), self.logs.watch(), self.traces.watch()]
    }

    /// What became of what was offered.
    pub fn counts(&self) -> OtlpCounts {
        OtlpCounts {
            metrics: self.metrics.counts(),
            logs: self.logs.counts(),
            traces: self.traces.counts(),
        }
    }

    /// Delivers what waits, for so long at most; returns the final counts.
    pub async fn stop(self, within: Duration) -> OtlpCounts {
        let stopping =
            (self.metrics.stop(within), self.logs.stop(within), self.traces.stop(within));
        let (metrics, logs, traces) = tokio::join!(stopping.0, stopping.1, stopping.2);
        OtlpCounts { metrics, logs, traces }
    }
}

fn start(
    config: SignalConfig,
    method: &str,
    encode: impl super::push::Encode,
    tell: Tell,
) -> Result<Push, Error> {
    let mut push = config.push;
    if config.protocol != Protocol::Grpc {
        return Push::start(push, encode, tell);
    }
    push.target.url = with_path(&push.target.url, method);
    Push::start_grpc(push, encode, tell)
}

/// A URL with another path.
fn with_path(url: &str, path: &str) -> String {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find(['/', '?', '#']).map_or(url.len(), |at| after_scheme + at);
    format!("{}{path}", &url[..end])
}
