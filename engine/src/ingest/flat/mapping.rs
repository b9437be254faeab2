//! Column names that need no mapping, because everybody uses them.
//!
//! Times whose column names no unit are read by magnitude (seconds, milliseconds, microseconds
//! or nanoseconds since 1970): the four ranges do not overlap for dates from 1973 to 2286.

use std::borrow::Cow;

use super::time::Unit;
use crate::model::{ColumnMapping, Field, Signal};

type Names = &'static [(&'static str, &'static [&'static str])];

const IDS: Names = &[
    ("trace.id", &["trace_id", "traceId", "traceID", "TraceID", "TraceId", "trace.id"]),
    ("span.id", &["span_id", "spanId", "spanID", "SpanID", "SpanId", "span.id"]),
    ("service.name", &["service", "service_name", "serviceName", "ServiceName", "service.name"]),
];

const TIMES: &[&str] = &[
    "time_unix_nano",
    "timeUnixNano",
    "TimeUnixNano",
    "time_ns",
    "timestamp_ns",
    "ts_ns",
    "time_us:us",
    "timestamp_us:us",
    "time_ms:ms",
    "timestamp_ms:ms",
    "ts_ms:ms",
    "timestamp:auto",
    "Timestamp:auto",
    "@timestamp:auto",
    "time:auto",
    "Time:auto",
    "ts:auto",
];

const SPANS: Names = &[
    (
        "parent.id",
        &[
            "parent_span_id",
            "parentSpanId",
            "ParentSpanId",
            "parent_id",
            "parentId",
            "parentID",
            "ParentID",
            "ParentId",
            "parent.id",
        ],
    ),
    (
        "name",
        &[
            "name",
            "operation",
            "operation_name",
            "operationName",
            "OperationName",
            "span_name",
            "spanName",
            "SpanName",
        ],
    ),
    (
        "start",
        &[
            "start_ns",
            "start_time_unix_nano",
            "startTimeUnixNano",
            "StartTimeUnixNano",
            "start_time_ns",
            "start_us:us",
            "start_time_us:us",
            "start_ms:ms",
            "start_time_ms:ms",
            "start:auto",
            "start_time:auto",
            "startTime:auto",
            "StartTime:auto",
        ],
    ),
    (
        "end",
        &[
            "end_ns",
            "end_time_unix_nano",
            "endTimeUnixNano",
            "EndTimeUnixNano",
            "end_time_ns",
            "end_us:us",
            "end_time_us:us",
            "end_ms:ms",
            "end_time_ms:ms",
            "end:auto",
            "end_time:auto",
            "endTime:auto",
            "EndTime:auto",
        ],
    ),
    (
        "duration",
        &[
            "duration_ns",
            "duration_nano",
            "durationNano",
            "duration_us:us",
            "duration_ms:ms",
            "durationMs:ms",
            "duration_s:s",
        ],
    ),
    ("kind", &["kind", "span_kind", "spanKind", "SpanKind"]),
    ("status", &["status", "status_code", "statusCode", "StatusCode"]),
    ("status.message", &["status_message", "statusMessage", "StatusMessage"]),
    ("trace.sampled", &["trace_flags", "traceFlags", "TraceFlags", "trace.sampled"]),
];

const LOGS: Names = &[
    (
        "severity",
        &["level", "severity", "severity_text", "severityText", "SeverityText", "log.level", "lvl"],
    ),
    ("severity.number", &["severity_number", "severityNumber", "SeverityNumber"]),
    ("body", &["message", "msg", "body", "Body", "log", "Log", "text"]),
    ("event.name", &["event_name", "eventName", "EventName", "event.name"]),
    (
        "observed_time",
        &["observed_time_unix_nano", "observedTimeUnixNano", "observed_timestamp:auto"],
    ),
];

const METRICS: Names = &[
    ("name", &["name", "metric", "metric_name", "metricName", "__name__"]),
    ("value", &["value", "val", "Value"]),
    ("unit", &["unit", "Unit"]),
    ("type", &["type", "metric_type"]),
];

/// The mapping of the common names for rows of a signal.
pub(in crate::ingest) fn by_common_names(signal: Signal) -> ColumnMapping {
    let own = match signal {
        Signal::Spans => SPANS,
        Signal::Metrics => METRICS,
        _ => LOGS,
    };
    let mut columns = Vec::new();
    for (path, names) in IDS.iter().chain(own).chain(&[("time", TIMES)]) {
        let names = names.iter();
        columns.extend(names.map(|&name| ((*path).into(), name.into())));
    }
    ColumnMapping { signal, columns }
}

/// The mapping of a source, or else that of the common names of logs.
fn or_common_names(mapping: Option<&ColumnMapping>) -> Cow<'_, ColumnMapping> {
    mapping.map_or_else(|| Cow::Owned(by_common_names(Signal::Logs)), Cow::Borrowed)
}

/// The columns of a source that are fields of its signal, by its mapping or else by the common
/// names of logs.
pub(in crate::ingest) fn field_columns(mapping: Option<&ColumnMapping>) -> Vec<Vec<u8>> {
    let mapping = or_common_names(mapping);
    let is_field = |path: &str| Field::by_path(mapping.signal, path).is_some();
    let columns = mapping.columns.iter().filter(|(path, _)| is_field(path));
    columns.map(|(_, column)| without_unit(column).as_bytes().to_vec()).collect()
}

/// What a column of plain rows, or a member of a line, stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    /// An id of the trace context.
    Id,
    /// Another field.
    Field,
    /// An object whose members are attributes.
    Nested,
    /// The attribute of this key.
    Attribute(Box<[u8]>),
}

/// Columns by their names.
pub(crate) type Columns = Vec<(Vec<u8>, Column)>;

/// The columns that have a meaning in a source, by its mapping or else by the common names of
/// logs; all others are attributes of their own names.
pub(in crate::ingest) fn known_columns(mapping: Option<&ColumnMapping>) -> Columns {
    let mapping = or_common_names(mapping);
    let column_of = |path: &str| match Field::by_path(mapping.signal, path) {
        Some(Field::TraceId | Field::SpanId | Field::ParentId) => Column::Id,
        Some(_) => Column::Field,
        None => Column::Attribute(path.as_bytes().into()),
    };
    let columns = mapping.columns.iter();
    columns
        .map(|(path, column)| (without_unit(column).as_bytes().to_vec(), column_of(path)))
        .collect()
}

/// A column's name without the unit behind it.
fn without_unit(column: &str) -> &str {
    let named = column.rsplit_once(':').filter(|(_, unit)| Unit::by_name(unit).is_some());
    named.map_or(column, |(name, _)| name)
}

/// The signal of rows with these columns: spans have a span id and a start, an end or a
/// duration; metrics a name and a value; everything else is a log.
pub(in crate::ingest) fn signal_of_names(names: &[Vec<u8>]) -> Signal {
    let has = |table: Names, path: &str| {
        let (_, known) =
            table.iter().find(|(known, _)| *known == path).expect("a path of the table");
        names.iter().any(|name| {
            known.iter().any(|known| {
                known.split_once(':').map_or(*known, |(column, _)| column).as_bytes() == &name[..]
            })
        })
    };
    if has(IDS, "span.id") && (has(SPANS, "start") || has(SPANS, "end") || has(SPANS, "duration")) {
        Signal::Spans
    } else if has(METRICS, "name") && has(METRICS, "value") {
        Signal::Metrics
    } else {
        Signal::Logs
    }
}
