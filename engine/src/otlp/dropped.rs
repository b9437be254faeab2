//! Where items of formats other than OTLP say how many of something were dropped.
//!
//! Source: OpenTelemetry, "Mapping to non-OTLP formats", "Dropped Attributes Count" and those after
//! it.

/// How many attributes were dropped.
pub(crate) const ATTRIBUTES_DROPPED: &str = "otel.dropped_attributes_count";
/// How many events of a span were.
pub(crate) const EVENTS_DROPPED: &str = "otel.dropped_events_count";
/// How many links of a span were.
pub(crate) const LINKS_DROPPED: &str = "otel.dropped_links_count";

/// Whether a key says how many of something were dropped.
pub(crate) fn is_dropped_count(key: &[u8]) -> bool {
    [ATTRIBUTES_DROPPED, EVENTS_DROPPED, LINKS_DROPPED].iter().any(|known| known.as_bytes() == key)
}
