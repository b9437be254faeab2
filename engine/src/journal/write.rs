//! Appending to a log.

use std::io::{self, Write};

use serde::Serialize;

use super::{HEAD_BYTES, Kind, MAGIC, Opening, RuleText, VERSION};
use crate::error::{Error, ErrorKind};
use crate::model::FrameBody;

/// Writes a log. What is written is on its way to the file only after [`LogWriter::flush`].
pub struct LogWriter<W> {
    write: W,
    record: Vec<u8>,
    bytes: u64,
}

impl<W: Write> LogWriter<W> {
    /// Opens a log.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] if it cannot be written.
    pub fn new(write: W, opening: &Opening) -> Result<Self, Error> {
        let mut log = Self { write, record: Vec::new(), bytes: 0 };
        log.put(&MAGIC)?;
        log.put(&VERSION.to_le_bytes())?;
        log.record(Kind::Opening, |body| encode(body, opening))?;
        Ok(log)
    }

    /// Appends what a frame says.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] if it cannot be written.
    pub fn frame(&mut self, body: &FrameBody) -> Result<(), Error> {
        match body {
            FrameBody::Data(data) => self.record(Kind::Data, |body| encode(body, data)),
            FrameBody::Tick(tick_ns) => {
                self.record(Kind::Tick, |body| body.extend_from_slice(&tick_ns.to_le_bytes()))
            }
            FrameBody::SourceEnd(source) => {
                self.record(Kind::SourceEnd, |body| body.extend_from_slice(&source.0.to_le_bytes()))
            }
            FrameBody::End => self.record(Kind::End, |_| ()),
        }
    }

    /// Notes that an epoch ends here.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] if it cannot be written.
    pub fn cut(&mut self) -> Result<(), Error> {
        self.record(Kind::Cut, |_| ())
    }

    /// Notes that a table's file says something else from here on.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] if it cannot be written.
    pub fn table(&mut self, file: &RuleText) -> Result<(), Error> {
        self.record(Kind::Table, |body| encode(body, file))
    }

    /// Hands everything to the file.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] if it cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.write.flush().map_err(failed)
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn record(&mut self, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        record.resize(HEAD_BYTES, 0);
        record.push(kind as u8);
        fill(&mut record);
        let length = (record.len() - HEAD_BYTES) as u32;
        let sum = crc32fast::hash(&record[HEAD_BYTES..]);
        record[..4].copy_from_slice(&length.to_le_bytes());
        record[4..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
        let result = self.put(&record);
        self.record = record;
        result
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write.write_all(bytes).map_err(failed)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

fn encode(body: &mut Vec<u8>, value: &impl Serialize) {
    bincode::serialize_into(body, value).expect("memory takes plain data");
}

fn failed(cause: io::Error) -> Error {
    Error::new(ErrorKind::Write, "cannot write the input log").caused_by(cause)
}
