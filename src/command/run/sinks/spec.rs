//! What is asked of a run's sinks, whoever asks: options, a configuration file.

use std::net::SocketAddr;
use std::sync::Arc;

use tailwater_engine::sink::alertmanager::AlertmanagerConfig;
use tailwater_engine::sink::otlp::{OtlpConfig, Protocol};
use tailwater_engine::sink::prometheus::PrometheusConfig;
use tailwater_engine::sink::push::PushConfig;

use crate::args::{At, Run};

/// Names of the sinks that options configure; each option is named like its sink.
pub(super) const OF_OPTIONS: [&str; 4] = ["prometheus", "alertmanager", "webhook", "otlp"];

/// A sink that is wanted.
#[derive(Debug, Clone)]
pub(in crate::command::run) struct SinkSpec {
    /// Its name, as rules write it.
    pub(in crate::command::run) name: Arc<str>,
    /// What it is.
    pub(in crate::command::run) kind: SinkKind,
}

/// The kinds of sinks, with the settings of each.
#[derive(Debug, Clone)]
pub(in crate::command::run) enum SinkKind {
    /// The newest results on a page for Prometheus.
    Prometheus { at: SocketAddr, config: PrometheusConfig },
    /// Alerts to an Alertmanager.
    Alertmanager(AlertmanagerConfig),
    /// Alerts to a URL, as Alertmanager's webhooks post them.
    Webhook(PushConfig),
    /// Rows and alerts over OTLP.
    Otlp(Box<OtlpConfig>),
}

impl SinkSpec {
    /// What options ask for.
    pub(in crate::command::run) fn of_options(args: &Run) -> Vec<Self> {
        let prometheus = match args.prometheus {
            At::Nowhere => None,
            At::Address(at) => {
                Some(SinkKind::Prometheus { at, config: PrometheusConfig::default() })
            }
        };
        let alertmanager = args
            .alertmanager
            .as_deref()
            .map(|url| SinkKind::Alertmanager(AlertmanagerConfig::new("alertmanager", url)));
        let webhook = args.webhook.as_deref();
        let webhook = webhook.map(|url| SinkKind::Webhook(PushConfig::new("webhook", url)));
        let otlp = args.otlp.as_deref().map(|url| {
            let config = OtlpConfig::new("otlp", Protocol::HttpProtobuf, url);
            SinkKind::Otlp(Box::new(config))
        });
        OF_OPTIONS
            .into_iter()
            .zip([prometheus, alertmanager, webhook, otlp])
            .filter_map(|(name, kind)| Some(Self { name: Arc::from(name), kind: kind? }))
            .collect()
    }
}
