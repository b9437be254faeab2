//! Why an item cannot be decoded, and where in its payload.
//!
//! Invariant: small and `Copy`, because every step of the decoders returns it. The place in the
//! source (line or byte offset) is worked out only when an item is set aside.

use crate::limits::VALUE_ITEMS_MAX;

/// What was expected and what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Reason {
    Truncated,
    BadTag,
    BadVarint,
    Group,
    WrongWireType,
    NotUtf8,
    TraceIdLength,
    SpanIdLength,
    TooDeep,
    UnknownMessage,
    BadJson,
    JsonTooDeep,
    BadString,
    BadNumber,
    NotHex,
    NotBase64,
    NotObject,
    NotArray,
    NotText,
    NotBool,
    NotInteger,
    BadTime,
    LineTooLong,
    LineVersion,
    LineType,
    LineSource,
    LineData,
    TrailingData,
    CsvQuote,
    CsvColumns,
    TooLarge,
    TooManyItems,
    TooManyValues,
    BadCompression,
    ZstdWindow,
    NoRequest,
    OtherSignal,
    NoReference,
    UnknownSource,
}

impl Reason {
    /// The sentence for the report.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Truncated => "expected more bytes, found the end of the message",
            Self::BadTag => "expected a protobuf field, found a tag that none can have",
            Self::BadVarint => "expected a varint of at most 10 bytes, found a longer one",
            Self::Group => "expected a field of known wire type, found a protobuf group",
            Self::WrongWireType => "expected a known field's own wire type, found another",
            Self::NotUtf8 => "expected UTF-8 text, found other bytes",
            Self::TraceIdLength => "expected a trace id of 16 bytes, found another length",
            Self::SpanIdLength => "expected a span id of 8 bytes, found another length",
            Self::TooDeep => "expected values nested at most 32 deep, found deeper ones",
            Self::UnknownMessage => "expected an OTLP request, found a message of another kind",
            Self::BadJson => "expected JSON, found something else or a line that is cut short",
            Self::JsonTooDeep => "expected JSON nested at most 128 deep, found deeper JSON",
            Self::BadString => "expected a JSON string, found a bad escape or a control character",
            Self::BadNumber => "expected a number, found something else",
            Self::NotHex => "expected an id in hexadecimal digits, found other characters",
            Self::NotBase64 => "expected bytes in base64, found other characters",
            Self::NotObject => "expected a JSON object, found another value",
            Self::NotArray => "expected a JSON array, found another value",
            Self::NotText => "expected a JSON string, found another value",
            Self::NotBool => "expected `true` or `false`, found another value",
            Self::NotInteger => "expected a whole number, found another value",
            Self::BadTime => "expected a time (integer or RFC 3339), found something else",
            Self::LineTooLong => "expected a line of at most 65536 bytes, found a longer one",
            Self::LineVersion => "expected `v` to be 1, found another version or none",
            Self::LineType => "expected a known `type`, found another or none",
            Self::LineSource => "expected `src`, found none",
            Self::LineData => "expected `data` that fits the line's `type`, found other content",
            Self::TrailingData => "expected the end of the line, found more text after the object",
            Self::CsvQuote => "expected a closing quote, found the end or text after it",
            Self::CsvColumns => "expected as many columns as the header has, found another number",
            Self::TooLarge => "expected at most 67108864 bytes in one message, found more",
            Self::TooManyItems => "expected at most 1048576 items in one message, found more",
            Self::TooManyValues => "expected at most 65536 values in one list, found more",
            Self::BadCompression => "expected compressed data, found damaged or truncated data",
            Self::ZstdWindow => {
                "expected zstd with a window of at most 128 MiB, found a larger one: compress it \
                 again with `--long=27` or less"
            }
            Self::NoRequest => {
                "expected `resourceSpans`, `resourceLogs` or `resourceMetrics`, found none"
            }
            Self::OtherSignal => "expected items of the path's signal, found another signal's",
            Self::UnknownSource => "expected a frame of a known source, found another",
            Self::NoReference => "expected a process of the same trace, found none by that id",
        }
    }

    /// Whether only the item is bad: the payload around it can still be read.
    pub(super) fn is_content(self) -> bool {
        matches!(
            self,
            Self::NotUtf8
                | Self::TraceIdLength
                | Self::SpanIdLength
                | Self::TooDeep
                | Self::TooManyValues
                | Self::NotHex
                | Self::NotBase64
                | Self::BadTime
                | Self::NoReference
        )
    }
}

/// Damage at a byte of the (decompressed) payload.
///
/// Both members are whole words: with smaller ones the compiler packs them beside the values
/// that could have been returned instead, and reads those back over the edges of what it has
/// just written, which took half of the time of reading a JSON line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage {
    at: usize,
    /// Why.
    pub(super) reason: Reason,
}

impl Damage {
    /// Damage found at a byte offset.
    #[cold]
    pub(super) fn new(at: usize, reason: Reason) -> Self {
        Self { at, reason }
    }

    /// The same damage, at the last byte before an offset if it was found behind that: a line that
    /// breaks off is noticed in the next one.
    pub(super) fn before(self, end: usize) -> Self {
        Self { at: self.at.min(end.saturating_sub(1)), ..self }
    }

    /// Byte offset in the payload.
    pub(super) fn at(self) -> usize {
        self.at
    }
}

/// Appends to a list whose length a sender decides.
///
/// # Errors
/// [`Reason::TooManyValues`] at `at` beyond [`VALUE_ITEMS_MAX`].
#[inline]
pub(super) fn push<T>(list: &mut Vec<T>, item: T, at: usize) -> Result<(), Damage> {
    if list.len() >= VALUE_ITEMS_MAX {
        return Err(Damage::new(at, Reason::TooManyValues));
    }
    list.push(item);
    Ok(())
}
