//! Data points of the five metric types.

use std::sync::Arc;

use super::value::attribute;
use super::wire::{BYTES, FIXED64, VARINT, Wire, fields, tag};
use crate::ingest::damage::{Damage, push};
use crate::ingest::item::{Item, time_ns};
use crate::ingest::layout::Level;
use crate::ingest::writer::Writer;
use crate::model::{Cell, ExponentialBuckets, Field, HistogramPoint, Signal, Value};

/// The type of a metric, in the order of the field's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum Metric {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// Bit of a point's flags: there is no value.
pub(in crate::ingest) const NO_RECORDED_VALUE: u64 = 1;

const START: u32 = tag(2, FIXED64);
const TIME: u32 = tag(3, FIXED64);

/// Decodes one point of a metric whose shared members are in `item`.
pub(super) fn point(
    wire: Wire<'_>,
    w: &mut Writer<'_>,
    mut item: Item,
    kind: Metric,
) -> Result<(), Damage> {
    w.range = wire.range();
    w.table(Signal::Metrics).begin_row();
    if matches!(kind, Metric::Gauge | Metric::Sum) {
        number(wire, w, &mut item)?;
    } else {
        let mut flags = 0;
        let point = match kind {
            Metric::Histogram => histogram(wire, w, &mut item, &mut flags)?,
            Metric::Exponential => exponential(wire, w, &mut item, &mut flags)?,
            _ => summary(wire, w, &mut item, &mut flags)?,
        };
        if flags & NO_RECORDED_VALUE == 0 {
            item.value = distribution(point, w);
        }
    }
    w.push(Signal::Metrics, &item)
}

/// Puts a distribution on the heap, where a rule reads it.
pub(in crate::ingest) fn distribution(point: HistogramPoint, w: &mut Writer<'_>) -> Cell {
    let table = w.table(Signal::Metrics);
    if !table.layout.wants(Field::MetricValue) {
        return Cell::Null;
    }
    table.heap.push(Value::Histogram(Arc::new(point)));
    Cell::Heap(table.heap.len() as u32 - 1)
}

fn point_attribute(wire: &mut Wire<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let table = &mut w.tables[Signal::Metrics.index()];
    attribute(wire.message()?, Level::Item, table, w.interner)
}

fn number(mut wire: Wire<'_>, w: &mut Writer<'_>, item: &mut Item) -> Result<(), Damage> {
    const AS_DOUBLE: u32 = tag(4, FIXED64);
    const AS_INT: u32 = tag(6, FIXED64);
    const ATTRIBUTES: u32 = tag(7, BYTES);
    const FLAGS: u32 = tag(8, VARINT);
    const NUMBER: u64 = fields([2, 3, 4, 6, 7, 8]);
    let mut flags = 0;
    loop {
        match wire.tag()? {
            0 => break,
            START => item.start = time_ns(wire.fixed64()?),
            TIME => item.time = time_ns(wire.fixed64()?),
            AS_DOUBLE => item.value = Cell::Float(wire.double()?),
            AS_INT => item.value = Cell::Int(wire.fixed64()? as i64),
            ATTRIBUTES => point_attribute(&mut wire, w)?,
            FLAGS => flags = wire.varint()?,
            other => wire.skip_unknown(other, NUMBER)?,
        }
    }
    if flags & NO_RECORDED_VALUE != 0 {
        item.value = Cell::Null;
    }
    Ok(())
}

fn histogram(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    item: &mut Item,
    flags: &mut u64,
) -> Result<HistogramPoint, Damage> {
    const COUNT: u32 = tag(4, FIXED64);
    const SUM: u32 = tag(5, FIXED64);
    const COUNTS: u32 = tag(6, BYTES);
    const COUNTS_ONE: u32 = tag(6, FIXED64);
    const BOUNDS: u32 = tag(7, BYTES);
    const BOUNDS_ONE: u32 = tag(7, FIXED64);
    const ATTRIBUTES: u32 = tag(9, BYTES);
    const FLAGS: u32 = tag(10, VARINT);
    const MIN: u32 = tag(11, FIXED64);
    const MAX: u32 = tag(12, FIXED64);
    const HISTOGRAM: u64 = fields([2, 3, 4, 5, 6, 7, 9, 10, 11, 12]);
    let mut point = HistogramPoint::default();
    loop {
        match wire.tag()? {
            0 => return Ok(point),
            START => item.start = time_ns(wire.fixed64()?),
            TIME => item.time = time_ns(wire.fixed64()?),
            COUNT => point.count = wire.fixed64()?,
            SUM => point.sum = Some(wire.double()?),
            COUNTS => {
                packed_fixed64(wire.message()?, |bits, at| push(&mut point.counts, bits, at))?;
            }
            COUNTS_ONE => push(&mut point.counts, wire.fixed64()?, wire.pos())?,
            BOUNDS => packed_fixed64(wire.message()?, |bits, at| {
                push(&mut point.bounds, f64::from_bits(bits), at)
            })?,
            BOUNDS_ONE => push(&mut point.bounds, wire.double()?, wire.pos())?,
            ATTRIBUTES => point_attribute(&mut wire, w)?,
            FLAGS => *flags = wire.varint()?,
            MIN => point.min = Some(wire.double()?),
            MAX => point.max = Some(wire.double()?),
            other => wire.skip_unknown(other, HISTOGRAM)?,
        }
    }
}

