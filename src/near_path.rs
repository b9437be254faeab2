//! What somebody meant who named a file that is not there.

use std::fs;
use std::io;
use std::path::Path;

use tailwater_dsl::diagnostic::suggest::{aside, nearest};

/// Entries of a folder that are compared.
const ENTRIES_MAX: usize = 10_000;

/// `cannot read …`, and the entry of the same folder whose name is nearest, if one is near.
pub(crate) fn cannot_read(path: &Path, cause: &io::Error) -> anyhow::Error {
    let near = if cause.kind() == io::ErrorKind::NotFound { near(path) } else { None };
    anyhow::anyhow!("cannot read `{}`: {cause}{}", path.display(), aside(near.as_deref()))
}

fn near(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(here).ok()?.take(ENTRIES_MAX).filter_map(Result::ok);
    let names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let name = path.file_name()?.to_str()?;
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(folder.join(near).display().to_string())
}
