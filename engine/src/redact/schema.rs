//! Which fields of OTLP's messages hold text, in protobuf and in JSON.
//!
//! Source: opentelemetry-proto 1.11. A field that is not listed is unknown: it is not looked into
//! but taken out whole where its bytes hold something.

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// Its name in JSON.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether there are several, which JSON writes as a list.
    pub(super) is_list: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// An id, number or time: left alone.
    Keep,
    /// Text.
    Text,
    /// A W3C `tracestate`.
    TraceState,
    /// A message.
    Message(&'static Message),
    /// An attribute: a key and a value.
    Attribute,
    /// A value of any kind.
    Value,
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_list: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_list: true }
}

const fn keep(number: u32, name: &'static str) -> Field {
    one(number, name, Kind::Keep)
}

const fn attributes(number: u32) -> Field {
    many(number, "attributes", Kind::Attribute)
}

const fn message(fields: &'static [Field]) -> Message {
    Message { fields }
}

/// A document of OTLP/JSON: any of the requests.
pub(super) static DOCUMENT: Message = message(&[
    many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS)),
    many(2, "resourceLogs", Kind::Message(&RESOURCE_LOGS)),
    many(3, "resourceMetrics", Kind::Message(&RESOURCE_METRICS)),
]);

pub(super) static TRACES: Message =
    message(&[many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))]);
pub(super) static LOGS: Message =
    message(&[many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]);
pub(super) static METRICS: Message =
    message(&[many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))]);

static RESOURCE_SPANS: Message = message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
    one(3, "schemaUrl", Kind::Text),
]);
static RESOURCE_LOGS: Message = message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
    one(3, "schemaUrl", Kind::Text),
]);
static RESOURCE_METRICS: Message = message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
    one(3, "schemaUrl", Kind::Text),
]);
static RESOURCE: Message = message(&[
    attributes(1),
    keep(2, "droppedAttributesCount"),
    many(3, "entityRefs", Kind::Message(&ENTITY_REF)),
]);
static ENTITY_REF: Message = message(&[
    one(1, "schemaUrl", Kind::Text),
    one(2, "type", Kind::Text),
    many(3, "idKeys", Kind::Text),
    many(4, "descriptionKeys", Kind::Text),
]);
static SCOPE: Message = message(&[
    one(1, "name", Kind::Text),
    one(2, "version", Kind::Text),
    attributes(3),
    keep(4, "droppedAttributesCount"),
]);
static SCOPE_SPANS: Message = message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "spans", Kind::Message(&SPAN)),
    one(3, "schemaUrl", Kind::Text),
]);
static SCOPE_LOGS: Message = message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "logRecords", Kind::Message(&LOG_RECORD)),
    one(3, "schemaUrl", Kind::Text),
]);
static SCOPE_METRICS: Message = message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "metrics", Kind::Message(&METRIC)),
    one(3, "schemaUrl", Kind::Text),
]);

static SPAN: Message = message(&[
    keep(1, "traceId"),
    keep(2, "spanId"),
    one(3, "traceState", Kind::TraceState),
    keep(4, "parentSpanId"),
    one(5, "name", Kind::Text),
    keep(6, "kind"),
    keep(7, "startTimeUnixNano"),
    keep(8, "endTimeUnixNano"),
    attributes(9),
    keep(10, "droppedAttributesCount"),
    many(11, "events", Kind::Message(&EVENT)),
    keep(12, "droppedEventsCount"),
    many(13, "links", Kind::Message(&LINK)),
    keep(14, "droppedLinksCount"),
    one(15, "status", Kind::Message(&STATUS)),
    keep(16, "flags"),
]);
static EVENT: Message = message(&[
    keep(1, "timeUnixNano"),
    one(2, "name", Kind::Text),
    attributes(3),
    keep(4, "droppedAttributesCount"),
]);
static LINK: Message = message(&[
    keep(1, "traceId"),
    keep(2, "spanId"),
    one(3, "traceState", Kind::TraceState),
    attributes(4),
    keep(5, "droppedAttributesCount"),
    keep(6, "flags"),
]);
static STATUS: Message = message(&[one(2, "message", Kind::Text), keep(3, "code")]);

