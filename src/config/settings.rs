//! What can be configured of a run, with its defaults.
//!
//! Defaults are those of the engine's own configurations: nothing is said twice.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tailwater_engine::ingest::listen::{
    Address, BodyPace, ConnectionLimits, IntakeConfig, LinesConfig, OtlpConfig, WhenFull,
};
use tailwater_engine::model::SourceId;

use super::itself::{self, Itself, Log};
use super::limits::Bounds;
use super::measure::Bytes;
use super::rate::Rates;
use super::scalar::{Count, ParamText, RulePath};
use super::secret::Secret;
use super::section::{List, Named, Origin, Pairs, Section, Setting, Visit};
use super::sinks::{PrometheusSettings, Sink};
use crate::args::{At, Observe};

/// The usual ports, on this machine alone.
const OTLP_GRPC_PORT: u16 = 4317;
const OTLP_HTTP_PORT: u16 = 4318;
const LINES_PORT: u16 = 17_000;
const PROMETHEUS_PORT: u16 = 9464;
const ADMIN_PORT: u16 = 9465;

/// The name of the sink that is there without being asked for.
pub(super) const PROMETHEUS: &str = "prometheus";

/// What may be needed to finish once a run is told to end.
const GRACE: Duration = Duration::from_secs(10);

/// How often files of tables are looked at, as often as those with certificates.
const TABLES_EVERY: Duration = Duration::from_secs(10);

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A run's settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) rules: Rules,
    pub(crate) workers: Setting<Count>,
    pub(crate) listeners: Listeners,
    pub(crate) intake: Intake,
    pub(crate) limits: Bounds,
    pub(crate) record: Setting<Option<PathBuf>>,
    pub(crate) output: Setting<Option<PathBuf>>,
    pub(crate) admin: Admin,
    pub(crate) grace: Setting<Duration>,
    pub(crate) log: Log,
    pub(crate) itself: Itself,
    pub(crate) sinks: BTreeMap<String, Named<Sink>>,
    pub(crate) secrets: Pairs<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        let page = PrometheusSettings::at(At::Address(here(PROMETHEUS_PORT)));
        let page = Named { origin: Origin::Default, part: Sink::Prometheus(Box::new(page)) };
        Self {
            rules: Rules::default(),
            workers: Setting::new(Count(1)),
            listeners: Listeners::default(),
            intake: Intake::default(),
            limits: Bounds::default(),
            record: Setting::default(),
            output: Setting::default(),
            admin: Admin {
                address: Setting::new(At::Address(here(ADMIN_PORT))),
                allow_insecure: Setting::default(),
            },
            grace: Setting::new(GRACE),
            log: Log::default(),
            itself: Itself::default(),
            sinks: BTreeMap::from([(PROMETHEUS.to_owned(), page)]),
            secrets: Pairs::default(),
        }
    }
}

impl Section for Config {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.section("rules", "Which rules run.", &mut self.rules);
        let doc = "Worker threads; results are the same for any number.";
        visit.scalar("workers", doc, &mut self.workers);
        visit.section("listeners", "Where telemetry is taken.", &mut self.listeners);
        visit.section("intake", "The queue between listeners and rules.", &mut self.intake);
        visit.section("limits", "What the run may take of the machine.", &mut self.limits);
        let doc = "Write what was taken to a file that `tailwater replay` replays.";
        visit.scalar("record", doc, &mut self.record);
        let doc = "Write rows and alerts to a file instead of standard output, as JSON lines.";
        visit.scalar("output", doc, &mut self.output);
        let doc = "The page that says how the run is: `/livez`, `/readyz`, `/healthz`, `/metrics`.";
        visit.section("admin", doc, &mut self.admin);
        let doc = "What the end of a run may take: what was accepted is worked on and sent.";
        visit.scalar("grace", doc, &mut self.grace);
        visit.section("log", "How the run logs.", &mut self.log);
        visit.section("itself", "Telemetry of the run about itself.", &mut self.itself);
        visit.kinds("sinks", "Where results go, by the names that rules use.", &mut self.sinks);
        let doc = "Secrets of the rules, by the names in `secret(\"…\")`.";
        visit.pairs("secrets", doc, &mut self.secrets);
    }
}

