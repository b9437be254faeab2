//! What lines are written to, and how little of it is needed: a file, or what a test makes fail.

use std::fs::File;
use std::io::{self, Write as _};

/// Something that grows at its end.
pub(super) trait Medium: Send + 'static {
    /// Writes some of the bytes at the end; how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts off what is behind so many bytes.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;

    /// Returns when everything is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
