//! Log records.

use super::envelope::Shape;
use super::traces::{span_id, text, trace_id};
use super::value::{any_value, attribute};
use super::wire::{BYTES, FIXED64, VARINT, Wire, fields, tag};
use crate::ingest::damage::Damage;
use crate::ingest::item::{Item, time_ns};
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::model::{Field, Signal};

/// Log requests.
pub(super) const SHAPE: Shape = Shape { signals: &[Signal::Logs], item: record };

const TIME: u32 = tag(1, FIXED64);
const SEVERITY_NUMBER: u32 = tag(2, VARINT);
const SEVERITY_TEXT: u32 = tag(3, BYTES);
const BODY: u32 = tag(5, BYTES);
const ATTRIBUTES: u32 = tag(6, BYTES);
const TRACE_ID: u32 = tag(9, BYTES);
const SPAN_ID: u32 = tag(10, BYTES);
const OBSERVED: u32 = tag(11, FIXED64);
const EVENT_NAME: u32 = tag(12, BYTES);
const RECORD: u64 = fields([1, 2, 3, 5, 6, 9, 10, 11, 12]);

fn record(mut wire: Wire<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    const LOGS: Signal = Signal::Logs;
    let mut item = Item::EMPTY;
    w.range = wire.range();
    w.table(LOGS).begin_row();
    loop {
        match wire.tag()? {
            0 => break,
            TIME => item.time = time_ns(wire.fixed64()?),
            OBSERVED => item.observed = time_ns(wire.fixed64()?),
            SEVERITY_NUMBER => item.severity_number = wire.varint()? as i32,
            SEVERITY_TEXT => item.severity_text = text(&mut wire, w, LOGS, Field::SeverityText)?,
            BODY => {
                let body = wire.message()?;
                let table = &mut w.tables[LOGS.index()];
                if table.layout.wants(Field::Body) {
                    item.body = any_value(body, w.interner, &mut table.heap)?;
                }
            }
            ATTRIBUTES => {
                let table = &mut w.tables[LOGS.index()];
                attribute(wire.message()?, Level::Item, table, w.interner)?;
            }
            TRACE_ID => trace_id(&mut wire, &mut item.trace_id)?,
            SPAN_ID => span_id(&mut wire, &mut item.span_id)?,
            EVENT_NAME => item.event_name = text(&mut wire, w, LOGS, Field::EventName)?,
            other => wire.skip_unknown(other, RECORD)?,
        }
    }
    if item.time == 0 {
        item.time = item.observed;
    }
    w.push(LOGS, &item)
}
