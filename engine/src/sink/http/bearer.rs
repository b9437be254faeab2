//! A token from a file that may change.
//!
//! Invariant: a token that cannot be read or sent leaves the one before in use.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;

use crate::error::{Error, ErrorKind};
use crate::limits::BEARER_FILE_BYTES_MAX;

/// A token and where it comes from.
pub(super) struct Bearer {
    path: PathBuf,
    value: HeaderValue,
}

impl Bearer {
    /// Reads a token.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self { path: path.to_owned(), value: token(path)? })
    }

    /// The value of `Authorization`.
    pub(super) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// Reads it again.
    pub(super) async fn renew(&mut self) -> Result<(), Error> {
        let path = self.path.clone();
        // A file on a disk that hangs keeps no other sink waiting.
        if let Ok(read) = tokio::task::spawn_blocking(move || token(&path)).await {
            self.value = read?;
        }
        Ok(())
    }
}

fn token(path: &Path) -> Result<HeaderValue, Error> {
    let wrong =
        |kind, what: &str| Error::new(kind, format!("expected {what} in `{}`", path.display()));
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(BEARER_FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| wrong(ErrorKind::Read, "a token that can be read").caused_by(error))?;
    let token = text.trim();
    let is_token = !token.is_empty()
        && text.len() as u64 <= BEARER_FILE_BYTES_MAX
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_token);
    let mut value =
        value.ok_or_else(|| wrong(ErrorKind::Setting, "one token, of printable ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}
