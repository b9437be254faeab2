//! What can be configured of sinks, by their kind.

use std::path::PathBuf;
use std::time::Duration;

use tailwater_engine::sink::alertmanager::AlertmanagerConfig;
use tailwater_engine::sink::otlp::{OtlpConfig, Protocol, RowsAs, Temporality};
use tailwater_engine::sink::prometheus::PrometheusConfig;
use tailwater_engine::sink::push::PushConfig;
use tailwater_engine::sink::{ClientKey, Compression, Target};

use super::file::FileSettings;
use super::measure::Bytes;
use super::scalar::{Count, Url};
use super::secret::Secret;
use super::section::{Kinds, Origin, Pairs, Section, Setting, Visit};
use super::settings::PAGE_INSECURE;
use crate::args::At;

/// Queues of a sink of OTLP: for metrics, logs and spans.
const OTLP_QUEUES: u64 = 3;

/// A sink of any kind.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    Prometheus(Box<PrometheusSettings>),
    Alertmanager(Box<AlertmanagerSettings>),
    Webhook(Box<PushSettings>),
    Otlp(Box<OtlpSettings>),
    File(Box<FileSettings>),
}

impl Kinds for Sink {
    const KINDS: &'static [(&'static str, &'static str)] = &[
        ("alertmanager", "Alerts to an Alertmanager, API version 2."),
        ("file", "Rows, alerts and routed telemetry as lines of a file that is rotated."),
        ("otlp", "Rows as OTLP metrics, alerts as OTLP logs, routed telemetry as it came."),
        ("prometheus", "The newest results on a page for Prometheus."),
        ("webhook", "Alerts to a URL, as Alertmanager's webhooks post them."),
    ];

    fn of_kind(kind: &str) -> Option<Self> {
        Some(match kind {
            "alertmanager" => Self::Alertmanager(Box::default()),
            "file" => Self::File(Box::default()),
            "otlp" => Self::Otlp(Box::default()),
            "prometheus" => Self::Prometheus(Box::default()),
            "webhook" => Self::Webhook(Box::default()),
            _ => return None,
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Prometheus(_) => "prometheus",
            Self::Alertmanager(_) => "alertmanager",
            Self::Webhook(_) => "webhook",
            Self::Otlp(_) => "otlp",
            Self::File(_) => "file",
        }
    }
}

impl Section for Sink {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        match self {
            Self::Prometheus(settings) => settings.visit(visit),
            Self::Alertmanager(settings) => settings.visit(visit),
            Self::Webhook(settings) => settings.visit(visit),
            Self::Otlp(settings) => settings.visit(visit),
            Self::File(settings) => settings.visit(visit),
        }
    }
}

impl Sink {
    /// Where it sends to, for those that send.
    pub(super) fn to(&self) -> Option<&To> {
        match self {
            Self::Prometheus(_) | Self::File(_) => None,
            Self::Alertmanager(settings) => Some(&settings.to),
            Self::Webhook(settings) => Some(&settings.to),
            Self::Otlp(settings) => Some(&settings.to),
        }
    }

    /// How many queues it has, and what each may hold, for those that have any.
    pub(super) fn queues(&self) -> Option<(u64, &Setting<Bytes>)> {
        match self {
            Self::Prometheus(_) | Self::Alertmanager(_) => None,
            Self::Webhook(settings) => Some((1, &settings.batches.queue_bytes)),
            Self::Otlp(settings) => Some((OTLP_QUEUES, &settings.batches.queue_bytes)),
            Self::File(settings) => Some((1, &settings.queue_bytes)),
        }
    }

    /// The same, to be changed.
    pub(super) fn queues_mut(&mut self) -> Option<(u64, &mut Setting<Bytes>)> {
        match self {
            Self::Prometheus(_) | Self::Alertmanager(_) => None,
            Self::Webhook(settings) => Some((1, &mut settings.batches.queue_bytes)),
            Self::Otlp(settings) => Some((OTLP_QUEUES, &mut settings.batches.queue_bytes)),
            Self::File(settings) => Some((1, &mut settings.queue_bytes)),
        }
    }