impl Config {
    /// Gives sinks and the parts of the intake what they may hold of the memory of all.
    pub(super) fn divide_memory(&mut self) {
        self.limits.divide(&mut self.intake, &mut self.sinks);
    }

    /// What the run says of itself.
    pub(crate) fn observe(&self) -> Observe {
        itself::observe(&self.log, &self.itself)
    }

    /// Names of the sinks that rules may go to.
    pub(crate) fn sink_names(&self) -> Vec<String> {
        let is_there = |named: &Named<Sink>| match &named.part {
            Sink::Prometheus(page) => page.address.value != Some(At::Nowhere),
            _ => true,
        };
        let there = self.sinks.iter().filter(|(_, named)| is_there(named));
        there.map(|(name, _)| name.clone()).chain([STDOUT.to_owned()]).collect()
    }
}

/// The name of the sink that is always there: standard output.
pub(crate) const STDOUT: &str = "stdout";

/// Which rules run.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) paths: List<RulePath>,
    pub(crate) tables_every: Setting<Duration>,
    pub(crate) params: Pairs<ParamText>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            paths: List::default(),
            tables_every: Setting::new(TABLES_EVERY),
            params: Pairs::default(),
        }
    }
}

impl Rules {
    /// The parameters, as the language takes them.
    pub(crate) fn params(&self) -> Vec<(String, String)> {
        let pair =
            |(name, value): (&String, &Setting<ParamText>)| (name.clone(), value.value.0.clone());
        self.params.items.iter().map(pair).collect()
    }
}

impl Section for Rules {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Rule files, folders of them, and packs such as `std/red`.";
        visit.list("paths", doc, &mut self.paths);
        let doc = "How often it is looked whether files of tables changed.";
        visit.scalar("tables_every", doc, &mut self.tables_every);
        visit.pairs("params", "Values for the `param`s of the rules.", &mut self.params);
    }
}

/// Where telemetry is taken.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    pub(crate) otlp_grpc: Otlp,
    pub(crate) otlp_http: Otlp,
    pub(crate) lines: Lines,
    pub(crate) lines_socket: LinesSocket,
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            otlp_grpc: Otlp::new(OTLP_GRPC_PORT),
            otlp_http: Otlp::new(OTLP_HTTP_PORT),
            lines: Lines::default(),
            lines_socket: LinesSocket::default(),
        }
    }
}

impl Listeners {
    /// What each asks of its senders.
    pub(super) fn accesses(&mut self) -> [&mut Access; 4] {
        [
            &mut self.otlp_grpc.access,
            &mut self.otlp_http.access,
            &mut self.lines.access,
            &mut self.lines_socket.access,
        ]
    }
}

impl Section for Listeners {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.section("otlp_grpc", "OTLP over gRPC.", &mut self.otlp_grpc);
        visit.section("otlp_http", "OTLP over HTTP.", &mut self.otlp_http);
        visit.section("lines", "The line protocol over TCP.", &mut self.lines);
        visit.section(
            "lines_socket",
            "The line protocol on a Unix socket.",
            &mut self.lines_socket,
        );
    }
}

const ADDRESS: &str =
    "Where it listens: an address with its port, 0 for any; `none` for not at all.";

/// A listener for OTLP.
#[derive(Debug, Clone)]
pub(crate) struct Otlp {
    pub(crate) address: Setting<At>,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) body: Body,
}

