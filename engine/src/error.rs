//! The engine's one error type: opaque, with a kind that callers can ask for.
//!
//! Bad telemetry is not an error: it is set aside and counted in the ledger. An [`Error`] means
//! that the engine cannot go on with what it was asked to do.

use std::fmt;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or stream could not be read.
    Read,
    /// The format of an input could not be recognised, or does not fit the request.
    Format,
    /// A setting of a listener, a queue or a sink cannot be used.
    Setting,
    /// A result could not be written.
    Write,
    /// A snapshot is damaged, of another version, or of another plan.
    Snapshot,
    /// The plan cannot run: it exceeds a limit or refers to what does not exist.
    Plan,
    /// A listener cannot be started.
    Listen,
    /// A worker stopped before its work was done.
    Worker,
}

/// An error of the engine: a kind, a sentence, and the cause where there is one.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error from its kind and a sentence: lower case, no final period.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
