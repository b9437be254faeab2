//! What is asked of a run's sinks, whoever asks: options, a configuration file.

use std::net::SocketAddr;
use std::sync::Arc;

use tailwater_engine::sink::alertmanager::AlertmanagerConfig;
use tailwater_engine::sink::file::FileConfig;
use tailwater_engine::sink::otlp::OtlpConfig;
use tailwater_engine::sink::prometheus::PrometheusConfig;
use tailwater_engine::sink::push::PushConfig;

use crate::args::At;
use crate::config::{self, Config, FileFormat, FileSettings, Origin, OtlpSettings, Sink, To, Url};
use crate::exit::Usage;

/// Names of the sinks that options configure; each option is named like its sink.
pub(super) const OF_OPTIONS: [&str; 4] = ["prometheus", "alertmanager", "webhook", "otlp"];

/// A sink that is wanted.
pub(in crate::command::run) struct SinkSpec {
    /// Its name, as rules write it.
    pub(in crate::command::run) name: Arc<str>,
    /// What it is.
    pub(in crate::command::run) kind: SinkKind,
}

/// The kinds of sinks, with the settings of each.
pub(in crate::command::run) enum SinkKind {
    /// The newest results on a page for Prometheus.
    Prometheus { at: SocketAddr, config: PrometheusConfig },
    /// Alerts to an Alertmanager.
    Alertmanager(AlertmanagerConfig),
    /// Alerts to a URL, as Alertmanager's webhooks post them.
    Webhook(PushConfig),
    /// Rows and alerts over OTLP.
    Otlp(Box<OtlpConfig>),
    /// Rows and alerts in a file, as lines of the output.
    Lines(FileConfig),
    /// Rows and alerts in a file, as lines of OTLP.
    OtlpLines(FileConfig),
}

impl SinkSpec {
    /// What a configuration asks for, sorted by name.
    ///
    /// # Errors
    /// [`Usage`] if variables of the environment that are asked for hold what cannot be used.
    pub(in crate::command::run) fn all(config: &Config) -> Result<Vec<Self>, Usage> {
        let mut specs = Vec::new();
        for (name, named) in &config.sinks {
            if let Some(kind) = SinkKind::of(name, &named.part)? {
                specs.push(Self { name: Arc::from(name.as_str()), kind });
            }
        }
        Ok(specs)
    }
}

impl SinkKind {
    /// Whether telemetry can be routed to it.
    pub(super) fn takes_items(&self) -> bool {
        matches!(self, Self::Otlp(_) | Self::Lines(_) | Self::OtlpLines(_))
    }

    /// None for a page that is nowhere.
    fn of(name: &str, sink: &Sink) -> Result<Option<Self>, Usage> {
        Ok(Some(match sink {
            Sink::Prometheus(page) => match page.address.value {
                None | Some(At::Nowhere) => return Ok(None),
                Some(At::Address(at)) => {
                    let config = PrometheusConfig {
                        series: page.series.value.0 as usize,
                        expiry_ns: page.expiry.value.as_nanos() as i64,
                    };
                    Self::Prometheus { at, config }
                }
            },
            Sink::Alertmanager(settings) => {
                let mut config = AlertmanagerConfig::new(name, url(&settings.to));
                settings.to.apply(&mut config.target, true);
                config.resend = settings.resend.value;
                config.breaker_failures = settings.breaker.failures.value.0 as u32;
                config.breaker_pause = settings.breaker.pause.value;
                Self::Alertmanager(config)
            }
            Sink::Webhook(settings) => {
                let mut config = PushConfig::new(name, url(&settings.to));
                settings.to.apply(&mut config.target, true);
                settings.batches.apply(&mut config);
                Self::Webhook(config)
            }
            Sink::File(settings) => match settings.format.value {
                FileFormat::Json => Self::Lines(file(name, settings)),
                FileFormat::OtlpJson => Self::OtlpLines(file(name, settings)),
            },
            Sink::Otlp(settings) => Self::Otlp(Box::new(otlp(name, settings)?)),
        }))
    }
}

/// Its URL. There is one, or else the configuration was refused.
fn url(to: &To) -> &str {
    to.url.value.as_ref().map_or("", Url::reveal)
}

fn file(name: &str, settings: &FileSettings) -> FileConfig {
    // There is a path, or else the configuration was refused.
    let path = settings.path.value.clone().unwrap_or_default();
    FileConfig {
        bytes: settings.rotate.bytes.value.0,
        age: settings.rotate.age.value,
        keep: settings.rotate.keep.value.0 as usize,
        queue: settings.queue.value.0 as usize,
        queue_bytes: settings.queue_bytes.value.0 as usize,
        retry_within: settings.retry_within.value,
        temporality: settings.temporality.value,
        rows: settings.rows.value,
        ..FileConfig::new(name, path)
    }
}

/// What is said of an OTLP sink, above the environment where that is asked for.
fn otlp(name: &str, settings: &OtlpSettings) -> Result<OtlpConfig, Usage> {
    let is_all = !settings.environment.value;
    let is_said = |origin: &Origin| is_all || *origin != Origin::Default;
    let said = OtlpConfig::new(name, settings.protocol.value, url(&settings.to));
    let mut config = if is_all {
        said.clone()
    } else {
        let told = |error| Usage(format!("sink `{name}`: {error}"));
        // Where the usual URL is depends on the protocol.
        let protocol = is_said(&settings.protocol.origin).then_some(&settings.protocol.value);
        let lookup = |variable: &str| match protocol {
            Some(protocol) if variable.ends_with("_PROTOCOL") => Some(config::name_of(protocol)),
            _ => config::variable_if_set(variable),
        };
        OtlpConfig::from_environment(name, lookup).map_err(told)?
    };
    if settings.to.url.value.is_some() {
        for (signal, said) in config.signals_mut().into_iter().zip(said.signals()) {
            signal.protocol = said.protocol;
            signal.push.target.url.clone_from(&said.push.target.url);
        }
    }
    let own = [&settings.metrics_url, &settings.logs_url, &settings.traces_url];
    for (signal, own) in config.signals_mut().into_iter().zip(own) {
        if let Some(url) = &own.value {
            url.reveal().clone_into(&mut signal.push.target.url);
        }
    }
    for signal in config.signals_mut() {
        settings.to.apply(&mut signal.push.target, is_all);
        settings.batches.apply(&mut signal.push);
    }
    if is_said(&settings.temporality.origin) {
        config.temporality = settings.temporality.value;
    }
    config.rows = settings.rows.value;
    config.series = settings.series.value.0 as usize;
    Ok(config)
}