impl Otlp {
    fn new(port: u16) -> Self {
        let usual = OtlpConfig::new(here(port), SourceId(0));
        Self {
            address: Setting::new(At::Address(usual.address)),
            access: Access::default(),
            limits: Limits::new(usual.connections),
            rates: Rates::default(),
            body: Body {
                timeout: Setting::new(usual.body.timeout),
                grace: Setting::new(usual.body.grace),
                bytes_per_second: Setting::new(Bytes(u64::from(usual.body.bytes_per_s))),
            },
        }
    }
}

impl Section for Otlp {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("address", ADDRESS, &mut self.address);
        self.access.visit(visit);
        visit.section("limits", "Bounds on connections.", &mut self.limits);
        self.rates.visit(visit);
        visit.section("body", "How fast the bodies of requests must come.", &mut self.body);
    }
}

/// A listener for the line protocol over TCP.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) address: Setting<At>,
    pub(crate) acks: Setting<bool>,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
}

const ACKS: &str = "Answer each frame of lines with a line that says what was taken.";

fn usual_lines() -> LinesConfig {
    LinesConfig::new(Address::Tcp(here(LINES_PORT)), SourceId(0))
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            address: Setting::new(At::Address(here(LINES_PORT))),
            acks: Setting::new(usual_lines().acks),
            access: Access::default(),
            limits: Limits::new(usual_lines().connections),
            rates: Rates::default(),
        }
    }
}

impl Section for Lines {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("address", ADDRESS, &mut self.address);
        visit.scalar("acks", ACKS, &mut self.acks);
        self.access.visit(visit);
        visit.section("limits", "Bounds on connections.", &mut self.limits);
        self.rates.visit(visit);
    }
}

/// A listener for the line protocol on a Unix socket.
#[derive(Debug, Clone)]
pub(crate) struct LinesSocket {
    pub(crate) path: Setting<Option<PathBuf>>,
    pub(crate) acks: Setting<bool>,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
}

impl Default for LinesSocket {
    fn default() -> Self {
        Self {
            path: Setting::default(),
            acks: Setting::new(usual_lines().acks),
            access: Access::default(),
            limits: Limits::new(usual_lines().connections),
            rates: Rates::default(),
        }
    }
}

impl Section for LinesSocket {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("path", "Where the socket is made; nowhere if left out.", &mut self.path);
        visit.scalar("acks", ACKS, &mut self.acks);
        self.access.visit(visit);
        visit.section("limits", "Bounds on connections.", &mut self.limits);
        self.rates.visit(visit);
    }
}

/// What a listener asks of its senders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) tls: Tls,
    pub(crate) tokens: List<Secret>,
    pub(crate) token_file: Setting<Option<PathBuf>>,
    pub(crate) allow_insecure: Setting<bool>,
}

impl Section for Access {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.section("tls", "Encryption; PEM files, read again when they change.", &mut self.tls);
        visit.list("tokens", "Bearer tokens, of which a sender shows one.", &mut self.tokens);
        let doc = "A file with further bearer tokens, one a line.";
        visit.scalar("token_file", doc, &mut self.token_file);
        let doc = "Let other machines reach it without TLS or credentials.";
        visit.scalar("allow_insecure", doc, &mut self.allow_insecure);
    }
}

/// Certificates of a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) cert: Setting<Option<PathBuf>>,
    pub(crate) key: Setting<Option<PathBuf>>,
    pub(crate) client_ca: Setting<Option<PathBuf>>,
}

impl Section for Tls {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("cert", "The certificate chain, the listener's own first.", &mut self.cert);
        let doc = "Its private key; others than owner and group cannot read it.";
        visit.scalar("key", doc, &mut self.key);
        let doc = "Take only senders with a certificate of these authorities.";
        visit.scalar("client_ca", doc, &mut self.client_ca);
    }
}

/// Bounds on the connections of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) connections: Setting<Count>,
    pub(crate) per_peer: Setting<Count>,
    pub(crate) head: Setting<Duration>,
    pub(crate) idle: Setting<Duration>,
    pub(crate) write: Setting<Duration>,
}

