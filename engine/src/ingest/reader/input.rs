//! Where bytes come from: files, standard input, anything that reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// A named stream of bytes, possibly compressed.
pub struct Input {
    name: Arc<str>,
    read: Box<dyn Read + Send>,
}

impl Input {
    /// An input under a name of the caller's choice.
    pub fn new(name: &str, read: impl Read + Send + 'static) -> Self {
        Self { name: Arc::from(name), read: Box::new(read) }
    }

    /// A file under its path as given.
    ///
    /// # Errors
    /// [`ErrorKind::Read`] if it cannot be opened or is a directory.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let name = path.to_string_lossy();
        let cannot = |cause: io::Error| {
            Error::new(ErrorKind::Read, format!("cannot read `{name}`")).caused_by(cause)
        };
        let file = File::open(path).map_err(cannot)?;
        if file.metadata().map_err(cannot)?.is_dir() {
            let text = format!("cannot read `{name}`: expected a file, found a directory");
            return Err(Error::new(ErrorKind::Read, text));
        }
        Ok(Self::new(&name, file))
    }

    /// Standard input, under the name `stdin`.
    pub fn stdin() -> Self {
        Self::new("stdin", io::stdin())
    }

    /// Its name and its bytes.
    pub(super) fn into_parts(self) -> (Arc<str>, Box<dyn Read + Send>) {
        (self.name, self.read)
    }
}

/// The inputs' names; of several inputs with one name the later ones are numbered.
pub(super) fn unique_names(inputs: &[Input]) -> Vec<Arc<str>> {
    let mut seen: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    inputs
        .iter()
        .map(|input| {
            let count = seen.entry(Arc::clone(&input.name)).or_default();
            *count += 1;
            match *count {
                1 => Arc::clone(&input.name),
                further => Arc::from(format!("{}#{further}", input.name)),
            }
        })
        .collect()
}
