//! The record of a run: its input log in a file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use tailwater_engine::journal::{LogWriter, Opening, RuleText};
use tailwater_engine::model::FrameBody;
use tailwater_engine::{Error, ErrorKind};

use crate::terminal::tell;

/// Bytes of the record gathered before they are written.
const RECORD_BYTES: usize = 256 * 1024;

/// Writes the record, if one is wanted. A record that cannot be written ends there, said at once;
/// the run goes on, as alerts matter more than their record.
pub(super) struct Recorder {
    path: Option<PathBuf>,
    log: Option<LogWriter<BufWriter<File>>>,
}

impl Recorder {
    /// Begins the record.
    pub(super) fn open(path: Option<&Path>, opening: &Opening) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self { path: None, log: None }) };
        let file = set_aside(path).and_then(|()| File::create(path)).map_err(|cause| {
            let message = format!("cannot write `{}`", path.display());
            Error::new(ErrorKind::Write, message).caused_by(cause)
        })?;
        let write = BufWriter::with_capacity(RECORD_BYTES, file);
        let log = Some(LogWriter::new(write, opening)?);
        Ok(Self { path: Some(path.to_owned()), log })
    }

    /// Whether the record ended before the run did.
    pub(super) fn has_failed(&self) -> bool {
        self.path.is_some() && self.log.is_none()
    }

    pub(super) fn frame(&mut self, body: &FrameBody) {
        self.write(|log| log.frame(body));
    }

    pub(super) fn cut(&mut self) {
        self.write(LogWriter::cut);
    }

    pub(super) fn table(&mut self, file: &RuleText) {
        self.write(|log| log.table(file));
    }

    pub(super) fn flush(&mut self) {
        self.write(LogWriter::flush);
    }

    fn write(&mut self, step: impl FnOnce(&mut LogWriter<BufWriter<File>>) -> Result<(), Error>) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = step(log) {
            let path = self.path.as_deref().unwrap_or(Path::new("?")).display();
            tell(&format!("error: {error}; the record `{path}` ends here, the run goes on\n"));
            self.log = None;
        }
    }
}

/// Gives the record of a run before another name: `FILE.1`, `FILE.2`, the largest number is the
/// newest. A record is what a run can be replayed from; a start again after a crash must not take
/// it away. What is empty, or no file, is written to as it is.
fn set_aside(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() > 0 => {}
        _ => return Ok(()),
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut last = 0_u64;
    for entry in std::fs::read_dir(folder)? {
        let other = entry?.file_name();
        let number = other.to_str().and_then(|other| other.strip_prefix(&name)?.strip_prefix('.'));
        last = number.and_then(|number| number.parse().ok()).unwrap_or(0).max(last);
    }
    let aside = path.with_file_name(format!("{name}.{}", last.saturating_add(1)));
    std::fs::rename(path, &aside)?;
    tell(&format!("the record of an earlier run is `{}` now\n", aside.display()));
    Ok(())
}