fn exponential(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    item: &mut Item,
    flags: &mut u64,
) -> Result<HistogramPoint, Damage> {
    const ATTRIBUTES: u32 = tag(1, BYTES);
    const COUNT: u32 = tag(4, FIXED64);
    const SUM: u32 = tag(5, FIXED64);
    const SCALE: u32 = tag(6, VARINT);
    const ZERO_COUNT: u32 = tag(7, FIXED64);
    const POSITIVE: u32 = tag(8, BYTES);
    const NEGATIVE: u32 = tag(9, BYTES);
    const FLAGS: u32 = tag(10, VARINT);
    const MIN: u32 = tag(12, FIXED64);
    const MAX: u32 = tag(13, FIXED64);
    const ZERO_THRESHOLD: u32 = tag(14, FIXED64);
    const EXPONENTIAL: u64 = fields([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14]);
    let mut point = HistogramPoint::default();
    let mut buckets = ExponentialBuckets::default();
    loop {
        match wire.tag()? {
            0 => break,
            START => item.start = time_ns(wire.fixed64()?),
            TIME => item.time = time_ns(wire.fixed64()?),
            COUNT => point.count = wire.fixed64()?,
            SUM => point.sum = Some(wire.double()?),
            SCALE => buckets.scale = wire.sint32()?,
            ZERO_COUNT => buckets.zero_count = wire.fixed64()?,
            POSITIVE => {
                bucket_side(wire.message()?, &mut buckets.positive_offset, &mut buckets.positive)?;
            }
            NEGATIVE => {
                bucket_side(wire.message()?, &mut buckets.negative_offset, &mut buckets.negative)?;
            }
            ATTRIBUTES => point_attribute(&mut wire, w)?,
            FLAGS => *flags = wire.varint()?,
            MIN => point.min = Some(wire.double()?),
            MAX => point.max = Some(wire.double()?),
            ZERO_THRESHOLD => buckets.zero_threshold = wire.double()?,
            other => wire.skip_unknown(other, EXPONENTIAL)?,
        }
    }
    point.exponential = Some(buckets);
    Ok(point)
}

fn bucket_side(mut wire: Wire<'_>, offset: &mut i32, counts: &mut Vec<u64>) -> Result<(), Damage> {
    const OFFSET: u32 = tag(1, VARINT);
    const COUNTS: u32 = tag(2, BYTES);
    const COUNTS_ONE: u32 = tag(2, VARINT);
    const BUCKETS: u64 = fields([1, 2]);
    loop {
        match wire.tag()? {
            0 => return Ok(()),
            OFFSET => *offset = wire.sint32()?,
            COUNTS => {
                let mut packed = wire.message()?;
                while !packed.is_at_end() {
                    push(counts, packed.varint()?, packed.pos())?;
                }
            }
            COUNTS_ONE => push(counts, wire.varint()?, wire.pos())?,
            other => wire.skip_unknown(other, BUCKETS)?,
        }
    }
}

fn summary(
    mut wire: Wire<'_>,
    w: &mut Writer<'_>,
    item: &mut Item,
    flags: &mut u64,
) -> Result<HistogramPoint, Damage> {
    const COUNT: u32 = tag(4, FIXED64);
    const SUM: u32 = tag(5, FIXED64);
    const QUANTILES: u32 = tag(6, BYTES);
    const ATTRIBUTES: u32 = tag(7, BYTES);
    const FLAGS: u32 = tag(8, VARINT);
    const SUMMARY: u64 = fields([2, 3, 4, 5, 6, 7, 8]);
    let mut point = empty_summary();
    loop {
        match wire.tag()? {
            0 => return Ok(point),
            START => item.start = time_ns(wire.fixed64()?),
            TIME => item.time = time_ns(wire.fixed64()?),
            COUNT => point.count = wire.fixed64()?,
            SUM => point.sum = Some(wire.double()?),
            QUANTILES => {
                let pair = quantile(wire.message()?)?;
                push(&mut point.quantiles, pair, wire.pos())?;
            }
            ATTRIBUTES => point_attribute(&mut wire, w)?,
            FLAGS => *flags = wire.varint()?,
            other => wire.skip_unknown(other, SUMMARY)?,
        }
    }
}

/// A summary's sum is no optional field: it is 0 where it is not on the wire.
pub(in crate::ingest) fn empty_summary() -> HistogramPoint {
    HistogramPoint { sum: Some(0.0), ..HistogramPoint::default() }
}

fn quantile(mut wire: Wire<'_>) -> Result<(f64, f64), Damage> {
    const QUANTILE: u32 = tag(1, FIXED64);
    const VALUE: u32 = tag(2, FIXED64);
    const FIELDS: u64 = fields([1, 2]);
    let (mut quantile, mut value) = (0.0, 0.0);
    loop {
        match wire.tag()? {
            0 => return Ok((quantile, value)),
            QUANTILE => quantile = wire.double()?,
            VALUE => value = wire.double()?,
            other => wire.skip_unknown(other, FIELDS)?,
        }
    }
}

fn packed_fixed64(
    mut wire: Wire<'_>,
    mut found: impl FnMut(u64, usize) -> Result<(), Damage>,
) -> Result<(), Damage> {
    while !wire.is_at_end() {
        found(wire.fixed64()?, wire.pos())?;
    }
    Ok(())
}
