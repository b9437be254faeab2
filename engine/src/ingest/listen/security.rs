//! What a listener demands of its senders, and what it must demand where others can reach it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

use super::auth::Tokens;
use super::connection::Stream;
use super::listener::Address;
use super::tls::{Tls, TlsFiles};

/// TLS and credentials of a listener. The default is none of them, which only a listener on
/// loopback or a Unix socket may have.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Certificate and key, and the authorities of clients' certificates.
    pub tls: Option<TlsFiles>,
    /// The bearer tokens of which a sender must show one.
    pub tokens: Option<Tokens>,
    /// Lets a listener that others can reach do without TLS or credentials.
    pub allow_insecure: bool,
}

impl Security {
    /// Refuses an address that other machines reach without TLS or without credentials.
    pub(super) fn suits(&self, address: &Address) -> Result<(), Error> {
        let Address::Tcp(tcp) = address else { return Ok(()) };
        if self.allow_insecure || tcp.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let shows_certificate =
            self.tls.as_ref().is_some_and(|tls| tls.client_authorities.is_some());
        let missing = if self.tls.is_none() {
            "TLS (certificate and key)"
        } else if self.tokens.is_none() && !shows_certificate {
            "bearer tokens or certificates of clients"
        } else {
            return Ok(());
        };
        let text = format!(
            "expected {missing} on `{tcp}`, which other machines may reach, found none: configure \
             it, listen on loopback, or say `allow_insecure` where all who reach it are trusted"
        );
        Err(Error::new(ErrorKind::Listen, text))
    }

    /// Reads the certificates, if there are any.
    pub(super) fn load(&self, protocols: &'static [&'static str]) -> Result<Handshake, Error> {
        let tls = self.tls.clone().map(|files| Tls::load(files, protocols)).transpose()?;
        Ok(Handshake { tls })
    }
}

/// What happens on a fresh stream before it is served.
#[derive(Clone)]
pub(super) struct Handshake {
    pub(super) tls: Option<Arc<Tls>>,
}

impl Handshake {
    /// The stream as it is, or after a TLS handshake within a time.
    pub(super) async fn accept(
        &self,
        stream: Box<dyn Stream>,
        within: Duration,
    ) -> io::Result<Box<dyn Stream>> {
        match &self.tls {
            Some(tls) => tls.accept(stream, within).await,
            None => Ok(stream),
        }
    }
}
