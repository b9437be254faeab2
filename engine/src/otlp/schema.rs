//! The messages of OTLP that hold telemetry, field by field.
//!
//! Source: opentelemetry-proto 1.11, `trace`, `logs`, `metrics`, `common`, `resource`.

use crate::model::Signal;

/// A message.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) members: &'static [Member],
    /// Whether only one of its members is set: the last.
    pub(crate) is_choice: bool,
}

/// A field.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) number: u64,
    /// Its name in JSON.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_repeated: bool,
}

/// What a field holds, in protobuf and in JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// Base64 in JSON.
    Bytes,
    /// Hexadecimal digits in JSON.
    Id,
    Bool,
    /// A varint that is a number in JSON; also enumerations.
    Int32,
    Uint32,
    /// The same in zigzag.
    Sint32,
    Fixed32,
    /// A varint that is text in JSON.
    Int64,
    Uint64,
    /// Eight bytes that are text in JSON.
    Fixed64,
    Sfixed64,
    Double,
    Message(&'static Schema),
}

impl Kind {
    /// Whether a list of them may be packed: written without a tag for each.
    pub(crate) fn is_packable(self) -> bool {
        !matches!(self, Text | Bytes | Id | Message(_))
    }
}

impl Member {
    /// The message that it holds.
    pub(crate) fn inside(&self) -> Option<&'static Schema> {
        match self.kind {
            Message(schema) => Some(schema),
            _ => None,
        }
    }
}

impl Schema {
    /// The message of one item of a signal.
    pub(crate) fn of_item(signal: Signal) -> Option<&'static Self> {
        match signal {
            Signal::Spans => Some(&SPAN),
            Signal::Logs | Signal::Events => Some(&LOG_RECORD),
            Signal::Metrics => Some(&METRIC),
            _ => None,
        }
    }

    /// Which of the members has a number.
    pub(crate) fn place(&self, number: u64) -> Option<usize> {
        self.members.iter().position(|member| member.number == number)
    }

    /// A field by its name in JSON.
    pub(crate) fn named(&self, name: &str) -> Option<&'static Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// The number of a member of an enumeration by its name, as some writers of JSON have it.
pub(crate) fn enumeration(name: &str) -> Option<i64> {
    if let Some(severity) = name.strip_prefix("SEVERITY_NUMBER_") {
        let level = severity.trim_end_matches(|c: char| c.is_ascii_digit());
        if level == "UNSPECIFIED" {
            return Some(0);
        }
        let at = SEVERITIES.iter().position(|known| *known == level)? as i64;
        let step: i64 = severity[level.len()..].parse().unwrap_or(1);
        return Some(at * 4 + step);
    }
    NAMES.iter().find_map(|names| names.iter().position(|known| *known == name)).map(|at| at as i64)
}

const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

const NAMES: [&[&str]; 3] = [
    &[
        "SPAN_KIND_UNSPECIFIED",
        "SPAN_KIND_INTERNAL",
        "SPAN_KIND_SERVER",
        "SPAN_KIND_CLIENT",
        "SPAN_KIND_PRODUCER",
        "SPAN_KIND_CONSUMER",
    ],
    &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"],
    &[
        "AGGREGATION_TEMPORALITY_UNSPECIFIED",
        "AGGREGATION_TEMPORALITY_DELTA",
        "AGGREGATION_TEMPORALITY_CUMULATIVE",
    ],
];

const fn one(number: u64, name: &'static str, kind: Kind) -> Member {
    Member { number, name, kind, is_repeated: false }
}

const fn many(number: u64, name: &'static str, kind: Kind) -> Member {
    Member { number, name, kind, is_repeated: true }
}

const fn message(members: &'static [Member]) -> Schema {
    Schema { members, is_choice: false }
}

use Kind::{
    Bool, Bytes, Double, Fixed32, Fixed64, Id, Int32, Int64, Message, Sfixed64, Sint32, Text,
    Uint32, Uint64,
};

static ANY_VALUE: Schema = Schema {
    members: &[
        one(1, "stringValue", Text),
        one(2, "boolValue", Bool),
        one(3, "intValue", Int64),
        one(4, "doubleValue", Double),
        one(5, "arrayValue", Message(&ARRAY)),
        one(6, "kvlistValue", Message(&KVLIST)),
        one(7, "bytesValue", Bytes),
    ],
    is_choice: true,
};

static ARRAY: Schema = message(&[many(1, "values", Message(&ANY_VALUE))]);

static KVLIST: Schema = message(&[many(1, "values", Message(&KEY_VALUE))]);

static KEY_VALUE: Schema = message(&[one(1, "key", Text), one(2, "value", Message(&ANY_VALUE))]);

const ATTRIBUTES: Kind = Message(&KEY_VALUE);

static ENTITY: Schema = message(&[
    one(1, "schemaUrl", Text),
    one(2, "type", Text),
    many(3, "idKeys", Text),
    many(4, "descriptionKeys", Text),
]);

/// `Resource`.
pub(crate) static RESOURCE: Schema = message(&[
    many(1, "attributes", ATTRIBUTES),
    one(2, "droppedAttributesCount", Uint32),
    many(3, "entityRefs", Message(&ENTITY)),
]);

