//! Where results go: standard output or a file, and what is said when they cannot.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of results gathered before they are written.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Results could not be written.
#[derive(Debug)]
pub(crate) struct WriteFailed {
    place: Option<PathBuf>,
    cause: io::Error,
}

impl WriteFailed {
    /// To a file, or to standard output.
    pub(crate) fn new(place: Option<&Path>, cause: io::Error) -> Self {
        Self { place: place.map(Path::to_owned), cause }
    }

    /// What the system said.
    pub(crate) fn cause(&self) -> &io::Error {
        &self.cause
    }
}

impl std::fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(path) => write!(f, "cannot write `{}`: {}", path.display(), self.cause),
            None => write!(f, "cannot write results to standard output: {}", self.cause),
        }
    }
}

impl std::error::Error for WriteFailed {}

/// A buffered place for results.
pub(crate) struct Output {
    place: Option<PathBuf>,
    write: BufWriter<Box<dyn Write>>,
}

impl Output {
    /// Standard output, or a file, which is made anew.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, WriteFailed> {
        let write: Box<dyn Write> = match path {
            Some(path) => {
                Box::new(File::create(path).map_err(|cause| WriteFailed::new(Some(path), cause))?)
            }
            None => Box::new(io::stdout().lock()),
        };
        let write = BufWriter::with_capacity(OUTPUT_BYTES, write);
        Ok(Self { place: path.map(Path::to_owned), write })
    }

    /// Standard output, or a file, to whose end is written: one that ends within a line, as after a
    /// crash, gets a newline first.
    pub(crate) fn append(path: Option<&Path>) -> Result<Self, WriteFailed> {
        let Some(path) = path else { return Self::open(None) };
        let open = || {
            let mut file = File::options().create(true).append(true).read(true).open(path)?;
            if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                }
            }
            io::Result::Ok(file)
        };
        let file = open().map_err(|cause| WriteFailed::new(Some(path), cause))?;
        let write = BufWriter::with_capacity(OUTPUT_BYTES, Box::new(file) as Box<dyn Write>);
        Ok(Self { place: Some(path.to_owned()), write })
    }

    /// Writes text.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), WriteFailed> {
        let result = self.write.write_all(text.as_bytes());
        result.map_err(|cause| WriteFailed::new(self.place.as_deref(), cause))
    }

    /// What is said of a write that failed.
    pub(crate) fn failed(&self, cause: io::Error) -> WriteFailed {
        WriteFailed::new(self.place.as_deref(), cause)
    }

    /// Writes what is gathered now, for readers that wait for it.
    pub(crate) fn pass_on(&mut self) -> Result<(), WriteFailed> {
        let result = self.write.flush();
        result.map_err(|cause| WriteFailed::new(self.place.as_deref(), cause))
    }

    /// Writes what is gathered: without this an error at the end would be lost.
    pub(crate) fn close(mut self) -> Result<(), WriteFailed> {
        let result = self.write.flush();
        result.map_err(|cause| WriteFailed::new(self.place.as_deref(), cause))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write.flush()
    }
}

/// Replaces a file's text; the old text stays if the new one cannot be written whole. A link is
/// followed, and the permissions stay.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), WriteFailed> {
    let failed = |cause| WriteFailed::new(Some(path), cause);
    let path = &fs::canonicalize(path).map_err(failed)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let written = fs::write(&beside, text)
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(path)?.permissions()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|cause| {
        // What was written beside is of no use; that it cannot be removed says nothing new.
        let _ = fs::remove_file(&beside);
        failed(cause)
    })
}

/// Writes a text to standard output at once.
pub(crate) fn print(text: &str) -> Result<(), WriteFailed> {
    let mut output = Output::open(None)?;
    output.text(text)?;
    output.close()
}
