//! The reader: any file gives the same frames however it is read, or an error.

#![no_main]

use std::io::{Cursor, Read};

use libfuzzer_sys::fuzz_target;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::model::DataFrame;

/// Gives three bytes a call.
struct Drip(Cursor<Vec<u8>>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(3);
        self.0.read(&mut buffer[..length])
    }
}

fn frames(input: Input) -> Option<Vec<DataFrame>> {
    let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).ok()?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().ok()? {
        frames.push(frame);
    }
    Some(frames)
}

fuzz_target!(|file: &[u8]| {
    let whole = frames(Input::new("file", Cursor::new(file.to_vec())));
    let drip = frames(Input::new("file", Drip(Cursor::new(file.to_vec()))));
    assert_eq!(whole, drip);
});
