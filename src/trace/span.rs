//! A span as it is gathered: what waterfalls and service graphs read of it.

use std::sync::Arc;

use tailwater_engine::model::Value;
use tailwater_engine::trace::{EdgeSpan, LinkedKind};

/// A trace's id.
pub(crate) type TraceId = [u8; 16];

/// The status of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Status {
    /// Not said.
    #[default]
    Unset,
    /// Said to be good.
    Ok,
    /// Failed.
    Error,
}

impl Status {
    /// Its name in the rules language.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }

    /// The status of that name; any other text is [`Status::Unset`].
    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "ok" => Self::Ok,
            "error" => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// An event on a span.
#[derive(Debug, Clone)]
pub(crate) struct SpanEvent {
    /// When it happened, nanoseconds since the Unix epoch.
    pub(crate) time_ns: i64,
    /// Its name; of an exception, its type and message too.
    pub(crate) text: Arc<str>,
}

/// A span.
#[derive(Debug, Clone)]
pub(crate) struct TraceSpan {
    /// Its id, 0 if it has none.
    pub(crate) id: u64,
    /// The id of its parent, 0 if it names none.
    pub(crate) parent_id: u64,
    /// Start, nanoseconds since the Unix epoch.
    pub(crate) start_ns: i64,
    /// End, never before the start.
    pub(crate) end_ns: i64,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The service that sent it.
    pub(crate) service: Option<Arc<str>>,
    /// Its kind, and whether its parent waits for it.
    pub(crate) kind: LinkedKind,
    /// Its status.
    pub(crate) status: Status,
    /// The message of its status.
    pub(crate) message: Arc<str>,
    /// What it called, if it says so.
    pub(crate) peer: Option<Arc<str>>,
    /// Whether that is a database.
    pub(crate) is_database: bool,
    /// Whether the filter holds for it.
    pub(crate) is_match: bool,
    /// Attributes that are shown, by their place in the list of those asked for.
    pub(crate) shown: Vec<(u32, Value)>,
}

impl TraceSpan {
    /// Its length in nanoseconds.
    pub(crate) fn duration_ns(&self) -> i64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// What edges of the service graph read of it.
    pub(crate) fn edge(&self) -> EdgeSpan<&str> {
        EdgeSpan {
            service: self.service.as_deref(),
            kind: self.kind.kind,
            is_error: self.status == Status::Error,
            duration_ns: self.duration_ns(),
            peer: self.peer.as_deref(),
            is_database: self.is_database,
        }
    }
}
