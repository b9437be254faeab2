//! One input: decompressed, buffered, cut into frames.
//!
//! Invariant: the cut depends on the bytes alone, not on how much one read returned. What is in a
//! frame, decoders know.

use std::collections::VecDeque;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::ReaderOptions;
use super::buffer::Buffer;
use super::cut::{Cut, Framing};
use super::detect::{self, Detected};
use super::input::Input;
use crate::error::{Error, ErrorKind};
use crate::ingest::damage::Reason;
use crate::ingest::{flat, inflate};
use crate::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, READ_HEAD_BYTES, SET_ASIDE_KEPT_MAX};
use crate::model::{
    ColumnMapping, Compression, DataFrame, Ledger, PayloadFormat, SetAside, SourceId,
};

/// Payload buffers that are remembered for reuse once their frames are gone: more than are held
/// where traces wait for their last spans, as fresh memory costs more than what is read into it.
const ISSUED_MAX: usize = 128;

/// An input under way.
pub(super) struct Stream {
    name: Arc<str>,
    source: SourceId,
    read: Box<dyn Read + Send>,
    bytes_read: Arc<AtomicU64>,
    compressed: bool,
    /// Decompressed bytes that are in no frame yet.
    buffer: Buffer,
    at_end: bool,
    format: PayloadFormat,
    framing: Framing,
    /// Line or byte offset of the buffer's first byte.
    place: u64,
    /// Frames given out, whose memory is taken back when nobody else holds it.
    issued: VecDeque<Bytes>,
}

impl Stream {
    /// Opens an input: recognises compression and format.
    pub(super) fn open(
        input: Input,
        source: SourceId,
        options: &ReaderOptions,
        ledger: &mut Ledger,
    ) -> Result<Self, Error> {
        let (name, raw) = input.into_parts();
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { read: raw, bytes: Arc::clone(&bytes_read) };
        let (read, compressed) = decompressed(counted).map_err(|e| cannot_read(&name, e))?;
        let mut stream = Self {
            name,
            source,
            read,
            bytes_read,
            compressed,
            buffer: Buffer::default(),
            at_end: false,
            format: PayloadFormat::OtlpJson,
            framing: Framing::Document,
            place: 0,
            issued: VecDeque::new(),
        };
        stream.recognise(options, ledger)?;
        Ok(stream)
    }

    fn recognise(&mut self, options: &ReaderOptions, ledger: &mut Ledger) -> Result<(), Error> {
        self.fill(READ_HEAD_BYTES, ledger)?;
        let mut wanted = READ_HEAD_BYTES;
        while !self.at_end
            && detect::needs_more(self.buffer.content())
            && wanted < MESSAGE_BYTES_MAX
        {
            wanted *= 4;
            self.fill(wanted, ledger)?;
        }
        let found = detect::detect(self.buffer.content(), options.format).ok_or_else(|| {
            let text = format!(
                "cannot tell the format of `{}`: expected OTLP, Jaeger or Zipkin JSON, JSON lines, \
                 CSV or OTLP protobuf; name its format",
                self.name
            );
            Error::new(ErrorKind::Format, text)
        })?;
        let Detected { format, framing, skip } = found;
        self.format = format;
        self.place = u64::from(framing.counts_lines());
        self.framing = framing;
        self.buffer.drop_front(skip);
        Ok(())
    }

    /// The source of all frames.
    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    /// How payloads are encoded.
    pub(super) fn format(&self) -> PayloadFormat {
        self.format
    }

    /// Bytes taken from the input, before decompression.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// How the columns of this input map to fields, where its format needs that.
    pub(super) fn mapping(&self, options: &ReaderOptions) -> Option<Arc<ColumnMapping>> {
        match self.format {
            PayloadFormat::Ndjson | PayloadFormat::Csv => {
                let mapping = options.mapping.clone();
                Some(Arc::new(mapping.unwrap_or_else(|| self.guessed_mapping())))
            }
            _ => None,
        }
    }

    /// A mapping by common names, for the signal that the first row's columns show.
    fn guessed_mapping(&self) -> ColumnMapping {
        let names = match self.format {
            PayloadFormat::Csv => flat::header_names(self.buffer.content()),
            _ => detect::first_names(self.buffer.content()),
        };
        flat::by_common_names(flat::signal_of_names(&names))
    }

