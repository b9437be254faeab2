//! Decompression of whole messages, bounded.

use std::io::{self, BufRead, Read};

use crate::limits::{MESSAGE_BYTES_MAX, ZSTD_FILE_WINDOW_LOG_MAX};
use crate::model::Compression;

use super::damage::Reason;

/// Decompresses a message into a buffer.
///
/// # Errors
/// [`Reason::TooLarge`] beyond [`MESSAGE_BYTES_MAX`], [`Reason::ZstdWindow`] where zstd asks for
/// more memory than it gets, [`Reason::BadCompression`] for damaged or truncated
/// data; the buffer then holds what came before.
pub(super) fn inflate(
    payload: &[u8],
    compression: Compression,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    out.clear();
    match compression {
        Compression::None => Ok(()),
        Compression::Gzip => read(flate2::read::MultiGzDecoder::new(payload), out),
        Compression::Zstd => {
            let decoder = unzstd(payload).map_err(|error| reason(&error))?;
            read(decoder, out)
        }
    }
}

fn read(decoder: impl Read, out: &mut Vec<u8>) -> Result<(), Reason> {
    let result = decoder.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(out);
    if out.len() > MESSAGE_BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    result.map(drop).map_err(|error| reason(&error))
}

/// A reader of what is in zstd, within the window that files may have.
pub(super) fn unzstd<R: BufRead>(
    compressed: R,
) -> io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
    decoder.window_log_max(ZSTD_FILE_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// What is wrong with compressed data.
pub(super) fn reason(error: &io::Error) -> Reason {
    if is_wide(error) { Reason::ZstdWindow } else { Reason::BadCompression }
}

/// Whether a zstd frame asked for a wider window than it gets; the library says it by a text alone.
pub(super) fn is_wide(error: &io::Error) -> bool {
    error.to_string() == "Frame requires too much memory for decoding"
}
