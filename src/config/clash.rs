//! Settings that want the same thing: an address to listen on, a file to write.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::section::Origin;
use super::settings::Config;
use super::sinks::Sink;
use super::whole::Misfit;
use crate::args::At;

/// Something that is wanted, who wants it, and where that is said.
type Wanted<'a, T> = (String, T, &'a Origin);

/// Adds what is wanted twice.
pub(super) fn check(config: &Config, wrong: &mut Vec<Misfit>) {
    twice(&addresses(config), is_same_address, ToString::to_string, "port", wrong);
    let files = files(config);
    twice(&files, |one, other| one == other, |path| path.display().to_string(), "file", wrong);
}

fn twice<T>(
    all: &[Wanted<'_, T>],
    is_same: impl Fn(&T, &T) -> bool,
    shown: impl Fn(&T) -> String,
    what: &str,
    wrong: &mut Vec<Misfit>,
) {
    for (at, (name, wanted, origin)) in all.iter().enumerate() {
        let Some((other, _, before)) = all[..at].iter().find(|one| is_same(&one.1, wanted)) else {
            continue;
        };
        // The one that somebody said is the one to change.
        let origin = if **origin == Origin::Default { before } else { origin };
        let text = format!("`{other}` and `{name}` both want `{}`", shown(wanted));
        wrong.push(Misfit::new(origin, text, &format!("give each a {what} of its own")));
    }
}

fn addresses(config: &Config) -> Vec<Wanted<'_, SocketAddr>> {
    let (listeners, admin) = (&config.listeners, &config.admin.address);
    let mut all = vec![
        ("otlp_grpc", listeners.otlp_grpc.address.value, &listeners.otlp_grpc.address.origin),
        ("otlp_http", listeners.otlp_http.address.value, &listeners.otlp_http.address.origin),
        ("lines", listeners.lines.address.value, &listeners.lines.address.origin),
        ("admin", admin.value, &admin.origin),
    ];
    for (name, named) in &config.sinks {
        if let Sink::Prometheus(page) = &named.part
            && let Some(at) = page.address.value
        {
            all.push((name, at, &page.address.origin));
        }
    }
    let fixed = |(name, at, origin): (&str, At, _)| match at {
        At::Address(address) if address.port() != 0 => Some((name.to_owned(), address, origin)),
        _ => None, // nowhere, or any port that is free
    };
    all.into_iter().filter_map(fixed).collect()
}

/// An unspecified address takes the port of every other one.
fn is_same_address(one: &SocketAddr, other: &SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

fn files(config: &Config) -> Vec<Wanted<'_, PathBuf>> {
    let mut all = Vec::new();
    for (name, path) in [("record", &config.record), ("output", &config.output)] {
        all.extend(path.value.as_deref().map(|file| (name.to_owned(), file, &path.origin)));
    }
    for (name, named) in &config.sinks {
        if let Sink::File(file) = &named.part
            && let Some(path) = file.path.value.as_deref()
        {
            all.push((name.clone(), path, &file.path.origin));
        }
    }
    all.into_iter().filter_map(|(name, path, origin)| Some((name, place(path)?, origin))).collect()
}

/// Where a file is, or will be; none for what is no file, as `/dev/null`, which many may write to.
fn place(path: &Path) -> Option<PathBuf> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return None;
    }
    let whole = std::path::absolute(path).ok()?;
    if let Ok(found) = whole.canonicalize() {
        return Some(found);
    }
    let folder = whole.parent().and_then(|folder| folder.canonicalize().ok());
    Some(folder.map_or_else(
        || whole.clone(),
        |folder| match whole.file_name() {
            Some(name) => folder.join(name),
            None => folder,
        },
    ))
}
