//! Bytes read and not yet in a frame.
//!
//! Invariant: `bytes[..filled]` is content; what lies behind it was zeroed once, when the memory
//! was new, so that a recycled buffer costs no clearing.

use std::io::{self, ErrorKind, Read};

/// A buffer that is filled from a reader and emptied from its front.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// The content.
    pub(super) fn content(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Reads until the content has so many bytes; `true` if the input ended before.
    ///
    /// # Errors
    /// Those of the reader; what it gave before stays.
    pub(super) fn fill(&mut self, read: &mut dyn Read, wanted: usize) -> io::Result<bool> {
        self.make_room(wanted);
        while self.filled < wanted {
            match read.read(&mut self.bytes[self.filled..wanted]) {
                Ok(0) => return Ok(true),
                Ok(count) => self.filled += count,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(false)
    }

    /// Memory that comes new from the system is zero already, and so is not written twice.
    fn make_room(&mut self, wanted: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes = vec![0; wanted];
        } else if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
    }

    /// Drops the first bytes.
    pub(super) fn drop_front(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    /// Takes the first bytes out; the rest goes on in other memory.
    pub(super) fn take_front(&mut self, count: usize, mut other: Vec<u8>) -> Vec<u8> {
        let rest = count..self.filled;
        if other.capacity() == 0 {
            other = vec![0; self.bytes.len().max(rest.len())];
        } else if other.len() < rest.len() {
            other.resize(rest.len(), 0);
        }
        other[..rest.len()].copy_from_slice(&self.bytes[rest.clone()]);
        self.filled = rest.len();
        let mut taken = std::mem::replace(&mut self.bytes, other);
        taken.truncate(count);
        taken
    }
}
