//! What options of the command line say wins over the file.

use std::time::Duration;

use super::scalar::{Count, ParamText, RulePath, Url};
use super::section::{Kinds as _, List, Named, Origin, Setting};
use super::settings::{Config, PROMETHEUS};
use super::sinks::{PrometheusSettings, Sink};
use crate::args::{At, Run};
use crate::exit::Usage;

/// What `--otlp` has instead of a URL.
const FROM_ENVIRONMENT: &str = "env";

impl Config {
    /// Takes what options say; the last one of a parameter counts.
    pub(super) fn take_options(&mut self, args: &Run) -> Result<(), Usage> {
        self.take_rules(args)?;
        if args.workers == Some(0) {
            return Err(Usage("expected `--workers` from 1 on, found 0".to_owned()));
        }
        self.workers.set("--workers", args.workers.map(|count| Count(count as u64)));
        let listeners = &mut self.listeners;
        listeners.otlp_grpc.address.set("--otlp-grpc", args.otlp_grpc);
        listeners.otlp_http.address.set("--otlp-http", args.otlp_http);
        listeners.lines.address.set("--lines", args.lines);
        listeners.lines_socket.path.set("--lines-socket", args.lines_socket.clone().map(Some));
        let is_insecure = args.allow_insecure.then_some(true);
        for access in listeners.accesses() {
            access.tls.cert.set("--tls-cert", args.tls_cert.clone().map(Some));
            access.tls.key.set("--tls-key", args.tls_key.clone().map(Some));
            access.tls.client_ca.set("--client-ca", args.client_ca.clone().map(Some));
            access.token_file.set("--token-file", args.token_file.clone().map(Some));
            access.allow_insecure.set("--allow-insecure", is_insecure);
        }
        self.record.set("--record", args.record.clone().map(Some));
        self.output.set("--output", args.output.clone().map(Some));
        self.admin.address.set("--admin", args.admin);
        self.admin.allow_insecure.set("--allow-insecure", is_insecure);
        self.grace.set("--grace", args.grace.map(Duration::from_secs));
        let observe = &args.observe;
        self.log.format.set("--log-format", observe.log_format);
        self.log.level.set("--log-level", observe.log_level);
        self.itself.metrics.set("--self-metrics", observe.self_metrics.then_some(true));
        let trace_url = observe.trace_self.as_deref().map(|url| Some(Url::of_option(url)));
        self.itself.trace_url.set("--trace-self", trace_url);
        self.itself.trace_every.set("--trace-self-every", observe.trace_self_every.map(Count));
        self.take_prometheus(args.prometheus);
        self.take_url("--alertmanager", "alertmanager", args.alertmanager.as_deref());
        self.take_url("--otlp", "otlp", args.otlp.as_deref());
        self.take_url("--webhook", "webhook", args.webhook.as_deref());
        for named in self.sinks.values_mut() {
            if let Sink::Prometheus(page) = &mut named.part {
                page.allow_insecure.set("--allow-insecure", is_insecure);
            }
        }
        Ok(())
    }

    fn take_rules(&mut self, args: &Run) -> Result<(), Usage> {
        if !args.rules.rules.is_empty() {
            let origin = Origin::Option("--rules");
            let item = |path: &std::path::PathBuf| Setting {
                value: RulePath(path.clone()),
                origin: origin.clone(),
            };
            let items = args.rules.rules.iter().map(item).collect();
            self.rules.paths = List { items, origin };
        }
        for given in &args.rules.params {
            let (name, value) = crate::rule_files::param(given)?;
            let origin = Origin::Option("--set");
            self.rules.params.items.insert(name, Setting { value: ParamText(value), origin });
        }
        Ok(())
    }

    fn take_prometheus(&mut self, at: Option<At>) {
        let Some(at) = at else { return };
        let origin = Origin::Option("--prometheus");
        let address = Setting { value: Some(at), origin: origin.clone() };
        match self.sinks.get_mut(PROMETHEUS).map(|named| &mut named.part) {
            Some(Sink::Prometheus(page)) => page.address = address,
            _ => {
                let page = PrometheusSettings { address, ..PrometheusSettings::default() };
                let part = Sink::Prometheus(Box::new(page));
                self.sinks.insert(PROMETHEUS.to_owned(), Named { origin, part });
            }
        }
    }

    /// The URL of the sink that is named like its kind.
    fn take_url(&mut self, option: &'static str, kind: &str, url: Option<&str>) {
        let Some(url) = url else { return };
        let is_there = self.sinks.get(kind).is_some_and(|named| named.part.kind() == kind);
        if !is_there && let Some(part) = Sink::of_kind(kind) {
            self.sinks.insert(kind.to_owned(), Named { origin: Origin::Option(option), part });
        }
        let Some(sink) = self.sinks.get_mut(kind).map(|named| &mut named.part) else { return };
        match sink {
            Sink::Otlp(settings) if url == FROM_ENVIRONMENT => {
                settings.environment.set(option, Some(true));
            }
            sink => {
                if let Some(to) = sink.to_mut() {
                    to.url.set(option, Some(Some(Url::of_option(url))));
                }
            }
        }
    }
}
