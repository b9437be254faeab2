//! Exit codes, and how errors are told.

use std::io;
use std::process::ExitCode;

/// How the program ends; the numbers are documented in `docs/operating.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Good,
    /// Findings: errors in rules, items that could not be read.
    Findings,
    /// Input could not be read (`EX_NOINPUT`).
    Input,
    /// The program stopped in a way that is a bug (`EX_SOFTWARE`).
    Software,
    /// Results could not be written (`EX_IOERR`).
    Output,
    /// Stopped by Ctrl-C, after what had been read was worked on.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Findings => 1,
            Exit::Input => 66,
            Exit::Software => 70,
            Exit::Output => 74,
            Exit::Interrupted => 130,
        })
    }
}

/// Results could not be written.
#[derive(Debug)]
pub struct WriteFailed(pub io::Error);

impl std::fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write results: {}", self.0)
    }
}

impl std::error::Error for WriteFailed {}

/// Tells an error on standard error and gives its exit code. A reader that went away (`| head`)
/// is no error.
#[expect(clippy::print_stderr, reason = "this is where errors are told")]
pub fn report(error: &anyhow::Error) -> Exit {
    if let Some(WriteFailed(cause)) = error.downcast_ref::<WriteFailed>() {
        if cause.kind() == io::ErrorKind::BrokenPipe {
            return Exit::Good;
        }
        eprintln!("error: {error:#}");
        return Exit::Output;
    }
    eprintln!("error: {error:#}");
    match error.downcast_ref::<tailwater_engine::Error>().map(tailwater_engine::Error::kind) {
        Some(tailwater_engine::ErrorKind::Worker) => Exit::Software,
        _ => Exit::Input,
    }
}
