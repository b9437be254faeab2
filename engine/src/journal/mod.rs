//! The input log on disk: what the engine was fed, in order, so that it can be fed again.
//!
//! A file begins with magic bytes and a version. Records follow, each `length u32 · CRC-32 u32 ·
//! kind u8 · body`, little-endian; the length counts kind and body, the sum covers them. The first
//! two records say which rules ran and which sources there were; then come the frames, with a mark
//! wherever an epoch ended, because revisions and decisions of limits may follow the cut; and the
//! whole text of every file of a table that changed meanwhile, from there on.
//!
//! A file that was cut off in the middle of a record is good up to there.
//!
//! Must not know: where frames come from, what they hold, the dataflow.

mod read;
mod write;

use serde::{Deserialize, Serialize};

use crate::model::SourceSpec;

pub use read::{LogReader, LogRecord, Tail, is_log};
pub use write::LogWriter;

/// The first bytes of a log.
const MAGIC: [u8; 12] = *b"tailwaterlog";

/// The version of the format, behind the magic bytes.
const VERSION: u32 = 1;

/// Bytes of a record before its kind: length and checksum.
const HEAD_BYTES: usize = 8;

/// Kinds of records. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Opening = 0,
    Data = 1,
    Tick = 2,
    SourceEnd = 3,
    End = 4,
    Cut = 5,
    Table = 6,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Opening, Self::Data, Self::Tick, Self::SourceEnd, Self::End, Self::Cut, Self::Table];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A rule file as it was when the log was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// Its name in diagnostics.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// How a log opens: what ran, and on what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The version of the program that wrote it.
    pub program: String,
    /// The rule files.
    pub rules: Vec<RuleText>,
    /// What they import, by the name that they import it by.
    pub imports: Vec<RuleText>,
    /// Values given to parameters: (name, text).
    pub params: Vec<(String, String)>,
    /// The sources, in the order of their ids.
    pub sources: Vec<SourceSpec>,
}
