//! Where a configuration is looked for, and which syntax it has.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::tree::FILE_BYTES_MAX;
use super::yaml::Parsed;
use super::{toml, yaml};
use crate::near_path::cannot_read;

/// Endings of its name, in the order in which they are looked for.
const ENDINGS: [&str; 3] = ["yaml", "yml", "toml"];

/// A configuration file that was read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
}

/// The file that was named, or else the first one of the search path, if there is one.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<Option<Source>> {
    if let Some(path) = named {
        return read(path).map(Some);
    }
    for folder in folders() {
        for ending in ENDINGS {
            let path = folder.join(format!("tailwater.{ending}"));
            // One that is there and cannot be read is an error, not a reason to take another one.
            match path.symlink_metadata() {
                Err(cause) if cause.kind() != io::ErrorKind::PermissionDenied => {}
                _ => return read(&path).map(Some),
            }
        }
    }
    Ok(None)
}

/// Here, the user's folder of configurations, the machine's.
fn folders() -> Vec<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let of_user =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    let mut folders = vec![PathBuf::new()];
    folders.extend(of_user.map(|folder| folder.join("tailwater")));
    folders.push(PathBuf::from("/etc/tailwater"));
    folders
}

fn read(path: &Path) -> anyhow::Result<Source> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|cause| cannot_read(path, &cause))?;
    let name = path.display();
    anyhow::ensure!(
        bytes.len() <= FILE_BYTES_MAX,
        "`{name}` is no configuration: it has more than {FILE_BYTES_MAX} bytes"
    );
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("`{name}` is no configuration: it is not UTF-8 from byte {at} on")
    })?;
    Ok(Source { path: path.to_owned(), text })
}

/// Parses it by the ending of its name, or by its content where that says nothing.
pub(super) fn parse(source: &Source) -> Parsed {
    let ending = source.path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    match ending {
        "toml" => toml::parse(&source.text),
        "yaml" | "yml" => yaml::parse(&source.text),
        _ if looks_like_toml(&source.text) => toml::parse(&source.text),
        _ => yaml::parse(&source.text),
    }
}

/// Whether the first line that says something is a table or a pair of TOML.
fn looks_like_toml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let Some(line) = lines.find(|line| !line.is_empty() && !line.starts_with('#')) else {
        return false;
    };
    let colon = line.find(": ").or_else(|| line.ends_with(':').then_some(line.len()));
    let equals = line.find('=');
    line.starts_with('[') || equals.is_some_and(|at| colon.is_none_or(|colon| at < colon))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_syntax() {
        for toml in ["a = 1", "# x: y\n\n[a]\nb = 'c: d'", "a.b=\"c: d\"", "[[a]]"] {
            assert!(looks_like_toml(toml), "{toml}");
        }
        for yaml in ["", "# a = b", "a: 1", "a:\n  b: c=d", "a: b=c", "{a: 1}"] {
            assert!(!looks_like_toml(yaml), "{yaml}");
        }
    }
}
