//! Where a buffer is cut into frames: a fixed rule on the content.
//!
//! Invariant: a frame holds as many whole items as fit into [`FRAME_EVENTS_MAX`] items and
//! [`FRAME_BYTES_MAX`] bytes, and at least one.

use crate::limits::{FRAME_BYTES_MAX, FRAME_EVENTS_MAX, MESSAGE_BYTES_MAX};

/// What delimits items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// A line is an item.
    Lines,
    /// A CSV record is an item; the header, line end included, goes before every frame.
    Records {
        /// The header line.
        header: Vec<u8>,
    },
    /// Messages after their length, big-endian u32.
    Delimited,
    /// The whole file is one JSON document (or several).
    Document,
    /// The whole file is one protobuf request.
    Message,
}

/// What to do with the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The first `end` bytes are a frame of so many places (lines or bytes).
    Frame {
        /// Bytes of the frame.
        end: usize,
        /// Lines or bytes.
        places: u64,
    },
    /// The first `end` bytes hold no item.
    Consumed {
        /// Bytes to drop.
        end: usize,
        /// Lines or bytes.
        places: u64,
    },
    /// More bytes are needed to see the end of the first item.
    More,
    /// The first item is larger than a message may be.
    TooLarge,
}

impl Framing {
    /// Whether places are line numbers, from 1; else they are byte offsets, from 0.
    pub(super) fn counts_lines(&self) -> bool {
        matches!(self, Self::Lines | Self::Records { .. } | Self::Document)
    }

    /// Finds the end of the next frame.
    pub(super) fn cut(&mut self, buffer: &[u8], at_end: bool) -> Cut {
        match self {
            Self::Lines => cut_lines(buffer, at_end),
            Self::Records { header } => cut_records(header, buffer, at_end),
            Self::Delimited => cut_delimited(buffer, at_end),
            Self::Document | Self::Message if !at_end => Cut::More,
            Self::Document => frame_of_lines(buffer, buffer.len()),
            Self::Message => frame_of_bytes(buffer.len()),
        }
    }

    /// The payload of a frame from its items.
    pub(super) fn finish(&self, items: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Records { header } => [&header[..], &items].concat(),
            _ => items,
        }
    }

    /// The place of a payload whose first item is at `place`: a CSV payload starts a header
    /// earlier.
    pub(super) fn place_of_first(&self, place: u64) -> u64 {
        match self {
            Self::Records { header } => place - count_lines(header),
            _ => place,
        }
    }

    /// Passes over (a part of) an item that is too large: bytes, places, whether it has ended.
    pub(super) fn skip(&self, buffer: &[u8]) -> (usize, u64, bool) {
        match self {
            Self::Lines | Self::Records { .. } => match memchr::memchr(b'\n', buffer) {
                Some(end) => (end + 1, 1, true),
                None => (buffer.len(), 0, false),
            },
            _ => (buffer.len(), buffer.len() as u64, false),
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn frame_of_lines(buffer: &[u8], end: usize) -> Cut {
    Cut::Frame { end, places: count_lines(&buffer[..end]) }
}

fn frame_of_bytes(end: usize) -> Cut {
    Cut::Frame { end, places: end as u64 }
}

fn cut_lines(buffer: &[u8], at_end: bool) -> Cut {
    let window = &buffer[..buffer.len().min(FRAME_BYTES_MAX)];
    let last = match memchr::memrchr(b'\n', window) {
        _ if at_end && window.len() == buffer.len() => buffer.len(),
        Some(newline) => newline + 1,
        None => match memchr::memchr(b'\n', &buffer[window.len()..]) {
            Some(newline) => return frame_of_lines(buffer, window.len() + newline + 1),
            None if at_end => return frame_of_lines(buffer, buffer.len()),
            None => return Cut::More,
        },
    };
    let lines = count_lines(&buffer[..last]);
    if lines <= FRAME_EVENTS_MAX as u64 {
        return Cut::Frame { end: last, places: lines };
    }
    let end = memchr::memchr_iter(b'\n', &buffer[..last])
        .nth(FRAME_EVENTS_MAX - 1)
        .map_or(last, |newline| newline + 1);
    Cut::Frame { end, places: FRAME_EVENTS_MAX as u64 }
}

/// The end of each CSV record: line ends outside quotes. A quoted quote is two quotes, which
/// leave the state as it was.
pub(super) fn record_ends(buffer: &[u8]) -> impl Iterator<Item = usize> {
    let mut quoted = false;
    memchr::memchr2_iter(b'"', b'\n', buffer).filter_map(move |at| {
        if buffer[at] == b'"' {
            quoted = !quoted;
            return None;
        }
        (!quoted).then_some(at + 1)
    })
}

fn cut_records(header: &mut Vec<u8>, buffer: &[u8], at_end: bool) -> Cut {
    if header.is_empty() {
        return match record_ends(buffer).next() {
            Some(end) => {
                header.extend_from_slice(&buffer[..end]);
                Cut::Consumed { end, places: count_lines(&buffer[..end]) }
            }
            None if at_end => Cut::Consumed { end: buffer.len(), places: 1 },
            None => Cut::More,
        };
    }
    let (mut end, mut count) = (0, 0);
    for record_end in record_ends(buffer) {
        if record_end > FRAME_BYTES_MAX && count > 0 || count == FRAME_EVENTS_MAX {
            return frame_of_lines(buffer, end);
        }
        end = record_end;
        count += 1;
    }
    if at_end {
        let all_fits = buffer.len() <= FRAME_BYTES_MAX && count < FRAME_EVENTS_MAX || count == 0;
        return frame_of_lines(buffer, if all_fits { buffer.len() } else { end });
    }
    match count {
        0 => Cut::More,
        FRAME_EVENTS_MAX => frame_of_lines(buffer, end),
        _ if buffer.len() >= FRAME_BYTES_MAX => frame_of_lines(buffer, end),
        _ => Cut::More,
    }
}

fn cut_delimited(buffer: &[u8], at_end: bool) -> Cut {
    let (mut end, mut count) = (0, 0);
    while count < FRAME_EVENTS_MAX {
        let Some(length) = buffer.get(end..end + 4) else {
            break;
        };
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        if length > MESSAGE_BYTES_MAX && count == 0 {
            return Cut::TooLarge;
        }
        let next = end + 4 + length;
        if next > buffer.len() || next > FRAME_BYTES_MAX && count > 0 {
            break;
        }
        end = next;
        count += 1;
    }
    match count {
        0 if at_end => frame_of_bytes(buffer.len()),
        0 => Cut::More,
        _ => frame_of_bytes(end),
    }
}