    /// Where it sends to, to be changed.
    pub(super) fn to_mut(&mut self) -> Option<&mut To> {
        match self {
            Self::Prometheus(_) | Self::File(_) => None,
            Self::Alertmanager(settings) => Some(&mut settings.to),
            Self::Webhook(settings) => Some(&mut settings.to),
            Self::Otlp(settings) => Some(&mut settings.to),
        }
    }
}

/// A page for Prometheus.
#[derive(Debug, Clone)]
pub(crate) struct PrometheusSettings {
    pub(crate) address: Setting<Option<At>>,
    pub(crate) series: Setting<Count>,
    pub(crate) expiry: Setting<Duration>,
    pub(crate) allow_insecure: Setting<bool>,
}

impl PrometheusSettings {
    /// One at an address.
    pub(super) fn at(at: At) -> Self {
        Self { address: Setting::new(Some(at)), ..Self::default() }
    }
}

impl Default for PrometheusSettings {
    fn default() -> Self {
        let usual = PrometheusConfig::default();
        Self {
            address: Setting::default(),
            series: Setting::new(Count(usual.series as u64)),
            expiry: Setting::new(Duration::from_nanos(usual.expiry_ns.unsigned_abs())),
            allow_insecure: Setting::default(),
        }
    }
}

impl Section for PrometheusSettings {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Where `/metrics` is served; `none` for not at all.";
        visit.required("address", doc, &mut self.address);
        visit.scalar("series", "Series on the page; further ones are counted.", &mut self.series);
        let doc = "How long a series stays that is not renewed; at least two windows of its rule.";
        visit.scalar("expiry", doc, &mut self.expiry);
        visit.scalar("allow_insecure", PAGE_INSECURE, &mut self.allow_insecure);
    }
}

/// Whom a sink sends to, and how.
#[derive(Debug, Clone)]
pub(crate) struct To {
    pub(crate) url: Setting<Option<Url>>,
    pub(crate) headers: Pairs<Secret>,
    pub(crate) token_file: Setting<Option<PathBuf>>,
    pub(crate) tls: ClientTlsSettings,
    pub(crate) timeout: Setting<Duration>,
    pub(crate) compression: Setting<Compression>,
}

impl To {
    fn new(usual: &Target) -> Self {
        Self {
            url: Setting::default(),
            headers: Pairs::default(),
            token_file: Setting::default(),
            tls: ClientTlsSettings::default(),
            timeout: Setting::new(usual.timeout),
            compression: Setting::new(usual.compression),
        }
    }

    /// Takes over into a target what is said here; all of it, or only what is no default.
    pub(crate) fn apply(&self, target: &mut Target, is_all: bool) {
        let is_said = |origin: &Origin| is_all || *origin != Origin::Default;
        if is_said(&self.headers.origin) {
            let pair = |(name, value): (&String, &Setting<Secret>)| {
                (name.clone(), value.value.reveal().to_owned())
            };
            target.headers = self.headers.items.iter().map(pair).collect();
        }
        if is_said(&self.token_file.origin) {
            target.bearer_file.clone_from(&self.token_file.value);
        }
        if is_said(&self.tls.ca.origin) {
            target.tls.authorities.clone_from(&self.tls.ca.value);
        }
        if is_said(&self.tls.cert.origin) {
            target.tls.own = match (&self.tls.cert.value, &self.tls.key.value) {
                (Some(certificate), Some(key)) => {
                    Some(ClientKey { certificate: certificate.clone(), key: key.clone() })
                }
                _ => None,
            };
        }
        if is_said(&self.timeout.origin) {
            target.timeout = self.timeout.value;
        }
        if is_said(&self.compression.origin) {
            target.compression = self.compression.value;
        }
    }

