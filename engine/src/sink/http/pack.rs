//! Compression of bodies.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::GzEncoder;

/// The level of gzip: above it CPU grows faster than bytes shrink (`benches/README.md`, "Sending").
const GZIP_LEVEL: u32 = 2;

/// The level of zstd: batches are too small and too alike for more to save anything.
const ZSTD_LEVEL: i32 = 1;

/// Bytes above which a body is compressed off the threads that serve connections.
const INLINE_BYTES_MAX: usize = 128 * 1024;

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// zstd, RFC 8878.
    Zstd,
}

impl Compression {
    /// Its name in `Content-Encoding` and `grpc-encoding`; none where nothing is compressed.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// A body, compressed.
    ///
    /// # Errors
    /// Those of the library, where it has no memory.
    pub fn compress(self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(body.to_vec()),
            Self::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), level);
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL),
        }
    }
}

/// A body, compressed, and whether it is.
pub(super) async fn compress(body: Bytes, compression: Compression) -> (Bytes, bool) {
    if compression == Compression::None {
        return (body, false);
    }
    let whole = body.clone();
    let packed = if body.len() <= INLINE_BYTES_MAX {
        compression.compress(&whole)
    } else {
        let task = tokio::task::spawn_blocking(move || compression.compress(&whole));
        task.await.map_err(std::io::Error::other).flatten()
    };
    // A compressor fails where memory is short; an empty body would say something else, so the
    // attempt is made with what the receiver will refuse rather than with nothing.
    packed.map_or((body, false), |packed| (Bytes::from(packed), true))
}
