//! What a run must not send to: its own listeners.
//!
//! Telemetry that a sink sends to the run itself comes in again, is worked on and sent again, and
//! so on without end.

use std::net::{SocketAddr, ToSocketAddrs};

use tailwater_engine::ingest::listen::{Address, Listener};

use super::sinks::{SinkKind, SinkSpec};
use crate::exit::Usage;

/// Whether the host and port of a URL are those of one of these listeners.
pub(super) fn leads_to_itself(url: &str, listeners: &[(String, Listener)]) -> bool {
    let own = listeners.iter().filter_map(|(_, listener)| match listener.address() {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    });
    is_one_of(url, &own.collect::<Vec<_>>())
}

/// Refuses sinks of OTLP that lead to the run itself.
pub(super) fn refuse(specs: &[SinkSpec], listeners: &[(String, Listener)]) -> Result<(), Usage> {
    for spec in specs {
        let SinkKind::Otlp(config) = &spec.kind else { continue };
        let urls = config.signals().map(|signal| signal.push.target.url.as_str());
        if urls.into_iter().any(|url| leads_to_itself(url, listeners)) {
            let text = format!(
                "sink `{}` leads to this run itself, which would take what it sends again and \
                 again: send it to another receiver",
                spec.name
            );
            return Err(Usage(text));
        }
    }
    Ok(())
}

fn is_one_of(url: &str, own: &[SocketAddr]) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let Ok(addresses) = host.to_socket_addrs() else {
        return false; // no such name, or no port: told when something is sent
    };
    let is_own = |to: &SocketAddr| {
        own.iter().any(|own| {
            let is_any = own.ip().is_unspecified() && to.ip().to_canonical().is_loopback();
            own.port() == to.port() && (is_any || own.ip().to_canonical() == to.ip().to_canonical())
        })
    };
    addresses.into_iter().any(|to| is_own(&to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_its_own_listeners_are_known() {
        let own: [SocketAddr; 2] =
            ["127.0.0.1:4318".parse().unwrap(), "0.0.0.0:4319".parse().unwrap()];
        assert!(is_one_of("http://localhost:4318", &own));
        assert!(is_one_of("http://127.0.0.1:4318/", &own));
        assert!(is_one_of("http://127.0.0.1:4319", &own));
        assert!(!is_one_of("http://127.0.0.1:4320", &own));
        assert!(!is_one_of("nonsense", &own));
    }
}