    /// Shows all but the URL, which not every sink must have.
    fn visit_how<V: Visit>(&mut self, visit: &mut V) {
        visit.pairs(
            "headers",
            "Headers of every request; their values are secret.",
            &mut self.headers,
        );
        let doc = "A file with a bearer token, read again for each request.";
        visit.scalar("token_file", doc, &mut self.token_file);
        visit.section("tls", "Certificates, for `https`; PEM files.", &mut self.tls);
        visit.scalar("timeout", "For one request and its answer.", &mut self.timeout);
        visit.scalar("compression", "How bodies are compressed.", &mut self.compression);
    }
}

impl Section for To {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.required("url", "Where it sends to.", &mut self.url);
        self.visit_how(visit);
    }
}

/// Certificates of a sink.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientTlsSettings {
    pub(crate) ca: Setting<Option<PathBuf>>,
    pub(crate) cert: Setting<Option<PathBuf>>,
    pub(crate) key: Setting<Option<PathBuf>>,
}

impl Section for ClientTlsSettings {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Authorities of the receiver's certificate; those of the system if left out.";
        visit.scalar("ca", doc, &mut self.ca);
        visit.scalar("cert", "The certificate that the sink shows of itself.", &mut self.cert);
        let doc = "Its private key; others than owner and group cannot read it.";
        visit.scalar("key", doc, &mut self.key);
    }
}

/// An Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct AlertmanagerSettings {
    pub(crate) to: To,
    pub(crate) resend: Setting<Duration>,
    pub(crate) breaker: Breaker,
}

impl Default for AlertmanagerSettings {
    fn default() -> Self {
        let usual = AlertmanagerConfig::new("", "");
        Self {
            to: To::new(&usual.target),
            resend: Setting::new(usual.resend),
            breaker: Breaker {
                failures: Setting::new(Count(u64::from(usual.breaker_failures))),
                pause: Setting::new(usual.breaker_pause),
            },
        }
    }
}

impl Section for AlertmanagerSettings {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        self.to.visit(visit);
        visit.scalar("resend", "How often a firing alert is sent again.", &mut self.resend);
        visit.section("breaker", "When a receiver that fails is left alone.", &mut self.breaker);
    }
}

/// A sink that posts batches.
#[derive(Debug, Clone)]
pub(crate) struct PushSettings {
    pub(crate) to: To,
    pub(crate) batches: Batches,
}

impl Default for PushSettings {
    fn default() -> Self {
        let usual = PushConfig::new("", "");
        Self { to: To::new(&usual.target), batches: Batches::new(&usual) }
    }
}

impl Section for PushSettings {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        self.to.visit(visit);
        self.batches.visit(visit);
    }
}

/// How items are gathered, and tried again.
#[derive(Debug, Clone)]
pub(crate) struct Batches {
    pub(crate) queue: Setting<Count>,
    pub(crate) queue_bytes: Setting<Bytes>,
    pub(crate) batch: Setting<Count>,
    pub(crate) batch_bytes: Setting<Bytes>,
    pub(crate) interval: Setting<Duration>,
    pub(crate) interval_min: Setting<Duration>,
    pub(crate) retry_within: Setting<Duration>,
    pub(crate) breaker: Breaker,
}

impl Batches {
    fn new(usual: &PushConfig) -> Self {
        Self {
            queue: Setting::new(Count(usual.queue as u64)),
            queue_bytes: Setting::new(Bytes(usual.queue_bytes as u64)),
            batch: Setting::new(Count(usual.batch as u64)),
            batch_bytes: Setting::new(Bytes(usual.bytes as u64)),
            interval: Setting::new(usual.interval),
            interval_min: Setting::new(usual.interval_min),
            retry_within: Setting::new(usual.retry_within),
            breaker: Breaker {
                failures: Setting::new(Count(u64::from(usual.breaker_failures))),
                pause: Setting::new(usual.breaker_pause),
            },
        }
    }

