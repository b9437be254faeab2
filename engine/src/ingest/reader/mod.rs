//! Files and streams to frames.
//!
//! Invariant: where a frame is cut depends on the bytes of the (decompressed) file alone, never
//! on how much a read call returned. What cannot become part of a frame (an oversized line,
//! damaged compression) is set aside in the reader's own ledger, and the rest goes on.
//!
//! Must not know: decoders, columns, rules.

mod cut;
mod detect;
mod input;
mod stream;

use std::sync::Arc;

use crate::error::Error;
use crate::model::{ColumnMapping, DataFrame, Ledger, PayloadFormat, SourceId, SourceSpec};

pub use input::Input;
use stream::Stream;

/// In which order items leave the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the files.
    #[default]
    AsGiven,
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
}

/// Reads inputs one after another and cuts them into frames. Each input is a source.
pub struct FileReader {
    streams: Vec<Stream>,
    sources: Vec<SourceSpec>,
    ledger: Ledger,
    ended: Vec<SourceId>,
    current: usize,
}

impl FileReader {
    /// Opens all inputs and recognises what they hold.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Read`] if an input cannot be read, [`crate::ErrorKind::Format`] if
    /// its content is of no known format.
    pub fn open(inputs: Vec<Input>, options: &ReaderOptions) -> Result<Self, Error> {
        let names = input::unique_names(&inputs);
        let mut sorted: Vec<Arc<str>> = names.clone();
        sorted.sort();
        let mut streams = Vec::with_capacity(inputs.len());
        let mut sources = vec![None; sorted.len()];
        for (input, name) in inputs.into_iter().zip(names) {
            let place = sorted.partition_point(|other| *other < name);
            let stream = Stream::open(input, SourceId(place as u32), options)?;
            sources[place] =
                Some(SourceSpec { name, has_arrival: false, mapping: stream.mapping(options) });
            streams.push(stream);
        }
        Ok(Self {
            streams,
            sources: sources.into_iter().flatten().collect(),
            ledger: Ledger::default(),
            ended: Vec::new(),
            current: 0,
        })
    }

    /// The sources, sorted by name; a frame names its source by its place here.
    pub fn sources(&self) -> Vec<SourceSpec> {
        self.sources.clone()
    }

    /// The next frame; `None` after the last one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Read`] if an input can no longer be read.
    pub fn next_frame(&mut self) -> Result<Option<DataFrame>, Error> {
        while let Some(stream) = self.streams.get_mut(self.current) {
            if let Some(frame) = stream.next_frame(&mut self.ledger)? {
                return Ok(Some(frame));
            }
            self.ended.push(stream.source());
            self.current += 1;
        }
        Ok(None)
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