static LOG_RECORD: Message = message(&[
    keep(1, "timeUnixNano"),
    keep(2, "severityNumber"),
    one(3, "severityText", Kind::Text),
    one(5, "body", Kind::Value),
    attributes(6),
    keep(7, "droppedAttributesCount"),
    keep(8, "flags"),
    keep(9, "traceId"),
    keep(10, "spanId"),
    keep(11, "observedTimeUnixNano"),
    one(12, "eventName", Kind::Text),
]);

static METRIC: Message = message(&[
    one(1, "name", Kind::Text),
    one(2, "description", Kind::Text),
    one(3, "unit", Kind::Text),
    one(5, "gauge", Kind::Message(&NUMBERS)),
    one(7, "sum", Kind::Message(&NUMBERS)),
    one(9, "histogram", Kind::Message(&HISTOGRAMS)),
    one(10, "exponentialHistogram", Kind::Message(&EXPONENTIALS)),
    one(11, "summary", Kind::Message(&SUMMARIES)),
    many(12, "metadata", Kind::Attribute),
]);
static NUMBERS: Message = message(&[
    many(1, "dataPoints", Kind::Message(&NUMBER)),
    keep(2, "aggregationTemporality"),
    keep(3, "isMonotonic"),
]);
static HISTOGRAMS: Message =
    message(&[many(1, "dataPoints", Kind::Message(&HISTOGRAM)), keep(2, "aggregationTemporality")]);
static EXPONENTIALS: Message = message(&[
    many(1, "dataPoints", Kind::Message(&EXPONENTIAL)),
    keep(2, "aggregationTemporality"),
]);
static SUMMARIES: Message = message(&[many(1, "dataPoints", Kind::Message(&SUMMARY))]);

static NUMBER: Message = message(&[
    keep(2, "startTimeUnixNano"),
    keep(3, "timeUnixNano"),
    keep(4, "asDouble"),
    many(5, "exemplars", Kind::Message(&EXEMPLAR)),
    keep(6, "asInt"),
    attributes(7),
    keep(8, "flags"),
]);
static HISTOGRAM: Message = message(&[
    keep(2, "startTimeUnixNano"),
    keep(3, "timeUnixNano"),
    keep(4, "count"),
    keep(5, "sum"),
    keep(6, "bucketCounts"),
    keep(7, "explicitBounds"),
    many(8, "exemplars", Kind::Message(&EXEMPLAR)),
    attributes(9),
    keep(10, "flags"),
    keep(11, "min"),
    keep(12, "max"),
]);
static EXPONENTIAL: Message = message(&[
    attributes(1),
    keep(2, "startTimeUnixNano"),
    keep(3, "timeUnixNano"),
    keep(4, "count"),
    keep(5, "sum"),
    keep(6, "scale"),
    keep(7, "zeroCount"),
    one(8, "positive", Kind::Message(&BUCKETS)),
    one(9, "negative", Kind::Message(&BUCKETS)),
    keep(10, "flags"),
    many(11, "exemplars", Kind::Message(&EXEMPLAR)),
    keep(12, "min"),
    keep(13, "max"),
    keep(14, "zeroThreshold"),
]);
static BUCKETS: Message = message(&[keep(1, "offset"), keep(2, "bucketCounts")]);
static SUMMARY: Message = message(&[
    keep(2, "startTimeUnixNano"),
    keep(3, "timeUnixNano"),
    keep(4, "count"),
    keep(5, "sum"),
    many(6, "quantileValues", Kind::Message(&QUANTILE)),
    attributes(7),
    keep(8, "flags"),
]);
static QUANTILE: Message = message(&[keep(1, "quantile"), keep(2, "value")]);
static EXEMPLAR: Message = message(&[
    keep(2, "timeUnixNano"),
    keep(3, "asDouble"),
    keep(4, "spanId"),
    keep(5, "traceId"),
    keep(6, "asInt"),
    many(7, "filteredAttributes", Kind::Attribute),
]);