    /// The next frame; `None` after the last one.
    pub(super) fn next_frame(&mut self, ledger: &mut Ledger) -> Result<Option<DataFrame>, Error> {
        let mut wanted = FRAME_BYTES_MAX;
        loop {
            self.fill(wanted, ledger)?;
            if self.buffer.content().is_empty() {
                return Ok(None);
            }
            match self.framing.cut(self.buffer.content(), self.at_end) {
                Cut::Frame { end, places } => return Ok(Some(self.frame(end, places))),
                Cut::Consumed { end, places } => {
                    self.buffer.drop_front(end);
                    self.place += places;
                }
                Cut::More if wanted <= MESSAGE_BYTES_MAX => wanted *= 2,
                Cut::More | Cut::TooLarge => {
                    self.set_aside(Reason::TooLarge, ledger);
                    self.skip_item(ledger)?;
                }
            }
        }
    }

    /// Fills the buffer up to a number of bytes, or to the end of the input.
    fn fill(&mut self, wanted: usize, ledger: &mut Ledger) -> Result<(), Error> {
        if self.at_end {
            return Ok(());
        }
        match self.buffer.fill(&mut self.read, wanted) {
            Ok(at_end) => self.at_end = at_end,
            Err(error) if self.compressed => {
                self.at_end = true;
                self.set_aside(inflate::reason(&error), ledger);
            }
            Err(cause) => return Err(cannot_read(&self.name, cause)),
        }
        Ok(())
    }

    /// Takes the first bytes of the buffer as a frame.
    fn frame(&mut self, end: usize, places: u64) -> DataFrame {
        let spare = self.spare_buffer();
        let items = self.buffer.take_front(end, spare);
        let place = self.framing.place_of_first(self.place);
        self.place += places;
        let payload = Bytes::from(self.framing.finish(items));
        if self.issued.len() < ISSUED_MAX {
            self.issued.push_back(payload.clone());
        }
        DataFrame {
            source: self.source,
            arrival_ns: None,
            format: self.format,
            compression: Compression::None,
            payload,
            place,
        }
    }

    /// The memory of an earlier frame that nobody holds any more.
    fn spare_buffer(&mut self) -> Vec<u8> {
        let index = self.issued.iter().position(Bytes::is_unique);
        index.and_then(|index| self.issued.remove(index)).map(Vec::from).unwrap_or_default()
    }

    /// Drops one item that is larger than any message may be.
    fn skip_item(&mut self, ledger: &mut Ledger) -> Result<(), Error> {
        loop {
            let (skipped, places, done) = self.framing.skip(self.buffer.content());
            self.buffer.drop_front(skipped);
            self.place += places;
            if done || (self.at_end && self.buffer.content().is_empty()) {
                return Ok(());
            }
            self.fill(FRAME_BYTES_MAX, ledger)?;
            if self.at_end && self.buffer.content().is_empty() {
                return Ok(());
            }
        }
    }

    fn set_aside(&self, reason: Reason, ledger: &mut Ledger) {
        ledger.damaged += 1;
        if ledger.set_aside.len() < SET_ASIDE_KEPT_MAX {
            ledger.set_aside.push(SetAside {
                source: self.source,
                place: self.place,
                reason: Arc::from(reason.text()),
            });
        }
    }
}

fn cannot_read(name: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Read, format!("cannot read `{name}`")).caused_by(cause)
}

/// Counts what is read.
struct Counted {
    read: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A reader of the decompressed content, and whether it was compressed.
fn decompressed(mut raw: Counted) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let mut magic = Vec::with_capacity(4);
    (&mut raw).take(4).read_to_end(&mut magic)?;
    let compression = match magic[..] {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        _ => Compression::None,
    };
    let whole = Cursor::new(magic).chain(raw);
    Ok(match compression {
        Compression::None => (Box::new(whole), false),
        Compression::Gzip => (Box::new(flate2::read::MultiGzDecoder::new(whole)), true),
        Compression::Zstd => (Box::new(inflate::unzstd(BufReader::new(whole))?), true),
    })
}
