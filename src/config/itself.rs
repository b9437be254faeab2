//! What can be configured of what a run says of itself.

use super::scalar::{Count, Url};
use super::section::{Section, Setting, Visit};
use crate::args::{LogFormat, LogLevel, Observe};

/// One epoch and one delivery in so many is traced.
const TRACE_EVERY: u64 = 100;

/// How a run logs.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) format: Setting<LogFormat>,
    pub(crate) level: Setting<LogLevel>,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Setting::new(LogFormat::Text), level: Setting::new(LogLevel::Info) }
    }
}

impl Section for Log {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("format", "How log lines on standard error are written.", &mut self.format);
        visit.scalar("level", "How much is logged.", &mut self.level);
    }
}

/// The telemetry of a run about itself.
#[derive(Debug, Clone)]
pub(crate) struct Itself {
    pub(crate) metrics: Setting<bool>,
    pub(crate) trace_url: Setting<Option<Url>>,
    pub(crate) trace_every: Setting<Count>,
}

impl Default for Itself {
    fn default() -> Self {
        Self {
            metrics: Setting::default(),
            trace_url: Setting::default(),
            trace_every: Setting::new(Count(TRACE_EVERY)),
        }
    }
}

impl Section for Itself {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc =
            "Take the run's own metrics as telemetry of the source `self`, for rules to read.";
        visit.scalar("metrics", doc, &mut self.metrics);
        let doc = "Where spans of epochs and deliveries are sent over OTLP/HTTP.";
        visit.scalar("trace_url", doc, &mut self.trace_url);
        let doc = "Trace one epoch and one delivery in so many.";
        visit.scalar("trace_every", doc, &mut self.trace_every);
    }
}

/// All of it, as a run takes it.
pub(super) fn observe(log: &Log, itself: &Itself) -> Observe {
    Observe {
        log_format: log.format.value,
        log_level: log.level.value,
        self_metrics: itself.metrics.value,
        trace_self: itself.trace_url.value.as_ref().map(|url| url.reveal().to_owned()),
        trace_self_every: itself.trace_every.value.0,
    }
}
