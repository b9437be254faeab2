//! Files and streams to frames.
//!
//! Invariant: where a frame is cut depends on the bytes of the (decompressed) file alone, never
//! on how much a read call returned. What cannot become part of a frame (an oversized line,
//! damaged compression) is set aside in the reader's own ledger, and the rest goes on.
//!
//! Must not know: rules, windows, the dataflow.

mod buffer;
mod cut;
mod detect;
mod input;
mod probe;
mod sort;
mod split;
mod stream;

use std::sync::Arc;

use crate::error::Error;
use crate::limits::SET_ASIDE_KEPT_MAX;
use crate::model::{ColumnMapping, DataFrame, Ledger, PayloadFormat, SourceId, SourceSpec};

pub use input::Input;
use sort::Sorted;
use stream::Stream;

/// In which order items leave the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the files.
    #[default]
    AsGiven,
    /// By their time, across all files: everything is read and sorted before the first frame
    /// leaves. For NDJSON, CSV, the line protocol and OTLP/JSON.
    Time,
}

/// How files are read; the default recognises everything by content.
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    /// How payloads are encoded; recognised by content if unset.
    pub format: Option<PayloadFormat>,
    /// How columns of plain NDJSON and CSV map to fields; common names are known if unset.
    pub mapping: Option<ColumnMapping>,
    /// In which order items leave.
    pub order: Order,
    /// Whether frames of several inputs are interleaved by the time of their first item; else
    /// one input follows the other.
    pub merge: bool,
}

/// What every frame passes before anything of it is kept, such as redaction.
pub type FrameChange = Box<dyn Fn(DataFrame) -> DataFrame + Send>;

/// Reads inputs and cuts them into frames. Each input is a source.
pub struct FileReader {
    streams: Vec<Stream>,
    sources: Vec<SourceSpec>,
    ledger: Ledger,
    ended: Vec<SourceId>,
    sequence: Sequence,
    /// Where items are sorted.
    change: FrameChange,
}

/// What decides which frame is next.
enum Sequence {
    /// The inputs one after another; the index of the current one.
    AsGiven(usize),
    /// The next frame of each input and the time of its first item, once read.
    Merged(Vec<Option<(i64, DataFrame)>>),
    /// All items in the order of their times; `None` until they have been sorted.
    ByTime(Option<Sorted>),
}

impl FileReader {
    /// Opens all inputs and recognises what they hold.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Read`] if an input cannot be read, [`crate::ErrorKind::Format`] if
    /// its content is of no known format, or of one that cannot be ordered as asked.
    pub fn open(inputs: Vec<Input>, options: &ReaderOptions) -> Result<Self, Error> {
        let names = input::unique_names(&inputs);
        let mut sorted: Vec<Arc<str>> = names.clone();
        sorted.sort();
        let mut ledger = Ledger::default();
        let mut streams = Vec::with_capacity(inputs.len());
        let mut sources = vec![None; sorted.len()];
        for (input, name) in inputs.into_iter().zip(names) {
            let place = sorted.partition_point(|other| *other < name);
            let stream = Stream::open(input, SourceId(place as u32), options, &mut ledger)?;
            if options.order == Order::Time {
                sort::check_format(stream.format(), &name)?;
            }
            let mapping = stream.mapping(options);
            sources[place] = Some(SourceSpec { name, has_arrival: false, mapping });
            streams.push(stream);
        }
        let sequence = match options.order {
            Order::Time => Sequence::ByTime(None),
            Order::AsGiven if options.merge => Sequence::Merged(Vec::new()),
            Order::AsGiven => Sequence::AsGiven(0),
        };
        let sources = sources.into_iter().flatten().collect();
        let change = Box::new(|frame| frame);
        Ok(Self { streams, sources, ledger, ended: Vec::new(), sequence, change })
    }

    /// Makes every frame pass a change before its items are sorted, which may put them into
    /// temporary files; `false` where nothing is sorted and frames leave as they are read.
    pub fn change_before_sorting(&mut self, change: FrameChange) -> bool {
        let sorts = matches!(self.sequence, Sequence::ByTime(_));
        if sorts {
            self.change = change;
        }
        sorts
    }

    /// The sources, sorted by name; a frame names its source by its place here.
    pub fn sources(&self) -> Vec<SourceSpec> {
        self.sources.clone()
    }

    /// The next frame; `None` after the last one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Read`] if an input can no longer be read,
    /// [`crate::ErrorKind::Write`] if sorted items cannot be written to a temporary file.
    pub fn next_frame(&mut self) -> Result<Option<DataFrame>, Error> {
        match &mut self.sequence {
            Sequence::AsGiven(_) => self.next_as_given(),
            Sequence::Merged(_) => self.next_merged(),
            Sequence::ByTime(_) => self.next_by_time(),
        }
    }

    fn next_as_given(&mut self) -> Result<Option<DataFrame>, Error> {
        let Sequence::AsGiven(current) = &mut self.sequence else {
            return Ok(None);
        };
        while let Some(stream) = self.streams.get_mut(*current) {
            if let Some(frame) = stream.next_frame(&mut self.ledger)? {
                return Ok(Some(frame));
            }
            self.ended.push(stream.source());
            *current += 1;
        }
        Ok(None)
    }

    fn next_merged(&mut self) -> Result<Option<DataFrame>, Error> {
        let Sequence::Merged(heads) = &mut self.sequence else {
            return Ok(None);
        };
        if heads.is_empty() {
            for stream in &mut self.streams {
                let head = stream.next_frame(&mut self.ledger)?;
                if head.is_none() {
                    self.ended.push(stream.source());
                }
                heads.push(head.map(|frame| (probe::first_time(&frame, &self.sources), frame)));
            }
        }
        let times = heads.iter().enumerate();
        let times = times.filter_map(|(index, head)| Some((head.as_ref()?.0, index)));
        let Some((time, index)) = times.min() else {
            return Ok(None);
        };
        let stream = &mut self.streams[index];
        let next = stream.next_frame(&mut self.ledger)?.map(|frame| {
            // A file goes on where it stands: disorder within it moves none of its frames.
            (probe::first_time(&frame, &self.sources).max(time), frame)
        });
        if next.is_none() {
            self.ended.push(stream.source());
        }
        Ok(std::mem::replace(&mut heads[index], next).map(|(_, frame)| frame))
    }

    fn next_by_time(&mut self) -> Result<Option<DataFrame>, Error> {
        let Sequence::ByTime(sorted) = &mut self.sequence else {
            return Ok(None);
        };
        if sorted.is_none() {
            let (streams, ledger) = (&mut self.streams, &mut self.ledger);
            *sorted = Some(Sorted::read(streams, &self.sources, ledger, &self.change)?);
            self.ledger.set_aside.truncate(SET_ASIDE_KEPT_MAX);
        }
        let frame = match sorted {
            Some(sorted) => sorted.next_frame()?,
            None => None,
        };
        if frame.is_none() && self.ended.is_empty() {
            self.ended = self.streams.iter().map(Stream::source).collect();
            self.streams.clear();
        }
        Ok(frame)
    }

    /// The sources that have ended since the last call: all their frames have been returned.
    pub fn take_ended(&mut self) -> Vec<SourceId> {
        std::mem::take(&mut self.ended)
    }

    /// What the reader itself has set aside so far; the decoder's report holds the rest.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Bytes taken from the inputs so far, before decompression: for a progress bar.
    pub fn bytes_read(&self) -> u64 {
        self.streams.iter().map(Stream::bytes_read).sum()
    }
}
