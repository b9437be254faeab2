//! Incidents: what goes wrong, where and when. Labels say the truth about the generated data.

use super::Options;
use super::rng::Rng;
use super::trace::{SERVICES, operation_name};

const SECOND_NS: i64 = 1_000_000_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncidentKind {
    /// Half of the spans of one operation fail.
    ErrorBurst,
    /// Spans of one service take six times as long.
    LatencyShift,
    /// A service answers nothing: it has no spans, and the spans that call it fail.
    ServiceDown,
}

impl IncidentKind {
    /// Its name in labels.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ErrorBurst => "error_burst",
            Self::LatencyShift => "latency_shift",
            Self::ServiceDown => "service_down",
        }
    }
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incident {
    /// What goes wrong.
    pub(crate) kind: IncidentKind,
    /// Index of the service.
    pub(crate) service: usize,
    /// Index of the operation, for an error burst.
    pub(crate) operation: Option<usize>,
    /// First moment, nanoseconds since the Unix epoch.
    pub(crate) start_ns: i64,
    /// First moment after it.
    pub(crate) end_ns: i64,
}

impl Incident {
    /// Share of the spans of the operation that fail in an error burst.
    pub(super) const BURST_ERROR_RATE: f64 = 0.5;
    /// How many times as long spans take in a latency shift.
    pub(super) const SHIFT_FACTOR: i64 = 6;

    /// Whether a span that starts then at a service and operation is hit.
    pub(super) fn hits(&self, start_ns: i64, service: usize, operation: usize) -> bool {
        (self.start_ns..self.end_ns).contains(&start_ns)
            && self.service == service
            && self.operation.is_none_or(|own| own == operation)
    }

    /// The label as a JSON line, without a line end.
    pub(crate) fn to_json(&self) -> String {
        let service = SERVICES[self.service];
        let operation = match self.operation {
            Some(operation) => format!("\"{}\"", operation_name(self.service, operation)),
            None => "null".to_owned(),
        };
        format!(
            "{{\"kind\":\"{}\",\"service\":\"{service}\",\"operation\":{operation},\
             \"start_ns\":{},\"end_ns\":{}}}",
            self.kind.as_str(),
            self.start_ns,
            self.end_ns
        )
    }
}

/// Incidents spread over the time that the spans will take, one in each equal part, in its middle.
/// The first service is the entry of every trace and has none, unless it is the only one.
pub(super) fn plan_incidents(options: &Options, seconds: f64, rng: &mut Rng) -> Vec<Incident> {
    let part_ns = (seconds * SECOND_NS as f64) as i64 / (options.incidents.max(1) as i64);
    let kinds = [IncidentKind::ErrorBurst, IncidentKind::LatencyShift, IncidentKind::ServiceDown];
    let incident = |index: usize| {
        let kind = kinds[index % kinds.len()];
        let service = match options.services {
            1 => 0,
            services => 1 + rng.below(services as u64 - 1) as usize,
        };
        let operation = rng.below(options.operations.min(3) as u64) as usize;
        let start_ns = options.start_ns + part_ns * index as i64 + part_ns / 4;
        Incident {
            kind,
            service,
            operation: (kind == IncidentKind::ErrorBurst).then_some(operation),
            start_ns,
            end_ns: start_ns + part_ns / 2,
        }
    };
    (0..options.incidents).map(incident).collect()
}