/// `InstrumentationScope`.
pub(crate) static SCOPE: Schema = message(&[
    one(1, "name", Text),
    one(2, "version", Text),
    many(3, "attributes", ATTRIBUTES),
    one(4, "droppedAttributesCount", Uint32),
]);

static SPAN: Schema = message(&[
    one(1, "traceId", Id),
    one(2, "spanId", Id),
    one(3, "traceState", Text),
    one(4, "parentSpanId", Id),
    one(16, "flags", Fixed32),
    one(5, "name", Text),
    one(6, "kind", Int32),
    one(7, "startTimeUnixNano", Fixed64),
    one(8, "endTimeUnixNano", Fixed64),
    many(9, "attributes", ATTRIBUTES),
    one(10, "droppedAttributesCount", Uint32),
    many(11, "events", Message(&SPAN_EVENT)),
    one(12, "droppedEventsCount", Uint32),
    many(13, "links", Message(&SPAN_LINK)),
    one(14, "droppedLinksCount", Uint32),
    one(15, "status", Message(&STATUS)),
]);

static SPAN_EVENT: Schema = message(&[
    one(1, "timeUnixNano", Fixed64),
    one(2, "name", Text),
    many(3, "attributes", ATTRIBUTES),
    one(4, "droppedAttributesCount", Uint32),
]);

static SPAN_LINK: Schema = message(&[
    one(1, "traceId", Id),
    one(2, "spanId", Id),
    one(3, "traceState", Text),
    many(4, "attributes", ATTRIBUTES),
    one(5, "droppedAttributesCount", Uint32),
    one(6, "flags", Fixed32),
]);

static STATUS: Schema = message(&[one(2, "message", Text), one(3, "code", Int32)]);

static LOG_RECORD: Schema = message(&[
    one(1, "timeUnixNano", Fixed64),
    one(11, "observedTimeUnixNano", Fixed64),
    one(2, "severityNumber", Int32),
    one(3, "severityText", Text),
    one(5, "body", Message(&ANY_VALUE)),
    many(6, "attributes", ATTRIBUTES),
    one(7, "droppedAttributesCount", Uint32),
    one(8, "flags", Fixed32),
    one(9, "traceId", Id),
    one(10, "spanId", Id),
    one(12, "eventName", Text),
]);

static METRIC: Schema = message(&[
    one(1, "name", Text),
    one(2, "description", Text),
    one(3, "unit", Text),
    one(5, "gauge", Message(&GAUGE)),
    one(7, "sum", Message(&SUM)),
    one(9, "histogram", Message(&HISTOGRAM)),
    one(10, "exponentialHistogram", Message(&EXPONENTIAL)),
    one(11, "summary", Message(&SUMMARY)),
    many(12, "metadata", ATTRIBUTES),
]);

/// The field of a metric that holds its points is one of these.
pub(crate) const METRIC_DATA: [u64; 5] = [5, 7, 9, 10, 11];

static GAUGE: Schema = message(&[many(1, "dataPoints", Message(&NUMBER_POINT))]);

static SUM: Schema = message(&[
    many(1, "dataPoints", Message(&NUMBER_POINT)),
    one(2, "aggregationTemporality", Int32),
    one(3, "isMonotonic", Bool),
]);

static HISTOGRAM: Schema = message(&[
    many(1, "dataPoints", Message(&HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", Int32),
]);

static EXPONENTIAL: Schema = message(&[
    many(1, "dataPoints", Message(&EXPONENTIAL_POINT)),
    one(2, "aggregationTemporality", Int32),
]);

static SUMMARY: Schema = message(&[many(1, "dataPoints", Message(&SUMMARY_POINT))]);

static NUMBER_POINT: Schema = message(&[
    many(7, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "asDouble", Double),
    one(6, "asInt", Sfixed64),
    many(5, "exemplars", Message(&EXEMPLAR)),
    one(8, "flags", Uint32),
]);

static HISTOGRAM_POINT: Schema = message(&[
    many(9, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    many(6, "bucketCounts", Fixed64),
    many(7, "explicitBounds", Double),
    many(8, "exemplars", Message(&EXEMPLAR)),
    one(10, "flags", Uint32),
    one(11, "min", Double),
    one(12, "max", Double),
]);

static EXPONENTIAL_POINT: Schema = message(&[
    many(1, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    one(6, "scale", Sint32),
    one(7, "zeroCount", Fixed64),
    one(8, "positive", Message(&BUCKETS)),
    one(9, "negative", Message(&BUCKETS)),
    one(10, "flags", Uint32),
    many(11, "exemplars", Message(&EXEMPLAR)),
    one(12, "min", Double),
    one(13, "max", Double),
    one(14, "zeroThreshold", Double),
]);

static BUCKETS: Schema = message(&[one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)]);

static SUMMARY_POINT: Schema = message(&[
    many(7, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    many(6, "quantileValues", Message(&QUANTILE)),
    one(8, "flags", Uint32),
]);

static QUANTILE: Schema = message(&[one(1, "quantile", Double), one(2, "value", Double)]);

static EXEMPLAR: Schema = message(&[
    many(7, "filteredAttributes", ATTRIBUTES),
    one(2, "timeUnixNano", Fixed64),
    one(3, "asDouble", Double),
    one(6, "asInt", Sfixed64),
    one(4, "spanId", Id),
    one(5, "traceId", Id),
]);
