//! The listeners of a run: which are wanted, and what each asks of its senders.

use tailwater_engine::Error;
use tailwater_engine::ingest::listen::{
    Address, BodyPace, ConnectionLimits, Intake, IntakeConfig, LinesConfig, Listener, OtlpConfig,
    RateLimits, Security, TlsFiles, Tokens, listen_grpc, listen_http, listen_lines,
};
use tailwater_engine::model::SourceId;

use super::tokens::TokenFile;
use crate::args::At;
use crate::config::{Access, Config};
use crate::exit::Usage;

/// An input: its source's name and where it listens.
pub(super) struct InputAt {
    /// The name of its source.
    pub(super) name: &'static str,
    /// What it speaks, for people.
    what: &'static str,
    at: Address,
    security: Security,
    rates: RateLimits,
    speaks: Speaks,
}

enum Speaks {
    Grpc(ConnectionLimits, BodyPace),
    Http(ConnectionLimits, BodyPace),
    Lines { limits: ConnectionLimits, acks: bool },
}

/// The inputs that are wanted, sorted by the names of their sources, and the files of their tokens.
pub(super) fn inputs(config: &Config) -> anyhow::Result<(Vec<InputAt>, Vec<TokenFile>)> {
    let tcp = |at: At| match at {
        At::Nowhere => None,
        At::Address(address) => Some(Address::Tcp(address)),
    };
    let all = &config.listeners;
    let (grpc, http) = (&all.otlp_grpc, &all.otlp_http);
    let (lines, socket) = (&all.lines, &all.lines_socket);
    let of_lines = Speaks::Lines { limits: lines.limits.to_engine(), acks: lines.acks.value };
    let of_socket = Speaks::Lines { limits: socket.limits.to_engine(), acks: socket.acks.value };
    let of_grpc = Speaks::Grpc(grpc.limits.to_engine(), grpc.body.to_engine());
    let of_http = Speaks::Http(http.limits.to_engine(), http.body.to_engine());
    let socket_at = socket.path.value.clone().map(Address::Unix);
    let wanted = [
        ("lines", "lines", tcp(lines.address.value), (&lines.access, &lines.rates), of_lines),
        ("lines_socket", "lines", socket_at, (&socket.access, &socket.rates), of_socket),
        ("otlp_grpc", "OTLP/gRPC", tcp(grpc.address.value), (&grpc.access, &grpc.rates), of_grpc),
        ("otlp_http", "OTLP/HTTP", tcp(http.address.value), (&http.access, &http.rates), of_http),
    ];
    let (mut inputs, mut files) = (Vec::new(), Vec::new());
    for (name, what, at, (access, rates), speaks) in wanted {
        let Some(at) = at else { continue };
        let (security, file) = security(access)?;
        files.extend(file);
        let rates = rates.to_engine();
        inputs.push(InputAt { name, what, at, security, rates, speaks });
    }
    if inputs.is_empty() && !config.itself.metrics.value {
        let text = "no telemetry can come in: every listener is switched off";
        return Err(Usage(text.to_owned()).into());
    }
    Ok((inputs, files))
}

/// What a listener demands of its senders.
fn security(access: &Access) -> anyhow::Result<(Security, Option<TokenFile>)> {
    let tls = match (&access.tls.cert.value, &access.tls.key.value) {
        (Some(certificate), Some(key)) => {
            let mut files = TlsFiles::new(certificate, key);
            files.client_authorities.clone_from(&access.tls.client_ca.value);
            Some(files)
        }
        _ => None,
    };
    let fixed = access.tokens.items.iter().map(|token| token.value.reveal().to_owned());
    let fixed: Vec<String> = fixed.collect();
    let allow_insecure = access.allow_insecure.value;
    let Some(path) = &access.token_file.value else {
        let tokens = (!fixed.is_empty()).then(|| Tokens::new(fixed.iter().map(String::as_str)));
        return Ok((Security { tls, tokens, allow_insecure }, None));
    };
    let file = TokenFile::open(path, fixed)?;
    Ok((Security { tls, tokens: Some(file.tokens()), allow_insecure }, Some(file)))
}

/// How much may wait between listeners and rules.
pub(super) fn intake(config: &Config) -> IntakeConfig {
    let intake = &config.intake;
    IntakeConfig {
        items: intake.items.value.0,
        bytes: intake.bytes.value.0,
        reading_bytes: intake.reading_bytes.value.0,
        when_full: intake.when_full.value,
        wait: intake.wait.value,
        retry_after: intake.retry_after.value,
        ..IntakeConfig::default()
    }
}

/// Starts them all: what each is and where, for people.
pub(super) async fn listen(
    inputs: &[InputAt],
    intake: &Intake,
) -> anyhow::Result<Vec<(String, Listener)>> {
    let mut listeners = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", input.name));
        let listener = start(input, SourceId(index as u32), intake).await.map_err(named)?;
        let at = match listener.address() {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        };
        listeners.push((format!("{} on {at}", input.what), listener));
    }
    Ok(listeners)
}

async fn start(input: &InputAt, source: SourceId, intake: &Intake) -> Result<Listener, Error> {
    let otlp = |connections: &ConnectionLimits, body: &BodyPace| match &input.at {
        Address::Tcp(address) => Some(OtlpConfig {
            address: *address,
            source,
            security: input.security.clone(),
            connections: *connections,
            body: *body,
            rates: input.rates,
        }),
        Address::Unix(_) => None,
    };
    let lines = |limits: ConnectionLimits, acks: bool| LinesConfig {
        security: input.security.clone(),
        connections: limits,
        acks,
        rates: input.rates,
        ..LinesConfig::new(input.at.clone(), source)
    };
    match &input.speaks {
        Speaks::Lines { limits, acks } => listen_lines(lines(*limits, *acks), intake).await,
        Speaks::Grpc(connections, body) => {
            listen_grpc(otlp(connections, body).expect("OTLP has a TCP address"), intake).await
        }
        Speaks::Http(connections, body) => {
            listen_http(otlp(connections, body).expect("OTLP has a TCP address"), intake).await
        }
    }
}
