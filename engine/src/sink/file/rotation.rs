//! A file of bounded size and age, and those that it was before.
//!
//! `out.jsonl` becomes `out.jsonl.1`, the next one `out.jsonl.2`: numbers only grow, so that no
//! file is renamed twice and a reader that follows one is not led astray.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::medium::Medium;
use crate::clock::monotonic;
use crate::error::{Error, ErrorKind};

/// What stands behind a sink.
pub(super) trait Rotate {
    type To: Medium;

    /// What is written now.
    fn medium(&mut self) -> &mut Self::To;

    /// Bytes in it: whole lines.
    fn len(&self) -> u64;

    /// Notes that so many bytes of whole lines are in it.
    fn wrote(&mut self, bytes: u64);

    /// Whether a line of so many bytes belongs into the next one, after lines of so many bytes that
    /// are still to be written.
    fn is_due(&self, buffered: u64, line: u64) -> bool;

    /// How long until it is too old; none where it is empty or may become any age.
    fn too_old_in(&self) -> Option<Duration>;

    /// Ends this one and begins the next.
    fn rotate(&mut self) -> io::Result<()>;
}

/// A file that is rotated.
#[derive(Debug)]
pub(super) struct Rotation {
    path: PathBuf,
    file: File,
    bytes: u64,
    begun: Instant,
    bytes_max: u64,
    age: Option<Duration>,
    keep: usize,
    /// Numbers of rotated files, the oldest first.
    rotated: VecDeque<u64>,
}

impl Rotation {
    /// Opens a file, to be written after what it holds.
    pub(super) fn open(
        path: &Path,
        bytes_max: u64,
        age: Option<Duration>,
        keep: usize,
    ) -> Result<Self, Error> {
        let cannot = |error: io::Error| {
            let text = format!("cannot write to `{}`", path.display());
            Error::new(ErrorKind::Write, text).caused_by(error)
        };
        let rotated = numbers(path).map_err(cannot)?;
        let (file, bytes) = open(path).map_err(cannot)?;
        let path = path.to_owned();
        Ok(Self { path, file, bytes, begun: monotonic(), bytes_max, age, keep, rotated })
    }

    fn numbered(&self, number: u64) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Opens a file at its end. One that ends within a line, as after a crash, ends it first.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    let is_file = file.metadata()?.is_file();
    let mut bytes = if is_file { file.metadata()?.len() } else { 0 };
    if bytes > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            io::Write::write_all(&mut file, b"\n")?;
            bytes += 1;
        }
    }
    Ok((file, bytes))
}

/// The numbers of rotated files beside a path.
fn numbers(path: &Path) -> io::Result<VecDeque<u64>> {
    let Some(own) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected the name of a file"));
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let name = entry?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix(own)?.strip_prefix('.'))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found.into())
}

impl Rotate for Rotation {
    type To = File;

    fn medium(&mut self) -> &mut File {
        &mut self.file
    }

    fn len(&self) -> u64 {
        self.bytes
    }

    fn wrote(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn is_due(&self, buffered: u64, line: u64) -> bool {
        let held = self.bytes.saturating_add(buffered);
        let is_full = held.saturating_add(line) > self.bytes_max;
        held > 0 && (is_full || self.too_old_in() == Some(Duration::ZERO))
    }

    fn too_old_in(&self) -> Option<Duration> {
        let age = self.age.filter(|_| self.bytes > 0)?;
        Some(age.saturating_sub(monotonic().duration_since(self.begun)))
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let number = self.rotated.back().map_or(1, |last| last + 1);
        std::fs::rename(&self.path, self.numbered(number))?;
        let opened = open(&self.path);
        if opened.is_err() {
            // The one before goes on under its own name.
            std::fs::rename(self.numbered(number), &self.path)?;
        }
        (self.file, self.bytes) = opened?;
        self.begun = monotonic();
        self.rotated.push_back(number);
        while self.rotated.len() > self.keep {
            let oldest = self.rotated.pop_front().unwrap_or(number);
            match std::fs::remove_file(self.numbered(oldest)) {
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        // The names are on the disk, too.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}
