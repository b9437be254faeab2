//! Bringing bytes near before they are read one after the other. Must not know what they are.

/// Bytes of a cache line.
const CACHE_LINE_BYTES: usize = 64;

/// Reads a byte of each cache line; what it returns is made of them, so that they are read.
#[inline]
pub(super) fn byte_of_each_line(bytes: &[u8]) -> u8 {
    bytes.iter().step_by(CACHE_LINE_BYTES).fold(0, |read, byte| read ^ byte)
}
