//! Exit codes, and how errors are told.

use std::io;
use std::process::ExitCode;

use tailwater_engine::ErrorKind;

use crate::output::WriteFailed;
use crate::terminal::tell;

/// How the program ends. The numbers are part of the interface; `tailwater --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Good,
    /// Findings: errors in rules, rows that differ, an alert that fired.
    Findings,
    /// Only warnings, where they are denied.
    Warnings,
    /// Some input could not be decoded (`EX_DATAERR`).
    Damage,
    /// Input could not be read (`EX_NOINPUT`).
    Input,
    /// The program stopped in a way that is a bug (`EX_SOFTWARE`).
    Software,
    /// Results could not be written (`EX_IOERR`).
    Output,
    /// The rules or the configuration to run have errors (`EX_CONFIG`).
    Rules,
    /// Stopped by Ctrl-C, after what had been read was worked on.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Findings => 1,
            Exit::Warnings => 3,
            Exit::Damage => 65,
            Exit::Input => 66,
            Exit::Software => 70,
            Exit::Output => 74,
            Exit::Rules => 78,
            Exit::Interrupted => 130,
        })
    }
}

/// The command line was understood by its grammar, but does not make sense.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Tells an error on standard error and gives its exit code. A reader that went away (`| head`)
/// is no error.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(failed) = error.downcast_ref::<WriteFailed>() {
        if failed.cause().kind() == io::ErrorKind::BrokenPipe {
            return Exit::Good.into();
        }
        tell(&format!("error: {error:#}\n"));
        return Exit::Output.into();
    }
    if let Some(error) = error.downcast_ref::<tailwater_engine::Error>() {
        // The engine's errors tell their causes themselves.
        tell(&format!("error: {error}\n"));
        return of_engine(error.kind());
    }
    tell(&format!("error: {error:#}\n"));
    if error.is::<Usage>() { ExitCode::from(2) } else { Exit::Input.into() }
}

fn of_engine(kind: ErrorKind) -> ExitCode {
    match kind {
        ErrorKind::Worker | ErrorKind::Snapshot => Exit::Software.into(),
        ErrorKind::Write => Exit::Output.into(),
        ErrorKind::Format => {
            tell("hint: `--input-format` names it; `tailwater help replay` lists the formats\n");
            Exit::Damage.into()
        }
        ErrorKind::Plan | ErrorKind::Setting => ExitCode::from(2),
        _ => Exit::Input.into(),
    }
}
