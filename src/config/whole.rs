//! What single fields cannot tell: whether settings fit together.

use std::path::PathBuf;

use tailwater_engine::limits::{MESSAGE_BYTES_MAX, WORKERS_MAX};

use super::clash;
use super::limits::{held_elsewhere, memory_min};
use super::measure::Bytes;
use super::section::{Origin, Setting};
use super::settings::{Access, Config};
use super::sinks::Sink;
use crate::args::At;

/// Settings that do not fit together.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Where the wrong one came from.
    pub(super) origin: Origin,
    /// What is wrong.
    pub(super) text: String,
    /// What to do.
    pub(super) help: String,
}

impl Misfit {
    pub(super) fn new(origin: &Origin, text: String, help: &str) -> Self {
        Self { origin: origin.clone(), text, help: help.to_owned() }
    }
}

/// Everything that does not fit together.
pub(super) fn check(config: &Config) -> Vec<Misfit> {
    let mut wrong = Vec::new();
    let listeners = &config.listeners;
    for (name, of) in [
        ("otlp_grpc", &listeners.otlp_grpc.access),
        ("otlp_http", &listeners.otlp_http.access),
        ("lines", &listeners.lines.access),
        ("lines_socket", &listeners.lines_socket.access),
    ] {
        access(name, of, &mut wrong);
    }
    queue(config, &mut wrong);
    clash::check(config, &mut wrong);
    let workers = config.workers.value.0;
    if workers > WORKERS_MAX as u64 {
        let text = format!("expected 1 to {WORKERS_MAX} workers, found `{workers}`");
        wrong.push(Misfit::new(&config.workers.origin, text, "more than cores are of no use"));
    }
    let admin = &config.admin;
    page(
        "--admin",
        Some(&admin.address.value),
        &admin.address.origin,
        &admin.allow_insecure,
        &mut wrong,
    );
    for (name, named) in &config.sinks {
        if let Some(to) = named.part.to() {
            pair(name, &to.tls.cert, &to.tls.key, &mut wrong);
        }
        if let Sink::Prometheus(of) = &named.part {
            let at = of.address.value.as_ref();
            page("--prometheus", at, &of.address.origin, &of.allow_insecure, &mut wrong);
        }
    }
    wrong
}

/// The queue has room for one message, and the memory for what is in it.
fn queue(config: &Config, wrong: &mut Vec<Misfit>) {
    let (intake, before) = (&config.intake, wrong.len());
    let message = MESSAGE_BYTES_MAX as u64;
    for (name, setting, least, help) in [
        ("bytes", &intake.bytes, message, "one message of 64 MiB must fit"),
        (
            "reading_bytes",
            &intake.reading_bytes,
            2 * message,
            "one message of 64 MiB must fit, as it comes and decompressed",
        ),
    ] {
        let Bytes(found) = setting.value;
        let is_said = setting.is_said() && setting.origin != config.limits.memory.origin;
        if is_said && found < least {
            let least = least >> 20;
            let text =
                format!("expected `{least}MiB` of `intake.{name}` or more, found {found} bytes");
            wrong.push(Misfit::new(&setting.origin, text, help));
        }
    }
    if wrong.len() == before {
        memory(config, wrong);
    }
}

/// The parts of the memory fit into it, and each is large enough.
fn memory(config: &Config, wrong: &mut Vec<Misfit>) {
    let Some(Bytes(whole)) = config.limits.memory.value else { return };
    let (intake, origin) = (&config.intake, &config.limits.memory.origin);
    let mib = |bytes: u64| bytes >> 20;
    let least = memory_min(&config.sinks);
    if whole < least {
        let least = least.div_ceil(1 << 20);
        let text = format!("expected `{least}MiB` of memory or more, found {whole} bytes");
        let help = "one message of 64 MiB must fit: as it comes, decompressed, and in the queue; \
                    beside it 32 MiB of epochs under way, and what sinks say that they hold";
        wrong.push(Misfit::new(origin, text, help));
        return;
    }
    let elsewhere = held_elsewhere(&config.sinks);
    let parts = intake.bytes.value.0.saturating_add(intake.reading_bytes.value.0);
    let parts = parts.saturating_add(elsewhere);
    if parts > whole || mib(intake.bytes.value.0) < 64 || mib(intake.reading_bytes.value.0) < 128 {
        let text = format!(
            "`intake.bytes` ({} MiB) and `intake.reading_bytes` ({} MiB) do not fit into {} MiB of \
             memory beside {} MiB of sinks and epochs",
            mib(intake.bytes.value.0),
            mib(intake.reading_bytes.value.0),
            mib(whole),
            mib(elsewhere)
        );
        let help = "leave them out, or let them add up to `limits.memory`: 64 MiB and 128 MiB at \
                    least";
        wrong.push(Misfit::new(origin, text, help));
    }
}

fn access(name: &str, of: &Access, wrong: &mut Vec<Misfit>) {
    let tls = &of.tls;
    pair(name, &tls.cert, &tls.key, wrong);
    if tls.client_ca.value.is_some() && tls.cert.value.is_none() && tls.key.value.is_none() {
        wrong.push(needs(name, &tls.client_ca.origin, "client_ca", "cert"));
    }
}

/// A certificate and its key come together.
fn pair(
    name: &str,
    cert: &Setting<Option<PathBuf>>,
    key: &Setting<Option<PathBuf>>,
    wrong: &mut Vec<Misfit>,
) {
    match (&cert.value, &key.value) {
        (Some(_), None) => wrong.push(needs(name, &cert.origin, "cert", "key")),
        (None, Some(_)) => wrong.push(needs(name, &key.origin, "key", "cert")),
        _ => {}
    }
}

fn needs(name: &str, given: &Origin, what: &str, missing: &str) -> Misfit {
    let text = format!("`{what}` of `{name}` needs `{missing}`, too");
    Misfit::new(given, text, "give both files, or none")
}

/// Pages have no TLS: they stay on this machine unless somebody says that they may leave it.
fn page(
    option: &str,
    at: Option<&At>,
    origin: &Origin,
    allow_insecure: &Setting<bool>,
    wrong: &mut Vec<Misfit>,
) {
    let Some(At::Address(address)) = at else { return };
    if address.ip().to_canonical().is_loopback() || allow_insecure.value {
        return;
    }
    let (port, is_option) = (address.port(), matches!(origin, Origin::Option(_)));
    let written = if is_option { format!("{option} {address}") } else { address.to_string() };
    let allow = if is_option { "--allow-insecure" } else { "allow_insecure: true" };
    let text = format!(
        "`{written}` may be reached by other machines, and pages are neither encrypted nor protected"
    );
    let help = format!(
        "use an address of this machine such as `127.0.0.1:{port}`, or say `{allow}` where the \
         network is trusted"
    );
    wrong.push(Misfit::new(origin, text, &help));
}