    /// Takes over what is said here.
    pub(crate) fn apply(&self, push: &mut PushConfig) {
        push.queue = self.queue.value.0 as usize;
        push.queue_bytes = self.queue_bytes.value.0 as usize;
        push.batch = self.batch.value.0 as usize;
        push.bytes = self.batch_bytes.value.0 as usize;
        push.interval = self.interval.value;
        push.interval_min = self.interval_min.value.min(self.interval.value);
        push.retry_within = self.retry_within.value;
        push.breaker_failures = self.breaker.failures.value.0 as u32;
        push.breaker_pause = self.breaker.pause.value;
    }
}

impl Section for Batches {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("queue", "Items that may wait.", &mut self.queue);
        let doc = "Bytes of items that may wait or be sent; of OTLP for each kind of telemetry.";
        visit.scalar("queue_bytes", doc, &mut self.queue_bytes);
        visit.scalar("batch", "Items of a batch.", &mut self.batch);
        visit.scalar("batch_bytes", "Bytes of a batch, before compression.", &mut self.batch_bytes);
        let doc = "How long a batch that is not full waits at most.";
        visit.scalar("interval", doc, &mut self.interval);
        let doc = "How long it waits at least, however many others wait.";
        visit.scalar("interval_min", doc, &mut self.interval_min);
        let doc = "How long a batch is tried again before it is dropped.";
        visit.scalar("retry_within", doc, &mut self.retry_within);
        visit.section("breaker", "When a receiver that fails is left alone.", &mut self.breaker);
    }
}

/// When a receiver is left alone.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    pub(crate) failures: Setting<Count>,
    pub(crate) pause: Setting<Duration>,
}

impl Section for Breaker {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("failures", "After so many failures in a row.", &mut self.failures);
        visit.scalar("pause", "For so long.", &mut self.pause);
    }
}

/// A receiver of OTLP.
#[derive(Debug, Clone)]
pub(crate) struct OtlpSettings {
    pub(crate) environment: Setting<bool>,
    pub(crate) to: To,
    pub(crate) metrics_url: Setting<Option<Url>>,
    pub(crate) logs_url: Setting<Option<Url>>,
    pub(crate) traces_url: Setting<Option<Url>>,
    pub(crate) protocol: Setting<Protocol>,
    pub(crate) rows: Setting<RowsAs>,
    pub(crate) temporality: Setting<Temporality>,
    pub(crate) series: Setting<Count>,
    pub(crate) batches: Batches,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        let usual = OtlpConfig::new("", Protocol::default(), "");
        Self {
            environment: Setting::default(),
            to: To::new(&usual.metrics.push.target),
            metrics_url: Setting::default(),
            logs_url: Setting::default(),
            traces_url: Setting::default(),
            protocol: Setting::new(usual.metrics.protocol),
            rows: Setting::new(usual.rows),
            temporality: Setting::new(usual.temporality),
            series: Setting::new(Count(usual.series as u64)),
            batches: Batches::new(&usual.metrics.push),
        }
    }
}

impl Section for OtlpSettings {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Take what is not said here from `OTEL_EXPORTER_OTLP_*`.";
        visit.scalar("environment", doc, &mut self.environment);
        let doc = "Where it sends to; over HTTP `/v1/metrics`, `/v1/logs`, `/v1/traces` follow it.";
        if self.environment.value {
            visit.scalar("url", doc, &mut self.to.url);
        } else {
            visit.required("url", doc, &mut self.to.url);
        }
        let doc = "Where metrics are sent instead, as it stands.";
        visit.scalar("metrics_url", doc, &mut self.metrics_url);
        let doc = "Where logs are sent instead, as it stands.";
        visit.scalar("logs_url", doc, &mut self.logs_url);
        let doc = "Where spans are sent instead, as it stands.";
        visit.scalar("traces_url", doc, &mut self.traces_url);
        visit.scalar("protocol", "How OTLP is spoken.", &mut self.protocol);
        self.to.visit_how(visit);
        visit.scalar("rows", "What rows are sent as.", &mut self.rows);
        let doc = "Whether sums count since the start or since the window before.";
        visit.scalar("temporality", doc, &mut self.temporality);
        visit.scalar("series", "Series whose sums are kept.", &mut self.series);
        self.batches.visit(visit);
    }
}
