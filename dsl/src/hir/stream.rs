//! Streams: items chosen, enriched, made unique, placed in time.

use super::{Binding, Expr, SourceRef};

/// A stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// What it reads: items, never rows.
    pub input: SourceRef,
    /// Which items it takes.
    pub filter: Option<Expr>,
    /// Columns that it adds, in order; later ones may read earlier ones as `FieldRef::Item`.
    pub set: Vec<Binding>,
    /// Which time items count at.
    pub time: TimeOf,
    /// Duplicates removed.
    pub dedupe: Option<Dedupe>,
    /// How long late items are waited for, ns; `None` where unstated (the upstream's, else 10 s).
    pub lateness_ns: Option<i64>,
    /// How long a source may say nothing before it holds no window, ns; `None` where unstated (the
    /// upstream's, else 30 s).
    pub idle_ns: Option<i64>,
    /// What becomes of items that are later than that.
    pub late: Late,
}

/// Which time an item counts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeOf {
    /// The source's own: a span's end.
    Default,
    /// A span's end, said explicitly.
    End,
    /// A span's start.
    Start,
}

/// Removal of duplicates.
#[derive(Debug, Clone, PartialEq)]
pub struct Dedupe {
    /// Items are the same where all of these are equal.
    pub keys: Vec<Expr>,
    /// How far apart in event time duplicates are found, ns, inclusive.
    pub within_ns: i64,
    /// Keys remembered at once.
    pub limit: u64,
    /// The name under which duplicates are readable, where they are.
    pub side: Option<String>,
}

/// What becomes of late items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Late {
    /// Counted and gone.
    Drop,
    /// Counted and readable under this name.
    Side(String),
    /// Merged into closed windows for so long, ns, as revisions.
    Amend(i64),
}
