//! Reading a log again.

use std::io::{self, Read};

use bincode::Options;
use serde::de::DeserializeOwned;

use super::{HEAD_BYTES, Kind, MAGIC, Opening, RuleText, VERSION};
use crate::error::{Error, ErrorKind};
use crate::limits::LOG_RECORD_BYTES_MAX;
use crate::model::{FrameBody, SourceId};

/// Whether a file that begins with these bytes is a log.
pub fn is_log(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// One step of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRecord {
    /// A frame.
    Frame(FrameBody),
    /// An epoch ended here.
    Cut,
    /// From here on a file that the rules import says something else: that of a table.
    Table(RuleText),
}

/// Reads a log from its start.
pub struct LogReader<R> {
    read: R,
    name: String,
    opening: Opening,
    /// Bytes of whole, sound records so far.
    good_bytes: u64,
    tail: Option<Tail>,
}

/// Why a log was not read to its last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The first byte that could not be used.
    pub at: u64,
    /// What is wrong there.
    pub reason: &'static str,
}

impl<R: Read> LogReader<R> {
    /// Reads how a log opens.
    ///
    /// # Errors
    /// [`ErrorKind::Read`] if it cannot be read, [`ErrorKind::Format`] if it is no log, one of
    /// another version, or damaged before its first frame.
    pub fn open(mut read: R, name: &str) -> Result<Self, Error> {
        let mut head = [0; MAGIC.len() + 4];
        let got = fill(&mut read, &mut head).map_err(|cause| cannot(name, cause))?;
        let (magic, version) = head.split_at(MAGIC.len());
        if got < head.len() || magic != MAGIC {
            return Err(Error::new(ErrorKind::Format, format!("`{name}` is no input log")));
        }
        if version != VERSION.to_le_bytes() {
            let found = u32::from_le_bytes([version[0], version[1], version[2], version[3]]);
            let message = format!(
                "`{name}` is an input log of version {found}, this program reads version {VERSION}"
            );
            return Err(Error::new(ErrorKind::Format, message));
        }
        let opening = Opening::default();
        let name = name.to_owned();
        let mut log = Self { read, name, opening, good_bytes: head.len() as u64, tail: None };
        let opening = match log.record()? {
            Some((Kind::Opening, body)) => decode(&body[1..]),
            _ => None,
        };
        let damaged = || {
            let message = format!("`{}` is damaged before its first frame", log.name);
            Error::new(ErrorKind::Format, message)
        };
        log.opening = opening.ok_or_else(damaged)?;
        Ok(log)
    }

    /// What ran, and on what.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Why the log ended before its last byte, once [`LogReader::next_record`] gave `None`.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// Bytes of whole records read so far.
    pub fn bytes_read(&self) -> u64 {
        self.good_bytes
    }

    /// The next step, or `None` at the end: of the file, or of what of it is sound.
    ///
    /// # Errors
    /// [`ErrorKind::Read`] if the file can no longer be read.
    pub fn next_record(&mut self) -> Result<Option<LogRecord>, Error> {
        if self.tail.is_some() {
            return Ok(None);
        }
        let at = self.good_bytes;
        let Some((kind, body)) = self.record()? else { return Ok(None) };
        let body = &body[1..];
        let record = match kind {
            Kind::Opening => None,
            Kind::Data => decode(body).map(FrameBody::Data).map(LogRecord::Frame),
            Kind::Tick => number(body)
                .map(|bytes| LogRecord::Frame(FrameBody::Tick(i64::from_le_bytes(bytes)))),
            Kind::SourceEnd => number(body).map(|bytes| {
                LogRecord::Frame(FrameBody::SourceEnd(SourceId(u32::from_le_bytes(bytes))))
            }),
            Kind::End => body.is_empty().then_some(LogRecord::Frame(FrameBody::End)),
            Kind::Cut => body.is_empty().then_some(LogRecord::Cut),
            Kind::Table => decode(body).map(LogRecord::Table),
        };
        // A source that the opening does not name cannot be fed.
        let sources = self.opening.sources.len();
        let is_known = |source: &SourceId| (source.0 as usize) < sources;
        let record = record.filter(|record| match record {
            LogRecord::Frame(FrameBody::Data(data)) => is_known(&data.source),
            LogRecord::Frame(FrameBody::SourceEnd(source)) => is_known(source),
            _ => true,
        });
        if record.is_none() {
            self.tail = Some(Tail { at, reason: "a record that does not hold what it says" });
        }
        Ok(record)
    }

    /// The next whole and sound record, its kind still in front of its body.
    fn record(&mut self) -> Result<Option<(Kind, Vec<u8>)>, Error> {
        let at = self.good_bytes;
        let mut head = [0; HEAD_BYTES];
        let got = fill(&mut self.read, &mut head).map_err(|cause| cannot(&self.name, cause))?;
        if got == 0 {
            return Ok(None);
        }
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let sum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let reason = if got < HEAD_BYTES {
            "a record that was not written whole"
        } else if length == 0 || length as usize > LOG_RECORD_BYTES_MAX {
            "a record of an impossible length"
        } else {
            let mut body = Vec::new();
            // Grown as it comes: a length that lies asks for no memory.
            let mut limited = (&mut self.read).take(u64::from(length));
            limited.read_to_end(&mut body).map_err(|cause| cannot(&self.name, cause))?;
            let kind = body.first().and_then(|byte| Kind::of(*byte));
            if body.len() < length as usize {
                "a record that was not written whole"
            } else if crc32fast::hash(&body) != sum {
                "a record that is not what was written: its checksum differs"
            } else if let Some(kind) = kind {
                self.good_bytes += (HEAD_BYTES + length as usize) as u64;
                return Ok(Some((kind, body)));
            } else {
                "a record of an unknown kind"
            }
        };
        self.tail = Some(Tail { at, reason });
        Ok(None)
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let options = bincode::DefaultOptions::new().with_fixint_encoding().reject_trailing_bytes();
    options.with_limit(LOG_RECORD_BYTES_MAX as u64).deserialize(body).ok()
}

fn number<const N: usize>(body: &[u8]) -> Option<[u8; N]> {
    body.try_into().ok()
}

/// Reads until the buffer is full or the file ends; says how much came.
fn fill(read: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match read.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn cannot(name: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Read, format!("cannot read `{name}`")).caused_by(cause)
}
