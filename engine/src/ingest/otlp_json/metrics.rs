//! Metrics in JSON: every data point is an item.

use super::value::attributes;
use super::{Shape, contained, text};
use crate::ingest::damage::Damage;
use crate::ingest::item::{Item, TEMPORALITIES, member, time_ns};
use crate::ingest::json::Json;
use crate::ingest::layout::Level;
use crate::ingest::protobuf::{Metric, NO_RECORDED_VALUE, distribution, empty_summary};
use crate::ingest::writer::Writer;
use crate::model::{ByteRange, Cell, ExponentialBuckets, Field, HistogramPoint, Signal};

pub(super) const SHAPE: Shape = Shape {
    resources: b"resourceMetrics",
    signals: &[Signal::Metrics],
    scopes: b"scopeMetrics",
    items: b"metrics",
    item: metric,
};

const TEMPORALITY_NAMES: &[&str] = &[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
];

fn metric(json: &mut Json<'_>, w: &mut Writer<'_>) -> Result<(), Damage> {
    let mut item = Item::EMPTY;
    let mut data = None;
    w.around(&[Signal::Metrics], |raw| raw.metric = json.rest());
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let kind = match &*key.bytes()? {
            b"name" => {
                item.name = text(json, w, Signal::Metrics, Field::Name)?;
                continue;
            }
            b"unit" => {
                item.unit = text(json, w, Signal::Metrics, Field::Unit)?;
                continue;
            }
            b"gauge" => Some(Metric::Gauge),
            b"sum" => Some(Metric::Sum),
            b"histogram" => Some(Metric::Histogram),
            b"exponentialHistogram" => Some(Metric::Exponential),
            b"summary" => Some(Metric::Summary),
            _ => None,
        };
        data = kind.map(|kind| (*json, kind)).or(data);
        json.skip()?;
    }
    match data {
        Some((mut json, kind)) => points(&mut json, w, item, kind),
        None => Ok(()),
    }
}

fn points(
    json: &mut Json<'_>,
    w: &mut Writer<'_>,
    mut item: Item,
    kind: Metric,
) -> Result<(), Damage> {
    item.metric_type = kind as u8;
    let mut list = None;
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"aggregationTemporality" => {
                item.temporality = member(json.enumeration(TEMPORALITY_NAMES)?, TEMPORALITIES);
            }
            b"isMonotonic" if kind == Metric::Sum => item.monotonic = json.boolean()?,
            b"dataPoints" => {
                list = Some(*json);
                json.skip()?;
            }
            _ => json.skip()?,
        }
    }
    let Some(mut json) = list else {
        return Ok(());
    };
    let mut members = json.array()?;
    while json.element(&mut members)? {
        contained(&mut json, w, |json, w| point(json, w, item, kind))?;
    }
    Ok(())
}

fn point(
    json: &mut Json<'_>,
    w: &mut Writer<'_>,
    mut item: Item,
    kind: Metric,
) -> Result<(), Damage> {
    let mut point = match kind {
        Metric::Summary => empty_summary(),
        _ => HistogramPoint::default(),
    };
    let mut buckets = ExponentialBuckets::default();
    let (mut flags, start) = (0, json.pos());
    w.table(Signal::Metrics).begin_row();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"startTimeUnixNano" => item.start = time_ns(json.unsigned()?),
            b"timeUnixNano" => item.time = time_ns(json.unsigned()?),
            b"attributes" => attributes(json, Level::Item, Signal::Metrics, w)?,
            b"flags" => flags = json.unsigned()?,
            b"asInt" => item.value = Cell::Int(json.integer()?),
            b"asDouble" => item.value = Cell::Float(json.float()?),
            _ if matches!(kind, Metric::Gauge | Metric::Sum) => json.skip()?,
            b"scale" => buckets.scale = json.integer()? as i32,
            b"zeroCount" => buckets.zero_count = json.unsigned()?,
            b"zeroThreshold" => buckets.zero_threshold = json.float()?,
            b"positive" => side(json, &mut buckets.positive_offset, &mut buckets.positive)?,
            b"negative" => side(json, &mut buckets.negative_offset, &mut buckets.negative)?,
            name => distribution_member(json, name, &mut point)?,
        }
    }
    if kind == Metric::Exponential {
        point.exponential = Some(buckets);
    }
    if flags & NO_RECORDED_VALUE != 0 {
        item.value = Cell::Null;
    } else if !matches!(kind, Metric::Gauge | Metric::Sum) {
        item.value = distribution(point, w);
    }
    w.range = ByteRange::new(start, json.pos());
    w.push(Signal::Metrics, &item)
}

fn distribution_member(
    json: &mut Json<'_>,
    name: &[u8],
    point: &mut HistogramPoint,
) -> Result<(), Damage> {
    match name {
        b"count" => point.count = json.unsigned()?,
        b"sum" => point.sum = optional(json)?,
        b"min" => point.min = optional(json)?,
        b"max" => point.max = optional(json)?,
        b"bucketCounts" => json.numbers(&mut point.counts, Json::unsigned)?,
        b"explicitBounds" => json.numbers(&mut point.bounds, Json::float)?,
        b"quantileValues" => json.numbers(&mut point.quantiles, quantile)?,
        _ => json.skip()?,
    }
    Ok(())
}

fn optional(json: &mut Json<'_>) -> Result<Option<f64>, Damage> {
    if json.null() {
        return Ok(None);
    }
    json.float().map(Some)
}

fn side(json: &mut Json<'_>, offset: &mut i32, counts: &mut Vec<u64>) -> Result<(), Damage> {
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"offset" => *offset = json.integer()? as i32,
            b"bucketCounts" => json.numbers(counts, Json::unsigned)?,
            _ => json.skip()?,
        }
    }
    Ok(())
}

fn quantile(json: &mut Json<'_>) -> Result<(f64, f64), Damage> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match &*key.bytes()? {
            b"quantile" => quantile = json.float()?,
            b"value" => value = json.float()?,
            _ => json.skip()?,
        }
    }
    Ok((quantile, value))
}
