//! Receivers: OTLP over HTTP and gRPC, and the line protocol, into one bounded queue.
//!
//! ```text
//! sockets ──► listeners ──► Intake ══queue══► IntakeReceiver ──► whoever writes the input log
//! ```
//!
//! A listener takes room, reads a request's body, decompresses it, walks its structure and puts
//! the payload into the [`Intake`]; only then does it tell the sender that it was taken. What
//! becomes of every request is counted ([`IntakeCounts`]).
//!
//! Invariant: memory is bounded whatever senders do, room is taken before bytes are read, and
//! waits end. tokio lives here; what is behind the [`IntakeReceiver`] is blocking code.
//!
//! Must not know: rules, the engine, what the log is written to.

mod auth;
mod body;
mod budget;
mod connection;
mod counts;
mod export;
mod grpc;
mod http;
mod intake;
mod line_batch;
mod line_frames;
mod lines;
mod listener;
mod rate;
mod respond;
mod security;
mod service;
mod tls;
mod validity;
mod wrong_protocol;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::clock;
use crate::error::Error;
use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX};
use crate::model::SourceId;

pub use auth::Tokens;
pub use body::BodyPace;
pub use connection::ConnectionPace;
pub use counts::{Count, DiscardReason, IntakeCounts, RefuseReason, SourceCounts};
pub use intake::{Accepted, Intake, IntakeConfig, IntakeReceiver, NoFrame, WhenFull};
pub use lines::LinesConfig;
pub use listener::{Address, ConnectionCounts, ConnectionLimits, ConnectionWatch, Listener};
pub use rate::{Rate, RateLimits};
pub use security::Security;
pub use tls::{TlsFiles, TlsNow};
pub use validity::Validity;

use auth::Access;
use export::Exporting;
use line_frames::LineFrames;
use lines::Lines;
use listener::Socket;
use rate::RateLimiter;
use service::{Service, Speaks};

/// An OTLP listener.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// Where it listens; port 0 is any free one.
    pub address: SocketAddr,
    /// The source that its frames belong to.
    pub source: SourceId,
    /// TLS and credentials.
    pub security: Security,
    /// Bounds on connections.
    pub connections: ConnectionLimits,
    /// How fast bodies must come.
    pub body: BodyPace,
    /// How much is taken a second.
    pub rates: RateLimits,
}

impl OtlpConfig {
    /// A listener with the usual limits, open to all.
    pub fn new(address: SocketAddr, source: SourceId) -> Self {
        Self {
            address,
            source,
            security: Security::default(),
            connections: ConnectionLimits {
                connections: CONNECTIONS_MAX,
                per_peer: CONNECTIONS_PER_PEER_MAX,
                pace: ConnectionPace::default(),
            },
            body: BodyPace::default(),
            rates: RateLimits::default(),
        }
    }
}

/// Listens for OTLP over HTTP/1.1 and HTTP/2. It is bound when this returns; call it within a
/// tokio runtime.
///
/// # Errors
/// [`crate::ErrorKind::Listen`] if the address cannot be bound, if others can reach it and
/// [`Security`] is missing, or if certificates cannot be used.
pub async fn listen_http(config: OtlpConfig, intake: &Intake) -> Result<Listener, Error> {
    listen(config, intake, Speaks::Http).await
}

/// Listens for OTLP over gRPC, as [`listen_http`].
///
/// # Errors
/// [`crate::ErrorKind::Listen`] if the address cannot be bound, if others can reach it and
/// [`Security`] is missing, or if certificates cannot be used.
pub async fn listen_grpc(config: OtlpConfig, intake: &Intake) -> Result<Listener, Error> {
    listen(config, intake, Speaks::Grpc).await
}

async fn listen(config: OtlpConfig, intake: &Intake, speaks: Speaks) -> Result<Listener, Error> {
    config.security.suits(&Address::Tcp(config.address))?;
    let handshake = config.security.load(match speaks {
        Speaks::Http => &["h2", "http/1.1"],
        Speaks::Grpc => &["h2"],
    })?;
    let socket = Socket::tcp(config.address).await?;
    let service = Arc::new(Service {
        speaks,
        intake: intake.clone(),
        source: config.source,
        access: Access { tokens: config.security.tokens },
        exporting: Exporting::new(config.body, config.rates),
    });
    let serve = move |connection| service::serve(Arc::clone(&service), connection);
    Ok(Listener::start(socket, config.connections, (handshake, None), serve))
}

/// Listens for the line protocol over TCP or on a Unix socket, as [`listen_http`].
///
/// A Unix socket's file is made anew; one that nobody listens on any more is replaced. It is for
/// its owner and group (mode 0660).
///
/// # Errors
/// [`crate::ErrorKind::Listen`] if the address cannot be bound, or the socket's file is in use.
pub async fn listen_lines(config: LinesConfig, intake: &Intake) -> Result<Listener, Error> {
    config.security.suits(&config.address)?;
    let handshake = config.security.load(&[])?;
    let socket = match &config.address {
        Address::Tcp(address) => Socket::tcp(*address).await?,
        Address::Unix(path) => Socket::unix(path).await?,
    };
    let (limits, frames) = (config.connections, LineFrames::default());
    let lines = Lines {
        intake: intake.clone(),
        rates: RateLimiter::new(config.rates),
        frames: frames.clone(),
        config,
    };
    let lines = Arc::new(lines);
    let serve = move |connection| lines::serve(Arc::clone(&lines), connection);
    Ok(Listener::start(socket, limits, (handshake, Some(frames)), serve))
}
