//! `tailwater health`: asks a run how it is, for health checks of containers, which have no `curl`.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::args::Health;
use crate::exit::{Exit, Usage};
use crate::terminal::tell;

/// Bytes of an answer that are read: its first line says it all.
const ANSWER_BYTES_MAX: u64 = 4 * 1_024;

/// Asks; exit code 0 where the answer is 200, else 1.
pub(crate) fn run(args: &Health) -> anyhow::Result<Exit> {
    let Some(rest) = args.url.strip_prefix("http://") else {
        let text =
            format!("expected a URL such as `http://127.0.0.1:9465/readyz`, found `{}`", args.url);
        return Err(Usage(text).into());
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, "readyz"));
    match ask(host, path, Duration::from_secs(args.timeout)) {
        Ok(status) if status.split(' ').nth(1) == Some("200") => Ok(Exit::Good),
        Ok(status) => {
            tell(&format!("it answered `{}`\n", crate::log::escaped(&status)));
            Ok(Exit::Findings)
        }
        Err(error) => {
            tell(&format!("no answer from `{host}`: {error}\n"));
            Ok(Exit::Findings)
        }
    }
}

/// The first line of the answer.
fn ask(host: &str, path: &str, within: Duration) -> std::io::Result<String> {
    let none = || std::io::Error::other("the name has no address");
    let address = host.to_socket_addrs()?.next().ok_or_else(none)?;
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
