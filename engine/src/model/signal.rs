//! Kinds of telemetry items.

use serde::{Deserialize, Serialize};

/// A kind of item; each is a source of the rules language by its [`Signal::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Signal {
    /// Spans.
    Spans,
    /// Events on spans, each an item of its own.
    SpanEvents,
    /// Log records.
    Logs,
    /// Metric data points.
    Metrics,
    /// Events of the line protocol (each is also a log record).
    Events,
    /// Progress reports of the line protocol.
    Progress,
    /// Resource readings of the line protocol.
    Resources,
    /// Heartbeats of the line protocol.
    Heartbeats,
}

impl Signal {
    /// Every signal, in a fixed order.
    pub const ALL: [Self; 8] = [
        Self::Spans,
        Self::SpanEvents,
        Self::Logs,
        Self::Metrics,
        Self::Events,
        Self::Progress,
        Self::Resources,
        Self::Heartbeats,
    ];

    /// The source name in the rules language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::SpanEvents => "span_events",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Events => "events",
            Self::Progress => "progress",
            Self::Resources => "resources",
            Self::Heartbeats => "heartbeats",
        }
    }

    /// The signal of that source name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// Position in [`Signal::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}