impl Limits {
    fn new(usual: ConnectionLimits) -> Self {
        Self {
            connections: Setting::new(Count(usual.connections as u64)),
            per_peer: Setting::new(Count(usual.per_peer as u64)),
            head: Setting::new(usual.pace.header),
            idle: Setting::new(usual.pace.idle),
            write: Setting::new(usual.pace.write),
        }
    }

    /// As a listener takes them.
    pub(crate) fn to_engine(&self) -> ConnectionLimits {
        let mut limits = usual_lines().connections;
        limits.connections = self.connections.value.0 as usize;
        limits.per_peer = self.per_peer.value.0 as usize;
        limits.pace.header = self.head.value;
        limits.pace.idle = self.idle.value;
        limits.pace.write = self.write.value;
        limits
    }
}

impl Section for Limits {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("connections", "Connections at once.", &mut self.connections);
        visit.scalar("per_peer", "Connections of one peer at once.", &mut self.per_peer);
        let doc = "For a request's head, and for a TLS handshake.";
        visit.scalar("head", doc, &mut self.head);
        visit.scalar("idle", "Without any request under way.", &mut self.idle);
        visit.scalar("write", "For a peer to read some of an answer.", &mut self.write);
    }
}

/// How fast the bodies of requests must come.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) timeout: Setting<Duration>,
    pub(crate) grace: Setting<Duration>,
    pub(crate) bytes_per_second: Setting<Bytes>,
}

impl Body {
    /// As a listener takes it.
    pub(crate) fn to_engine(&self) -> BodyPace {
        BodyPace {
            timeout: self.timeout.value,
            grace: self.grace.value,
            bytes_per_s: u32::try_from(self.bytes_per_second.value.0).unwrap_or(u32::MAX),
        }
    }
}

impl Section for Body {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("timeout", "Within which time a body is complete.", &mut self.timeout);
        visit.scalar("grace", "After which time its average rate counts.", &mut self.grace);
        let doc = "What must have come each second then.";
        visit.scalar("bytes_per_second", doc, &mut self.bytes_per_second);
    }
}

/// The queue between listeners and rules.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub(crate) items: Setting<Count>,
    pub(crate) bytes: Setting<Bytes>,
    pub(crate) reading_bytes: Setting<Bytes>,
    pub(crate) when_full: Setting<WhenFull>,
    pub(crate) wait: Setting<Duration>,
    pub(crate) retry_after: Setting<Duration>,
}

impl Default for Intake {
    fn default() -> Self {
        let usual = IntakeConfig::default();
        Self {
            items: Setting::new(Count(usual.items)),
            bytes: Setting::new(Bytes(usual.bytes)),
            reading_bytes: Setting::new(Bytes(usual.reading_bytes)),
            when_full: Setting::new(usual.when_full),
            wait: Setting::new(usual.wait),
            retry_after: Setting::new(usual.retry_after),
        }
    }
}

impl Section for Intake {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("items", "Items that may wait.", &mut self.items);
        visit.scalar("bytes", "Bytes that may wait.", &mut self.bytes);
        let doc = "Bytes of bodies that may be under way.";
        visit.scalar("reading_bytes", doc, &mut self.reading_bytes);
        let doc = "What happens to a frame that finds no room.";
        visit.scalar("when_full", doc, &mut self.when_full);
        visit.scalar("wait", "How long a sender waits for room.", &mut self.wait);
        let doc = "When a sender that found none is told to come back.";
        visit.scalar("retry_after", doc, &mut self.retry_after);
    }
}

/// The page that says how the run is.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) address: Setting<At>,
    pub(crate) allow_insecure: Setting<bool>,
}

pub(super) const PAGE_INSECURE: &str =
    "Let other machines reach it; pages are neither encrypted nor protected.";

impl Section for Admin {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("address", ADDRESS, &mut self.address);
        visit.scalar("allow_insecure", PAGE_INSECURE, &mut self.allow_insecure);
    }
}
