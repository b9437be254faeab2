//! Metrics: every data point is an item.
//!
//! Invariant: what the metric says of all its points (name, unit, temporality) is read first,
//! wherever it stands on the wire.

use super::envelope::Shape;
use super::points::{self, Metric};
use super::traces::text;
use super::wire::{BYTES, VARINT, Wire, fields, tag};
use crate::ingest::damage::Damage;
use crate::ingest::item::{Item, TEMPORALITIES, member};
use crate::ingest::writer::Writer;
use crate::model::{Field, Signal};

/// Metric requests.
pub(super) const SHAPE: Shape = Shape { signals: &[Signal::Metrics], item: metric };

const NAME: u32 = tag(1, BYTES);
const UNIT: u32 = tag(3, BYTES);
const GAUGE: u32 = tag(5, BYTES);
const SUM: u32 = tag(7, BYTES);
const HISTOGRAM: u32 = tag(9, BYTES);
const EXPONENTIAL: u32 = tag(10, BYTES);
const SUMMARY: u32 = tag(11, BYTES);
const METRIC: u64 = fields([1, 3, 5, 7, 9, 10, 11]);

const POINTS: u32 = tag(1, BYTES);
const TEMPORALITY: u32 = tag(2, VARINT);
const MONOTONIC: u32 = tag(3, VARINT);
const DATA: u64 = fields([1, 2, 3]);

fn metric(mut wire: Wire<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let mut item = Item::EMPTY;
    let mut data = None;
    w.around(&[Signal::Metrics], |raw| raw.metric = wire.range());
    loop {
        match wire.tag()? {
            0 => break,
            NAME => item.name = text(&mut wire, w, Signal::Metrics, Field::Name)?,
            UNIT => item.unit = text(&mut wire, w, Signal::Metrics, Field::Unit)?,
            GAUGE => data = Some((wire.message()?, Metric::Gauge)),
            SUM => data = Some((wire.message()?, Metric::Sum)),
            HISTOGRAM => data = Some((wire.message()?, Metric::Histogram)),
            EXPONENTIAL => data = Some((wire.message()?, Metric::Exponential)),
            SUMMARY => data = Some((wire.message()?, Metric::Summary)),
            other => wire.skip_unknown(other, METRIC)?,
        }
    }
    let Some((data, kind)) = data else {
        return Ok(());
    };
    item.metric_type = kind as u8;
    shared(data, &mut item, kind)?;
    all_points(data, w, &item, kind)
}

/// What all points of the metric share.
fn shared(mut wire: Wire<'_>, item: &mut Item, kind: Metric) -> Result<(), Damage> {
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            TEMPORALITY => {
                item.temporality = member(i64::from(wire.varint()? as i32), TEMPORALITIES);
            }
            MONOTONIC if kind == Metric::Sum => item.monotonic = wire.varint()? != 0,
            POINTS => wire.skip(POINTS)?,
            other => wire.skip_unknown(other, DATA)?,
        }
    }
}

fn all_points(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    item: &Item,
    kind: Metric,
) -> Result<(), Damage> {
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            POINTS => {
                let result = points::point(wire.message()?, w, *item, kind);
                w.contain(result)?;
            }
            other => wire.skip(other)?,
        }
    }
}
