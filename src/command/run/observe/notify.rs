//! Words to the service manager over `$NOTIFY_SOCKET`: ready, stopping, alive.
//!
//! Source: systemd, `sd_notify(3)`, `sd_watchdog_enabled(3)`. Where nobody listens, nothing is
//! said; a manager that does not answer stops nothing.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// What the environment asks for.
#[derive(Debug, Default)]
pub(in crate::command::run) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often to say that the run is alive: half of what the manager waits for.
    every: Option<Duration>,
    last: Mutex<Option<Instant>>,
}

impl Notify {
    /// Asks the environment.
    #[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
    pub(in crate::command::run) fn from_environment() -> Self {
        let Some(at) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let wanted = |name: &str| std::env::var(name).ok();
        let own = std::process::id().to_string();
        let is_ours = wanted("WATCHDOG_PID").is_none_or(|pid| pid == own);
        let watchdog_us = wanted("WATCHDOG_USEC").filter(|_| is_ours);
        let watchdog_us = watchdog_us.and_then(|text| text.parse().ok());
        Self::to(at.as_bytes(), watchdog_us)
    }

    fn to(at: &[u8], watchdog_us: Option<u64>) -> Self {
        let address = match at {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(at)).ok(),
            _ => None,
        };
        let socket = UnixDatagram::unbound().ok().filter(|s| s.set_nonblocking(true).is_ok());
        let every = watchdog_us.filter(|us| *us > 0).map(|us| Duration::from_micros(us / 2));
        Self { socket: socket.zip(address), every, last: Mutex::default() }
    }

    /// Telemetry is worked on.
    pub(in crate::command::run) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", crate::log::escaped(status)));
    }

    /// The run ends.
    pub(in crate::command::run) fn stopping(&self, within: Duration) {
        let extend = within.as_micros();
        self.send(&format!("STOPPING=1\nSTATUS=finishing\nEXTEND_TIMEOUT_USEC={extend}"));
    }

    /// The run is alive; said as often as the manager wants to hear it.
    #[expect(clippy::disallowed_methods, reason = "a watchdog looks at the clock")]
    pub(in crate::command::run) fn alive(&self) {
        let Some(every) = self.every else { return };
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.duration_since(last) >= every) {
            *last = Some(now);
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone or busy hears the next word.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn an_abstract_socket_hears_every_word() {
        let name = format!("tailwater-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify::to(format!("@{name}").as_bytes(), Some(3_600_000_000));
        notify.ready("3 rules\nREADY=0");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=3 rules\\nREADY=0");
        notify.alive();
        notify.alive(); // too soon: not said
        notify.stopping(Duration::from_secs(2));
        assert_eq!(heard(&socket), "WATCHDOG=1");
        assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=finishing\nEXTEND_TIMEOUT_USEC=2000000");
    }

    #[test]
    fn nobody_there_is_no_error() {
        Notify::to(b"/no/such/socket", Some(0)).ready("x");
        Notify::to(b"relative", None).ready("x");
        Notify::default().alive();
    }
}
