//! Decompression of whole messages, bounded.

use std::io::Read;

use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::Compression;

use super::damage::Reason;

/// Decompresses a message into a buffer.
///
/// # Errors
/// [`Reason::TooLarge`] beyond [`MESSAGE_BYTES_MAX`], [`Reason::BadCompression`] for damaged or
/// truncated data; the buffer then holds what came before.
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
            let decoder = zstd::stream::read::Decoder::with_buffer(payload)
                .map_err(|_| Reason::BadCompression)?;
            read(decoder, out)
        }
    }
}

fn read(decoder: impl Read, out: &mut Vec<u8>) -> Result<(), Reason> {
    let result = decoder.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(out);
    if out.len() > MESSAGE_BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    result.map(drop).map_err(|_| Reason::BadCompression)
}
