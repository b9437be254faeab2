//! The listeners' ledger: what became of every request, item and byte that arrived.
//!
//! Invariant: for each source, received = accepted + queued + refused + discarded + under way, in
//! requests; in items and bytes the same without the last, because they are counted as received
//! when it is decided what becomes of them.

use std::collections::BTreeMap;

use crate::model::SourceId;

/// Why a request, a line or an item was not taken. The sender was told, where its protocol can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The request or line cannot be decoded at all, or its compression is damaged.
    Undecodable,
    /// Single items of a request that cannot be decoded.
    DamagedItem,
    /// Beyond a size limit, compressed or not; a line beyond 64 KiB.
    TooLarge,
    /// A content type or encoding that is not understood.
    MediaType,
    /// A path or method that does not exist.
    NotFound,
    /// No or wrong credentials.
    Unauthenticated,
    /// No room within the time that a sender waits.
    Busy,
    /// More than the rate of its listener allows.
    RateLimited,
    /// The body came too slowly.
    TooSlow,
    /// The sender went away before its request was complete.
    Disconnected,
    /// The receiver is stopping.
    Stopping,
}

impl RefuseReason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Undecodable,
        Self::DamagedItem,
        Self::TooLarge,
        Self::MediaType,
        Self::NotFound,
        Self::Unauthenticated,
        Self::Busy,
        Self::RateLimited,
        Self::TooSlow,
        Self::Disconnected,
        Self::Stopping,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::DamagedItem => "damaged_item",
            Self::TooLarge => "too_large",
            Self::MediaType => "media_type",
            Self::NotFound => "not_found",
            Self::Unauthenticated => "unauthenticated",
            Self::Busy => "busy",
            Self::RateLimited => "rate_limited",
            Self::TooSlow => "too_slow",
            Self::Disconnected => "disconnected",
            Self::Stopping => "stopping",
        }
    }
}

/// Which frames a full queue discarded, by [`super::WhenFull`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DiscardReason {
    /// The one that found no room.
    Newest,
    /// One that waited, to make room.
    Oldest,
    /// A part of the one that found no room: spans that others stand for.
    Sampled,
}

impl DiscardReason {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Sampled => "sampled",
        }
    }
}

/// Requests (or batches of lines), their items and payload bytes (decompressed).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests.
    pub requests: u64,
    /// Items: spans, log records, metric points, lines.
    pub items: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.items += other.items;
        self.bytes += other.bytes;
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.requests -= other.requests;
        self.items -= other.items;
        self.bytes -= other.bytes;
    }
}

/// What became of what one source received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// All that arrived.
    pub received: Count,
    /// Handed to the input log.
    pub accepted: Count,
    /// Waiting to be handed over.
    pub queued: Count,
    /// Not taken.
    pub refused: BTreeMap<RefuseReason, Count>,
    /// Taken and discarded because the queue was full.
    pub discarded: BTreeMap<DiscardReason, Count>,
    /// Requests of which it is not yet known what becomes of them.
    pub under_way: u64,
}

impl SourceCounts {
    /// What has no other line: 0 requests, items and bytes, always.
    pub fn unaccounted(&self) -> [i64; 3] {
        let mut known = Count { requests: self.under_way, ..Count::default() };
        let decided = self.refused.values().chain(self.discarded.values());
        for count in decided.chain([&self.accepted, &self.queued]) {
            known.add(*count);
        }
        [
            self.received.requests as i64 - known.requests as i64,
            self.received.items as i64 - known.items as i64,
            self.received.bytes as i64 - known.bytes as i64,
        ]
    }
}

/// What became of all that arrived, and what is held now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntakeCounts {
    /// By source.
    pub sources: BTreeMap<SourceId, SourceCounts>,
    /// Items of frames that were accepted and not yet let go by their owner, or wait.
    pub held_items: u64,
    /// Bytes of those frames.
    pub held_bytes: u64,
    /// Bytes of bodies being received and checked.
    pub reading_bytes: u64,
    /// Requests that wait for room.
    pub waiting: u64,
}
