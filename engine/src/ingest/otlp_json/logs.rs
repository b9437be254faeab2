//! Log records in JSON.

use super::value::{any_value, attributes};
use super::{Shape, span_id, text, trace_id};
use crate::ingest::damage::Damage;
use crate::ingest::item::{Item, time_ns};
use crate::ingest::json::Json;
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::model::{ByteRange, Field, Signal};

pub(super) const SHAPE: Shape = Shape {
    resources: b"resourceLogs",
    signals: &[Signal::Logs],
    scopes: b"scopeLogs",
    items: b"logRecords",
    item: record,
};

/// Names of the severity numbers 0 to 24.
const SEVERITY_NAMES: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

fn record(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    const LOGS: Signal = Signal::Logs;
    let (mut item, start) = (Item::EMPTY, json.pos());
    w.table(LOGS).begin_row();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"timeUnixNano" => item.time = time_ns(json.unsigned()?),
            b"observedTimeUnixNano" => item.observed = time_ns(json.unsigned()?),
            b"severityNumber" => item.severity_number = json.enumeration(SEVERITY_NAMES)? as i32,
            b"severityText" => item.severity_text = text(json, w, LOGS, Field::SeverityText)?,
            b"body" if w.wants_field(LOGS, Field::Body) => item.body = any_value(json, LOGS, w)?,
            b"attributes" => attributes(json, Level::Item, LOGS, w)?,
            b"traceId" => item.trace_id = trace_id(json)?,
            b"spanId" => item.span_id = span_id(json)?,
            b"eventName" => item.event_name = text(json, w, LOGS, Field::EventName)?,
            _ => json.skip()?,
        }
    }
    if item.time == 0 {
        item.time = item.observed;
    }
    w.range = ByteRange::new(start, json.pos());
    w.push(LOGS, &item)
}
