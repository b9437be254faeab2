//! Bytes to columns: readers and decoders.
