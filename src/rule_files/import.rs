//! What rules name: packs, files of rules and tables.
//!
//! Rules may come from elsewhere than who runs them, and diagnostics show lines of what they name.
//! So only regular files are read, and only those that are called what rules and tables are called,
//! links followed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use tailwater_dsl::NoImport;
use tailwater_rules::{PACK_PREFIX, pack};

use super::read_text;

/// What files end in that rules may name: rules and tables.
const ENDINGS: [&str; 2] = ["tw", "csv"];

/// A pack, or a file beside the given ones.
pub(super) fn import(target: &str, folders: &BTreeSet<&Path>) -> Result<String, NoImport> {
    if target.starts_with(PACK_PREFIX) {
        return pack(target).map(|pack| pack.text.to_owned()).ok_or(NoImport::Absent);
    }
    for folder in folders {
        match fs::canonicalize(folder.join(target)) {
            Ok(path) => return read(&path, target).map_err(NoImport::Refused),
            Err(error) if is_absent(error.kind()) => {}
            Err(error) => {
                return Err(NoImport::Refused(format!("cannot read `{target}`: {error}")));
            }
        }
    }
    Err(NoImport::Absent)
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput)
}

/// The text of a file whose path has no links in it.
fn read(path: &Path, target: &str) -> Result<String, String> {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    if !ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known)) {
        return Err(format!(
            "`{target}` is not read: rules name files of rules (`.tw`) and tables (`.csv`) alone, links \
             followed"
        ));
    }
    // Whoever opens a pipe waits for its other end.
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    if !is_file {
        return Err(format!("`{target}` is no regular file"));
    }
    let file = File::open(path).map_err(|error| format!("cannot read `{target}`: {error}"))?;
    read_text(file, target).map_err(|error| format!("{error:#}"))
}
